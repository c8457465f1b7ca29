"""Delay tasks until the events they depend on are durable.

The recorder of a store commits events in groups: while one commit runs, new events accumulate, and the next commit
stores all of them. So the number of commits depends on the speed of the disk, not on the number of nodes.

    log        1  2  3  4  5  6  7  8  9
                        ^        ^
               stored = 4        requested = 7: the task admitted after event 7 waits in the gate

A task is a consequence of every event before its command. With the durability `sync`, the task starts once all of these
are stored; so after a crash, the log contains everything that a tool may have seen (DESIGN section 4). With `async`, a
task waits only while more than `MOST_BEHIND` events are not stored, which bounds the memory. A recorder may require
that the first events are stored before any task starts, so that a run exists in the store before it has effects.

Invariant: tasks leave the gate in the order in which they entered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.event_log import EventLog
    from nbflow.scheduler import Task

MOST_BEHIND = 10_000
"""The number of events that may wait for a slow disk; each takes a few hundred bytes."""


class EventRecorder(Protocol):
    """Stores the events of one run. It reports to the gate, on the run's loop."""

    strict: bool
    """True if an event must be stored before any task that follows from it starts."""

    required: int
    """The number of events that must be stored before any task starts."""

    def attach(self, run: Run, gate: DurabilityGate) -> None:
        """Store the events of the run from now on."""

    def request(self, upto: int) -> None:
        """Store the first `upto` events soon."""


class DurabilityGate:
    """Passes ready tasks to the workers once the events before them are stored.

    Args:
        recorder: Stores the events.
        log: The event log of the run.
        stored: The number of events that are stored already.
        admit: Queues a task with the workers.
        advanced: Called after the gate has let tasks pass, or all events are stored.
        failed: Called with the error of the recorder, and whether the run must end by it.
    """

    def __init__(
        self,
        recorder: EventRecorder,
        log: EventLog,
        stored: int,
        admit: Callable[[Task], None],
        advanced: Callable[[], None],
        failed: Callable[[NbflowError, bool], None],
    ) -> None:
        self.stored = stored
        self.is_storing = True
        """True if the recorder has not failed."""
        self._recorder: EventRecorder | None = recorder
        self._log, self._admit, self._advanced, self._failed = log, admit, advanced, failed
        self._delayed: deque[tuple[int, Task]] = deque()
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def settled(self) -> bool:
        """True if all events are stored, or the recorder has failed."""
        return not self.is_storing or self.stored >= len(self._log)

    def release(self) -> None:
        """Drop the callbacks and the recorder after the end of the run: without these reference cycles it is freed."""
        self._recorder = None
        self._advanced = _nothing
        self._failed = _no_failure

    def add(self, task: Task) -> None:
        """Pass a task to the workers, now or when the events before it are stored."""
        recorder, upto = self._recorder, len(self._log)
        if recorder is not None and (recorder.strict or self._delayed or self._is_behind(recorder)):
            self._delayed.append((upto, task))
            recorder.request(upto)
        else:
            self._admit(task)

    def _is_behind(self, recorder: EventRecorder) -> bool:
        return self.stored < recorder.required or len(self._log) - self.stored > MOST_BEHIND

    def advance(self, stored: int) -> None:
        """Record the number of stored events, and pass on the tasks that waited for them."""
        self.stored = stored
        self._wake_waiting()
        recorder = self._recorder
        while self._delayed:
            upto, task = self._delayed[0]
            if recorder is not None and (upto > stored if recorder.strict else self._is_behind(recorder)):
                break
            self._delayed.popleft()
            self._admit(task)
        self._advanced()

    def fail(self, error: NbflowError, *, fatal: bool) -> None:
        """Record that no more events can be stored; `fatal` ends the run by the error."""
        self._failed(error, fatal)
        self.is_storing, self._recorder = False, None
        self._wake_waiting()
        while self._delayed:
            self._admit(self._delayed.popleft()[1])
        self._advanced()

    async def reached(self, upto: int) -> None:
        """Wait until the first `upto` events are stored, or the recorder has failed."""
        while self.is_storing and self.stored < upto:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)


def _nothing() -> None:
    """Replace the callback of a run that has ended."""


def _no_failure(error: NbflowError, fatal: bool) -> None:
    """Replace the callback of a run that has ended."""
