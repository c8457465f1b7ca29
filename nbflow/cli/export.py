"""`nbflow export`: a program as a module, to be imported where there is no notebook.

Rule: nothing of the file runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbflow.cli.options import AsJson, File
from nbflow.cli.results import as_line, write_file
from nbflow.cli.telling import errors_told
from nbflow.errors import NbflowError
from nbflow.files.program import export_program

if TYPE_CHECKING:
    from nbflow.files.export import Module


def export(
    file: File,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The module to write, in place of standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the tools and graphs of a file as a Python module that needs no IPython.

    Importing it registers the tools and defines the graphs, so that `nbflow run graph.flow --tools flows` finds them.
    Left out are the cells that start, steer or serve runs, those that need what only these set, and magics that show
    something or set a notebook up; standard error says which. Other magics are refused.

    With --json one object: output (the file written, or null), text (the module, where no file is), tools, graphs, and
    what is not in it: left_out, cells with the reason, and dropped, magics of cells.

    Example: nbflow export flows.ipynb -o flows.py
    """
    with errors_told():
        if output is not None and output.exists() and file.exists() and output.samefile(file):
            raise NbflowError(f"-o {output} is FILE itself; name another")
        module = export_program(file)
        if output is not None:
            write_file(output, module.text.encode(), "-o")
        if as_json:
            typer.echo(as_line(_told(module, output)), nl=False)
            return
        for cell, reason in module.left_out:
            typer.echo(f"cell {cell} left out: {reason}", err=True)
        for cell, magic in module.dropped:
            typer.echo(f"cell {cell} without {magic}", err=True)
        if output is None:
            typer.echo(module.text, nl=False)


def _told(module: Module, output: Path | None) -> dict[str, Any]:
    return {
        "output": None if output is None else str(output),
        "text": module.text if output is None else None,
        "tools": list(module.tools),
        "graphs": list(module.graphs),
        "left_out": [{"cell": cell, "reason": reason} for cell, reason in module.left_out],
        "dropped": [{"cell": cell, "magic": magic} for cell, magic in module.dropped],
    }
