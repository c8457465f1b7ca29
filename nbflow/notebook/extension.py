"""Load and unload the extension: `%load_ext nbflow` registers the magics, the completer and the hooks on cells.

Invariant: loading does not wait for the store. The store is looked for in a thread, and notices about it appear beneath
the next cell.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import psutil

from nbflow import session
from nbflow.engine import capture
from nbflow.errors import NbflowError
from nbflow.notebook.cell_output import describe_run, deterministic, show_notices
from nbflow.notebook.cells import Cells
from nbflow.notebook.completion import Completion
from nbflow.notebook.control_magics import ServingMagics, SteeringMagics
from nbflow.notebook.definition_magics import DefinitionMagics
from nbflow.notebook.ipykernel_compat import CellContext
from nbflow.notebook.listing_magics import ListingMagics
from nbflow.notebook.run_magics import RunMagics
from nbflow.notebook.transformer import AWAITED_PREFIX, AwaitedMagics

_KINDS = ("line", "cell")
_RUNS = ("nbflow.engine.run.Run", "nbflow.store.archive.StoredRun")


@dataclass(frozen=True, slots=True)
class _Installed:
    cells: Cells
    context: CellContext
    awaited: AwaitedMagics
    completion: Completion
    names: tuple[tuple[str, str], ...]


_installed: WeakKeyDictionary[Any, _Installed] = WeakKeyDictionary()


def load(shell: Any) -> None:
    """Register the magics, the completer and the hooks with an IPython shell; a second call does nothing."""
    if shell in _installed:
        return

    cells = Cells(shell)
    awaited = AwaitedMagics(shell, always=["flow_run", "flow_resume"], by_body=["flow_tool"])
    definitions, runs = DefinitionMagics(shell, cells, awaited), RunMagics(shell, cells, awaited)
    before = _names(shell)
    shell.register_magics(definitions, runs, ListingMagics(shell, cells), SteeringMagics(shell), ServingMagics(shell))
    shell.register_magic_function(runs.flow_run_awaited, "line_cell", AWAITED_PREFIX + "flow_run")
    shell.register_magic_function(runs.flow_resume_awaited, "line", AWAITED_PREFIX + "flow_resume")
    shell.register_magic_function(definitions.flow_tool_awaited, "cell", AWAITED_PREFIX + "flow_tool")
    for kind in _RUNS:
        _formatter(shell).for_type(kind, lambda run, printer, _cycle: printer.text(describe_run(run)))
    context = CellContext(shell)
    context.install()
    cells.install()
    awaited.install()
    capture.install()
    completion = Completion(shell)
    completion.install()
    shell.events.register("post_run_cell", show_notices)
    if hasattr(shell, "kernel"):
        import nbflow.notebook.live_view  # noqa: F401 - widgets are slow to import: not at the first run
    open_store_in_background(shell)
    _installed[shell] = _Installed(cells, context, awaited, completion, tuple(_names(shell) - before))


def unload(shell: Any) -> None:
    """Remove what `load` registered; tools and graphs stay in the session."""
    parts = _installed.pop(shell, None)
    if parts is None:
        return
    for kind, name in parts.names:
        shell.magics_manager.magics[kind].pop(name, None)
    for kind in _RUNS:
        _formatter(shell).pop(kind, None)
    parts.context.uninstall()
    parts.cells.uninstall()
    parts.awaited.uninstall()
    parts.completion.uninstall()
    shell.events.unregister("post_run_cell", show_notices)
    capture.uninstall()


def _formatter(shell: Any) -> Any:
    return shell.display_formatter.formatters["text/plain"]


def _names(shell: Any) -> set[tuple[str, str]]:
    return {(kind, name) for kind in _KINDS for name in shell.magics_manager.magics[kind]}


# -- the store beside the notebook, and the notebook's path ------------------------------------------------------------


def open_store_in_background(shell: Any) -> None:
    """Set the store to the folder of the notebook, and open it in a thread, which finds unfinished runs."""
    # A shell without either attribute belongs to a program, which sets its store itself.
    if hasattr(shell, "kernel") or hasattr(shell, "mainloop"):
        folder, history = Path.cwd(), session.current().history
        history.notebook = lambda: notebook_of_kernel(shell, history.folder or folder)
        threading.Thread(target=_open_store, args=(folder,), name="nbflow-look", daemon=True).start()


def _open_store(folder: Path) -> None:
    history = session.current().history
    history.folder = history.folder or folder
    with contextlib.suppress(NbflowError, ImportError):  # the next use of the store raises the same error
        history.origin = history.origin or notebook_in(folder)
        if not deterministic():
            history.open_existing()


def notebook_in(folder: Path) -> str | None:
    """Return the notebook that runs record as their origin; None if the server of the kernel does not name it."""
    from nbflow.program.origin import origin_of

    path = Path(_session_name() or "")
    return origin_of(path, folder) if path.suffix == ".ipynb" and path.is_absolute() else None


def notebook_of_kernel(shell: Any, folder: Path) -> str | None:
    """Return the path that runs record for the notebook of a kernel, in the form of `program.origin.notebook_of`.

    Three hosts name the notebook: VS Code sets a variable in the user's namespace, the Jupyter server sets an
    environment variable, and papermill sets a variable in the namespace if it is asked to. Returns None if there is
    none of these, or if the file does not exist, for example because it was renamed after the kernel started.
    """
    from nbflow.program.origin import notebook_of

    names = shell.user_ns.get("__vsc_ipynb_file__"), _session_name(), shell.user_ns.get("PAPERMILL_OUTPUT_PATH")
    for name in names:
        if isinstance(name, str) and name.endswith(".ipynb") and os.path.isfile(name):  # noqa: PTH113 - returns False for invalid names
            return notebook_of(Path(name), folder)
    return None


@cache
def _session_name() -> str | None:
    """Return the session name that the Jupyter server gave this kernel, usually the path of its notebook.

    A kernel started by another kernel, such as by papermill in a cell, inherits that variable; it is then ignored.
    """
    name = os.environ.get("JPY_SESSION_NAME")
    with contextlib.suppress(psutil.Error, OSError):
        if name and psutil.Process(os.getppid()).environ().get("JPY_SESSION_NAME") == name:
            return None
    return name
