"""Notebook files as programs: what the command line and a server run of a notebook, outside Jupyter.

Rule: it needs IPython to run cells as Jupyter would, and nothing of the notebook edge but the extension's name.
"""

from nbflow.files.notebook import Loaded as Loaded
from nbflow.files.notebook import NotebookError as NotebookError
from nbflow.files.notebook import load_notebook as load_notebook
