"""Maps and subgraphs of a run: what is told of them, and their timeouts and backoffs.

Rule: nothing runs for them but timers; what happens inside, and what comes of it, is the scheduler's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nbflow.engine.context import Attempt
from nbflow.engine.job import delay
from nbflow.engine.replay import given_of
from nbflow.events import Kind

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.scheduler import Answer, Close, Scheduler, Task


class Composites:
    """The maps and subgraphs that are open, each subgraph with the one timer it may have."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._timers: dict[Task, asyncio.TimerHandle] = {}
        self._late: Task | None = None

    def opened(self, task: Task, number: int, now: float) -> None:
        """Note that one has begun, and set its timeout; a map's is not its own but that of each item."""
        definition = task.node.definition
        is_map = definition.map is not None and task.item is None
        given = given_of(task)
        again = max(number, task.tried + 1)
        self._run.events.add((Kind.NODE_START, now, task, again, given, None, number))
        task.attempt = Attempt(self._run, task, now, again)
        limit = definition.timeout
        if limit is not None and not is_map:
            late = TimeoutError(f"node {task.name!r} timed out after {limit:g} s; raise timeout= on the node")
            self._in(limit, task, lambda scheduler: self._too_late(scheduler, task, late))

    def _too_late(self, scheduler: Scheduler, task: Task, error: BaseException) -> Iterable[Answer]:
        self._late = task
        return scheduler.fail(task, error)

    def closed(self, close: Close, now: float) -> None:
        """Note that one has ended."""
        task = close.task
        self.forget_timer(task)
        attempt = self._run.close(task)
        derived = task is not self._late
        about = task, attempt.number, attempt.started
        if close.skipped:
            self._run.events.add((Kind.NODE_SKIPPED, now, *about, close.update))
        elif close.error is not None:
            self._run.events.add((Kind.NODE_ERROR, now, *about, close.error, close.handled, derived))
        else:
            self._run.events.add((Kind.NODE_COMPLETE, now, *about, close.update, False, derived))

    def retry(self, task: Task, number: int, error: BaseException, now: float) -> None:
        """Begin attempt `number` at a subgraph after its backoff."""
        wait = delay(task.node.definition.backoff, number)
        self._run.will_retry(task, number - 1, error, wait, now)
        self.forget_timer(task)
        self._in(wait, task, lambda scheduler: scheduler.retry(task))

    def retry_now(self, task: Task) -> bool:
        """Begin the next attempt at a subgraph at once; return whether its backoff was running."""
        waits = task.composite.error is not None and task in self._timers
        if waits:
            self.forget_timer(task)
            self._run.later(lambda scheduler: scheduler.retry(task))
        return waits

    def forget_timer(self, task: Task) -> None:
        """Let no timer go off for a task any longer."""
        if timer := self._timers.pop(task, None):
            timer.cancel()

    def _in(self, seconds: float, task: Task, decide: Callable[[Scheduler], Iterable[Answer]]) -> None:
        def due() -> None:
            self._timers.pop(task, None)
            self._run.later(decide)

        self._timers[task] = self._run.loop.call_later(seconds, due)
