"""What the cache's tests share: sessions on one store, tools from source texts, and what a run took from the cache.

Rule: a tool that counts its calls in memory reads what it changes, so calls are counted by lines in a file.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from nbflow import Run
from nbflow.events import Kind
from nbflow.session import Session

GRAPH = "work [cache=true]"
CALLED = """
from pathlib import Path

def called(log):
    with Path(log).open("a") as file:
        file.write("called\\n")
"""


def define(source: str, **names: Any) -> dict[str, Any]:
    """Return what a cell of this text would define."""
    cell: dict[str, Any] = {"__name__": "__main__", **names}
    exec(source, cell)
    return cell


def session_of(source: str, graph: str = GRAPH, **graphs: str) -> Session:
    """Return a session with the functions of a text as its tools, and a graph `g`."""
    session = Session()
    for name, thing in define(source).items():
        if getattr(thing, "__module__", None) == "__main__" and callable(thing):
            session.registry.register(name, thing)
    for name, text in {**graphs, "g": graph}.items():
        session.graph(name, text)
    return session


def run(session: Session, *, name: str = "g", cache: bool = True, **state: Any) -> Run:
    """Run a graph to its end, good or bad."""

    async def main() -> Run:
        started = session.start(name, state, cache=cache)
        await started.wait()
        return started

    return asyncio.run(main())


def ran(source: str, graph: str = GRAPH, *, cache: bool = True, **state: Any) -> Run:
    """Run a graph in a session of its own, which is closed again."""
    session = session_of(source, graph)
    try:
        return run(session, cache=cache, **state)
    finally:
        session.history.close()


def from_cache(done: Run) -> dict[str, bool]:
    """Return for each node that completed whether it was cached."""
    return {event.node or "": event.data["cached"] for event in done.events if event.kind is Kind.NODE_COMPLETE}


def calls(log: Path) -> int:
    """Return how often a tool has called `called`."""
    return len(log.read_text().splitlines()) if log.exists() else 0


def exact(value: Any) -> Any:
    """Return a form that is equal only for values with the same content, types and order."""
    if isinstance(value, dict):
        return "dict", [(exact(key), exact(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [exact(item) for item in value]
    if isinstance(value, frozenset):
        return "frozenset", sorted(map(repr, value))
    return repr(value)
