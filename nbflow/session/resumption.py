"""Resume a run after a failure, a cancellation or the end of its process, or fork it from an earlier event.

Invariant: a completed node does not run again, and a run is not changed before it is certain that it can resume.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.engine import Run, WorkflowEngine
from nbflow.errors import GraphError, NbflowError, RunNotFoundError, RunStateError, SecretsNeededError
from nbflow.events import Status
from nbflow.graph import GraphDefinition
from nbflow.names import normalised
from nbflow.secrets import Supply
from nbflow.session.run_registry import RunRegistry
from nbflow.values import Owned

if TYPE_CHECKING:
    from nbflow.engine.replay import ResumePoint
    from nbflow.session.resume_source import Source
    from nbflow.store import Store
    from nbflow.store.cache import OutputCache
    from nbflow.store.recorder import Recorder
    from nbflow.store.session_store import SessionStore


class Resumer:
    """Resumes and forks the runs of a session.

    Args:
        engine: Runs them.
        runs: The runs of this process.
        graphs: The session's graphs by name; resuming a stored run adds the graphs that the session lacks.
        open_store: Returns the store of the session.
        outputs: Returns the cached outputs of nodes that have the option `cache`.

    Attributes:
        on_resume: Functions that are called with a run that resumes, on its loop, before any of its tasks starts.
    """

    def __init__(
        self, engine: WorkflowEngine, runs: RunRegistry, graphs: dict[str, GraphDefinition],
        open_store: Callable[[], SessionStore], outputs: Callable[[], OutputCache],
    ) -> None:  # fmt: skip
        self._engine, self._runs, self._graphs = engine, runs, graphs
        self._open_store, self._outputs = open_store, outputs
        self.on_resume: list[Callable[[Run], None]] = []

    async def reopen(
        self, run_id: str | None, *, at: int | str | None = None, state: Mapping[str, Any] | None = None,
        breaks: Collection[str] = (), secrets: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Resume or fork a run, as `Session.reopen` does."""
        from nbflow.session import resume_source
        from nbflow.store.archive import garbage_collection_paused

        state = normalised(state or {}, "the edits")
        fork, supply = at is not None or bool(state), Supply(normalised(secrets or {}, "the secrets"))
        source = await self._source(run_id, supply, fork=fork)
        upto = resume_source.fork_point(source, at) if fork else len(source.events)
        graph = self._adopted(source, supply, upto, state)
        store, registry = self._open_store(), self._engine.registry
        with garbage_collection_paused():
            try:
                plan = self._engine.plan(graph, breaks=breaks)
            except GraphError as error:
                raise resume_source.with_cures(error, store, source, self._graphs, registry) from None
        source, notes = await resume_source.recompute(self._engine, plan, source, upto)
        store.notices += notes
        past = resume_source.past_of(source, plan, upto, state, fork=fork, routes_from_log=bool(supply.lacking))
        resume_source.check_classes(store, source, past, registry)
        return await self._start(source, graph, past, breaks, supply, fork=fork)

    async def _source(self, run_id: str | None, supply: Supply, *, fork: bool) -> Source:
        """Return the run to resume or fork.

        Raises:
            RunNotFoundError: No such run.
            RunStateError: The run is completed and this is not a fork, or the run is still running.
        """
        from nbflow.session import resume_source

        if run_id is None:
            run_id = str(await asyncio.to_thread(self.default_run_id, unfinished=not fork))
        known = self._runs.find(run_id)
        is_stored = known is None or self._runs.is_recorded(known.id)
        try:
            source = await resume_source.find_source(
                self._open_store(), known, run_id, stored=is_stored, fork=fork, supply=supply
            )
        except RunNotFoundError as error:
            raise self._runs.not_found(run_id, error) from None
        if source.status is Status.COMPLETED and not fork:
            raise RunStateError(f"run {source.id} is completed, so there is nothing to resume; --from forks it")
        return source

    def _adopted(self, source: Source, supply: Supply, upto: int, edits: Mapping[str, Any]) -> GraphDefinition:
        """Return the graph that a run resumes with, and add the run's graphs that the session lacks.

        Secrets, and the params of a stored graph that have secrets, must always be given. A value of the state that
        only contains a secret, such as a URL, must be given only if a node that has yet to run may read it.

        Raises:
            SecretsNeededError: Secrets are missing; no graph was added.
        """
        of_state = [name for name in supply.lacking if name not in edits]
        containing = {name for name in of_state if not supply.is_secret_itself(name)}
        before = set(self._graphs)
        graph = source.adopted(self._graphs)
        of_graph = [name for name in supply.lacking if name not in of_state and name not in edits]
        needed = {*of_state, *of_graph} - containing
        if containing:
            needed |= containing & self._read_secrets(source, graph, upto, edits)
        if needed:
            for name in self._graphs.keys() - before:
                del self._graphs[name]  # the params of this graph lack secrets too
            raise SecretsNeededError(source.id, [name for name in supply.lacking if name in needed])
        return graph

    def _read_secrets(self, source: Source, graph: GraphDefinition, upto: int, edits: Mapping[str, Any]) -> set[str]:
        """Return the names of the missing secrets that a node may still read; all of them if in doubt."""
        from nbflow.session import resume_source

        names = resume_source.lacking_secrets(source, upto)
        if resume_source.lacks_values(source, upto):  # a firing that runs again reads its old input
            return names
        try:
            plan = self._engine.plan(graph)
            past = resume_source.past_of(source, plan, upto, edits, fork=True, routes_from_log=True)
        except NbflowError:  # for example, a reducer failed on a missing secret
            return names
        return resume_source.read_secrets(past, self._engine.registry)

    async def _start(
        self, source: Source, graph: GraphDefinition, past: ResumePoint, breaks: Collection[str], supply: Supply, *,
        fork: bool,
    ) -> Run:  # fmt: skip
        store, recorder = self._open_store(), None
        store.notices += source.notes
        run_id = self._engine.new_id() if fork else source.id
        if source.head is not None:
            self._note_changed_tools(source)
            if fork:
                recorder = store.recorder(
                    run_id, graph, self._graphs, source.initial, time.time(),
                    strict=source.head.row.durability == "sync", fork=(source.id, past),
                )  # fmt: skip
            else:
                recorder = await self._claimed_recorder(source, past.stored)
                if recorder is None:
                    return await self.reopen(run_id, breaks=breaks, secrets=supply.given)
            self._runs.expect_stored(run_id)
        run = self._engine.start(
            graph, Owned(source.initial), run_id=run_id, recorder=recorder,
            resume_from=past if past.events else None,
            cache=self._outputs, breaks=breaks,
        )  # fmt: skip
        self._runs.add(run, None if recorder is None else recorder.begun)
        for listener in () if fork else tuple(self.on_resume):
            listener(run)
        return run

    def _note_changed_tools(self, source: Source) -> None:
        from nbflow.session import resume_source

        assert source.head is not None  # noqa: S101 - only a stored run has hashes of its tools
        for name in resume_source.changed_tools(source.head, self._engine.registry):
            self._open_store().notices.append(f"tool {name!r} has changed since the run last used it")

    async def _claimed_recorder(self, source: Source, stored: int) -> Recorder | None:
        """Claim the lease of a run and return its recorder; None if newer events were stored since the read."""
        from nbflow.session import resume_source

        assert source.head is not None  # noqa: S101 - only a stored run has a lease
        session_store = self._open_store()
        store, strict = session_store.open(), source.head.row.durability == "sync"
        epoch = await _claimed(store, source.id, session_store.notebook())
        if await resume_source.has_newer_events(store, source):
            await asyncio.wrap_future(store.release(source.id, epoch))
            return None
        return session_store.resumed_recorder(store, source.id, epoch, strict=strict, stored=stored)

    def default_run_id(self, *, unfinished: bool) -> str:
        """Return the id of the run to resume or, if not only the `unfinished` count, to fork, without an id. Blocks.

        Raises:
            RunStateError: There is none, or the last one belongs to another notebook.
        """
        from nbflow.session import resume_source

        local = [run for run in list(self._runs.live.values()) if not unfinished or _is_unfinished(run)]
        if unfinished and local:
            return local[-1].id
        if local:
            return max(local, key=lambda run: (run.started_at, run.id)).id
        found = resume_source.latest_run(self._open_store(), unfinished=unfinished)
        if found is not None:
            return found.id
        if unfinished:
            raise RunStateError("no run here is unfinished, so there is nothing to resume; %flow_runs lists them")
        raise RunStateError("there is no run here to fork; %flow_run starts one")


def _is_unfinished(run: Run) -> bool:
    return run.done and run.status is not Status.COMPLETED


async def _claimed(store: Store, run_id: str, notebook: str | None) -> int:
    """Claim the lease of a run for a notebook and return its epoch; release the lease if the caller is cancelled."""
    claim = store.claim(run_id, notebook=notebook)
    try:
        return await asyncio.wrap_future(claim)
    except asyncio.CancelledError:
        claim.add_done_callback(lambda done: done.exception() or store.release(run_id, done.result()))
        raise
