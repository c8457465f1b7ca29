"""Maps and subgraphs of a live run: their events, timeouts and backoffs.

Invariant: only timers run for a composite. The scheduler decides which tasks run inside it, and its outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbflow.engine.attempt import Attempt
from nbflow.engine.job import delay
from nbflow.engine.replay import given_of
from nbflow.event_log import CompletionRecord, ErrorRecord, SkipRecord, StartRecord

if TYPE_CHECKING:
    from nbflow.engine.execution import Execution
    from nbflow.scheduler import Close, Command, Scheduler, Task


class CompositeTimers:
    """The open maps and subgraphs of a run; a subgraph has at most one timer, for its timeout or its backoff."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._timers: dict[Task, _Timer] = {}
        self._late: Task | None = None

    def release(self, execution: Execution) -> None:
        """Replace the reference to the execution, which has ended, by `execution`, a weak proxy of it."""
        self._execution = execution

    def opened(self, task: Task, number: int, now: float) -> None:
        """Log the start of a composite, and start its timeout; the timeout of a map is that of each item."""
        definition = task.node.definition
        is_map = definition.map is not None and task.item is None
        given = given_of(task)
        again = max(number, task.tried + 1)
        self._execution.log.add(StartRecord(now, task, again, given, None, number))
        task.attempt = Attempt(self._execution, task, now, again)
        limit = definition.timeout
        if limit is not None and not is_map:
            late = TimeoutError(f"node {task.name!r} timed out after {limit:g} s; raise timeout= on the node")
            self._in(limit, task, lambda scheduler: self._too_late(scheduler, task, late))

    def expire_around(self, task: Task) -> None:
        """Expire the due timeouts of the subgraphs around a task: they precede the outcome of the task."""
        around = task.run.parent
        while around is not None and self._timers:
            timer = self._timers.get(around)
            if timer is not None and timer.is_due:
                timer.go_off()
            around = around.run.parent

    @contextmanager
    def stopped_clocks(self, task: Task) -> Iterator[None]:
        """Stop the timeouts of the subgraphs around a task inside the `with` block."""
        timers, around = [], task.run.parent
        while around is not None:
            timers += [self._timers[around]] if around in self._timers else []
            around = around.run.parent
        for timer in timers:
            timer.stop()
        try:
            yield
        finally:
            for timer in timers:
                timer.start()

    def _too_late(self, scheduler: Scheduler, task: Task, error: BaseException) -> Iterable[Command]:
        self._late = task
        return scheduler.fail(task, error)

    def closed(self, close: Close, now: float) -> None:
        """Log the end of a composite."""
        task = close.task
        self.forget_timer(task)
        attempt = self._execution.close(task)
        derived = task is not self._late
        about = now, task, attempt.number, attempt.started
        if close.skipped:
            self._execution.log.add(SkipRecord(*about, close.update))
        elif close.error is not None:
            self._execution.log.add(ErrorRecord(*about, close.error, close.handled, derived))
        else:
            self._execution.log.add(CompletionRecord(*about, close.update, derived=derived))

    def retry(self, task: Task, number: int, error: BaseException, now: float) -> None:
        """Start attempt `number` at a subgraph after its backoff."""
        wait = delay(task.node.definition.backoff, number)
        self._execution.will_retry(task, number - 1, error, wait, now)
        self.forget_timer(task)
        self._in(wait, task, lambda scheduler: scheduler.retry(task))

    def retry_now(self, task: Task) -> bool:
        """Start the next attempt at a subgraph at once; return False if no backoff was running."""
        waits = task.composite.error is not None and task in self._timers
        if waits:
            self.forget_timer(task)
            self._execution.decide_later(lambda scheduler: scheduler.retry(task))
        return waits

    def forget_timer(self, task: Task) -> None:
        """Cancel the timer of a task."""
        if timer := self._timers.pop(task, None):
            timer.cancel()

    def _in(self, seconds: float, task: Task, decide: Callable[[Scheduler], Iterable[Command]]) -> None:
        def due() -> None:
            self._timers.pop(task, None)
            self._execution.decide_later(decide)

        self._timers[task] = _Timer(self._execution.loop, seconds, due)


class _Timer:
    """Calls `due` after `seconds`, not counting the time for which the timer is stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, due: Callable[[], None]) -> None:
        self._loop, self._due, self._left = loop, due, seconds
        self._stops, self._cancelled = 0, False
        self._handle = loop.call_later(seconds, due)

    @property
    def is_due(self) -> bool:
        """True if the time has passed."""
        return not self._stops and self._handle.when() <= self._loop.time()

    def go_off(self) -> None:
        """Cancel the timer and call `due` now."""
        self.cancel()
        self._due()

    def cancel(self) -> None:
        """Never call `due`."""
        self._cancelled = True
        self._handle.cancel()

    def stop(self) -> None:
        """Stop the timer until `start` was called as often as `stop`."""
        self._stops += 1
        if self._stops == 1:
            self._left = self._handle.when() - self._loop.time()
            self._handle.cancel()

    def start(self) -> None:
        """Continue with the time that was left."""
        self._stops -= 1
        if not self._stops and not self._cancelled:
            self._handle = self._loop.call_later(max(0.0, self._left), self._due)
