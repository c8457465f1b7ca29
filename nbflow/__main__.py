"""`python -m nbflow` is the command line.

It does the same as the `nbflow` command, also if scripts are not on the path.
"""

from nbflow.cli import main

main()
