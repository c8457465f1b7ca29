"""The execution of one run on the event loop: executes the scheduler's commands, and reports the outcomes to it.

`Run` is the object that users have. It has one `Execution`, which has the workers, the timers of maps and subgraphs,
the questions, the pause state and the durability gate. Each of these parts knows the execution by the few members that
its protocol names.

Invariant: the event log gets every event in the order of the scheduler's decisions, before any of its consequences.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any

from nbflow.engine.attempt import NODE, Attempt, Coming
from nbflow.engine.cache import Caching
from nbflow.engine.composite_timers import CompositeTimers
from nbflow.engine.controls import Controls
from nbflow.engine.durability import DurabilityGate
from nbflow.engine.figures import take_figures
from nbflow.engine.job import Job, Jobs
from nbflow.engine.ownership import Copies, without
from nbflow.engine.questions import Form, Questions
from nbflow.engine.record import RunRecord
from nbflow.engine.replay import ResumePoint
from nbflow.engine.result import ExecutionResult
from nbflow.engine.stragglers import Stragglers, position_of
from nbflow.engine.tasks import Workers
from nbflow.errors import (
    ConditionError,
    ExecutionCancelled,
    ExecutionError,
    NbflowError,
    StoreClosedError,
    name_list,
    words,
)
from nbflow.errors.failures import describe, text_of
from nbflow.event_log import (
    CancellationRecord,
    CompletionRecord,
    EdgeTakenRecord,
    EdgeUntakenRecord,
    ErrorRecord,
    EventLog,
    PlainRecord,
    QuestionRecord,
    RetryRecord,
    SkipRecord,
    StartRecord,
    attempt_fields,
)
from nbflow.events import ENDINGS, Kind, Status
from nbflow.executors import ThreadExecutor
from nbflow.graph import GraphDefinition
from nbflow.scheduler import (
    RULES,
    Cancel,
    Close,
    Command,
    EdgeTaken,
    EdgeUntaken,
    Ended,
    Open,
    Retry,
    Scheduler,
    Task,
)
from nbflow.secrets import mask

logger = logging.getLogger("nbflow")

WAIT_UNNOTICED_S = 2.0
"""A start that waits longer for the thread of an earlier attempt is logged."""
CLEANUP_S = 10.0
"""The time (s) for which the end of a run waits for the cleanup of cancelled tools."""
ACTIVE = (Status.RUNNING, Status.WAITING)
_KIND_OF_END = {status: kind for kind, status in ENDINGS.items()}


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of a run: its tools, threads and clock (`epoch` + `clock()` is seconds since 1970).

    `grace` is the time (s) for which the next start of a node waits for a thread of `stragglers`.
    """

    jobs: Jobs
    threads: ThreadExecutor
    thread_slots: asyncio.Semaphore
    clock: Callable[[], float]
    epoch: float
    subgraphs: Mapping[str, GraphDefinition]
    stragglers: Stragglers
    grace: float
    caching: Caching | None = None


class Execution:
    """Executes one run, and updates the status and the result of its `record`.

    Creating an execution starts nothing; call `start` once.

    Args:
        record: The run.
        log: The event log of the run.
        environment: The tools, threads and clock.
        max_parallel: The number of nodes that may run at once; None for no limit.
        resume_from: The state that a resumed run starts from.
    """

    def __init__(
        self, record: RunRecord, log: EventLog, environment: Environment, *, max_parallel: int | None,
        resume_from: ResumePoint | None,
    ) -> None:  # fmt: skip
        self.loop = asyncio.get_running_loop()
        self.clock = environment.clock
        self.threads, self.thread_slots = environment.threads, environment.thread_slots
        self.stragglers, self.grace = environment.stragglers, environment.grace
        self.jobs, self.caching = environment.jobs, environment.caching
        self.log, self._add = log, log.add
        self.error: BaseException | None = None
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.started_at = self.clock() - (resume_from.seconds if resume_from else 0.0)
        """The clock time (s) from which the execution time counts."""
        self._record, self._resume_from = record, resume_from
        self._cleanup: asyncio.TimerHandle | None = None
        self._abandoned = False
        self.copies = Copies(self.clock)
        self.controls = Controls()
        self.workers = Workers(self, max_parallel)
        self.composites = CompositeTimers(self)
        self.questions = Questions(self, resume_from.replay.answers if resume_from else {})
        self.gate: DurabilityGate | None = None
        self._admit: Callable[[Task], None] = self.workers.add
        self.scheduler = resume_from.replay.scheduler if resume_from else Scheduler(record.plan, record.initial)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._record.id

    @property
    def status(self) -> Status:
        """The status of the run."""
        return self._record.status

    def use_gate(self, gate: DurabilityGate) -> None:
        """Pass ready tasks through a durability gate."""
        self.gate, self._admit = gate, gate.add

    def start(self) -> None:
        """Log the start, and execute the first commands."""
        now, record, resumed = self.clock(), self._record, self._resume_from
        self._resume_from = None
        if resumed is None:
            data = {"graph": record.name, "rules": RULES, "input": dict(record.initial)}
            self._add(PlainRecord(Kind.EXECUTION_START, now, None, data))
            commands = self.scheduler.begin()
        else:
            for event in resumed.events:
                self._add(event)
            self._add(PlainRecord(Kind.EXECUTION_RESUMED, now, None, resumed.data))
            commands = resumed.replay.open_commands()
        self.execute(commands, now)
        self.workers.wake()

    # attempts

    def started(
        self, task: Task, now: float, number: int, given: dict[str, Any], job: Job, kind: type[Attempt] = Attempt
    ) -> Context:
        """Log the start of an attempt; return the context for its tool."""
        number += task.tried
        snapshots = self.copies.snapshots
        logged = snapshots.compact(given) if snapshots.has_grown else given
        self._add(StartRecord(now, task, number, logged, job.spec))
        if self.log.listeners:
            # In the next turn: a listener may cancel the run, and the attempt does not exist yet.
            self.loop.call_soon(self.log.notify)
        attempt = task.attempt = kind(self, task, now, number, job.mode == "thread")
        if self.stragglers.threads and kind is Attempt:
            self._log_stragglers(task, number)
        context = self.workers.context.copy()
        context.run(NODE.set, attempt)
        return context

    def _log_stragglers(self, task: Task, number: int) -> None:
        """Log that an attempt starts while threads of earlier attempts at its node still run."""
        running = len(self.stragglers.of(position_of(self.run_id, task)))
        if running:
            threads = "the thread of an earlier attempt still runs" if running == 1 else (
                f"the threads of {running} earlier attempts still run"
            )  # fmt: skip
            text = (
                f"attempt {number} started although {threads}, after waiting {self.grace:g} s (NBFLOW_ATTEMPT_GRACE); "
                "the values and the text of earlier attempts are dropped\n"
            )
            data = {"text": text, "stream": "stderr", "overlaps": running, **attempt_fields(task, number)}
            self._add(PlainRecord(Kind.NODE_OUTPUT, self.clock(), task.name, data))

    async def wait_for_stragglers(self, task: Task, until: float) -> None:
        """Wait until no thread of an earlier attempt at a task's node runs, or until the loop's time `until`.

        The wait counts for no timeout, neither of the task nor of the subgraphs around it (SEMANTICS rule 15a).
        A long wait is logged.
        """
        position = position_of(self.run_id, task)
        if not self.stragglers.of(position):
            return
        notice = self.loop.call_later(WAIT_UNNOTICED_S, self._log_wait, task, until)
        try:
            with self.composites.stopped_clocks(task):
                await self.stragglers.wait(position, until)
        finally:
            notice.cancel()

    def _log_wait(self, task: Task, until: float) -> None:
        seconds = max(0.0, until - self.loop.time())
        logger.warning(
            "node %r waits for the thread of an earlier attempt, which still runs, for up to %.0f s more "
            "(NBFLOW_ATTEMPT_GRACE)", task.name, seconds,
        )  # fmt: skip

    @contextmanager
    def stopped_clocks(self, task: Task) -> Iterator[None]:
        """Stop the timeouts of a task's attempt and of the subgraphs around it inside the `with` block (rule 15a)."""
        with task.attempt.stopped_clock(), self.composites.stopped_clocks(task):
            yield

    def log_output(self, task: Task, kind: Kind, data: dict[str, Any]) -> None:
        """Log output or progress of an attempt; of a cancelled task too, right before its end."""
        self._add(PlainRecord(kind, self.clock(), task.name, data | {"text": mask(data["text"])}))
        if task.live:  # listeners are notified of a cancelled task once the cancellation is executed
            self.log.notify()

    def ask(self, attempt: Attempt, task: Task, ordinal: int, form: Form, data: Mapping[str, Any]) -> Any:
        """Ask a person, from any thread; return a future for the data of the answer."""
        return self.questions.ask(attempt, task, ordinal, form, data)

    def log_question(self, kind: Kind, task: Task, data: dict[str, Any]) -> int:
        """Log a question of a task, or the answer; return the `seq` of the event."""
        self._add(QuestionRecord(self.clock(), task, task.attempt.number, kind, data))
        seq = len(self.log)
        self.update_waiting()
        self.log.notify()
        return seq

    def retrying(self, task: Task, attempt: int, error: BaseException | None, wait: float) -> None:
        """Log that an attempt failed, and that the next one starts in `wait` seconds."""
        self.will_retry(task, attempt, error, wait, self.clock())
        self.log.notify()

    def will_retry(self, task: Task, number: int, error: BaseException | None, wait: float, now: float) -> None:
        """Log the failure of attempt `number`, and replace it by a coming attempt."""
        ended = self.close(task)
        task.attempt = Coming(self, task, now, number + 1)
        self._add(RetryRecord(now, task, ended.number, ended.started, error, wait))

    # outcomes

    def completed(
        self, task: Task, output: Any, unchanged: tuple[str, ...], now: float, *, cached: bool = False
    ) -> None:
        """Log the completion of a task, and execute the commands that follow.

        `output` is a value that no tool can change; its keys in `unchanged` are not updates.
        """
        if task.run.parent is not None:
            self.composites.expire_around(task)
        if not task.live:
            return
        attempt = self.close(task)
        snapshots = self.copies.snapshots
        logged = snapshots.compact(output) if snapshots.has_grown else output
        # Passed by position: keyword arguments double the time of the call, which happens once per firing.
        self._add(CompletionRecord(now, task, attempt.number, attempt.started, logged, cached, False, unchanged))
        update = without(output, unchanged) if unchanged else output
        self.execute(self.scheduler.complete(task, update), now)

    def failed(self, task: Task, error: BaseException) -> None:
        """Log the failure of a task after its last retry, and execute the commands that follow."""
        if task.run.parent is not None:
            self.composites.expire_around(task)
        if not task.live:
            return
        now = self.clock()
        self.ensure_started(task, now)
        attempt = self.close(task)
        commands = self.scheduler.fail(task, error)
        handled = not any(isinstance(c, Retry) or (isinstance(c, Ended) and c.error is not None) for c in commands)
        self._add(ErrorRecord(now, task, attempt.number, attempt.started, error, handled))
        self.execute(commands, now)

    def skip(self, task: Task, output: Any) -> None:
        """Complete a task with the output that a person gave, and cancel its attempt."""
        now = self.clock()
        if task.composite is None:
            attempt = self.ensure_started(task, now)
            self.close(task)
            self._add(SkipRecord(now, task, attempt.number, attempt.started, output))
        commands = self.scheduler.skip(task, output)
        self.workers.cancel(task)
        self.execute(commands, now)
        self.workers.wake()

    def ensure_started(self, task: Task, now: float) -> Attempt:
        """Return the attempt of a task; log its start first if there is none, since every end needs a start."""
        if task.attempt is None or type(task.attempt) is Coming:
            number = task.tried + (task.attempt.number if task.attempt else 1)
            self._add(StartRecord(now, task, number, {}))
            task.attempt = Attempt(self, task, now, number)
        attempt: Attempt = task.attempt
        return attempt

    def close(self, task: Task) -> Attempt:
        """End the attempt of a task after logging all its output; return it."""
        attempt: Attempt = task.attempt
        if attempt.figures and (attempt.thread is None or attempt.thread.ended is not None):
            take_figures(attempt)
        attempt.end()
        if attempt.thread is not None and attempt.thread.ended is None:
            self.stragglers.add(position_of(self.run_id, task), attempt.thread)
        if self.questions.open:
            self.questions.drop(task)
        task.attempt = None
        return attempt

    # commands

    def execute(self, commands: Iterable[Command], now: float) -> None:
        """Execute commands of the scheduler, and notify the listeners of the log."""
        for command in commands:
            if type(command) is EdgeTaken:
                self._add(EdgeTakenRecord(now, command))
            elif type(command) is Task:
                self._admit(command)
            else:
                self._execute_rare(command, now)
        if self.questions.open:
            self.update_waiting()
        if self.log.listeners:
            self.log.notify()

    def _execute_rare(self, command: Command, now: float) -> None:
        match command:
            case EdgeUntaken():
                self._add(EdgeUntakenRecord(now, command))
            case Cancel(task):
                self._cancel(task, now)
            case Open(task, number):
                self.composites.opened(task, number, now)
            case Close():
                self.composites.closed(command, now)
            case Retry(task, number, error):
                self.composites.retry(task, number, error, now)
            case Ended(state, error):
                self._end(state, error, now)

    def _cancel(self, task: Task, now: float) -> None:
        self.composites.forget_timer(task)
        if task.attempt is not None:
            attempt = self.close(task)
            self._add(CancellationRecord(now, task, attempt.number, attempt.started, attempt.in_thread))
        self.workers.cancel(task)

    def decide_later(self, decide: Callable[[Scheduler], Iterable[Command]]) -> None:
        """Execute the commands of a decision that a timer has triggered."""
        try:
            self.execute(decide(self.scheduler), self.clock())
        except BaseException as error:  # noqa: BLE001 - if the loop got the exception, the run would wait forever
            self.abort(error)
        self.workers.wake()

    # status

    def pause(self, at: str | None = None) -> None:
        """Start no more tasks; `at` is the path of the node whose breakpoint caused the pause."""
        self.controls.paused = True
        self._set_status(Status.PAUSED, Kind.EXECUTION_PAUSED, {} if at is None else {"at": at})

    def unpause(self) -> None:
        """Continue after a pause."""
        self.controls.open()
        self._set_status(Status.RUNNING, Kind.EXECUTION_CONTINUED, {})
        self.update_waiting()

    def _set_status(self, status: Status, kind: Kind, data: dict[str, Any]) -> None:
        self._record.status = status
        self._add(PlainRecord(kind, self.clock(), None, data))
        self.log.notify()
        self.workers.wake()

    def update_waiting(self) -> None:
        """Set the status to `waiting` if every live task waits for a person, else to `running`."""
        if self._record.status in ACTIVE:
            asking = {question.task for question in self.questions.open}
            waits = bool(asking) and all(task in asking for task in self.scheduler.leaves())
            self._record.status = Status.WAITING if waits else Status.RUNNING

    # the end

    def stop(self, reason: str) -> None:
        """Cancel the run."""
        error = ExecutionCancelled(f"run of {self._record.name or 'the graph'} was cancelled", reason=reason)
        self.execute(self.scheduler.stop(error), self.clock())

    def abort(self, error: BaseException) -> None:
        """End the run by an error that no tool raised, so that no caller waits forever."""
        name = self._record.name or "the graph"
        broken = ExecutionError(f"run of {name} broke off: {type(error).__name__}: {text_of(error)}")
        broken.__cause__ = error
        self.execute(self.scheduler.stop(broken), self.clock())

    def _end(self, state: dict[str, Any], error: BaseException | None, now: float) -> None:
        record = self._record
        record.status = Status.COMPLETED
        if error is not None:
            record.status = Status.CANCELLED if isinstance(error, ExecutionCancelled) else Status.FAILED
        text = None if error is None else words(error)
        record.result = ExecutionResult(record.id, record.status, state, now - self.started_at, text, self.log)
        self.error = error
        if isinstance(error, ExecutionError | ConditionError):
            error.result = record.result
        self._add(PlainRecord(_KIND_OF_END[record.status], now, None, _end_data(state, error)))
        self.controls.open()
        if self.workers.idle:
            self.check_ended()
        else:
            self._cleanup = self.loop.call_later(CLEANUP_S, self._stop_waiting)

    def _stop_waiting(self) -> None:
        abandoned = self.workers.abandon()
        self._abandoned = bool(abandoned)
        if abandoned:  # otherwise only the store is missing
            names = name_list(repr(task.name) for task in abandoned)
            logger.warning(
                "run %s ended, and %s did not end within %g s of being cancelled", self.run_id, names, CLEANUP_S
            )
        self.check_ended()

    def check_ended(self) -> None:
        """Set `ended` once the run has a result, no worker runs, and all events are stored."""
        stored = self.gate is None or self.gate.settled
        if self._record.result is not None and self.workers.idle and stored and not self.ended.done():
            self.ended.set_result(None)
            if self._cleanup is not None:
                self._cleanup.cancel()
            if not self._abandoned:
                self._release()

    def _release(self) -> None:
        """Break the reference cycles of a run that has ended, so that it is freed as soon as its last user drops it."""
        proxy = weakref.proxy(self)
        self.workers.release(proxy)
        self.composites.release(proxy)
        self.questions.release(proxy)
        if self.gate is not None:
            self.gate.release()
        self.scheduler.release()
        self._record = weakref.proxy(self._record)
        if any(node.graph or node.map for node in self._record.graph.nodes):
            self._forget_composites()
        self.log.listeners.clear()

    def _forget_composites(self) -> None:
        """Drop the state inside maps and subgraphs, which refers back to their tasks; the events have all of it."""
        for record in self.log.records(0, len(self.log)):
            if isinstance(record, StartRecord):
                record.task.composite = None

    # durability

    def after_store(self) -> None:
        """Continue after the store has committed events, or has failed."""
        self.workers.wake()
        self.check_ended()

    def store_failed(self, error: NbflowError, fatal: bool) -> None:
        """End the run by an error of its store if that is `fatal`; else log that it continues in memory."""
        record, gate = self._record, self.gate
        if fatal and record.result is None:
            self.execute(self.scheduler.stop(error), self.clock())
        elif fatal and record.result is not None and self.error is None:
            # The graph has ended, but a caller that awaits the run must not believe that it is stored.
            self.error, record.status = error, Status.FAILED
            record.result = replace(record.result, status=Status.FAILED, error=words(error))
        elif isinstance(error, StoreClosedError) and gate is not None and gate.stored:
            logger.info(
                "run %s ended after its store was closed; it can be resumed from what was stored before", self.run_id
            )
        elif not fatal:
            what = "continues in memory alone" if record.result is None else "has ended in memory alone"
            logger.warning("run %s %s, and cannot be resumed: %s", self.run_id, what, error)


def _end_data(state: dict[str, Any], error: BaseException | None) -> dict[str, Any]:
    """Return the data of the event that ends a run."""
    if error is None:
        return {"result": state}
    if isinstance(error, ExecutionCancelled):
        return {"result": state, "reason": error.reason}
    return {"result": state, "error": {"node": None, **describe(error)}}
