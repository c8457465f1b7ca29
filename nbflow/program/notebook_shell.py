"""Run the cells of a notebook file in IPython, outside Jupyter, to load the tools and graphs that they define.

Invariant: cells run in order, except those that `nbflow.program.notebook_file` skips.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbflow import load_ipython_extension, unload_ipython_extension
from nbflow.errors import NbflowError
from nbflow.errors.failures import text_of
from nbflow.program.notebook_file import NotebookError, Sifting, code_cells, read_cell
from nbflow.session import Session, current


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded notebook: the session that its cells filled, and the skipped cells, each with its number and reason."""

    session: Session
    skipped: list[tuple[int, str]] = field(default_factory=list)


def load_notebook(path: str | Path) -> Loaded:
    """Run a notebook's cells in this process and return the session that they filled.

    Cells are numbered as by *Restart and run all*. Skipped are cells tagged `nbflow-skip`, cells that start, steer or
    serve a run, and cells that read a name which only a skipped cell sets. Call it outside an event loop, since cells
    may await.

    Raises:
        NotebookError: The file is not a Python notebook, or a cell failed; then the cell's exception is the cause.
        NbflowError: This process runs inside IPython.
    """
    path = Path(path).resolve()
    cells = code_cells(path)
    loaded, sifting = Loaded(current()), Sifting()
    with _shell_in(path.parent) as shell:
        shell.compile.notebook = path.name
        for number, cell in enumerate(cells, start=1):
            shell.execution_count = number
            reading = read_cell(shell.transform_cell, cell["source"])
            if reason := sifting.reason(cell, reading):
                loaded.skipped.append((number, reason))
                sifting.leave_out(reading, shell.user_ns)
                continue
            sifting.keep(reading)
            _run(shell, path, number, cell["source"])
            sifting.have(shell.user_ns)
    return loaded


def _run(shell: InteractiveShell, path: Path, number: int, source: str) -> None:
    error = _error_of(shell, source)
    if error is None:
        return
    if isinstance(error, KeyboardInterrupt):
        raise error
    told = f"{_line_of(shell, error)}{type(error).__name__}: {text_of(error)}".removesuffix(": ")
    if isinstance(error, SystemExit):
        told += "; a cell that ends the process leaves nothing to run, so take this out, or tag the cell nbflow-skip"
    raise NotebookError(path, told, cell=number) from error


def _error_of(shell: InteractiveShell, source: str) -> BaseException | None:
    """Run a cell and return what it raised, or None."""
    try:
        result = shell.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]  # IPython is untyped here
    except (ValueError, RecursionError, MemoryError) as error:
        return error  # for a source that Python cannot read, such as one with half a surrogate pair
    found: BaseException | None = result.error_before_exec or result.error_in_exec
    return found


def _line_of(shell: InteractiveShell, error: BaseException) -> str:
    """Return `line 3: ` for the innermost line of a cell in the traceback, or an empty text if there is none."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    lines = (frame.lineno for frame in frames if shell.compile.format_code_name(frame.filename))
    line = next(lines, error.lineno if isinstance(error, SyntaxError) else None)
    return f"line {line}: " if line else ""


class _CellCompiler(CachingCompiler):
    """A compiler that names code after the file and the cell, so that tracebacks show the cell."""

    notebook = "notebook"

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """Return the name of a cell's code in tracebacks; angle brackets mark it as the name of no file."""
        return f"<{self.notebook}, cell {number}>"


class FileShell(InteractiveShell):
    """The IPython shell that runs the cells of a file: errors are raised, and nothing is shown for a person."""

    compile: _CellCompiler

    def __init__(self, **options: Any) -> None:
        super().__init__(compiler_class=_CellCompiler, **options)  # type: ignore[no-untyped-call]  # IPython is untyped

    def _showtraceback(self, etype: object, evalue: object, stb: object) -> None:
        """Show nothing: `load_notebook` raises the error."""

    def ask_exit(self) -> None:
        """Fail the cell; `exit()` and `quit()` in a cell call this."""
        raise SystemExit


@contextlib.contextmanager
def _shell_in(folder: Path) -> Iterator[FileShell]:
    """Create an IPython shell in a folder, with nbflow loaded and without a history on disk; remove it at the end.

    Raises:
        NbflowError: The process has an IPython shell already.
    """
    if InteractiveShell.initialized():
        raise NbflowError("a notebook file cannot be run from inside IPython; open it in Jupyter, or use %run")
    with tempfile.TemporaryDirectory(prefix="nbflow-") as home:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.automagic = False  # a cell `run` is a name, and not %run
        shell = FileShell.instance(config=config, ipython_dir=home, ast_node_interactivity="none")
        warnings.filterwarnings("ignore", message="To exit: use")  # what IPython says of a SystemExit
        load_ipython_extension(shell)
        sys.path.insert(0, str(folder))
        try:
            with contextlib.chdir(folder):
                yield shell
        finally:
            unload_ipython_extension(shell)
            FileShell.clear_instance()
