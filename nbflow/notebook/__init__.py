"""The edge to IPython and Jupyter: magics, the live view beneath a cell, forms and completion.

Invariant: a module here parses what a person typed, calls the session and shows the result. It contains no rule about
runs.
"""
