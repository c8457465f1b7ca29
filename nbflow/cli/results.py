"""A run's result as one JSON object, alone on standard output.

Rule: from where a command promises JSON, nothing else gets there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from nbflow.engine import Run


def printer(*, as_json: bool) -> Callable[[Run], None]:
    """Return what prints the result of a run.

    For JSON, standard output is from now on that object's alone: whatever else is written there, by C code and child
    processes too, goes to standard error.
    """
    if not as_json:
        from nbflow.cli.progress import show_result

        return show_result
    from nbflow.session.serialization import result_data

    print_alone = line_printer()

    def show(run: Run) -> None:
        if run.result is not None:
            print_alone(result_data(run.result, run.error))

    return show


def line_printer() -> Callable[[Any], None]:
    """Keep standard output for one line of JSON, and return what prints that and closes it."""
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
    """Return plain data as JSON on one line, in ASCII whatever the terminal's encoding."""
    return json.dumps(data, allow_nan=False) + "\n"
