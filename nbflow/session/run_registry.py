"""The runs of a session: the runs of this process, and the runs in the store.

Invariant: reading creates no store, and a run that this process has is not read from one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import (
    GraphError,
    NbflowError,
    RunNotFoundError,
    RunReleasedError,
    RunStateError,
    StoreError,
    name_list,
)
from nbflow.events import Status
from nbflow.live_view.controls import not_active
from nbflow.session.retention import Retention
from nbflow.session.run_list import RunList, position, row_of
from nbflow.store.rows import MOST_ROWS, RunRow
from nbflow.tools import ToolRegistry

if TYPE_CHECKING:
    from nbflow.scheduler import Plan
    from nbflow.store.archive import Archived
    from nbflow.store.session_store import SessionStore

MOST_LOST = 10_000
"""How many ids of runs are remembered that were released from memory without being stored."""


class RunRegistry:
    """The runs of a session.

    Args:
        open_store: Returns the store of the session.
        tools: The tools, predicates and reducers that stored runs are read with.

    Attributes:
        live: The runs of this process by id, oldest first.
        last: The run that was started or resumed last.
        memory: Retains the newest of the runs that ended; older ones are released, and read from the store on demand.
    """

    def __init__(self, open_store: Callable[[], SessionStore], tools: ToolRegistry) -> None:
        self._open_store, self._tools = open_store, tools
        self.live: dict[str, Run] = {}
        self.last: Run | None = None
        self.memory = Retention(self._release, lambda: self.last)
        # Released runs to which other objects still refer.
        self._released: WeakValueDictionary[str, Run] = WeakValueDictionary()
        self._lost: dict[str, None] = {}
        self._recorded: set[str] = set()
        # Each future is done once the store has the run. A recorder refers to its run, and would keep it alive here.
        self._stored: WeakKeyDictionary[Run, Future[None]] = WeakKeyDictionary()

    def expect_stored(self, run_id: str) -> None:
        """Note that a run is about to be recorded in the store."""
        self._recorded.add(run_id)

    def is_recorded(self, run_id: str) -> bool:
        """Return whether a run of this process is recorded in the store, or soon will be."""
        return run_id in self._recorded

    def add(self, run: Run, stored: Future[None] | None) -> None:
        """Add a run that was started or resumed; `stored` is done once the store has it, None if it is not recorded."""
        before = self.live.get(run.id)
        if before is not None:
            self.memory.drop(before)
        self._released.pop(run.id, None)
        self.live[run.id] = self.last = run
        weak = ref(run)  # the run refers to its listeners, and must not refer to itself
        run.on_end(lambda: self._retain(weak()))
        if stored is not None:
            self._stored[run] = stored

    def _retain(self, run: Run | None) -> None:
        if run is not None and self.live.get(run.id) is run:
            self.memory.retain(run)

    def _release(self, run: RunRecord) -> None:
        """Remove a run that has ended, to make room for newer ones in memory."""
        if isinstance(run, Run) and self.live.get(run.id) is run:
            del self.live[run.id]
            self._released[run.id] = run
            if not (self.is_stored(run) and run.is_stored):
                self._lost[run.id] = None
                if len(self._lost) > MOST_LOST:
                    del self._lost[next(iter(self._lost))]

    def forget(self, run: Run) -> None:
        """Remove a run from this process, unless the process has resumed it since; its stored rows remain."""
        if self.live.get(run.id) is run:
            del self.live[run.id]
            self._recorded.discard(run.id)
            self._released.pop(run.id, None)
            self.memory.drop(run)
            if self.last is run:
                self.last = None

    def find(self, run_id: str) -> Run | None:
        """Return the run of this process by its id or a prefix of the id; None if not exactly one run matches."""
        found = [run for key, run in {**dict(self._released.items()), **self.live}.items() if key.startswith(run_id)]
        return found[0] if len(found) == 1 else None

    def not_found(self, run_id: str, error: RunNotFoundError) -> RunNotFoundError:
        """Return the error for a run that neither this process nor the store has."""
        lost = [each for each in self._lost if each.startswith(run_id)] if run_id else []
        return RunReleasedError(lost[0]) if len(lost) == 1 else error

    def is_stored(self, run: Run) -> bool:
        """Return whether the store has a run."""
        stored = self._stored.get(run)
        return stored is not None and stored.done() and stored.exception() is None

    async def until_stored(self, run: Run) -> None:
        """Wait until a new run is in the store and so outlives this process; call it on the run's loop.

        Raises:
            StoreError: The run cannot be stored.
        """
        stored = self._stored.get(run)
        if stored is not None:
            await asyncio.shield(asyncio.wrap_future(stored))

    def is_resumable(self, run: Run) -> bool:
        """Return whether the store has all events of a run, so that another process can resume it."""
        return self.is_stored(run) and run.is_stored and self._open_store().lasts

    def read(self, run_id: str) -> RunRecord:
        """Return a run by its id or a unique prefix of the id, from this process or from the store. Blocks.

        Raises:
            RunNotFoundError: No such run, or more than one.
            StoreError: The stored data is not in nbflow's format.
        """
        from nbflow.store.archive import StoredRun

        known = self.find(run_id)
        if known is not None:
            return known
        try:
            archived = self._open_store().read(run_id)
        except RunNotFoundError as error:
            raise self.not_found(run_id, error) from None
        return StoredRun(_plan_of(archived, self._tools), archived)

    def rows(
        self, *, graph: str | None, status: Status | str | None, since: float | None, limit: int,
        before: tuple[float, str] | None,
    ) -> RunList:  # fmt: skip
        """Return the newest runs, newest first, as `Session.runs` does; `graph` is a name as it is stored.

        Raises:
            NbflowError: The limit is below 1.
            StoreError: The store cannot be read.
        """
        if limit < 1:
            raise NbflowError(f"limit is {limit}; a list of runs has at least 1")
        limit = min(limit, MOST_ROWS)
        store = self._open_store().open_existing()
        own = self._unstored_rows()  # read first, so that each run is in one list at least; one in both counts once
        rows: list[RunRow] = []
        if store is not None:
            rows = store.runs(graph=graph, status=status, since=since, limit=limit + 1, before=before).result()
        known = {row.id for row in rows}
        rows += [
            row for row in own
            if row.id not in known
            and graph in (None, row.graph) and status in (None, row.status) and row.started >= (since or 0.0)
            and (before is None or position(row) < before)
        ]  # fmt: skip
        return RunList(sorted(rows, key=position, reverse=True)[:limit], is_cut=len(rows) > limit)

    def _unstored_rows(self) -> list[RunRow]:
        """Return the runs of this process that are not in the store, or not yet."""
        notebook = self._open_store().notebook()
        return [
            row_of(run, is_recorded=self.is_recorded(run.id), notebook=notebook)
            for run in list(self.live.values()) if not self.is_stored(run)  # a copy, as other threads add runs
        ]  # fmt: skip

    def active_runs(self, *, asking: bool = False) -> list[Run]:
        """Return the runs of this process that have not ended, or those that wait for an answer; the oldest first."""
        return [run for run in self.live.values() if run.result is None and (run.asking or not asking)]

    def active_run(self, run_id: str | None = None, *, asking: bool = False) -> Run:
        """Return an active run of this process by its id or a prefix of the id; without an id, the only one.

        Args:
            run_id: The id.
            asking: If true, and without an id, only runs that wait for an answer count.

        Raises:
            RunNotFoundError: There is no run of this id.
            RunStateError: The run has ended or another process owns it; or no id was given and not exactly one is
                active.
        """
        if run_id is not None:
            return self._active(run_id)
        found = self.active_runs(asking=asking)
        if len(found) == 1:
            return found[0]
        if not found:
            what = "waits for an answer" if asking else "is active"
            raise RunStateError(f"no run of this session {what}; %flow_runs lists its runs")
        what = "wait for an answer" if asking else "are active"
        listed = name_list(f"{run.id} of {run.name}" for run in found)
        raise RunStateError(f"{len(found)} runs {what}: {listed}; pass a run id")

    def _active(self, run_id: str) -> Run:
        run = self.find(run_id)
        if run is not None and run.result is None:
            return run
        record = run or self.read(run_id)
        raise not_active(record, f"is not active in this process; %flow_resume {record.id} takes it over")

    async def local_run(self, run_id: str) -> Run | None:
        """Return a run of this process by its full id; first forget it if another process has resumed it since its end.

        Raises:
            StoreError: The store cannot be read.
        """
        run = self.live.get(run_id)
        if run is not None and run.done and self.is_recorded(run_id) and await self.is_outdated(run):
            self.forget(run)
            return self.live.get(run_id)
        return run

    async def is_outdated(self, run: RunRecord) -> bool:
        """Return whether another process has stored events or a status that this object of the run lacks.

        Raises:
            RunNotFoundError: The run has not ended, and is not in the store.
            StoreError: The store cannot be read.
        """
        store = await asyncio.to_thread(self._open_store().open_existing)
        if store is None:
            return False
        try:
            row = (await asyncio.wrap_future(store.head(run.id))).row
        except RunNotFoundError:
            if run.result is None:
                raise
            return False
        if not isinstance(run, Run):
            return row.seq > len(run.events) or row.status != run.status
        # A process that takes a run over becomes its owner first, and writes events afterwards.
        return row.seq > len(run.events) or row.owner not in (None, store.owner)


def _plan_of(archived: Archived, tools: ToolRegistry) -> Plan:
    """Return the plan that a stored run is read with."""
    from nbflow.scheduler import compile_plan
    from nbflow.store.archive import UncalledPredicates

    predicates = UncalledPredicates(tools.predicates)
    try:
        return compile_plan(archived.graph, graphs=archived.subgraphs, predicates=predicates, reducers=tools.reducers)
    except GraphError as error:
        raise StoreError(
            f"the states of run {archived.head.row.id} cannot be computed, as its graph needs what is not registered "
            f"here: {error}\n  run the cells or import the module that registers it; nbflow show has --tools MODULE"
        ) from error


def call_on_loop(run: Run, action: Callable[[], None]) -> None:
    """Call a function on the loop of a run, from any thread, and wait until it returns; raise what it raises."""
    try:
        current = asyncio.get_running_loop()
    except RuntimeError:
        current = None
    if current is run.loop or not run.loop.is_running():
        action()
        return
    done: Future[None] = Future()

    def call() -> None:
        try:
            action()
            done.set_result(None)
        except Exception as error:  # noqa: BLE001 - the caller raises it
            done.set_exception(error)

    run.loop.call_soon_threadsafe(call)
    done.result()
