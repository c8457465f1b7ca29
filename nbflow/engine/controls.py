"""What is held back of a run: all of it while it is paused, a node at a breakpoint, a next try during its backoff.

Rule: a task that was let through once is not held again, whatever the run does meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.scheduler import Task


class Hold:
    """`steps` counts the tasks that may start though the run is `paused`; `breaks` are paths of nodes to stop at."""

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
        """Hold a task no longer."""
        self._passed.add(task)
        if task in self._stopped:
            self._stopped[task].set()

    def stopped(self) -> Task | None:
        """Return a task that was about to start when the run was paused."""
        return next((task for task, event in self._stopped.items() if not event.is_set()), None)

    def open(self) -> None:
        """Let all start."""
        self.paused, self.steps = False, 0
        self._passed = {task for task in self._passed if task.live}
        for event in self._stopped.values():
            event.set()

    def breaks_at(self, task: Task) -> str | None:
        """Return the breakpoint that a task is the first to come to, None where there is none."""
        if task in self._passed:
            return None
        return next((name for name in _beginning(task) if name in self.breaks), None)

    async def passed(self, task: Task) -> None:
        """Wait until a task is let through, or all are."""
        self._stopped[task] = asyncio.Event()
        try:
            await self._stopped[task].wait()
        finally:
            del self._stopped[task]

    async def backoff(self, task: Task, seconds: float) -> None:
        """Wait before a task's next try: so long, or until `retry`."""
        self._backoffs[task] = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._backoffs[task].wait()
        except TimeoutError:
            return
        finally:
            del self._backoffs[task]

    def retry(self, task: Task) -> bool:
        """End a task's backoff; return whether it had one."""
        if task in self._backoffs:
            self._backoffs[task].set()
        return task in self._backoffs


def _beginning(task: Task) -> Iterator[str]:
    """Give the paths of the nodes that begin with a task: its own, and those of maps and subgraphs around it."""
    yield task.name
    if task.item is not None:
        if task.item == 0 and task.parent is not None:
            yield from _beginning(task.parent)
    elif task.firing == 1 and task.run.parent is not None:
        yield from _beginning(task.run.parent)
