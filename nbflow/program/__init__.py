"""Load graphs and tools from files, for the command line and the server, outside Jupyter.

Invariant: IPython is imported only for notebook files, whose cells it runs as Jupyter would. From `nbflow.notebook`
nothing is used but the IPython extension.
"""
