"""The runs of this process that go on: found, answered and stopped from wherever a person is.

Rule: what is done to a run is done on its own loop, whatever thread asks; who asks hears what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.errors import RunNotFoundError, RunStateError, name_list
from nbflow.live_view.controls import STOPPED, not_going
from nbflow.session.catalogue import Catalogue

if TYPE_CHECKING:
    from nbflow.store import Store


class Living(Catalogue):
    """A catalogue whose runs can be spoken to."""

    def going(self, run_id: str | None = None, *, asking: bool = False) -> Run:
        """Return a run that goes on here, by its id or the beginning of it; else the only one.

        Args:
            run_id: Which one.
            asking: Where no id is given, only those count that wait for an answer.

        Raises:
            RunNotFoundError: There is no run of this id.
            RunStateError: It has ended or goes on elsewhere, or it is not clear which is meant.
        """
        if run_id is not None:
            return self._going(run_id)
        found = self.all_going(asking=asking)
        if len(found) == 1:
            return found[0]
        what = "waits for an answer" if asking else "goes on"
        if not found:
            raise RunStateError(f"no run of this session {what}; %flow_runs lists those that there are")
        listed = name_list(f"{run.id} of {run.name}" for run in found)
        raise RunStateError(f"{len(found)} runs are meant, as each {what}: {listed}; say which by its id")

    def all_going(self, *, asking: bool = False) -> list[Run]:
        """Return the runs that go on here, or of them those that wait for an answer; the oldest first."""
        return [run for run in self.live.values() if run.result is None and (run.asking or not asking)]

    def let_go(self, run: Run) -> None:
        """Know a run of this process no longer, unless it was resumed here since; the store still has what it had."""
        if self.live.get(run.id) is run:
            del self.live[run.id]
            self._kept.discard(run.id)
            self._held.pop(run.id, None)
            self.memory.drop(run)
            if self.last is run:
                self.last = None

    async def here(self, run_id: str) -> Run | None:
        """Return a run of this process by its whole id; let go of one that ended, and that another process has resumed.

        Raises:
            StoreError: The store cannot be asked.
        """
        run = self.live.get(run_id)
        if run is not None and run.done and run_id in self._kept and await self.is_behind(run):
            self.let_go(run)
            return self.live.get(run_id)
        return run

    async def is_behind(self, run: RunRecord) -> bool:
        """Return whether more has become of a run in another process than it tells; a look at what the store has of it.

        Raises:
            RunNotFoundError: It has not ended, and is not in the store.
            StoreError: The store cannot be asked.
        """
        store = await asyncio.to_thread(self.history.open_existing)
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
        # Who takes a run over is its owner first, and writes to it then.
        return row.seq > len(run.events) or row.owner not in (None, store.owner)

    def _going(self, run_id: str) -> Run:
        run = self._known(run_id)
        if run is not None and run.result is None:
            return run
        record = run or self.read(run_id)
        raise not_going(record, f"does not go on in this process; %flow_resume {record.id} takes it over")

    def answer(
        self, value: Any, *, run_id: str | None = None, node: str | None = None, question: int | None = None
    ) -> Run:
        """Answer a question of a run; return the run.

        Args:
            value: One of the choices, a value of the question's type, or its JSON data.
            run_id: Which run's; by default the only one that waits.
            node: Which node's question, by its path; needed where several nodes of the run ask.
            question: Which question, by the `seq` of its `node_waiting` event; needed where a node asks several.

        Raises:
            RunStateError: No question is open, or it is not clear which is meant.
            AnswerError: It does not fit; `.faults` tells each fault by its place.
        """
        run = self.going(run_id, asking=True)
        on_loop(run, lambda: run.answer(value, node=node, question=question))
        return run

    def cancel(self, run_id: str | None = None, *, reason: str = STOPPED) -> RunRecord:
        """Stop a run, by default the only one that goes on here; return it.

        One that goes on in another process is stopped there, within seconds: until then it is returned as it stands in
        the store. One whose process died ends there, and none but a person resumes it. Blocks where it is elsewhere.

        Raises:
            RunNotFoundError: There is no run of this id.
            RunStateError: It has ended, or it is not clear which is meant.
        """
        if run_id is not None and (store := self._elsewhere(run_id)) is not None:
            from nbflow.store import cancellation

            return self.read(cancellation.end(store, run_id, reason).id)
        run = self.going(run_id)
        on_loop(run, lambda: run.cancel(reason))
        return run

    def _elsewhere(self, run_id: str) -> Store | None:
        """Return the store that tells of a run, where this process does not have it."""
        return self.history.open_existing() if self._known(run_id) is None else None


def on_loop(run: Run, action: Callable[[], None]) -> None:
    """Do something on the loop of a run, and wait until it is done; raises what it raises."""
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is run.loop or not run.loop.is_running():
        action()
        return
    done: Future[None] = Future()

    def act() -> None:
        try:
            action()
            done.set_result(None)
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            done.set_exception(error)

    run.loop.call_soon_threadsafe(act)
    done.result()
