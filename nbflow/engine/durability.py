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
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.engine.tasks import Workers
    from nbflow.scheduler import Task


MOST_BEHIND = 10_000
"""The number of events that may wait for a slow disk; each takes a few hundred bytes."""


class Keeper(Protocol):
    """Stores the events of one run. It calls `run.kept` and `run.not_kept` on the run's loop."""

    strict: bool
    """Whether an event must be stored before any task that follows from it starts."""

    least: int
    """The number of events that must be stored before any task starts."""

    def follow(self, run: Run) -> None:
        """Store the events of the run from now on."""

    def keep(self, upto: int) -> None:
        """Request that the first `upto` events are stored soon."""


class Gate:
    """Passes ready tasks to the workers; `kept` is the number of stored events."""

    def __init__(self, run: Run, workers: Workers, keeper: Keeper, kept: int) -> None:
        self.kept = kept
        self._run, self._workers = run, workers
        self._keeper: Keeper | None = keeper
        self._held: deque[tuple[int, Task]] = deque()
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def settled(self) -> bool:
        """Whether all events are stored, or the recorder has failed."""
        return self._keeper is None or self.kept >= len(self._run.events)

    def untie(self, run: Run) -> None:
        """Refer to the run, which has ended, by a weak reference."""
        self._run = run

    @property
    def keeping(self) -> bool:
        """Whether the recorder still stores events."""
        return self._keeper is not None

    def add(self, task: Task) -> None:
        """Pass a task to the workers, now or when the events before it are stored."""
        keeper, upto = self._keeper, len(self._run.events)
        if keeper is not None and (keeper.strict or self._held or self._behind(keeper)):
            self._held.append((upto, task))
            keeper.keep(upto)
        else:
            self._workers.add(task)

    def _behind(self, keeper: Keeper) -> bool:
        return self.kept < keeper.least or len(self._run.events) - self.kept > MOST_BEHIND

    def advance(self, kept: int) -> None:
        """Record the number of stored events, and pass on the tasks that waited for them."""
        self.kept = kept
        self._tell()
        keeper = self._keeper
        while self._held:
            upto, task = self._held[0]
            if keeper is not None and (upto > kept if keeper.strict else self._behind(keeper)):
                return
            self._held.popleft()
            self._workers.add(task)

    def open(self) -> None:
        """Pass all tasks on from now on, after the recorder has failed."""
        self._keeper = None
        self._tell()
        while self._held:
            self._workers.add(self._held.popleft()[1])

    async def reached(self, upto: int) -> None:
        """Wait until the first `upto` events are stored, or the recorder has failed."""
        while self._keeper is not None and self.kept < upto:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)
