"""The edge to IPython and Jupyter: magics, the live view beneath a cell, and notebook files as programs.

Rule: everything here is parse, call the session, show; what a run means is settled elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from nbflow.engine import capture
from nbflow.notebook.cell_context import CellContext
from nbflow.notebook.cells import Cells
from nbflow.notebook.transformer import AWAITED_PREFIX, AwaitedMagics

if TYPE_CHECKING:
    from nbflow.notebook.completion import Completion

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
    """Give an IPython shell the magics; again, it does nothing."""
    if shell in _installed:
        return
    from nbflow.notebook.completion import Completion
    from nbflow.notebook.definitions import DefinitionMagics
    from nbflow.notebook.keeping import look_in_background
    from nbflow.notebook.listing import ListingMagics
    from nbflow.notebook.output import describe_run, tell_notices
    from nbflow.notebook.runs import RunMagics
    from nbflow.notebook.serving import ServingMagics
    from nbflow.notebook.steering import SteeringMagics

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
    shell.events.register("post_run_cell", tell_notices)
    if hasattr(shell, "kernel"):
        import nbflow.notebook.live  # noqa: F401 - widgets take a while to load: now, not at the first run
    look_in_background(shell)
    _installed[shell] = _Installed(cells, context, awaited, completion, tuple(_names(shell) - before))


def unload(shell: Any) -> None:
    """Take the magics away again; tools and graphs stay in the session."""
    parts = _installed.pop(shell, None)
    if parts is None:
        return
    from nbflow.notebook.output import tell_notices

    for kind, name in parts.names:
        shell.magics_manager.magics[kind].pop(name, None)
    for kind in _RUNS:
        _formatter(shell).pop(kind, None)
    parts.context.uninstall()
    parts.cells.uninstall()
    parts.awaited.uninstall()
    parts.completion.uninstall()
    shell.events.unregister("post_run_cell", tell_notices)
    capture.uninstall()


def _formatter(shell: Any) -> Any:
    return shell.display_formatter.formatters["text/plain"]


def _names(shell: Any) -> set[tuple[str, str]]:
    return {(kind, name) for kind in _KINDS for name in shell.magics_manager.magics[kind]}
