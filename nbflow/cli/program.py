"""FILE as commands are given it.

Rule: what was left out of a file is told on standard error; what its graphs are called is told where none is meant.
"""

from __future__ import annotations

from pathlib import Path

import typer

from nbflow.errors import NbflowError, did_you_mean, name_list
from nbflow.files import program
from nbflow.files.program import Program
from nbflow.graph import GraphDefinition
from nbflow.names import identifier


def open_program(path: Path, modules: list[str]) -> Program:
    """Return what a file defines, as `nbflow.files.program` does; tell what was left out."""
    opened = program.open_program(path, modules)
    for note in opened.notes:
        typer.echo(note, err=True)
    return opened


def picked(program: Program, name: str | None) -> GraphDefinition:
    """Return the graph asked for, or the only one.

    Raises:
        NbflowError: There is none of that name, or several and none was named.
    """
    if name is not None:
        name = identifier(name)
        if name not in program.graphs:
            near = did_you_mean(name, program.graphs)
            raise NbflowError(f"no graph {name!r} in the file{near}; it defines: {name_list(program.graphs)}")
        return program.session.find(name)
    if len(program.graphs) != 1:
        known = name_list(program.graphs)
        raise NbflowError(f"the file defines {len(program.graphs)} graphs ({known}); say which with --graph NAME")
    return program.session.find(program.graphs[0])
