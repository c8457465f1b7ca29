"""REST, WebSocket and a page for the graphs that a notebook or a file defines.

A route validates its request, calls the session, and sends the result. No route takes code. The package needs the extra
`server`.
"""
