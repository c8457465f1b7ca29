"""The output of commands: tables and results for people, JSON for programs, and files.

Invariant: where a command promises JSON, standard output receives that JSON and nothing else. A narrow terminal
shortens the cells of one column of a table, and those of no other column.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich.table
from rich.console import Console
from rich.text import Text

from nbflow.errors import NbflowError
from nbflow.tables import Table

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.engine.record import RunRecord


class Terminal(Console):
    """A console that raises an error of a closed pipe, where rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise


def show_table(table: Table, *, yielding: str) -> None:
    """Print a table to standard output; a narrow terminal shortens the column headed `yielding`."""
    console = Terminal()
    if not console.is_terminal:
        console.print(Text(repr(Table(table.headings, table.rows))), soft_wrap=True)
        return
    drawn = rich.table.Table(box=None, pad_edge=False, header_style="bold")
    # Empty columns are left out, because a terminal has little room.
    rows, headings = table.rows, table.headings
    used = [at for at, heading in enumerate(headings) if heading == yielding or any(row[at] for row in rows)]
    for at in used:
        drawn.add_column(headings[at], no_wrap=headings[at] != yielding)
    for row in rows:
        # Set on the text and not on the column: rich narrows only columns that may wrap.
        drawn.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in (row[at] for at in used)))
    console.print(drawn)


def show_result(run: RunRecord) -> None:
    """Print the result of a run: one line for the run, and one for each key of its state."""
    from nbflow.view import RunPicture
    from nbflow.view.values.preview import value as value_preview

    console = Terminal()
    console.print(Text(repr(RunPicture(run))), soft_wrap=True)
    for key, value in run.state.items():
        told = value_preview(key, value)
        first = told["preview"].partition("\n")[0]
        size = f" ({told['size']})" if told["size"] else ""
        console.print(Text(f"  {key}: {first}{size}"), soft_wrap=True, no_wrap=True, overflow="ellipsis", crop=True)


def printer(*, as_json: bool) -> Callable[[Run], None]:
    """Return the function that prints the result of a run.

    For JSON, everything else that is written to standard output from now on goes to standard error, also from C code
    and child processes.
    """
    if not as_json:
        return show_result
    from nbflow.session.serialization import result_data

    print_alone = line_printer()

    def show(run: Run) -> None:
        if run.result is not None:
            print_alone(result_data(run.result, run.error))

    return show


def line_printer() -> Callable[[Any], None]:
    """Reserve standard output for one line of JSON; return the function that prints the line and closes the output."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)

    def print_alone(data: Any) -> None:
        with os.fdopen(own, "w", encoding="ascii") as output:
            output.write(as_line(data))

    return print_alone


def write_file(path: Path, content: bytes, option: str) -> None:
    """Write the file that an option names.

    Raises:
        NbflowError: It cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise NbflowError(f"{option} {path}: cannot be written: {error.strerror or error}") from error


def as_line(data: Any) -> str:
    """Return plain data as JSON on one line, in ASCII, which every terminal can print."""
    return json.dumps(data, allow_nan=False) + "\n"
