"""The engine: compiles a graph, checks that its tools exist, and starts runs.

Invariant: every error that can be found before the run is raised before any task starts.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from nbflow.engine.cache import Cache, Caching
from nbflow.engine.durability import EventRecorder
from nbflow.engine.execution import Environment
from nbflow.engine.job import Jobs, check_tools
from nbflow.engine.replay import ResumePoint
from nbflow.engine.result import ExecutionResult
from nbflow.engine.run import Run, check_node, start_run
from nbflow.engine.stragglers import Stragglers, attempt_grace
from nbflow.errors import ExecutionError
from nbflow.executors import ThreadExecutor
from nbflow.graph import GraphDefinition
from nbflow.names import normalised
from nbflow.scheduler import Plan, compile_plan
from nbflow.tools import ToolRegistry
from nbflow.values import Owned, own

_MOST_PLANS = 64


@dataclass(frozen=True, slots=True)
class _Compiled:
    graph: GraphDefinition
    plan: Plan
    jobs: Jobs
    subgraphs: dict[str, GraphDefinition]
    revision: int


def _new_id() -> str:
    # 48 bits: among a million runs of one store, the chance of a collision is 1 to 560.
    return uuid4().hex[:12]


class WorkflowEngine:
    """Runs graphs on the running event loop.

    Args:
        registry: The tools, predicates and reducers that graphs name.
        graphs: The graphs that nodes may name as subgraphs.
        clock: Returns seconds since a fixed moment; it never goes back.
        new_id: Returns the id of a new run.
        max_threads: The number of sync tools that may run at once, over all runs of this engine on one loop; a thread
            whose attempt timed out or was cancelled does not count.
        attempt_grace: The time (s) for which the next start of a node waits for such a thread; by default the setting
            NBFLOW_ATTEMPT_GRACE, else 30 (SEMANTICS rule 15a).
    """

    def __init__(
        self,
        registry: ToolRegistry,
        *,
        graphs: Mapping[str, GraphDefinition] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        new_id: Callable[[], str] = _new_id,
        max_threads: int = 32,
        attempt_grace: float | None = None,
    ) -> None:
        if max_threads < 1:
            raise ExecutionError(f"max_threads is {max_threads}; it must be at least 1 for sync tools to run")
        self.registry = registry
        self.graphs: Mapping[str, GraphDefinition] = {} if graphs is None else graphs
        self.new_id = new_id
        self._clock, self._max_threads, self._grace = clock, max_threads, attempt_grace
        self._threads = ThreadExecutor()
        self._stragglers = Stragglers()
        self._plans: dict[int, _Compiled] = {}
        self._keeping = threading.Lock()
        # A semaphore belongs to one loop, and an engine may be used on several.
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def start(
        self, graph: GraphDefinition, initial_state: Mapping[str, Any] | None = None, *,
        max_parallel: int | None = None, run_id: str | None = None, recorder: EventRecorder | None = None,
        resume_from: ResumePoint | None = None, cache: Callable[[], Cache] | None = None, breaks: Collection[str] = (),
    ) -> Run:  # fmt: skip
        """Start a run on the running loop and return it at once.

        Args:
            graph: The graph; a later redefinition does not change the run.
            initial_state: The state at the start, which is copied. A state of the type `Owned` is taken as it is; its
                names are normalised.
            max_parallel: The number of nodes that may run at once; unlimited by default.
            run_id: The id of the run; a new id by default.
            recorder: Stores the events of the run.
            resume_from: The state that a resumed run starts from, replayed on `plan(graph)` from the same
                initial state.
            cache: Returns the cache of nodes with the option `cache`; without it, these nodes run like all others.
            breaks: The nodes to pause at, as with `Run.break_at`.

        Raises:
            GraphError: A tool, subgraph, predicate or reducer does not exist, or a subgraph contains itself.
            RunStateError: One of `breaks` is not a node of the graph.
            NameClashError: Two keys of the initial state become one name.
            NbflowError: The setting NBFLOW_ATTEMPT_GRACE is not a number of seconds.
        """
        if max_parallel is not None and max_parallel < 1:
            raise ExecutionError(f"max_parallel is {max_parallel}; a run needs at least 1")
        compiled = self._checked(graph, breaks)
        slots = self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._max_threads))
        epoch = time.time() - self._clock()
        caching = None if cache is None else Caching(cache, self._threads)
        grace = attempt_grace() if self._grace is None else self._grace
        environment = Environment(
            compiled.jobs,
            self._threads,
            slots,
            self._clock,
            epoch,
            compiled.subgraphs,
            self._stragglers,
            grace,
            caching,
        )
        if isinstance(initial_state, Owned):
            initial = dict(initial_state)
        else:
            initial = own(normalised(initial_state or {}, "the initial state"))
        run = start_run(
            compiled.plan, initial, environment,
            run_id=run_id or self.new_id(), max_parallel=max_parallel, recorder=recorder, resume_from=resume_from,
        )  # fmt: skip
        for node in breaks:
            run.break_at(node)  # no task starts before the next turn of the loop
        return run

    def plan(self, graph: GraphDefinition, *, breaks: Collection[str] = ()) -> Plan:
        """Compile a graph and check the breakpoints; return the plan.

        Raises:
            GraphError: As by `start`.
            RunStateError: As by `start`.
        """
        return self._checked(graph, breaks).plan

    def check(self, graph: GraphDefinition, graphs: Mapping[str, GraphDefinition]) -> None:
        """Check that a graph could run with the given subgraphs. The engine caches nothing; call this in any thread.

        Raises:
            GraphError: As by `start`.
        """
        registry = self.registry
        plan = compile_plan(graph, graphs=graphs, predicates=registry.predicates, reducers=registry.reducers)
        check_tools(plan, registry)

    def _checked(self, graph: GraphDefinition, breaks: Collection[str]) -> _Compiled:
        """Return the compiled graph, once the breakpoints are checked."""
        compiled = self._compiled(graph)
        for node in breaks:
            check_node(compiled.plan, graph.name, node)
        return compiled

    def _compiled(self, graph: GraphDefinition) -> _Compiled:
        """Return the compiled graph, from the cache if its subgraphs and the registry have not changed."""
        registry, subgraphs = self.registry, dict(self.graphs)
        known = self._plans.get(id(graph))
        if known and known.graph is graph and known.revision == registry.revision and known.subgraphs == subgraphs:
            return known
        plan = compile_plan(graph, graphs=subgraphs, predicates=registry.predicates, reducers=registry.reducers)
        check_tools(plan, registry)
        # The revision is read last, since the lookup of a tool may load those of installed packages.
        compiled = _Compiled(graph, plan, Jobs(registry), subgraphs, registry.revision)
        with self._keeping:  # a server compiles in threads
            if len(self._plans) >= _MOST_PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[id(graph)] = compiled
        return compiled

    async def execute(self, graph: GraphDefinition, initial_state: Mapping[str, Any] | None = None) -> ExecutionResult:
        """Run a graph to its end and return the result.

        Raises:
            GraphError: As by `start`.
            ExecutionError: The run failed (NodeError, LoopError, StateConflictError) or was cancelled; see `.result`.
            ConditionError: A condition could not be evaluated; see `.node` and `.result`.
        """
        return await self.start(graph, initial_state)

    async def execute_with_events(
        self, graph: GraphDefinition, initial_state: Mapping[str, Any] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Run a graph and yield its events as they happen, in the JSON form of the server.

        The iterator ends after `execution_complete`, `execution_error` or `execution_cancelled`, and raises no error of
        the run. Leaving the loop over the events cancels the run.
        """
        run = self.start(graph, initial_state)
        seen = 0
        try:
            while True:
                for event in run.events[seen:]:
                    seen = event.seq
                    yield event.as_dict(run.id)
                if run.result is not None and seen == len(run.events):
                    return
                await run.changed()
        finally:
            run.cancel("by leaving its events")
            await run.wait()
