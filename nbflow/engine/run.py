"""One run on the event loop: carries the scheduler's answers out, and tells it what came of them.

Rule: the journal gets everything in the order in which the scheduler decided it, before anything that follows from it.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import replace
from typing import Any

from nbflow.engine.composites import Composites
from nbflow.engine.context import NODE, Attempt, Coming
from nbflow.engine.figures import install as give_figures
from nbflow.engine.figures import take_figures
from nbflow.engine.gate import Gate, Keeper
from nbflow.engine.job import Job
from nbflow.engine.journal import ENDING_OF, Entry, attempt_place, ending
from nbflow.engine.ownership import Copies, without
from nbflow.engine.past import Past
from nbflow.engine.questions import Questions
from nbflow.engine.result import ExecutionResult
from nbflow.engine.steering import SteeredRun
from nbflow.engine.stragglers import position_of
from nbflow.engine.surroundings import Surroundings
from nbflow.engine.workers import Workers
from nbflow.errors import (
    ConditionError,
    ExecutionCancelled,
    ExecutionError,
    NbflowError,
    StoreClosedError,
    name_list,
    words,
)
from nbflow.events import Kind, Status
from nbflow.failures import text_of
from nbflow.scheduler import (
    RULES,
    Answer,
    Cancel,
    Close,
    EdgeTaken,
    EdgeUntaken,
    Ended,
    Open,
    Plan,
    Retry,
    Scheduler,
    Task,
)
from nbflow.secrets import learn, mask
from nbflow.values import own

logger = logging.getLogger("nbflow")

WAIT_UNNOTICED_S = 2.0
"""How long a start waits for the thread of an earlier attempt before a notice says so."""

# Looking a member up on its enum takes as long as appending several entries.
NODE_START, NODE_COMPLETE, EDGE_TAKEN = Kind.NODE_START, Kind.NODE_COMPLETE, Kind.EDGE_TAKEN

CLEANUP_S = 10.0
"""How long the end of a run waits for what cancelled tools still clean up."""


class Run(SteeredRun):
    """A run of a graph: `await run` gives its `ExecutionResult`, or raises what ended it.

    `events` is the sequence of everything that has happened. Methods are to be called on the run's own `loop`; from
    another thread through `run.loop.call_soon_threadsafe`.
    """

    def __init__(
        self, plan: Plan, state: Mapping[str, Any], around: Surroundings, *, run_id: str, max_parallel: int | None,
        keeper: Keeper | None = None, past: Past | None = None,
    ) -> None:  # fmt: skip
        super().__init__(plan, state, around, run_id=run_id)
        learn(state)
        give_figures()
        self.threads, self.thread_slots = around.threads, around.thread_slots
        self.stragglers, self.grace = around.stragglers, around.grace
        self.started_at = past.events[0].time if past and past.events else around.epoch + self._began
        self._began -= past.seconds if past else 0.0
        self.jobs, self.caching = around.jobs, around.caching
        self._patience: asyncio.TimerHandle | None = None
        self._abandoned = False
        self.copies = Copies(self.clock)
        self.workers = Workers(self, max_parallel)
        self._composites = Composites(self)
        self.questions = Questions(self, past.replay.answers if past else {})
        kept = past.kept if past else 0
        self._gate = None if keeper is None else Gate(self, self.workers, keeper, kept)
        self._admit = self.workers.add if self._gate is None else self._gate.add
        self._begin(past)
        if keeper is not None:
            keeper.follow(self)

    def _begin(self, past: Past | None) -> None:
        now = self.clock()
        if past is None:
            self._scheduler = Scheduler(self.plan, self.initial)
            self.events.add(
                (Kind.EXECUTION_START, now, None, {"graph": self.name, "rules": RULES, "input": dict(self.initial)})
            )
            answers = self._scheduler.begin()
        else:
            self._scheduler = past.replay.scheduler
            for event in past.events:
                self.events.add(event)
            self.events.add((Kind.EXECUTION_RESUMED, now, None, past.told))
            answers = past.replay.standing()
        self._carry_out(answers, now)
        self.workers.wake()

    # what users see

    @property
    def state(self) -> dict[str, Any]:
        """A copy of the final state; while it runs, of what its paths have come to, laid over each other."""
        if self.result is not None:
            return self.result.state
        state: dict[str, Any] = own(self._scheduler.state())
        return state

    def cancel(self, reason: str = "") -> None:
        """Stop the run: what runs is cancelled, and whoever awaits it gets `ExecutionCancelled`."""
        error = ExecutionCancelled(f"run of {self.name or 'the graph'} was cancelled", reason=reason)
        self._carry_out(self._scheduler.stop(error), self.clock())

    # what workers tell

    def started(
        self, task: Task, now: float, number: int, given: dict[str, Any], job: Job, kind: type[Attempt] = Attempt
    ) -> Context:
        """Note the start of an attempt; return the context that its tool is to run in."""
        number += task.tried
        snapshots = self.copies.snapshots
        logged = snapshots.compact(given) if snapshots.has_grown else given
        self.events.add((NODE_START, now, task, number, logged, job.spec))
        if self.events.listeners:
            # Not at once: a listener may cancel the run, and the attempt is not there yet.
            self.loop.call_soon(self.events.notify)
        attempt = task.attempt = kind(self, task, now, number, in_thread=job.mode == "thread")
        if self.stragglers and kind is Attempt:
            self._report_stragglers(task, number)
        context = self.workers.context.copy()
        context.run(NODE.set, attempt)
        return context

    def _report_stragglers(self, task: Task, number: int) -> None:
        """Record that an attempt starts while threads of earlier attempts at its node still run."""
        running = len(self.stragglers.of(position_of(self.id, task)))
        if running:
            threads = "the thread of an earlier attempt still runs" if running == 1 else (
                f"the threads of {running} earlier attempts still run"
            )  # fmt: skip
            text = (
                f"attempt {number} started though {threads}, after waiting {self.grace:g} s (NBFLOW_ATTEMPT_GRACE); "
                "what an earlier one returns or prints is dropped\n"
            )
            data = {"text": text, "stream": "stderr", "overlaps": running, **attempt_place(task, number)}
            self.events.add((Kind.NODE_OUTPUT, self.clock(), task.name, data))

    async def wait_for_stragglers(self, task: Task, until: float) -> None:
        """Wait until no thread of an earlier attempt at a task's node runs, or until the loop's time `until`.

        The wait counts for no timeout, neither of the task nor of the subgraphs around it (SEMANTICS rule 15a).
        A long wait is logged.
        """
        position = position_of(self.id, task)
        if not self.stragglers.of(position):
            return
        notice = self.loop.call_later(WAIT_UNNOTICED_S, self._log_wait, task, until)
        try:
            with self._composites.stopped_clocks(task):
                await self.stragglers.wait(position, until)
        finally:
            notice.cancel()

    @contextmanager
    def stopped_clocks(self, task: Task) -> Iterator[None]:
        """Stop the timeouts of a task's attempt and of the subgraphs around it meanwhile (SEMANTICS rule 15a)."""
        with task.attempt.stopped_clock(), self._composites.stopped_clocks(task):
            yield

    def _log_wait(self, task: Task, until: float) -> None:
        seconds = max(0.0, until - self.loop.time())
        logger.warning(
            "node %r waits for the thread of an earlier attempt, which still runs, for up to %.0f s more "
            "(NBFLOW_ATTEMPT_GRACE)", task.name, seconds,
        )  # fmt: skip

    def say(self, task: Task, kind: Kind, data: dict[str, Any]) -> None:
        """Note what a tool said in its attempt; also that of a task which was cancelled, right before its end."""
        self.events.add((kind, self.clock(), task.name, data | {"text": mask(data["text"])}))
        if task.live:  # else listeners hear of it once the cancellation is carried out
            self.events.notify()

    def retrying(self, task: Task, attempt: int, error: BaseException | None, wait: float) -> None:
        """Note that an attempt failed and another follows in `wait` seconds."""
        now = self.clock()
        self.will_retry(task, attempt, error, wait, now)
        self.events.notify()

    def will_retry(self, task: Task, number: int, error: BaseException | None, wait: float, now: float) -> None:
        """Note that attempt `number` failed, and let the coming one wait for `wait` seconds."""
        ended = self.close(task)
        task.attempt = Coming(self, task, now, number + 1)
        self.events.add((Kind.NODE_RETRY, now, task, ended.number, ended.started, error, wait))

    def completed(
        self, task: Task, output: Any, unchanged: tuple[str, ...], now: float, *, cached: bool = False
    ) -> None:
        """Record what a tool returned, now or when its output was cached, and continue.

        `output` is the engine's own value; its keys in `unchanged` are no update.
        """
        self._composites.expire_around(task)
        if not task.live:
            return
        attempt = self.close(task)
        snapshots = self.copies.snapshots
        logged = snapshots.compact(output) if snapshots.has_grown else output
        entry: Entry = (NODE_COMPLETE, now, task, attempt.number, attempt.started, logged, cached)
        self.events.add((*entry, False, unchanged) if unchanged else entry)
        update = without(output, unchanged) if unchanged else output
        self._carry_out(self._scheduler.complete(task, update), now)

    def failed(self, task: Task, error: BaseException) -> None:
        """Take that a task failed for good, and go on."""
        self._composites.expire_around(task)
        if not task.live:
            return
        now = self.clock()
        self._begun(task, now)
        attempt = self.close(task)
        answers = self._scheduler.fail(task, error)
        handled = not any(isinstance(a, Retry) or (isinstance(a, Ended) and a.error is not None) for a in answers)
        self.events.add((Kind.NODE_ERROR, now, task, attempt.number, attempt.started, error, handled))
        self._carry_out(answers, now)

    def broke(self, error: BaseException) -> None:
        """End the run by an error that no tool raised; it must not leave anybody waiting."""
        broken = ExecutionError(
            f"run of {self.name or 'the graph'} broke off: {type(error).__name__}: {text_of(error)}"
        )
        broken.__cause__ = error
        self._carry_out(self._scheduler.stop(broken), self.clock())

    def later(self, decide: Callable[[Scheduler], Iterable[Answer]]) -> None:
        """Carry out what the scheduler decides now that a timer has run out."""
        try:
            self._carry_out(decide(self._scheduler), self.clock())
        except BaseException as error:  # noqa: BLE001 - raised into the loop it would leave the run waiting for ever
            self.broke(error)
        self.workers.wake()

    def worker_left(self) -> None:
        """Note that a worker ended; the last one of a run that is over, and kept, ends the wait for it."""
        kept = self._gate is None or self._gate.settled
        if self.result is not None and self.workers.idle and kept and not self._ended.done():
            self._ended.set_result(None)
            if self._patience is not None:
                self._patience.cancel()
            if not self._abandoned:
                self._untie()

    def _untie(self) -> None:
        """Let the run's parts refer to it weakly, so that it is freed at once where nobody holds it."""
        alone = weakref.proxy(self)
        for part in (self.workers, self._composites, self.questions, self._gate):
            if part is not None:
                part.untie(alone)
        self._scheduler.untie()
        if any(node.graph or node.map for node in self.graph.nodes):
            self._forget_inside()
        self.events.listeners.clear()

    def _forget_inside(self) -> None:
        """Drop what was inside of maps and subgraphs, which refers back to their tasks; the events have all of it."""
        for entry in self.events.entries(0, len(self.events)):
            if type(entry) is tuple and type(entry[2]) is Task:
                entry[2].composite = None

    # what the keeper tells

    @property
    def is_kept(self) -> bool:
        """Whether its events are kept as they come; not with a keeper that has given up."""
        return self._gate is not None and self._gate.keeping

    def kept(self, upto: int) -> None:
        """Note that the first `upto` events are safe, and go on with what waited for it."""
        assert self._gate is not None  # noqa: S101 - only a keeper calls this
        self._gate.advance(upto)
        self.workers.wake()
        self.worker_left()

    async def until_kept(self, upto: int) -> None:
        """Wait until the first `upto` events are safe, where they are kept at all; call on the run's loop."""
        if self._gate is not None:
            await self._gate.reached(upto)

    def not_kept(self, error: NbflowError, *, fatal: bool) -> None:
        """Note that nothing more can be kept: the run stops by the error, or goes on in memory alone."""
        assert self._gate is not None  # noqa: S101 - only a keeper calls this
        if fatal and self.result is None:
            self._carry_out(self._scheduler.stop(error), self.clock())
        elif fatal and self.result is not None and self.error is None:
            # It came to its end, and whoever awaits it must not take that for kept.
            self.error, self.status = error, Status.FAILED
            self.result = replace(self.result, status=Status.FAILED, error=words(error))
        elif isinstance(error, StoreClosedError) and self._gate.kept:
            logger.info(
                "run %s ended after its store was closed; it can be resumed from what was stored before", self.id
            )
        elif not fatal:
            what = "goes on in memory alone" if self.result is None else "has ended in memory alone"
            logger.warning("run %s %s, and cannot be resumed: %s", self.id, what, error)
        self._gate.open()
        self.workers.wake()
        self.worker_left()

    def close(self, task: Task) -> Attempt:
        """End the task's attempt, once all that it said is told; return it."""
        attempt: Attempt = task.attempt
        if attempt.figures and (attempt.thread is None or attempt.thread.ended is not None):
            take_figures(attempt)
        attempt.end()
        if attempt.thread is not None and attempt.thread.ended is None:
            self.stragglers.add(position_of(self.id, task), attempt.thread)
        if self.questions.open:
            self.questions.drop(task)
        task.attempt = None
        return attempt

    # what the scheduler answers

    def _carry_out(self, answers: Iterable[Answer], now: float) -> None:
        for answer in answers:
            if type(answer) is EdgeTaken:
                self.events.add((EDGE_TAKEN, now, answer))
            elif type(answer) is Task:
                self._admit(answer)
            else:
                self._carry_out_rare(answer, now)
        if self.questions.open:
            self.judge()
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
            case Close():
                self._composites.closed(answer, now)
            case Retry(task, number, error):
                self._composites.retry(task, number, error, now)
            case Ended(state, error):
                self._finish(state, error, now)

    def _cancel(self, task: Task, now: float) -> None:
        self._composites.forget_timer(task)
        if task.attempt is not None:
            attempt = self.close(task)
            self.events.add((Kind.NODE_CANCELLED, now, task, attempt.number, attempt.started, attempt.in_thread))
        self.workers.cancel(task)

    def _finish(self, state: dict[str, Any], error: BaseException | None, now: float) -> None:
        self.status = Status.COMPLETED
        if error is not None:
            self.status = Status.CANCELLED if isinstance(error, ExecutionCancelled) else Status.FAILED
        told = None if error is None else words(error)
        self.result = ExecutionResult(self.id, self.status, state, now - self._began, told, self.events)
        self.error = error
        if isinstance(error, ExecutionError | ConditionError):
            error.result = self.result
        self.events.add((ENDING_OF[self.status], now, None, ending(state, error)))
        self.workers.hold.open()
        if self.workers.idle:
            self.worker_left()
        else:
            self._patience = self.loop.call_later(CLEANUP_S, self._stop_waiting)

    def _stop_waiting(self) -> None:
        abandoned = self.workers.abandon()
        self._abandoned = bool(abandoned)
        if abandoned:  # else only the store is waited for
            names = name_list(repr(task.name) for task in abandoned)
            logger.warning("run %s ended, and %s did not end within %g s of being cancelled", self.id, names, CLEANUP_S)
        self.worker_left()
