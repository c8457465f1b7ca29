"""Files as programs: what the command line and a server work on, outside Jupyter.

Invariant: a notebook needs IPython to run its cells as Jupyter would, and nothing of the notebook edge but the
extension's name; what needs no notebook does not load it.
"""
