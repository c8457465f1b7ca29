"""Pause state of a run: pause, breakpoints, single steps, retry backoff.

Invariant: a task that was released once is not stopped again before it starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.scheduler import Task


class Controls:
    """The pause state of one run.

    `steps` is the number of tasks that may start while the run is `paused`; `breaks` are the paths of the nodes before
    which the run pauses.
    """

    def __init__(self) -> None:
        self.paused = False
        self.steps = 0
        self.breaks: set[str] = set()
        self._passed: set[Task] = set()
        self._stopped: dict[Task, asyncio.Event] = {}
        self._backoffs: dict[Task, asyncio.Event] = {}

    def passes(self, task: Task) -> bool:
        """Return whether a task may start."""
        return not self.paused or task in self._passed

    def let_through(self, task: Task) -> None:
        """Let a task start, although the run is paused."""
        self._passed.add(task)
        if task in self._stopped:
            self._stopped[task].set()

    def stopped(self) -> Task | None:
        """Return a task that was about to start when the run paused; None if there is none."""
        return next((task for task, event in self._stopped.items() if not event.is_set()), None)

    def open(self) -> None:
        """End the pause: all tasks may start."""
        self.paused, self.steps = False, 0
        self._passed = {task for task in self._passed if task.live}
        for event in self._stopped.values():
            event.set()

    def breaks_at(self, task: Task) -> str | None:
        """Return the breakpoint that a task reaches first; None if it reaches none."""
        if task in self._passed:
            return None
        return next((name for name in _beginning(task) if name in self.breaks), None)

    async def passed(self, task: Task) -> None:
        """Wait until a task, or every task, may start."""
        self._stopped[task] = asyncio.Event()
        try:
            await self._stopped[task].wait()
        finally:
            del self._stopped[task]

    async def backoff(self, task: Task, seconds: float) -> None:
        """Wait `seconds` before the next attempt at a task, or until `retry` is called."""
        self._backoffs[task] = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._backoffs[task].wait()
        except TimeoutError:
            return
        finally:
            del self._backoffs[task]

    def retry(self, task: Task) -> bool:
        """End the backoff of a task; return False if no backoff was running."""
        if task in self._backoffs:
            self._backoffs[task].set()
        return task in self._backoffs


def _beginning(task: Task) -> Iterator[str]:
    """Yield the paths of the nodes that start with a task: its own, and those of the maps and subgraphs around it."""
    yield task.name
    if task.item is not None:
        if task.item == 0 and task.parent is not None:
            yield from _beginning(task.parent)
    elif task.firing == 1 and task.run.parent is not None:
        yield from _beginning(task.run.parent)
