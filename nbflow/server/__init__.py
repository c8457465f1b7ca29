"""The session over HTTP: REST, WebSocket and a page, for the graphs that a notebook or a file defines.

Rule: a thin edge. A route reads what was asked, calls the session and answers; no endpoint takes code. It needs the
extra `server`.
"""
