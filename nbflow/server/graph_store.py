"""The graphs that a server offers: those that its file or notebook defines, and those that clients created.

Graphs of the file are read-only for clients. Graphs that clients created are read from the store for each run, so that
several workers and a restart see the same ones, and they are validated each time. The store does not record whether a
client created a graph or a run of another file left it there, so a graph is offered only if all its tools exist here.

The work on a whole graph takes time that grows with the graph, so it is done in a few threads, not on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio

from nbflow.errors import GraphNotFoundError, NbflowError, RunStateError, StoreError
from nbflow.graph import GraphDefinition, reachable
from nbflow.secrets import Supply
from nbflow.server.errors import LimitError, RequestError
from nbflow.server.options import Options
from nbflow.server.validation import MOST_OF_A_NAME, is_name, size_of
from nbflow.session import Session
from nbflow.store.rows import GraphRow
from nbflow.store.stored_graph import graph_of, row_of

_EDGES_PER_NODE = 5


@dataclass(frozen=True, slots=True)
class Shelved:
    """A graph with its stored version and number of runs; `version` is None for a graph that was never stored."""

    graph: GraphDefinition
    version: int | None
    created: float | None = None
    runs: int = 0
    sent: bool = False


class Shelf:
    """The graphs of one session, as a server offers them."""

    def __init__(self, session: Session, options: Options) -> None:
        self._session, self._options = session, options
        self.work = GraphWork()
        self._sent: dict[str, tuple[GraphDefinition, int]] = {}

    def is_own(self, name: str) -> bool:
        """Return whether the file or notebook defines a graph of this name."""
        return name in self._session.graphs and self._sent_version(name) is None

    def _sent_version(self, name: str) -> int | None:
        """Return the loaded version of a graph that a client created, or None if the session has none of this name."""
        graph, version = self._sent.get(name, (None, 0))
        return version if graph is not None and self._session.graphs.get(name) is graph else None

    async def keep(self, data: Mapping[str, Any]) -> Shelved:
        """Store a graph that a client created; the newest version of a name is not stored twice.

        Raises:
            GraphError: The graph is not valid, or names tools or graphs that this server lacks.
            RequestError: No request could use its name, or it has values that JSON cannot represent.
            RunStateError: The file or notebook defines a graph of its name.
            LimitError: It is too large.
        """
        self._check_size(data)
        graph = await self.work.run(_read, data)
        if self.is_own(graph.name):
            raise RunStateError(f"graph {graph.name!r} is defined by what is served; send yours under another name")
        await self._with_inner(graph, {graph.name})
        await self.work.run(self._session.engine.check, graph, {**self._session.graphs, graph.name: graph})
        store = await asyncio.to_thread(self._session.history.open)
        version = await asyncio.wrap_future(store.keep_graph(await self.work.run(row_of, graph)))
        self._put(graph, version)
        return Shelved(graph, version, sent=True)

    def _check_size(self, data: Mapping[str, Any]) -> None:
        most = self._options.max_nodes
        for part, limit in (("nodes", most), ("edges", most * _EDGES_PER_NODE)):
            listed = data.get(part)
            if isinstance(listed, list) and len(listed) > limit:
                raise LimitError(413, f"the graph has {len(listed)} {part}, more than {limit}", "max_nodes", most)

    async def find(self, name: str) -> GraphDefinition:
        """Load a graph, so that the session can start it by its name; return it.

        Raises:
            GraphNotFoundError: There is none.
            StoreError: The stored graph is not valid.
        """
        await self._load(name, set())
        return self._session.find(name)

    async def ready(self, name: str) -> GraphDefinition:
        """Load and compile a graph, so that the time of a start does not grow with the graph; return it.

        Raises:
            GraphNotFoundError: There is none.
            GraphError: It cannot run here.
            StoreError: The stored graph is not valid.
        """
        graph = await self.find(name)
        await self.work.run(self._session.prepare, graph)
        return graph

    async def _load(self, name: str, seen: set[str]) -> None:
        """Load the newest stored version of a graph that a client created, and of the graphs that it runs."""
        if self.is_own(name) or name in seen:
            return
        seen.add(name)
        rows = await self._rows(name)
        if not rows:
            self._drop(name)
            return
        if self._sent_version(name) != rows[0].version:
            self._put(await self.work.run(graph_of, rows[0].definition, Supply()), rows[0].version)
        await self._with_inner(self._session.graphs[name], seen)

    async def _with_inner(self, graph: GraphDefinition, seen: set[str]) -> None:
        for inner in {node.graph for node in graph.nodes if node.graph}:
            await self._load(inner, seen)

    async def _rows(self, name: str | None = None) -> list[GraphRow]:
        if name is not None and not is_name(name):
            return []
        store = await asyncio.to_thread(self._session.history.open_existing)
        return [] if store is None else await asyncio.wrap_future(store.graphs(name))

    def _put(self, graph: GraphDefinition, version: int) -> None:
        self._session.graphs[graph.name] = graph
        self._sent[graph.name] = graph, version

    def _drop(self, name: str) -> None:
        if self._sent_version(name) is not None:
            del self._session.graphs[name]
        self._sent.pop(name, None)

    async def all(self) -> list[Shelved]:
        """Return the newest version of each graph whose tools all exist here, by name."""
        newest: dict[str, GraphRow] = {}
        for row in await self._rows():
            newest.setdefault(row.name, row)
        return await self.work.run(self._offered, newest)

    def _offered(self, newest: Mapping[str, GraphRow]) -> list[Shelved]:
        own = {name: graph for name, graph in dict(self._session.graphs).items() if self.is_own(name)}
        stored = {name: self._shelved(row) for name, row in newest.items() if name not in own}
        graphs = {name: shelved.graph for name, shelved in stored.items()} | own
        found = {name: shelved for name, shelved in stored.items() if not self._lacking(shelved.graph, graphs)}
        found |= {name: self._own(graph, newest.get(name)) for name, graph in own.items()}
        return [found[name] for name in sorted(found)]

    def _lacking(self, graph: GraphDefinition, graphs: Mapping[str, GraphDefinition]) -> set[str]:
        """Return the missing tools and graphs of a graph and of the graphs that it runs."""
        inner = reachable(graph, graphs)
        nodes = [node for each in (graph, *inner.values()) for node in each.nodes]
        named = {node.graph for node in nodes if node.graph is not None}
        tools = {node.tool for node in nodes if node.tool is not None}
        return {tool for tool in tools if tool not in self._session.registry} | (named - graphs.keys())

    async def get(self, name: str, version: int | None = None) -> Shelved:
        """Return a graph, by default its current version.

        Raises:
            GraphNotFoundError: There is none of this name.
            StoreError: It has no such version.
        """
        rows = await self._rows(name)
        if version is None and self.is_own(name):
            return await self.work.run(self._own, self._session.find(name), rows[0] if rows else None)
        found = [row for row in rows if version in (None, row.version)]
        if not found:
            if rows or self.is_own(name):
                listed = ", ".join(str(row.version) for row in rows) or "none, as it was never run"
                raise GraphVersionError(name, version, listed)
            raise GraphNotFoundError(name, self._session.graphs)
        return await self.work.run(self._shelved, found[0])

    async def delete(self, name: str, *, force: bool) -> int:
        """Delete a graph that a client created; return the number of deleted versions.

        Raises:
            GraphNotFoundError: There is none.
            RunStateError: The file or notebook defines the graph, it has runs and `force` is false, one of its runs is
                running, or a tool of it is missing here, so the graph belongs to another file.
        """
        if self.is_own(name):
            raise RunStateError(f"graph {name!r} is defined by what is served, and is not the store's to delete")
        if not await self._rows(name):
            raise GraphNotFoundError(name, self._session.graphs)
        if name not in [offered.graph.name for offered in await self.all()]:
            raise RunStateError(
                f"graph {name!r} needs what is not here, as graphs of other files do; delete it from there"
            )
        try:
            deleted = await asyncio.to_thread(self._session.delete_graph, name, force=force)
        except StoreError as error:
            raise RunStateError(str(error)) from error
        self._drop(name)
        return deleted

    def _shelved(self, row: GraphRow) -> Shelved:
        return Shelved(
            graph_of(row.definition, Supply()), row.version, row.created, row.runs, sent=not self.is_own(row.name)
        )

    def _own(self, graph: GraphDefinition, row: GraphRow | None) -> Shelved:
        same = row is not None and row.definition == row_of(graph).definition
        if row is None or not same:
            return Shelved(graph, None)
        return Shelved(graph, row.version, row.created, row.runs)


def _read(data: Mapping[str, Any]) -> GraphDefinition:
    """Return a graph that was sent."""
    size_of(data, "the graph", nul=True)  # for a name with versions, the error below says more
    graph = GraphDefinition.model_validate(dict(data))
    if not graph.name.strip():
        raise NbflowError("a graph needs a name here: runs are started by it")
    if not is_name(graph.name):
        raise RequestError(422, f"a graph's name has at most {MOST_OF_A_NAME} characters, none of them for control")
    size_of(data, "the graph")
    return graph


class GraphVersionError(GraphNotFoundError):
    """A graph has no such version."""

    def __init__(self, name: str, version: int | None, listed: str) -> None:
        super().__init__(name, ())
        self.args = (f"graph {name!r} has no version {version} in the store; there are: {listed}",)
        self.faults = ()


THREADS = 2
MOST_WAITING = 32
"""The requests that may wait for a thread; each has a whole graph in memory."""
P = ParamSpec("P")
T = TypeVar("T")


class GraphWork:
    """The threads of one server that work on whole graphs."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread and return its result; a cancelled caller still waits for the function.

        Raises:
            RequestError: `MOST_WAITING` requests wait for a thread.
        """
        waiting = self._limiter.statistics().tasks_waiting
        if waiting >= MOST_WAITING:
            raise RequestError(503, f"{waiting} requests wait for their graphs to be read; try again later")
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._limiter)
