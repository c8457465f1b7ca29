"""`python -m nbflow` is the command line.

Rule: the same as the `nbflow` command, for where scripts are not on the path.
"""

from nbflow.cli import main

main()
