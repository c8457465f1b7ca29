"""What a run is given by its engine.

Rule: a run reaches for nothing else: no registry, no clock and no pool of its own.


A run as those see it who wait for it: for its end, or for the next thing that happens.

Rule: giving up a wait never leaves a run half cancelled, and looking never disturbs it.


What a person can do to a run that lives: pause it, go through it step by step, answer, skip, try again at once.

Rule: each is refused where it means nothing, with what the run stands at; what it does is told as an event.


One run on the event loop: carries the scheduler's answers out, and tells it what came of them.

Rule: the journal gets everything in the order in which the scheduler decided it, before anything that follows from it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import weakref
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any

from nbflow.engine.attempt import NODE, Attempt, Coming
from nbflow.engine.cache import Caching
from nbflow.engine.composite_timers import Composites
from nbflow.engine.durability import Gate, Keeper
from nbflow.engine.figures import install as give_figures
from nbflow.engine.figures import take_figures
from nbflow.engine.job import Job, Jobs
from nbflow.engine.ownership import Copies, as_update, without
from nbflow.engine.questions import Question, Questions
from nbflow.engine.record import RunRecord
from nbflow.engine.replay import Past
from nbflow.engine.result import ExecutionResult
from nbflow.engine.stragglers import Stragglers, position_of
from nbflow.engine.tasks import Workers
from nbflow.errors import (
    ConditionError,
    ExecutionCancelled,
    ExecutionError,
    NbflowError,
    RunStateError,
    StoreClosedError,
    did_you_mean,
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
from nbflow.names import node_path
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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run is given: the tools, the threads, and the clock (`epoch` + `clock()` is seconds since 1970).

    `grace` is how long (s) a node's next start waits for a thread of `stragglers`.
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


class AwaitedRun(RunRecord):
    """A live run on its `loop`. `error` is what ended it."""

    events: EventLog

    def __init__(self, plan: Plan, state: Mapping[str, Any], around: Surroundings, *, run_id: str) -> None:
        super().__init__(plan, state, run_id=run_id, subgraphs=around.subgraphs)
        self.loop = asyncio.get_running_loop()
        self.clock = around.clock
        self.error: BaseException | None = None
        self.events = EventLog(around.epoch)
        self._record = self.events.add
        self._began = self.clock()
        self._ended: asyncio.Future[None] = self.loop.create_future()

    @abstractmethod
    def cancel(self, reason: str = "") -> None:
        """Stop the run."""

    @property
    def execution_time(self) -> float:
        """Seconds that it ran, all sittings together, to its end or until now."""
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

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back once, on the loop, when it has ended and left nothing running; soon, if that is so already."""
        self._ended.add_done_callback(lambda _: callback())

    async def changed(self) -> None:
        """Wait until something happens next; if the run has ended, for a turn of the loop."""
        changed = asyncio.Event()
        self.on_change(changed.set)
        await changed.wait()


_GOING = (Status.RUNNING, Status.WAITING)
_INDEX = re.compile(r"\[\d+\]")


def check_node(plan: Plan, graph: str, path: str) -> None:
    """Refuse the path of a node that a graph does not have, nor one of its subgraphs.

    Raises:
        RunStateError: No run of the graph ever comes to such a node.
    """
    inner: Plan | None = plan
    above = ""
    for part in node_path(path).split("/"):
        name = _INDEX.sub("", part)
        known = inner.by_id if inner is not None else {}
        if name not in known:
            there = (
                f"known nodes: {name_list(above + one for one in known)}" if known else f"{above[:-1]!r} has no nodes"
            )
            raise RunStateError(f"graph {graph!r} has no node {path!r}{did_you_mean(name, known)}; {there}")
        inner = known[name].subplan
        above += f"{part}/"


class SteeredRun(AwaitedRun):
    """A live run, as it is steered; on its own `loop`."""

    _scheduler: Scheduler
    workers: Workers
    _composites: Composites
    questions: Questions

    @abstractmethod
    def close(self, task: Task) -> Attempt:
        """End a task's attempt."""

    @abstractmethod
    def _carry_out(self, answers: Iterable[Answer], now: float) -> None:
        """Do what the scheduler answers."""

    @property
    def breaks(self) -> frozenset[str]:
        """The nodes before whose start it pauses by itself, by their paths."""
        return frozenset(self.workers.hold.breaks)

    def break_at(self, node: str, *, on: bool = True) -> None:
        """Pause before each start of a node from now on, or with `on` False no longer.

        Args:
            node: Its path, such as `review/extract`; of a map and a subgraph what begins first in it counts, and an
                item may be meant, `m[3]`.
            on: Whether there is to be a breakpoint.

        Raises:
            RunStateError: The graph has no such node.
        """
        check_node(self.plan, self.name, node := node_path(node))
        (self.workers.hold.breaks.add if on else self.workers.hold.breaks.discard)(node)

    def pause(self, at: str | None = None) -> None:
        """Start nothing more until `unpause`; what runs goes on. `at` tells before which node it came to that.

        Raises:
            RunStateError: It is not running.
        """
        if self.status not in _GOING:
            raise RunStateError(f"run {self.id} is {self.status}; only one that is running can be paused")
        self.workers.hold.paused = True
        self._set(Status.PAUSED, Kind.EXECUTION_PAUSED, {} if at is None else {"at": at})

    def unpause(self) -> None:
        """Go on after `pause`.

        Raises:
            RunStateError: It is not paused.
        """
        if self.status is not Status.PAUSED:
            raise RunStateError(f"run {self.id} is {self.status}; only one that is paused can be running")
        self.workers.hold.open()
        self._set(Status.RUNNING, Kind.EXECUTION_CONTINUED, {})
        self.judge()

    def _set(self, status: Status, kind: Kind, data: dict[str, Any]) -> None:
        self.status = status
        self.events.add(PlainRecord(kind, self.clock(), None, data))
        self.events.notify()
        self.workers.wake()

    def step(self) -> None:
        """Start the one node that is next, and stay paused.

        Raises:
            RunStateError: It is not paused, or nothing is ready: what runs has to end first.
        """
        if self.status is not Status.PAUSED:
            raise RunStateError(f"run {self.id} is {self.status}; only one that is paused goes by steps")
        if not self.workers.step():
            running = name_list(task.name for task in self._scheduler.leaves())
            raise RunStateError(f"run {self.id} has nothing ready to start; running is {running}")

    def answer(self, value: Any, *, node: str | None = None, question: int | None = None) -> None:
        """Answer the question that a node asks; the first answer that fits counts.

        Args:
            value: One of the choices, a value of the question's type, or its JSON data.
            node: Which node's question, by its path; needed where several nodes ask.
            question: Which question, by the `seq` of its `node_waiting` event; needed where a node asks several.

        Raises:
            RunStateError: No such question is open, or it is not clear which is meant.
            AnswerError: The answer does not fit; `.faults` tells each fault by its place.
        """
        self.questions.answer(value, node, question)

    @property
    def asking(self) -> list[Question]:
        """The questions that wait for a person, in the order in which they were asked."""
        return list(self.questions.open)

    def skip(self, node: str, output: Any = None) -> None:
        """Let `output` stand for what a node would return, and go on; what runs of it is cancelled.

        Args:
            node: Its path; of several firings side by side the oldest.
            output: As a tool returns it: a dict is the update, None no update, anything else the value of its own key.

        Raises:
            RunStateError: The node neither runs nor is about to.
            ToolError: The output is a dict with keys that are no texts.
            NameClashError: It is a dict of which two keys become one name.
        """
        task = self._live(node)
        node, output = task.name, own(output)
        learn({node: output})
        if task.item is None and output is not None:
            key = task.node.definition.into if task.node.definition.map is not None else None
            output = as_update(output, key or task.node.id)
        now = self.clock()
        if task.composite is None:
            attempt = self._begun(task, now)
            self.close(task)
            self.events.add(SkipRecord(now, task, attempt.number, attempt.started, output))
        answers = self._scheduler.skip(task, output)
        self.workers.cancel(task)
        self._carry_out(answers, now)
        self.workers.wake()

    def _begun(self, task: Task, now: float) -> Attempt:
        """Return the attempt of a task, told as begun, so that its end is the end of something."""
        if task.attempt is None or type(task.attempt) is Coming:
            number = task.tried + (task.attempt.number if task.attempt else 1)
            self.events.add(StartRecord(now, task, number, {}))
            task.attempt = Attempt(self, task, now, number)  # type: ignore[arg-type]  # a Run in fact
        attempt: Attempt = task.attempt
        return attempt

    def retry(self, node: str) -> None:
        """Begin the next try of a node now, without waiting for its backoff to end.

        Raises:
            RunStateError: The node does not wait for a next try.
        """
        task = self._live(node)
        retried = self.workers.hold.retry(task) if task.composite is None else self._composites.retry_now(task)
        if not retried:
            raise RunStateError(f"node {node!r} of run {self.id} does not wait for another try")

    def _live(self, node: str) -> Task:
        named = {task.name: task for task in reversed(list(self._scheduler.tasks()))}
        node = node if node in named else node_path(node)
        if node not in named:
            near = did_you_mean(node, named)
            raise RunStateError(f"node {node!r} of run {self.id} does not run{near}; running is {name_list(named)}")
        return named[node]

    def told_of(self, kind: Kind, task: Task, data: dict[str, Any]) -> int:
        """Note that a task asked a person, or was answered; return the event's `seq`."""
        self.events.add(QuestionRecord(self.clock(), task, task.attempt.number, kind, data))
        seq = len(self.events)
        self.judge()
        self.events.notify()
        return seq

    def judge(self) -> None:
        """See whether all that lives waits for a person."""
        if self.status in _GOING:
            asking = {question.task for question in self.questions.open}
            waits = bool(asking) and all(task in asking for task in self._scheduler.leaves())
            self.status = Status.WAITING if waits else Status.RUNNING


logger = logging.getLogger("nbflow")

WAIT_UNNOTICED_S = 2.0
"""How long a start waits for the thread of an earlier attempt before a notice says so."""

KIND_OF_END = {status: kind for kind, status in ENDINGS.items()}

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
            started = {"graph": self.name, "rules": RULES, "input": dict(self.initial)}
            self.events.add(PlainRecord(Kind.EXECUTION_START, now, None, started))
            answers = self._scheduler.begin()
        else:
            self._scheduler = past.replay.scheduler
            for event in past.events:
                self.events.add(event)
            self.events.add(PlainRecord(Kind.EXECUTION_RESUMED, now, None, past.told))
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
        self._record(StartRecord(now, task, number, logged, job.spec))
        if self.events.listeners:
            # Not at once: a listener may cancel the run, and the attempt is not there yet.
            self.loop.call_soon(self.events.notify)
        attempt = task.attempt = kind(self, task, now, number, job.mode == "thread")
        if self.stragglers.threads and kind is Attempt:
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
            data = {"text": text, "stream": "stderr", "overlaps": running, **attempt_fields(task, number)}
            self.events.add(PlainRecord(Kind.NODE_OUTPUT, self.clock(), task.name, data))

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
        self.events.add(PlainRecord(kind, self.clock(), task.name, data | {"text": mask(data["text"])}))
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
        self.events.add(RetryRecord(now, task, ended.number, ended.started, error, wait))

    def completed(
        self, task: Task, output: Any, unchanged: tuple[str, ...], now: float, *, cached: bool = False
    ) -> None:
        """Record what a tool returned, now or when its output was cached, and continue.

        `output` is the engine's own value; its keys in `unchanged` are no update.
        """
        if task.run.parent is not None:
            self._composites.expire_around(task)
        if not task.live:
            return
        attempt = self.close(task)
        snapshots = self.copies.snapshots
        logged = snapshots.compact(output) if snapshots.has_grown else output
        # By position: keyword arguments double the time of the call, which happens once per node.
        self._record(CompletionRecord(now, task, attempt.number, attempt.started, logged, cached, False, unchanged))
        update = without(output, unchanged) if unchanged else output
        self._carry_out(self._scheduler.complete(task, update), now)

    def failed(self, task: Task, error: BaseException) -> None:
        """Take that a task failed for good, and go on."""
        if task.run.parent is not None:
            self._composites.expire_around(task)
        if not task.live:
            return
        now = self.clock()
        self._begun(task, now)
        attempt = self.close(task)
        answers = self._scheduler.fail(task, error)
        handled = not any(isinstance(a, Retry) or (isinstance(a, Ended) and a.error is not None) for a in answers)
        self.events.add(ErrorRecord(now, task, attempt.number, attempt.started, error, handled))
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
        for record in self.events.records(0, len(self.events)):
            if isinstance(record, StartRecord):
                record.task.composite = None

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
                self._record(EdgeTakenRecord(now, answer))
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
                self.events.add(EdgeUntakenRecord(now, answer))
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
            self.events.add(CancellationRecord(now, task, attempt.number, attempt.started, attempt.in_thread))
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
        self.events.add(PlainRecord(KIND_OF_END[self.status], now, None, _end_data(state, error)))
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


def _end_data(state: dict[str, Any], error: BaseException | None) -> dict[str, Any]:
    """Return the data of the event that ends a run."""
    if error is None:
        return {"result": state}
    if isinstance(error, ExecutionCancelled):
        return {"result": state, "reason": error.reason}
    return {"result": state, "error": {"node": None, **describe(error)}}
