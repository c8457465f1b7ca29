"""The session: the object that a notebook, a command or a server works with.

Invariant: a magic or a command calls one method of a session; it only parses the input and displays the result.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbflow.engine import Run, WorkflowEngine
from nbflow.engine.record import RunRecord
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.live_view.controls import STOPPED
from nbflow.names import identifier, normalised
from nbflow.session.graph_registry import GraphRegistry, StoredGraph
from nbflow.session.resumption import Resumer
from nbflow.session.retention import Retention
from nbflow.session.run_list import RunList
from nbflow.session.run_registry import RunRegistry, call_on_loop
from nbflow.tools import ToolRegistry, ToolSpec
from nbflow.values import Owned, own

if TYPE_CHECKING:
    from nbflow.graph.needs import Need
    from nbflow.serve.embedded import Served
    from nbflow.settings import Durability
    from nbflow.store import Store
    from nbflow.store.cache import OutputCache
    from nbflow.store.codecs import Codecs
    from nbflow.store.session_store import SessionStore
    from nbflow.view import GraphPicture, RunPicture

_RUN_ID = re.compile("[0-9a-f]+")


class Session:
    """The tools, graphs, engine, runs and store of a process, or of a part of it.

    Attributes:
        registry: The tools; `tool`, `predicate` and `reducer` are its decorators.
        graphs: The graphs by name.
        engine: Runs the graphs.
        on_resume: Functions that are called with a run that resumes, on its loop, before any of its tasks starts.
    """

    def __init__(self) -> None:
        self.registry = ToolRegistry()
        self.tool: Callable[..., Any] = self.registry.tool
        self.predicate = self.registry.predicate
        self.reducer = self.registry.reducer
        self._history: SessionStore | None = None
        self._opening = threading.Lock()
        self._graphs = GraphRegistry(self._session_store, self.registry)
        self.graphs = self._graphs.graphs
        self.engine = WorkflowEngine(self.registry, graphs=self.graphs)
        self._runs = RunRegistry(self._session_store, self.registry)
        self._resumer = Resumer(self.engine, self._runs, self.graphs, self._session_store, lambda: self.outputs)
        self.on_resume = self._resumer.on_resume

    @cached_property
    def codecs(self) -> Codecs:
        """The codecs that convert values of this session's runs to text and bytes, and back."""
        from nbflow.store.codecs import Codecs

        return Codecs()

    @property
    def history(self) -> SessionStore:
        """The store of this session, one object for all threads; the first run that needs the database opens it."""
        return self._session_store()

    def _session_store(self) -> SessionStore:
        from nbflow.store.session_store import SessionStore

        with self._opening:
            if self._history is None:
                self._history = SessionStore(self.registry, self.codecs)
            return self._history

    @cached_property
    def outputs(self) -> OutputCache:
        """The cached outputs of nodes that have the option `cache`."""
        from nbflow.store.cache import OutputCache

        return OutputCache(self.history)

    @property
    def live(self) -> dict[str, Run]:
        """The runs of this process by id, oldest first."""
        return self._runs.live

    @property
    def last(self) -> Run | None:
        """The run that this process started or resumed last, in any status; None if there is none."""
        return self._runs.last

    @property
    def memory(self) -> Retention:
        """The runs that ended and stay in memory."""
        return self._runs.memory

    # Graphs

    def graph(self, name: str, source: str | Mapping[str, Any] | GraphDefinition) -> GraphDefinition:
        """Define a graph under a name, and replace an earlier graph of that name.

        Args:
            name: The name that runs and subgraphs use.
            source: A text in the notation or in JSON, the JSON's data, or a definition.

        Raises:
            NotationError: The text cannot be read.
            GraphError: The source defines no valid graph, or a graph with another name.
        """
        return self._graphs.define(name, source)

    def find(self, name: str) -> GraphDefinition:
        """Return the graph with this name.

        Raises:
            GraphNotFoundError: No graph has this name; the message lists similar names.
        """
        return self._graphs.find(name)

    def lint(self, name: str, *, given: Mapping[str, Any] | None = None) -> list[str]:
        """Return the likely mistakes in a graph, one sentence each.

        These are unknown tools, unreachable nodes, loops without an exit, and parameters that no path provides. `given`
        is the initial state, if it is known.
        """
        return self._graphs.lint(name, given)

    def needs(self, name: str) -> list[Need]:
        """Return the keys that the initial state of a graph must or may have; required keys first.

        Raises:
            GraphError: There is no such graph.
        """
        return self._graphs.needs(name)

    def unread(self, name: str, given: Collection[str]) -> list[str]:
        """Return a notice for each key of an initial state that no node and no condition of a graph reads.

        Raises:
            GraphError: There is no such graph.
        """
        return self._graphs.unread(name, given)

    def stored_graphs(self, name: str | None = None) -> list[StoredGraph]:
        """Return the stored versions of one graph or of all, by name, newest first; none without a store. Blocks.

        Raises:
            StoreError: One of them is not a valid graph.
        """
        return self._graphs.stored(name)

    def load_graph(self, name: str, version: int | None = None) -> GraphDefinition:
        """Define a graph from the store, by default its newest version, and replace the graph of that name. Blocks.

        Raises:
            StoreError: The graph or this version is not stored; the message lists the stored versions.
        """
        return self._graphs.load(name, version)

    def delete_graph(self, name: str, version: int | None = None, *, force: bool = False) -> int:
        """Delete a version of a graph from the store, by default all; return the number of deleted versions. Blocks.

        The graph stays defined in this session.

        Args:
            name: The graph.
            version: The version.
            force: If true, delete the runs of the graph too.

        Raises:
            StoreError: The version is not stored; one of its runs is active; or it has runs and `force` is false.
        """
        return self._graphs.delete(name, version, force=force)

    # Runs

    def prepare(self, graph: GraphDefinition) -> None:
        """Compile a graph and compute the keys that its runs need, so that `start` has them. Any thread may call it.

        Raises:
            GraphError: It names tools or graphs that do not exist.
        """
        self.engine.plan(graph)
        self._graphs.prepare_check(graph)

    def start(
        self, name: str, state: Mapping[str, Any] | None = None, *,
        max_parallel: int | None = None, durability: Durability | None = None, allow_unstored: bool | None = None,
        cache: bool = True, breaks: Collection[str] = (), run_id: str | None = None,
    ) -> Run:  # fmt: skip
        """Start a run of a graph on the running loop and return it at once.

        Args:
            name: The graph.
            state: The initial state, which is copied unless it is an `Owned` one.
            max_parallel: The maximum number of nodes that run at once; unlimited by default.
            durability: `sync` commits the completion of a node before anything that depends on it starts, `async`
                commits in groups behind the run, `off` stores nothing; by default the setting NBFLOW_DURABILITY.
            allow_unstored: If true, a run with `sync` continues after a value that cannot be stored; by default the
                setting NBFLOW_ALLOW_UNSTORED.
            cache: If true, nodes with the option `cache` use stored outputs; if false, they run and replace them.
            breaks: The nodes to pause at, as with `Run.break_at`.
            run_id: The id of the run; a new id by default.

        Raises:
            GraphError: There is no such graph, or it names tools or graphs that do not exist.
            InitialStateError: The state lacks keys that every run of the graph needs; nothing has started.
            RunStateError: One of `breaks` is not a node of the graph.
            NameClashError: Two keys of the state have the same normalised name.
        """
        from nbflow.settings import settings

        graph, run_id = self.find(name), run_id or self.engine.new_id()
        self.engine.plan(graph, breaks=breaks)  # raises for an unknown tool before the state is checked
        named = normalised(state or {}, "the initial state")
        self._graphs.refuse_missing(graph, named.keys())
        # One copy for the run and for the store, which encodes it in its own thread.
        initial = named if isinstance(state, Owned) else own(named)
        recorder = None
        if (durability := durability or settings().durability) != "off":
            recorder = self.history.recorder(
                run_id, graph, self.graphs, initial, time.time(), strict=durability == "sync",
                allow_unstored=allow_unstored,
            )  # fmt: skip
            self._runs.expect_stored(run_id)
        run = self.engine.start(
            graph, Owned(initial), max_parallel=max_parallel, run_id=run_id, recorder=recorder,
            cache=lambda: self.outputs if cache else self.outputs.anew(), breaks=breaks,
        )  # fmt: skip
        self._runs.add(run, None if recorder is None else recorder.begun)
        return run

    async def run(self, name: str, /, **state: Any) -> Run:
        """Run a graph to its end and return the run, which has `.state` and `.result`.

        Raises:
            ExecutionError: The run failed or was cancelled; see `.result`.
            ConditionError: A condition could not be evaluated.
        """
        run = self.start(name, state)
        await run
        return run

    async def reopen(
        self, run_id: str | None = None, *, at: int | str | None = None, state: Mapping[str, Any] | None = None,
        breaks: Collection[str] = (), secrets: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Resume a run that ended early or lost its process, or fork a run, and return it at once.

        Completed nodes do not run again. The run uses the session's graph of that name; if there is none, the stored
        graph.

        Args:
            run_id: The id of the run. By default it is the newest run that did not complete or, for a fork, the newest
                run; only the runs of this process's notebook count, if the notebook is known.
            at: Fork after an event (its `seq`), or before a node's last firing (`NODE`) or its third (`NODE#3`).
            state: Fork, and write these keys into the state of every path.
            breaks: The nodes to pause at, as with `start`.
            secrets: Secrets by name. The store never has them, so a run from another process lacks its secrets. They do
                not count as edits. A secret that is not given is read from the environment variable NBFLOW_SECRET_
                followed by its name. A value that only contains a secret, such as a URL, is required only if a node
                that has yet to run may read it.

        Raises:
            RunNotFoundError: No such run.
            NameClashError: Two keys of `state` become one name.
            GraphError: The graph needs a tool that this session lacks; the message names the cell that defines it, if
                known.
            SecretsNeededError: Secrets are missing; `names` lists them.
            RunStateError: The run is completed or active, and this is not a fork; another process owns it; the graph
                does not fit its events or `breaks`; the class of a tool's argument is not defined; or no id was given
                and the last run belongs to another notebook.
        """
        return await self._resumer.reopen(run_id, at=at, state=state, breaks=breaks, secrets=secrets)

    async def resume(
        self, run_id: str | None = None, *, at: int | str | None = None, state: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Resume or fork a run, as `reopen` does, run it to its end, and return it.

        Raises:
            ExecutionError: The run failed or was cancelled; see `.result`.
        """
        run = await self.reopen(run_id, at=at, state=state, secrets=secrets)
        await run
        return run

    def default_run_id(self, *, unfinished: bool) -> str:
        """Return the id of the run that `reopen` takes by default: to resume if `unfinished`, else to fork. Blocks.

        Raises:
            RunStateError: There is no such run, or the last one belongs to another notebook.
        """
        return self._resumer.default_run_id(unfinished=unfinished)

    def runs(
        self, *, graph: str | None = None, status: Status | str | None = None, since: float | None = None,
        limit: int = 20, before: tuple[float, str] | None = None,
    ) -> RunList:  # fmt: skip
        """Return the newest 20 runs of the store and of this process, newest first. Blocks.

        Pass a higher `limit` for more. `is_cut` of the list is true if more runs exist than `limit` allows.

        Args:
            graph: Only runs of this graph.
            status: Only runs with this status.
            since: Only runs that started then or later, in seconds since 1970.
            limit: The most runs to return, at least 1.
            before: Only runs that follow this one in the list, given as (start in seconds since 1970, id of the run).

        Raises:
            NbflowError: The limit is below 1.
            StoreError: The store cannot be read.
        """
        named = graph and self._graphs.stored_name(graph)
        return self._runs.rows(graph=named, status=status, since=since, limit=limit, before=before)

    def read(self, run_id: str) -> RunRecord:
        """Return a run by its id or a unique prefix of the id, from this process or from the store. Blocks.

        Raises:
            RunNotFoundError: No such run, or more than one.
            StoreError: The stored data is not in nbflow's format.
        """
        return self._runs.read(run_id)

    def show(self, name: str) -> GraphPicture | RunPicture:
        """Return the picture of a graph, or of a run by its id; a notebook displays it. A run's picture has `.run`.

        Raises:
            GraphError: There is no such graph; the message lists similar names.
            RunNotFoundError: The name looks like the id of a run, but is the prefix of no id or of several.
        """
        from nbflow.view import GraphPicture, RunPicture

        if identifier(name) not in self.graphs and _RUN_ID.fullmatch(name):
            return RunPicture(self.read(name))
        return GraphPicture(self.find(name))

    def answer(
        self, value: Any, *, run_id: str | None = None, node: str | None = None, question: int | None = None
    ) -> Run:
        """Answer a question of a run; return the run.

        Args:
            value: One of the choices, a value of the question's type, or its JSON data.
            run_id: The run; by default the only one that waits for an answer.
            node: The path of the node that asks; needed if several nodes of the run do.
            question: The `seq` of the question's `node_waiting` event; needed if a node asks several at once.

        Raises:
            RunStateError: No question is open, or several are.
            AnswerError: The answer is invalid; `.faults` maps paths in the answer to faults.
        """
        run = self._runs.active_run(run_id, asking=True)
        call_on_loop(run, lambda: run.answer(value, node=node, question=question))
        return run

    def cancel(self, run_id: str | None = None, *, reason: str = STOPPED) -> RunRecord:
        """Cancel a run, by default the only one that is active in this process; return it.

        If another process owns the run, that process cancels it within seconds; until then the returned run has the
        status that is stored. A run whose process ended is marked as cancelled, and resumes only when a person asks for
        it. Blocks if the run is not in this process.

        Raises:
            RunNotFoundError: There is no run of this id.
            RunStateError: The run has ended; or no id was given and not exactly one run is active.
        """
        if run_id is not None and (store := self._store_without(run_id)) is not None:
            from nbflow.store import cancellation

            return self.read(cancellation.end(store, run_id, reason).id)
        run = self._runs.active_run(run_id)
        call_on_loop(run, lambda: run.cancel(reason))
        return run

    def _store_without(self, run_id: str) -> Store | None:
        """Return the store, if there is one and this process does not have the run."""
        return self.history.open_existing() if self._runs.find(run_id) is None else None

    def active_runs(self, *, asking: bool = False) -> list[Run]:
        """Return the runs of this process that have not ended, or those that wait for an answer; the oldest first."""
        return self._runs.active_runs(asking=asking)

    async def local_run(self, run_id: str) -> Run | None:
        """Return a run of this process by its full id; first forget it if another process has resumed it since its end.

        Raises:
            StoreError: The store cannot be read.
        """
        return await self._runs.local_run(run_id)

    async def is_outdated(self, run: RunRecord) -> bool:
        """Return whether another process has stored events or a status that this object of the run lacks.

        Raises:
            RunNotFoundError: The run has not ended, and is not in the store.
            StoreError: The store cannot be read.
        """
        return await self._runs.is_outdated(run)

    async def until_stored(self, run: Run) -> None:
        """Wait until a new run is in the store and so outlives this process; call it on the run's loop.

        Raises:
            StoreError: The run cannot be stored.
        """
        await self._runs.until_stored(run)

    def is_resumable(self, run: Run) -> bool:
        """Return whether the store has all events of a run, so that another process can resume it."""
        return self._runs.is_resumable(run)

    def forget(self, run: Run) -> None:
        """Remove a run from this process, unless the process has resumed it since; its stored rows remain."""
        self._runs.forget(run)

    # Tools, notices, server

    def tools(self) -> list[ToolSpec]:
        """Return the tools, in the order of their first registration."""
        return [self.registry.get(name) for name in self.registry.names()]

    def describe(self, tool: str) -> str:
        """Return the first line of a tool's documentation; an empty text for an unknown tool."""
        return self.registry.get(tool).doc if tool in self.registry else ""

    def take_notices(self) -> list[str]:
        """Return the notices of the store for a person, one line each, and clear them."""
        return [] if self._history is None else self._history.take_notices()

    def serve(
        self, *, host: str | None = None, port: int | None = None, token: str | None = None
    ) -> Served:  # fmt: skip
        """Serve this session on the running loop, by REST, WebSocket and a page; return at once.

        Args:
            host: The address to listen at; by default NBFLOW_HOST, else 127.0.0.1, which only this machine reaches.
            port: The port, 0 for any free one; by default NBFLOW_PORT, else 8765.
            token: The token that requests must send; by default NBFLOW_TOKEN, else a new one.

        Raises:
            NbflowError: The address is taken, or no loop runs.
            ImportError: The extra `server` is not installed.
        """
        from nbflow.serve.embedded import serve

        given = {"host": host, "port": port, "token": token}
        return serve(self, **{name: value for name, value in given.items() if value is not None})
