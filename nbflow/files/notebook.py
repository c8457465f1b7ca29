"""A notebook file as a program: its cells define tools and graphs, outside Jupyter.

Rule: cells run in their order, in IPython, but for those whose work is a run: what they would start is for the caller
to start. Which cells were left out, and why, is told.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbflow import load_ipython_extension
from nbflow.errors import NbflowError, name_list
from nbflow.files.reading import CellReading, read_cell
from nbflow.session import Session, current

SKIP_TAG = "nbflow-skip"
_MALFORMED = (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError, KeyError, AttributeError)


class NotebookError(NbflowError):
    """A notebook file cannot be used; `cell` is the number of the cell at fault, or None."""

    def __init__(self, path: Path, problem: str, *, cell: int | None = None) -> None:
        self.path, self.cell = path, cell
        super().__init__(f"{path.name}, cell {cell}: {problem}" if cell else f"{path}: {problem}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a notebook defined: its session, and the cells left out, each with its number and the reason."""

    session: Session
    skipped: list[tuple[int, str]] = field(default_factory=list)


def load_notebook(path: str | Path) -> Loaded:
    """Run a notebook's cells in this process and return the session they filled.

    Cells are numbered as `Restart and run all` numbers them. Left out are cells tagged `nbflow-skip`, cells that start,
    resume or serve a run, and cells that read a name which only such a cell sets. Call it outside an event loop: cells
    may await.

    Raises:
        NotebookError: The file is no Python notebook, or a cell failed; the cell's own exception is the cause.
    """
    path = Path(path).resolve()
    cells = _cells(path)
    loaded = Loaded(current())
    with _shell_in(path.parent) as shell:
        missing: set[str] = set()
        starters: set[str] = set()
        for number, cell in enumerate(cells, start=1):
            shell.execution_count = number
            reading = read_cell(shell, cell["source"])
            if reason := _reason_to_skip(cell, reading, missing, starters):
                loaded.skipped.append((number, reason))
                missing |= reading.sets - set(shell.user_ns)
                continue
            starters |= reading.starters
            _run(shell, path, number, cell["source"])
            missing -= set(shell.user_ns)
    return loaded


def _cells(path: Path) -> list[dict[str, Any]]:
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise NotebookError(path, f"cannot be opened: {error.strerror or error}") from error
    except _MALFORMED as error:
        raise NotebookError(path, f"is no notebook: {str(error).splitlines()[0]}") from error
    language = notebook.metadata.get("kernelspec", {}).get("language") or notebook.metadata.get(
        "language_info", {}
    ).get("name", "python")
    if language.lower() not in ("python", "ipython"):
        raise NotebookError(path, f"is a notebook in {language!r}; nbflow runs Python notebooks")
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def _reason_to_skip(cell: dict[str, Any], reading: CellReading, missing: set[str], starters: set[str]) -> str | None:
    if SKIP_TAG in cell["metadata"].get("tags", []):
        return f"it is tagged {SKIP_TAG}"
    if reading.run_call:
        return f"it has {reading.run_call}"
    if called := sorted(reading.reads & starters):
        return f"it uses {name_list(called)}, which starts a run"
    if absent := sorted(reading.reads & missing):
        return f"it reads {name_list(absent)}, set only by a cell that was left out"
    return None


def _run(shell: InteractiveShell, path: Path, number: int, source: str) -> None:
    result = shell.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]  # IPython is untyped here
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return
    if not isinstance(error, Exception):
        raise error
    raise NotebookError(path, f"{_line_of(shell, error)}{type(error).__name__}: {error}", cell=number) from error


def _line_of(shell: InteractiveShell, error: Exception) -> str:
    """Return `line 3: `, the innermost line of a notebook cell in the traceback, or nothing."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    lines = (frame.lineno for frame in frames if shell.compile.format_code_name(frame.filename))
    line = next(lines, error.lineno if isinstance(error, SyntaxError) else None)
    return f"line {line}: " if line else ""


@contextlib.contextmanager
def _shell_in(folder: Path) -> Iterator[InteractiveShell]:
    """Give a shell that runs cells as Jupyter would run them in this folder, and keeps nothing on disk."""
    if InteractiveShell.initialized():
        raise NbflowError("a notebook file cannot be run from inside IPython; open it in Jupyter, or use %run")
    with tempfile.TemporaryDirectory(prefix="nbflow-") as home:
        config = Config()
        config.HistoryManager.enabled = False
        shell = InteractiveShell.instance(config=config, ipython_dir=home, ast_node_interactivity="none")
        shell._showtraceback = lambda *_: None  # type: ignore[method-assign]  # the error is raised instead
        load_ipython_extension(shell)
        sys.path.insert(0, str(folder))
        try:
            with contextlib.chdir(folder):
                yield shell
        finally:
            shell.run_line_magic("unload_ext", "nbflow")
            InteractiveShell.clear_instance()
