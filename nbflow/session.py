"""The one wiring place: the tools, graphs, engine and runs of a process.

Rule: every magic and every command is a call of a method here; what they add is parsing and showing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.engine import Run, WorkflowEngine
from nbflow.errors import GraphError, RunStateError
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.living import Living
from nbflow.tools import ToolSpec

if TYPE_CHECKING:
    from nbflow.engine.past import Past
    from nbflow.graph.needs import Need
    from nbflow.settings import Durability
    from nbflow.store import Store
    from nbflow.store.cache import OutputCache
    from nbflow.store.recorder import Recorder
    from nbflow.store.resuming import Source


class Session(Living):
    """What a notebook, a command or a server works with.

    `tool`, `predicate` and `reducer` are the registry's decorators.
    """

    def __init__(self) -> None:
        super().__init__()
        self.engine = WorkflowEngine(self.registry, graphs=self.graphs)
        self.tool: Callable[..., Any] = self.registry.tool
        self.predicate = self.registry.predicate
        self.reducer = self.registry.reducer

    def graph(self, name: str, source: str | Mapping[str, Any] | GraphDefinition) -> GraphDefinition:
        """Define a graph under a name, in place of what had it before.

        Args:
            name: What runs and subgraphs call it.
            source: A text in the notation or in JSON, the JSON's data, or a definition.

        Raises:
            NotationError: The text cannot be read.
            GraphError: It defines no sound graph, or it calls itself by another name.
        """
        if not name.strip():
            raise GraphError("a graph of a session needs a name")
        if isinstance(source, str):
            graph = GraphDefinition.from_text(source, name=name)
        else:
            data = source if isinstance(source, GraphDefinition) else GraphDefinition.model_validate(dict(source))
            if data.name not in ("", name):
                raise GraphError(f"it is defined as {name!r} and calls itself {data.name!r}; use one of the names")
            graph = data.model_copy(update={"name": name})
        self.graphs[name] = graph
        return graph

    def lint(self, name: str, *, given: Mapping[str, Any] | None = None) -> list[str]:
        """Return what is likely wrong with a graph, a sentence each.

        That is unknown tools, unreachable nodes, loops without a way out, and parameters that no path provides. `given`
        are keys of the initial state, where they are known.
        """
        from nbflow.graph.analysis import lint

        return lint(self.find(name), self.registry, self.graphs, given=given)

    def needs(self, name: str) -> list[Need]:
        """Return the keys that a graph's initial state is to have or may have, those first that it cannot run without.

        Raises:
            GraphError: There is no such graph.
        """
        from nbflow.graph.needs import needs

        return needs(self.find(name), self.registry, self.graphs)

    def start(
        self, name: str, state: Mapping[str, Any] | None = None, *,
        max_parallel: int | None = None, durability: Durability | None = None, allow_unstored: bool | None = None,
        cache: bool = True, breaks: Collection[str] = (),
    ) -> Run:  # fmt: skip
        """Start a run of a graph on the running loop and return it at once.

        Args:
            name: The graph.
            state: The state at its start.
            max_parallel: How many nodes may run at once; without it, all that can.
            durability: `sync` keeps a completion on the disk before anything that depends on it starts, `async` keeps
                in groups behind the run, `off` keeps nothing; by default as the setting NBFLOW_DURABILITY says.
            allow_unstored: Whether a run kept with `sync` goes on where a value cannot be stored; by default as the
                setting NBFLOW_ALLOW_UNSTORED says.
            cache: Whether nodes with `cache` take stored outputs; if not, theirs are computed and stored anew.
            breaks: The nodes to pause at, as by `Run.break_at`.

        Raises:
            GraphError: There is no such graph, or it names tools or graphs that are not there.
            RunStateError: One of `breaks` is no node of the graph.
        """
        graph, run_id = self.find(name), self.engine.new_id()
        keeper = self._keeper(run_id, graph, state or {}, durability, allow_unstored)
        run = self.engine.start(
            graph, state or {}, max_parallel=max_parallel, run_id=run_id, keeper=keeper,
            cache=lambda: self.outputs if cache else self.outputs.anew(), breaks=breaks,
        )  # fmt: skip
        self.live[run.id] = run
        return run

    @cached_property
    def outputs(self) -> OutputCache:
        """What is kept of nodes with `cache`."""
        from nbflow.store.cache import OutputCache

        return OutputCache(self.history)

    def _keeper(
        self, run_id: str, graph: GraphDefinition, state: Mapping[str, Any], durability: Durability | None,
        allow_unstored: bool | None,
    ) -> Recorder | None:  # fmt: skip
        from nbflow.settings import settings

        durability = durability or settings().durability
        if durability == "off":
            return None
        strict = durability == "sync"
        self._kept.add(run_id)
        return self.history.recorder(
            run_id, graph, self.graphs, state, time.time(), strict=strict, allow_unstored=allow_unstored
        )

    async def reopen(
        self, run_id: str | None = None, *, at: int | str | None = None, state: Mapping[str, Any] | None = None,
        breaks: Collection[str] = (),
    ) -> Run:  # fmt: skip
        """Go on with a run that ended or whose process died, or fork it, and return it at once.

        What was completed is not run again. The graph is the session's of that name, else the one stored.

        Args:
            run_id: By default the newest that did not complete; to fork, the newest.
            at: Fork there: after an event (its `seq`), or before a node's last start (`NODE`), or its third (`NODE#3`).
            state: Fork with these keys written over what every path sees.
            breaks: The nodes to pause at, as by `start`.

        Raises:
            RunNotFoundError: No such run.
            RunStateError: It is complete or runs, another process has it, or the graph does not fit it or `breaks`.
        """
        from nbflow.store import resuming
        from nbflow.store.archive import uncollected

        fork = at is not None or bool(state)
        run_id = run_id or await (self._newest() if fork else self._last_unfinished())
        known = self._known(run_id)
        kept = known is None or known.id in self._kept
        source = await resuming.find(self.history, known, run_id, kept=kept)
        if source.status is Status.COMPLETED and not fork:
            raise RunStateError(f"run {source.id} is completed, so there is nothing to go on with; --from forks it")
        graph = source.adopted(self.graphs)
        upto = resuming.cut(source, at) if fork else len(source.events)
        with uncollected():
            plan = self.engine.plan(graph, breaks=breaks)
        self.history.notices += await resuming.mend(self.engine, plan, source, upto)
        past = resuming.past_of(source, plan, upto, state, fork=fork)
        return await self._go_on(source, graph, past, breaks, fork=fork)

    async def _go_on(
        self, source: Source, graph: GraphDefinition, past: Past, breaks: Collection[str], *, fork: bool
    ) -> Run:
        from nbflow.store import resuming

        self.history.notices += source.notes
        run_id, keeper = self.engine.new_id() if fork else source.id, None
        if source.head is not None:
            for name in resuming.changed_tools(source.head, self.registry):
                self.history.notices.append(f"tool {name!r} has changed since the run last used it")
            strict = source.head.row.durability == "sync"
            if fork:
                keeper = self.history.recorder(
                    run_id, graph, self.graphs, source.initial, time.time(), strict=strict, fork=(source.id, past)
                )
            else:
                store = self.history.open()
                epoch = await _claimed(store, run_id)
                if await resuming.has_moved_on(store, source):
                    await asyncio.wrap_future(store.release(run_id, epoch))
                    return await self.reopen(run_id, breaks=breaks)
                keeper = self.history.going_on(store, epoch, strict=strict, kept=past.kept)
            self._kept.add(run_id)
        run = self.engine.start(
            graph, source.initial, run_id=run_id, keeper=keeper, past=past if past.events else None,
            cache=lambda: self.outputs, breaks=breaks,
        )  # fmt: skip
        self.live[run.id] = run
        return run

    async def _last_unfinished(self) -> str:
        here = [run for run in self.live.values() if run.done and run.status is not Status.COMPLETED]
        found = here[-1].id if here else await asyncio.to_thread(self.history.last_unfinished)
        if found is None:
            raise RunStateError("no run here is unfinished, so there is nothing to go on with; %flow_runs lists them")
        return found

    async def _newest(self) -> str:
        found = await asyncio.to_thread(self.runs, limit=1)
        if not found:
            raise RunStateError("there is no run here to fork; %flow_run starts one")
        return found[0].id

    async def resume(
        self, run_id: str | None = None, *, at: int | str | None = None, state: Mapping[str, Any] | None = None
    ) -> Run:
        """Go on with a run to its end, as by `reopen`; return it.

        Raises:
            ExecutionError: As by `run`.
        """
        run = await self.reopen(run_id, at=at, state=state)
        await run
        return run

    async def run(self, name: str, /, **state: Any) -> Run:
        """Run a graph to its end; return the run, whose `.state` and `.result` tell what came of it.

        Raises:
            ExecutionError: The run failed or was cancelled; it has `.result`.
            ConditionError: A condition could not be evaluated.
        """
        run = self.start(name, state)
        await run
        return run

    def tools(self) -> list[ToolSpec]:
        """Return the tools, in the order in which they were first registered."""
        return [self.registry.get(name) for name in self.registry.names()]


async def _claimed(store: Store, run_id: str) -> int:
    """Take a run over; whoever gives up waiting for it does not keep it."""
    claim = store.claim(run_id)
    try:
        return await asyncio.wrap_future(claim)
    except asyncio.CancelledError:
        claim.add_done_callback(lambda done: done.exception() or store.release(run_id, done.result()))
        raise


Kept = TypeVar("Kept")
_own = Session()


def register_codec(cls: type, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
    """Store values of a type as what `dump` makes of them, and rebuild them by `load`, from now on."""
    _own.codecs.register(cls, dump, load)


def register_type(cls: type[Kept]) -> type[Kept]:
    """Let stored values of a pydantic model, dataclass or enum come back as such; usable as a decorator."""
    return _own.codecs.register_type(cls)


def current() -> Session:
    """Return the session of this process."""
    return _own


tool = _own.tool
predicate = _own.predicate
reducer = _own.reducer
graph = _own.graph
lint = _own.lint
needs = _own.needs
start = _own.start
run = _own.run
reopen = _own.reopen
resume = _own.resume
answer = _own.answer
cancel = _own.cancel
runs = _own.runs
read = _own.read
show = _own.show
stored_graphs = _own.stored_graphs
load_graph = _own.load_graph
delete_graph = _own.delete_graph
tools = _own.tools


def graphs() -> dict[str, GraphDefinition]:
    """Return the session's graphs by name."""
    return dict(_own.graphs)
