"""The session of this process: its tools, graphs and runs, and one function for each magic.

The functions are the methods of one `Session`, which `current` returns; a program that needs several sessions creates
them with `Session()`.

Invariant: no module of this package has the name of a public function. Python sets a module that is imported as an
attribute of its package, so a module `resume` would replace `nbflow.session.resume`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.session.session import Session

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.graph import GraphDefinition

    last: Run | None
    """The run that was started or resumed last in this process, whatever its status; None before the first."""

__all__ = [
    "Session", "answer", "cancel", "current", "delete_graph", "graph", "graphs", "last", "lint", "load_graph", "needs",
    "predicate", "read", "reducer", "register_codec", "register_type", "reopen", "resume", "run", "runs", "serve",
    "show", "start", "stored_graphs", "tool", "tools",
]  # fmt: skip

_T = TypeVar("_T")
_default = Session()

tool = _default.tool
predicate = _default.predicate
reducer = _default.reducer
graph = _default.graph
lint = _default.lint
needs = _default.needs
start = _default.start
run = _default.run
reopen = _default.reopen
resume = _default.resume
answer = _default.answer
cancel = _default.cancel
runs = _default.runs
read = _default.read
serve = _default.serve
show = _default.show
stored_graphs = _default.stored_graphs
load_graph = _default.load_graph
delete_graph = _default.delete_graph
tools = _default.tools


def current() -> Session:
    """Return the session of this process."""
    return _default


def graphs() -> dict[str, GraphDefinition]:
    """Return the session's graphs by name."""
    return dict(_default.graphs)


def register_codec(cls: type, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
    """Store values of a type as the bytes that `dump` returns, and restore them with `load`, from now on."""
    _default.codecs.register(cls, dump, load)


def register_type(cls: type[_T]) -> type[_T]:
    """Restore stored values of a pydantic model, dataclass or enum as instances of it; usable as a decorator."""
    return _default.codecs.register_type(cls)


def __getattr__(name: str) -> Run | None:
    if name == "last":
        return _default.last
    raise AttributeError(f"module 'nbflow.session' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
