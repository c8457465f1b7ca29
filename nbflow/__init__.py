"""nbflow: the workflow engine that lives in your notebook.

Invariant: importing the package stays light. Every public name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow import session as session
    from nbflow.engine import ExecutionResult as ExecutionResult
    from nbflow.engine import Run as Run
    from nbflow.engine import WorkflowEngine as WorkflowEngine
    from nbflow.engine.attempt import progress as progress
    from nbflow.engine.questions import ask as ask
    from nbflow.graph import GraphDefinition as GraphDefinition
    from nbflow.session import register_codec as register_codec
    from nbflow.session import register_type as register_type
    from nbflow.session import tool as tool
    from nbflow.tools import ToolRegistry as ToolRegistry

__version__ = "0.1.0"

_HOMES = {
    "ExecutionResult": "nbflow.engine",
    "GraphDefinition": "nbflow.graph",
    "Run": "nbflow.engine",
    "ToolRegistry": "nbflow.tools",
    "WorkflowEngine": "nbflow.engine",
    "ask": "nbflow.engine.questions",
    "progress": "nbflow.engine.attempt",
    "register_codec": "nbflow.session",
    "register_type": "nbflow.session",
    "tool": "nbflow.session",
}

__all__ = ["__version__", "session", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name == "session":
        return import_module("nbflow.session")
    if name not in _HOMES:
        raise AttributeError(f"module 'nbflow' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), "session", *_HOMES])


def load_ipython_extension(shell: Any) -> None:
    """Register the magics: what `%load_ext nbflow` calls."""
    from nbflow.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics away again: what `%unload_ext nbflow` calls."""
    from nbflow.notebook.extension import unload

    unload(shell)
