"""Runs gone on with: after a failure, a stop or the death of their process, and from another moment as a fork.

Rule: what was completed does not run again, and nothing of a run is touched before it is known that it can go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import ref

from nbflow.engine import Run, WorkflowEngine
from nbflow.errors import GraphError, RunNotFoundError, RunStateError, SecretsNeededError
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.names import normalised
from nbflow.secrets import Supply
from nbflow.session.living import Living

if TYPE_CHECKING:
    from nbflow.engine.replay import Past
    from nbflow.session.resume_source import Source
    from nbflow.store import Store
    from nbflow.store.cache import OutputCache
    from nbflow.store.recorder import Recorder


class Reopening(Living):
    """A catalogue whose runs can go on; `engine` runs them.

    `on_return` is called with a run that goes on again, on its loop, before anything of it runs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.engine = WorkflowEngine(self.registry, graphs=self.graphs)
        self.on_return: list[Callable[[Run], None]] = []

    def _known_here(self, run: Run, keeper: Recorder | None, *, again: bool = False) -> None:
        before = self.live.get(run.id)
        if before is not None:
            self.memory.drop(before)
        self._held.pop(run.id, None)
        self.live[run.id] = self.last = run
        alone = ref(run)  # the run refers to whom it tells of its end, and must not refer to itself
        run.on_end(lambda: self._has_ended(alone()))
        if keeper is not None:
            self._begun[run] = keeper.begun
        for told in tuple(self.on_return) if again else ():
            told(run)

    def _has_ended(self, run: Run | None) -> None:
        if run is not None and self.live.get(run.id) is run:
            self.memory.retain(run)

    async def stored(self, run: Run) -> None:
        """Wait until the store has a run that has just begun, so that it outlives this process; call on its loop.

        Raises:
            StoreError: It cannot be stored.
        """
        begun = self._begun.get(run)
        if begun is not None:
            await asyncio.shield(asyncio.wrap_future(begun))

    @cached_property
    def outputs(self) -> OutputCache:
        """What is kept of nodes with `cache`."""
        from nbflow.store.cache import OutputCache

        return OutputCache(self.history)

    async def reopen(
        self, run_id: str | None = None, *, at: int | str | None = None, state: Mapping[str, Any] | None = None,
        breaks: Collection[str] = (), secrets: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Go on with a run that ended or whose process died, or fork it, and return it at once.

        What was completed is not run again. The graph is the session's of that name, else the one stored.

        Args:
            run_id: By default the newest that did not complete, to fork the newest: of this process's notebook, where
                that is known.
            at: Fork there: after an event (its `seq`), or before a node's last start (`NODE`), or its third (`NODE#3`).
            state: Fork with these keys written over what every path sees.
            breaks: The nodes to pause at, as by `start`.
            secrets: Values, by name, of secrets that the run had in another process, as they are never stored. They
                count as no edit. Those not given are taken from environment variables, NBFLOW_SECRET_ and the name.

        Raises:
            RunNotFoundError: No such run.
            NameClashError: Two keys of `state` become one name.
            GraphError: Its graph needs a tool that is not defined here; the error names the cell to run where it can.
            SecretsNeededError: It lacks secrets; `names` are theirs.
            RunStateError: It is complete or runs and is no fork, another process has it, or the graph does not fit it
                or `breaks`; a class is missing of an object that a tool is to get; or none is named, and the last one
                belongs to another notebook.
        """
        from nbflow.session import resume_source
        from nbflow.store.archive import garbage_collection_paused

        state = normalised(state or {}, "the edits")
        fork, supply = at is not None or bool(state), Supply(normalised(secrets or {}, "the secrets"))
        if run_id is None:
            run_id = str(await asyncio.to_thread(self.meant, unfinished=not fork))
        known = self._known(run_id)
        kept = known is None or known.id in self._kept
        try:
            source = await resume_source.find_source(self.history, known, run_id, stored=kept, fork=fork, supply=supply)
        except RunNotFoundError as error:
            raise self._not_found(run_id, error) from None
        if source.status is Status.COMPLETED and not fork:
            raise RunStateError(f"run {source.id} is completed, so there is nothing to go on with; --from forks it")
        known_before = dict(self.graphs)
        graph = source.adopted(self.graphs)
        if lacking := [name for name in supply.lacking if name not in state]:
            for name in self.graphs.keys() - known_before.keys():
                del self.graphs[name]  # it lacks the secrets too
            raise SecretsNeededError(source.id, lacking)
        upto = resume_source.fork_point(source, at) if fork else len(source.events)
        with garbage_collection_paused():
            try:
                plan = self.engine.plan(graph, breaks=breaks)
            except GraphError as error:
                raise resume_source.with_cures(error, self.history, source, self.graphs, self.registry) from None
        source, notes = await resume_source.recompute(self.engine, plan, source, upto)
        self.history.notices += notes
        past = resume_source.past_of(source, plan, upto, state, fork=fork)
        resume_source.check_classes(self.history, source, past, self.registry)
        return await self._go_on(source, graph, past, breaks, supply, fork=fork)

    async def _go_on(
        self, source: Source, graph: GraphDefinition, past: Past, breaks: Collection[str], supply: Supply, *,
        fork: bool,
    ) -> Run:  # fmt: skip
        from nbflow.session import resume_source

        self.history.notices += source.notes
        run_id, keeper = self.engine.new_id() if fork else source.id, None
        if source.head is not None:
            for name in resume_source.changed_tools(source.head, self.registry):
                self.history.notices.append(f"tool {name!r} has changed since the run last used it")
            strict = source.head.row.durability == "sync"
            if fork:
                keeper = self.history.recorder(
                    run_id, graph, self.graphs, source.initial, time.time(), strict=strict, fork=(source.id, past)
                )
            else:
                store = self.history.open()
                epoch = await _claimed(store, run_id, self.history.notebook())
                if await resume_source.has_newer_events(store, source):
                    await asyncio.wrap_future(store.release(run_id, epoch))
                    return await self.reopen(run_id, breaks=breaks, secrets=supply.given)
                keeper = self.history.resumed_recorder(store, run_id, epoch, strict=strict, stored=past.kept)
            self._kept.add(run_id)
        run = self.engine.start(
            graph, source.initial, run_id=run_id, keeper=keeper, past=past if past.events else None,
            cache=lambda: self.outputs, breaks=breaks,
        )  # fmt: skip
        self._known_here(run, keeper, again=not fork)
        return run

    def meant(self, *, unfinished: bool) -> str:
        """Return the id of the run to resume or, not only among the `unfinished`, to fork where none is named. Blocks.

        Raises:
            RunStateError: There is none, or the last one belongs to another notebook.
        """
        from nbflow.session import resume_source

        here = [run for run in list(self.live.values()) if not unfinished or _is_unfinished(run)]
        if unfinished and here:
            return here[-1].id
        if here:
            return max(here, key=lambda run: (run.started_at, run.id)).id
        found = resume_source.latest_run(self.history, unfinished=unfinished)
        if found is not None:
            return found.id
        if unfinished:
            raise RunStateError("no run here is unfinished, so there is nothing to go on with; %flow_runs lists them")
        raise RunStateError("there is no run here to fork; %flow_run starts one")

    async def resume(
        self, run_id: str | None = None, *, at: int | str | None = None, state: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Go on with a run to its end, as by `reopen`; return it.

        Raises:
            ExecutionError: As by `run`.
        """
        run = await self.reopen(run_id, at=at, state=state, secrets=secrets)
        await run
        return run


def _is_unfinished(run: Run) -> bool:
    return run.done and run.status is not Status.COMPLETED


async def _claimed(store: Store, run_id: str, notebook: str | None) -> int:
    """Take a run over for a notebook; whoever gives up waiting for it does not keep it."""
    claim = store.claim(run_id, notebook=notebook)
    try:
        return await asyncio.wrap_future(claim)
    except asyncio.CancelledError:
        claim.add_done_callback(lambda done: done.exception() or store.release(run_id, done.result()))
        raise
