"""The runs and graphs that are known: those of this process, and those that the store has.

Rule: looking makes no store, and what this process has itself is not read from one.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import GraphError, GraphNotFoundError, NbflowError, RunNotFoundError, RunReleasedError, StoreError
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.names import identifier
from nbflow.secrets import Supply
from nbflow.session.retention import Memory
from nbflow.session.run_list import RunList, place, row_of
from nbflow.store.rows import MOST_ROWS, GraphRow, RunRow
from nbflow.tools import ToolRegistry

if TYPE_CHECKING:
    from nbflow.scheduler import Plan
    from nbflow.store import Store
    from nbflow.store.archive import Archived
    from nbflow.store.codecs import Codecs
    from nbflow.store.session_store import SessionStore
    from nbflow.view import GraphPicture, RunPicture

_RUN_ID = re.compile("[0-9a-f]+")
MOST_LOST = 10_000
"""Runs that were released without being stored, of which the ids are remembered to say so."""


@dataclass(frozen=True)
class StoredGraph:
    """A version of a graph in the store; `row` tells its name, version and how many runs there are of it."""

    row: GraphRow

    @cached_property
    def graph(self) -> GraphDefinition:
        """The graph, validated again."""
        from nbflow.store.stored_graph import graph_of

        return graph_of(self.row.definition, Supply())

    def is_same(self, graph: GraphDefinition) -> bool:
        """Return whether a graph is defined just so."""
        from nbflow.store.stored_graph import text_of

        return text_of(graph) == self.row.definition


class Catalogue:
    """The tools, graphs and runs of a session, and what the store has.

    `live` are the runs of this process by id, `last` is the one that was started or resumed last. Of those that have
    ended `memory` retains the newest; the others are released, and read from the store when somebody asks.
    """

    def __init__(self) -> None:
        self.registry = ToolRegistry()
        self.graphs: dict[str, GraphDefinition] = {}
        self.live: dict[str, Run] = {}
        self.last: Run | None = None
        self.memory = Memory(self._released, lambda: self.last)
        # Runs that were released, as long as somebody else holds them.
        self._held: WeakValueDictionary[str, Run] = WeakValueDictionary()
        self._lost: dict[str, None] = {}
        self._kept: set[str] = set()
        # Done once the store has the run. Not their keepers: these know their runs, which then would never go.
        self._begun: WeakKeyDictionary[Run, Future[None]] = WeakKeyDictionary()
        self._history: SessionStore | None = None
        self._making = threading.Lock()

    @cached_property
    def codecs(self) -> Codecs:
        """How values of this session's runs become text and bytes, and back."""
        from nbflow.store.codecs import Codecs

        return Codecs()

    @property
    def history(self) -> SessionStore:
        """What is kept of this session's runs; the same from every thread."""
        from nbflow.store.session_store import SessionStore

        with self._making:
            if self._history is None:
                self._history = SessionStore(self.registry, self.codecs)
            return self._history

    def describe(self, tool: str) -> str:
        """Return the first line of a tool's documentation; nothing where it is not known here."""
        return self.registry.get(tool).doc if tool in self.registry else ""

    def take_notices(self) -> list[str]:
        """Return what people should be told of what is kept, a line each, and forget it."""
        return [] if self._history is None else self._history.take_notices()

    def find(self, name: str) -> GraphDefinition:
        """Return the graph of that name.

        Raises:
            GraphNotFoundError: There is none; it names those most alike.
        """
        found = self.graphs.get(identifier(name)) or self.graphs.get(name)
        if found is None:
            raise GraphNotFoundError(name, self.graphs)
        return found

    def runs(
        self, *, graph: str | None = None, status: Status | str | None = None, since: float | None = None,
        limit: int = 20, before: tuple[float, str] | None = None,
    ) -> RunList:  # fmt: skip
        """Return the newest 20 runs, newest first: stored ones, and those of this process that are not. Blocks.

        Pass a higher `limit` for more; `is_cut` of the list tells whether there are more than it allowed.

        Args:
            graph: Only runs of this graph.
            status: Only runs of this status.
            since: Only runs that began then or later, in seconds since 1970.
            limit: How many at the most, at least 1.
            before: Only runs that come after this place in the list: when a run started, and its id.

        Raises:
            NbflowError: The limit is below 1.
            StoreError: The store cannot be read.
        """
        if limit < 1:
            raise NbflowError(f"limit is {limit}; a list of runs has at least 1")
        limit = min(limit, MOST_ROWS)
        store, graph = self.history.open_existing(), graph and self._stored_name(graph)
        own = self._unlisted()  # before the store is asked, so that no run is in neither; in both it counts once
        rows: list[RunRow] = []
        if store is not None:
            rows = store.runs(graph=graph, status=status, since=since, limit=limit + 1, before=before).result()
        known = {row.id for row in rows}
        rows += [
            row for row in own
            if row.id not in known
            and graph in (None, row.graph) and status in (None, row.status) and row.started >= (since or 0.0)
            and (before is None or place(row) < before)
        ]  # fmt: skip
        return RunList(sorted(rows, key=place, reverse=True)[:limit], is_cut=len(rows) > limit)

    def _unlisted(self) -> list[RunRow]:
        """Return the runs of this process that a store does not have, or not yet."""
        # The list is made at once: another thread adds to what it is made of.
        notebook = self.history.notebook()
        return [
            row_of(run, kept=run.id in self._kept, notebook=notebook)
            for run in list(self.live.values()) if not self._is_stored(run)
        ]  # fmt: skip

    def _is_stored(self, run: Run) -> bool:
        begun = self._begun.get(run)
        return begun is not None and begun.done() and begun.exception() is None

    def outlives(self, run: Run) -> bool:
        """Return whether the store has all that happened in a run, so that it can be resumed after this process."""
        return self._is_stored(run) and run.is_kept and self.history.lasts

    def read(self, run_id: str) -> RunRecord:
        """Return a run by its id or the beginning of it: of this process if it has it, else from the store. Blocks.

        Raises:
            RunNotFoundError: No such run, or more than one.
            StoreError: What is stored is not what nbflow writes.
        """
        from nbflow.store.archive import StoredRun

        known = self._known(run_id)
        if known is not None:
            return known
        try:
            archived = self.history.read(run_id)
        except RunNotFoundError as error:
            raise self._not_found(run_id, error) from None
        return StoredRun(self._plan_of(archived), archived)

    def _not_found(self, run_id: str, error: RunNotFoundError) -> RunNotFoundError:
        """Return why a run that is neither here nor stored is not found: it may have been released."""
        lost = [each for each in self._lost if each.startswith(run_id)] if run_id else []
        return RunReleasedError(lost[0]) if len(lost) == 1 else error

    def _released(self, run: RunRecord) -> None:
        """Refer to a run no longer, as it ended and newer ones take its room."""
        if isinstance(run, Run) and self.live.get(run.id) is run:
            del self.live[run.id]
            self._held[run.id] = run
            if not (self._is_stored(run) and run.is_kept):
                self._lost[run.id] = None
                if len(self._lost) > MOST_LOST:
                    del self._lost[next(iter(self._lost))]

    def _plan_of(self, archived: Archived) -> Plan:
        """Return the plan of a stored run, to read it by."""
        from nbflow.scheduler import compile_plan
        from nbflow.store.archive import UncalledPredicates

        predicates, reducers = UncalledPredicates(self.registry.predicates), self.registry.reducers
        try:
            return compile_plan(archived.graph, graphs=archived.subgraphs, predicates=predicates, reducers=reducers)
        except GraphError as error:
            raise StoreError(
                f"the states of run {archived.head.row.id} cannot be told, as its graph needs what is not registered "
                f"here: {error}\n  run the cells or import the module that registers it; nbflow show has --tools MODULE"
            ) from error

    def _known(self, run_id: str) -> Run | None:
        """Return the run of this process whose id begins so, if it is the only one."""
        found = [run for key, run in {**dict(self._held.items()), **self.live}.items() if key.startswith(run_id)]
        return found[0] if len(found) == 1 else None

    def show(self, name: str) -> GraphPicture | RunPicture:
        """Return the picture of a graph, or of a run by its id; a notebook displays it. The run is its `.run`.

        Raises:
            GraphError: There is no such graph; it names those most alike.
            RunNotFoundError: What looks like the id of a run is none, or begins as several do.
        """
        from nbflow.view import GraphPicture, RunPicture

        if identifier(name) not in self.graphs and _RUN_ID.fullmatch(name):
            return RunPicture(self.read(name))
        return GraphPicture(self.find(name))

    def stored_graphs(self, name: str | None = None) -> list[StoredGraph]:
        """Return the stored versions of one graph or of all, by name, newest first; none without a store. Blocks.

        Raises:
            StoreError: One of them is no sound graph.
        """
        store = self.history.open_existing()
        named = name and self._stored_name(name)
        return [] if store is None else [StoredGraph(row) for row in store.graphs(named).result()]

    def _stored_name(self, name: str) -> str:
        """Return the name by which a graph is stored: as it is given only where it was stored so."""
        store, other = self.history.open_existing(), identifier(name)
        return name if other == name or (store is not None and store.graphs(name).result()) else other

    def load_graph(self, name: str, version: int | None = None) -> GraphDefinition:
        """Define a graph as it is stored, by default its newest version; in place of what had the name. Blocks.

        Raises:
            StoreError: It is not stored; the error tells what is.
        """
        stored = StoredGraph(self._store_of(name).graph(self._stored_name(name), version).result())
        self.graphs[stored.graph.name] = stored.graph
        return stored.graph

    def delete_graph(self, name: str, version: int | None = None, *, force: bool = False) -> int:
        """Delete a version of a graph from the store, by default all; return how many. Blocks.

        What is defined in this session stays defined.

        Args:
            name: The graph.
            version: Which one.
            force: Whether its runs may go with it.

        Raises:
            StoreError: It is not stored, has runs and `force` is not given, or one of them is going on.
        """
        return self._store_of(name).delete_graph(self._stored_name(name), version, force=force).result()

    def _store_of(self, name: str) -> Store:
        store = self.history.open_existing()
        if store is None:
            raise StoreError(f"no graph {name!r} in the store, as nothing was ever kept here")
        return store
