"""Holds tasks back until what they follow from is kept where it outlives the process.

Rule: strictly kept, a task starts once everything before it is; otherwise only as many events may be unkept as memory
can bear. A keeper may ask for the first ones to be kept before any task starts.
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
"""Events that may wait for a slow disk; each is a few hundred bytes."""


class Keeper(Protocol):
    """Keeps the events of one run. It calls `run.kept` and `run.not_kept`, on the run's loop."""

    strict: bool
    """Whether an event is to be kept before anything that follows from it starts."""

    least: int
    """So many events are to be kept before anything starts."""

    def follow(self, run: Run) -> None:
        """Begin to keep the run's events as they come."""

    def keep(self, upto: int) -> None:
        """Keep the first `upto` events soon."""


class Gate:
    """What is ready passes here to the workers; `kept` counts the events that are safe."""

    def __init__(self, run: Run, workers: Workers, keeper: Keeper, kept: int) -> None:
        self.kept = kept
        self._run, self._workers = run, workers
        self._keeper: Keeper | None = keeper
        self._held: deque[tuple[int, Task]] = deque()
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def settled(self) -> bool:
        """Whether nothing is left to wait for."""
        return self._keeper is None or self.kept >= len(self._run.events)

    def untie(self, run: Run) -> None:
        """Refer to the run, which has ended, by a weak reference."""
        self._run = run

    @property
    def keeping(self) -> bool:
        """Whether the keeper has not given up."""
        return self._keeper is not None

    def add(self, task: Task) -> None:
        """Let a task through, now or when it may start."""
        keeper, upto = self._keeper, len(self._run.events)
        if keeper is not None and (keeper.strict or self._held or self._behind(keeper)):
            self._held.append((upto, task))
            keeper.keep(upto)
        else:
            self._workers.add(task)

    def _behind(self, keeper: Keeper) -> bool:
        return self.kept < keeper.least or len(self._run.events) - self.kept > MOST_BEHIND

    def advance(self, kept: int) -> None:
        """Note that so many events are kept, and let through what waited for it."""
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
        """Wait for nothing any longer: the keeper has given up."""
        self._keeper = None
        self._tell()
        while self._held:
            self._workers.add(self._held.popleft()[1])

    async def reached(self, upto: int) -> None:
        """Wait until so many events are kept, or the keeper has given up."""
        while self._keeper is not None and self.kept < upto:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)
