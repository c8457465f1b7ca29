"""One run on the event loop: carries the scheduler's answers out, and tells it what came of them.

Rule: the journal gets everything in the order in which the scheduler decided it, before anything that follows from it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from contextvars import Context
from typing import Any

from nbflow.engine.composites import Composites
from nbflow.engine.context import NODE, Attempt, Coming
from nbflow.engine.job import Job
from nbflow.engine.journal import ENDINGS, Journal, ending
from nbflow.engine.result import ExecutionLog, ExecutionResult
from nbflow.engine.surroundings import Surroundings
from nbflow.engine.workers import Workers
from nbflow.errors import ConditionError, ExecutionCancelled, ExecutionError, RunStateError, name_list, words
from nbflow.events import Kind, Status
from nbflow.scheduler import Answer, Cancel, Close, EdgeTaken, EdgeUntaken, Ended, Open, Plan, Retry, Scheduler, Task
from nbflow.tools import update_of

logger = logging.getLogger("nbflow")

# Looking a member up on its enum takes as long as appending several entries.
NODE_START, NODE_COMPLETE, EDGE_TAKEN = Kind.NODE_START, Kind.NODE_COMPLETE, Kind.EDGE_TAKEN

CLEANUP_S = 10.0
"""How long the end of a run waits for what cancelled tools still clean up."""


class Run:
    """A run of a graph: `await run` gives its `ExecutionResult`, or raises what ended it.

    `events` is the sequence of everything that has happened. Methods are to be called on the run's own `loop`; from
    another thread through `run.loop.call_soon_threadsafe`.
    """

    def __init__(
        self, plan: Plan, state: Mapping[str, Any], around: Surroundings, *, run_id: str, max_parallel: int | None
    ) -> None:
        self.id, self.graph, self.subgraphs = run_id, plan.definition, around.subgraphs
        self.loop = asyncio.get_running_loop()
        self.status = Status.RUNNING
        self.error: BaseException | None = None
        self.result: ExecutionResult | None = None
        self.events = Journal(around.epoch)
        self.clock, self.threads, self.thread_slots = around.clock, around.threads, around.thread_slots
        self._began = self.clock()
        self.started_at = around.epoch + self._began
        """When it started, in seconds since 1970."""
        self.jobs = around.jobs
        self._patience: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[None] = self.loop.create_future()
        self._workers = Workers(self, max_parallel)
        self._composites = Composites(self)
        self._scheduler = Scheduler(plan, state)
        self.events.add((Kind.EXECUTION_START, self._began, None, {"graph": self.name, "input": dict(state)}))
        self._carry_out(self._scheduler.begin(), self._began)
        self._workers.wake()

    # what users see

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.graph.name

    @property
    def state(self) -> dict[str, Any]:
        """The final state; while it runs, what its paths have come to, laid over each other."""
        return self._scheduler.state()

    @property
    def logs(self) -> list[ExecutionLog]:
        """One row per attempt of a node so far."""
        return self.events.logs()

    @property
    def execution_time(self) -> float:
        """Seconds from its start to its end, or until now."""
        return self.result.execution_time if self.result else self.clock() - self._began

    @property
    def done(self) -> bool:
        """Whether it has ended and left nothing running on the loop."""
        return self._ended.done()

    async def wait(self) -> None:
        """Wait for its end, however it ends: raises nothing for it, and giving up the wait does not cancel the run."""
        await asyncio.shield(self._ended)

    def __await__(self) -> Generator[Any, None, ExecutionResult]:
        try:
            yield from asyncio.shield(self._ended).__await__()
        except asyncio.CancelledError:
            self.cancel("by whoever awaited it")
            yield from asyncio.shield(self._ended).__await__()
            raise
        assert self.result is not None  # noqa: S101 - set before it is done
        if self.error is not None:
            raise self.error
        return self.result

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.name or 'a graph'}: {self.status}>"

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back once, on the loop, when something happens next; soon, if the run has ended."""
        if self.result is not None:
            self.loop.call_soon(callback)
        else:
            self.events.listen(callback)

    async def changed(self) -> None:
        """Wait until something happens next; if the run has ended, for a turn of the loop."""
        changed = asyncio.Event()
        self.on_change(changed.set)
        await changed.wait()

    def cancel(self, reason: str = "") -> None:
        """Stop the run: what runs is cancelled, and whoever awaits it gets `ExecutionCancelled`."""
        error = ExecutionCancelled(f"run of {self.name or 'the graph'} was cancelled", reason=reason)
        self._carry_out(self._scheduler.stop(error), self.clock())

    def pause(self) -> None:
        """Start nothing more until `unpause`; what runs goes on.

        Raises:
            RunStateError: It is not running.
        """
        self._switch(Status.RUNNING, Status.PAUSED, Kind.EXECUTION_PAUSED)

    def unpause(self) -> None:
        """Go on after `pause`.

        Raises:
            RunStateError: It is not paused.
        """
        self._switch(Status.PAUSED, Status.RUNNING, Kind.EXECUTION_CONTINUED)

    def _switch(self, expected: Status, status: Status, kind: Kind) -> None:
        if self.status is not expected:
            raise RunStateError(f"run {self.id} is {self.status}; only one that is {expected} can be {status}")
        self.status = status
        self._workers.held = status is Status.PAUSED
        self.events.add((kind, self.clock(), None, {}))
        self.events.notify()
        self._workers.wake()

    # what workers tell

    def started(self, task: Task, now: float, number: int, given: dict[str, Any], job: Job) -> Context:
        """Note the start of an attempt; return the context that its tool is to run in."""
        logged = {**given, "state": dict(given["state"])} if "state" in given else given
        self.events.add((NODE_START, now, task, number, logged, job.spec))
        if self.events.listeners:
            # Not at once: a listener may cancel the run, and the attempt is not there yet.
            self.loop.call_soon(self.events.notify)
        attempt = task.attempt = Attempt(self, task, now, number, given, in_thread=job.mode == "thread")
        context = self._workers.context.copy()
        context.run(NODE.set, attempt)
        return context

    def say(self, task: Task, kind: Kind, data: dict[str, Any]) -> None:
        """Note what a tool said, while it is live."""
        if task.live:
            self.events.add((kind, self.clock(), task.name, data))
            self.events.notify()

    def retrying(self, task: Task, attempt: int, error: BaseException | None, wait: float) -> None:
        """Note that an attempt failed and another follows in `wait` seconds."""
        now = self.clock()
        self.will_retry(task, attempt, error, wait, now)
        self.events.notify()

    def will_retry(self, task: Task, number: int, error: BaseException | None, wait: float, now: float) -> None:
        """Note that attempt `number` failed, and let the coming one wait for `wait` seconds."""
        started = self.close(task).started
        task.attempt = Coming(self, task, now, number + 1, {})
        self.events.add((Kind.NODE_RETRY, now, task, number, started, error, wait))

    def completed(self, task: Task, value: Any, now: float) -> None:
        """Take what a tool returned, and go on."""
        if not task.live:
            return
        attempt = task.attempt
        if task.parent is None and value is not None:
            try:
                value = update_of(value, task.node.id, task.path, attempt.given)
            except Exception as error:  # noqa: BLE001 - a dict may be one in name only
                self.failed(task, error)
                return
        self.close(task)
        self.events.add((NODE_COMPLETE, now, task, attempt.number, attempt.started, value))
        self._carry_out(self._scheduler.complete(task, value), now)

    def failed(self, task: Task, error: BaseException) -> None:
        """Take that a task failed for good, and go on."""
        if not task.live:
            return
        now = self.clock()
        if task.attempt is None or type(task.attempt) is Coming:
            number = task.attempt.number if task.attempt else 1
            self.events.add((NODE_START, now, task, number, {}, None))
            task.attempt = Attempt(self, task, now, number, {})
        attempt = self.close(task)
        answers = self._scheduler.fail(task, error)
        handled = not any(isinstance(a, Retry) or (isinstance(a, Ended) and a.error is not None) for a in answers)
        self.events.add((Kind.NODE_ERROR, now, task, attempt.number, attempt.started, error, handled))
        self._carry_out(answers, now)

    def broke(self, error: BaseException) -> None:
        """End the run by an error that no tool raised; it must not leave anybody waiting."""
        broken = ExecutionError(f"run of {self.name or 'the graph'} broke off: {type(error).__name__}: {words(error)}")
        broken.__cause__ = error
        self._carry_out(self._scheduler.stop(broken), self.clock())

    def later(self, decide: Callable[[Scheduler], Iterable[Answer]]) -> None:
        """Carry out what the scheduler decides now that a timer has run out."""
        try:
            self._carry_out(decide(self._scheduler), self.clock())
        except BaseException as error:  # noqa: BLE001 - raised into the loop it would leave the run waiting for ever
            self.broke(error)
        self._workers.wake()

    def worker_left(self) -> None:
        """Note that a worker ended; the last one of a run that is over ends the wait for it."""
        if self.result is not None and self._workers.idle and not self._ended.done():
            self._ended.set_result(None)
            if self._patience is not None:
                self._patience.cancel()

    def close(self, task: Task) -> Attempt:
        """End the task's attempt, once all that it said is told; return it."""
        attempt: Attempt = task.attempt
        if attempt.said:
            attempt.flush()
        task.attempt = None
        return attempt

    # what the scheduler answers

    def _carry_out(self, answers: Iterable[Answer], now: float) -> None:
        for answer in answers:
            if type(answer) is EdgeTaken:
                self.events.add((EDGE_TAKEN, now, answer))
            elif type(answer) is Task:
                self._workers.add(answer)
            else:
                self._carry_out_rare(answer, now)
        if self.events.listeners:
            self.events.notify()

    def _carry_out_rare(self, answer: Answer, now: float) -> None:
        match answer:
            case EdgeUntaken():
                self.events.add((Kind.EDGE_UNTAKEN, now, answer))
            case Cancel(task):
                self._cancel(task, now)
            case Open(task, number):
                self._composites.opened(task, number, now)
            case Close(task, update, error, handled):
                self._composites.closed(task, update, error, now, handled=handled)
            case Retry(task, number, error):
                self._composites.retry(task, number, error, now)
            case Ended(state, error):
                self._finish(state, error, now)

    def _cancel(self, task: Task, now: float) -> None:
        self._composites.forget_timer(task)
        if task.attempt is not None:
            attempt = self.close(task)
            self.events.add((Kind.NODE_CANCELLED, now, task, attempt.number, attempt.started, attempt.in_thread))
        self._workers.cancel(task)

    def _finish(self, state: dict[str, Any], error: BaseException | None, now: float) -> None:
        self.status = Status.COMPLETED
        if error is not None:
            self.status = Status.CANCELLED if isinstance(error, ExecutionCancelled) else Status.FAILED
        told = None if error is None else words(error)
        self.result = ExecutionResult(self.id, self.status, state, now - self._began, told, self.events.logs)
        self.error = error
        if isinstance(error, ExecutionError | ConditionError):
            error.result = self.result
        self.events.add((ENDINGS[self.status], now, None, ending(state, error)))
        self._workers.held = False
        if self._workers.idle:
            self.worker_left()
        else:
            self._patience = self.loop.call_later(CLEANUP_S, self._stop_waiting)

    def _stop_waiting(self) -> None:
        names = name_list(repr(task.name) for task in self._workers.abandon())
        logger.warning("run %s ended, and %s did not end within %g s of being cancelled", self.id, names, CLEANUP_S)
        self.worker_left()
