"""The execution of tasks: workers take ready tasks, and make attempts with retries, timeouts and streams.

Workers. An asyncio task per node would cost more than a short tool does. Instead, a *worker* (one asyncio task) steps
the coroutines of tools itself, one task after the other. A coroutine that ends without waiting costs no asyncio task
and no turn of the loop. When a coroutine waits for the first time, its worker becomes the asyncio task of that tool:
`asyncio.current_task()`, timeouts and task groups inside the tool refer to it. The worker can then run no other task,
so it hands over: a *spare* worker, which was created when the worker took its task, continues with the queue.

    worker 1   a  b  c waits ......................... c ends  -> takes the next ready task
    spare 2             d  e waits ............ e ends
    spare 3                   f  g  h

A spare starts in the next turn of the loop, so a series of tools that all wait would cost a turn each. Therefore the
number of spares doubles with each hand-over (`_crew`, up to `MOST_SPARES`), and returns to one when a worker finds the
queue empty or has occupied the loop for `BREATH_S`.

Attempts. An attempt returns the value of the tool, or raises. A retry is a new attempt, with its own start event.

Invariant: a ready task never waits for a running one, except for `max_parallel`, a pause, or a thread slot.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, nullcontext
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import Attempt, Recalled, current_attempt
from nbflow.engine.figures import take_figures
from nbflow.engine.generators import Stream, sort_of
from nbflow.engine.job import Job, check_mutation, delay, fingerprints
from nbflow.engine.ownership import Handover, Taken, WholeState, is_plain_update, plain_arguments
from nbflow.engine.stragglers import ToolThread
from nbflow.engine.watchdog import watch_here
from nbflow.errors import ToolError
from nbflow.errors.failures import complete
from nbflow.executors import first_step, rest
from nbflow.functions.arguments import STATE

if TYPE_CHECKING:
    from nbflow.engine.attempt import Attempt
    from nbflow.engine.execution import Execution
    from nbflow.scheduler import Task


logger = logging.getLogger("nbflow")

BLOCKED_S = 0.1
"""The time (s) above which a tool that blocks the loop causes a warning.

Such a tool may also have delayed a cancellation, so the loop gets `TURNS` turns before its outcome counts."""
TURNS = 8
"""The turns of the loop after a tool that blocked it. A kernel interrupt reaches `Run.cancel` in half as many."""
MOST_AWAITED = 32
"""The longest chain of awaitables that return awaitables; an endless one would block the loop forever."""


async def perform(execution: Execution, task: Task) -> Taken:
    """Run a task with the retries of its node and return the output of the tool.

    Raises:
        Exception: The error of the last attempt; TimeoutError if that attempt took too long.
    """
    job = execution.jobs.of(task.node)
    if job.retries == 0:
        return await _attempt(execution, task, job, 1, 1)
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

    def told(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        execution.retrying(task, state.attempt_number, error, state.next_action.sleep if state.next_action else 0.0)

    attempts = AsyncRetrying(
        stop=stop_after_attempt(job.retries + 1),
        wait=lambda state: delay(job.backoff, state.attempt_number + 1),
        # A ToolError means a wrong call, which a retry cannot fix.
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and not isinstance(error, ToolError)),
        before_sleep=told,
        sleep=partial(execution.controls.backoff, task),
        reraise=True,
    )
    number = 0

    async def once() -> Taken:
        nonlocal number
        number += 1
        return await _attempt(execution, task, execution.jobs.of(task.node), number, job.retries + 1)

    return await attempts(once)


async def _attempt(execution: Execution, task: Task, job: Job, number: int, of: int) -> Taken:
    given = job.arguments(task)
    if not job.definition.cache or execution.caching is None:
        return await _admitted(execution, task, job, given, number, of)
    place = await execution.caching.find(job.spec, given, job.whole is not None)
    if place is not None and place.cached is not None:
        return await _recalled(execution, task, job, given, number, place.cached)
    taken = await _admitted(execution, task, job, given, number, of)
    if place is not None:
        await execution.caching.keep(place, taken)
    return taken


async def _recalled(
    execution: Execution, task: Task, job: Job, given: dict[str, Any], number: int, cached: Taken
) -> Taken:
    """Start an attempt and return the cached output at once; the tool is not called."""
    while not execution.controls.passes(task):
        await execution.controls.passed(task)
    execution.started(task, execution.clock(), number, given, job, Recalled)
    # An output that is not a dict is written to the key of this node; the cached call may have had another key.
    return (
        await take(execution, Handover(execution.copies, task, job, given), [cached.output]) if cached.bare else cached
    )


async def _admitted(execution: Execution, task: Task, job: Job, given: dict[str, Any], number: int, of: int) -> Taken:
    grace = execution.loop.time() + execution.grace
    while True:
        if not job.unchanged():  # the function was changed in place while the attempt waited
            job = execution.jobs.of(task.node)
            given = job.arguments(task)
        slot = execution.thread_slots if job.mode == "thread" else nullcontext()
        if execution.stragglers.threads:
            await execution.wait_for_stragglers(task, grace)
        # The slot is taken after the wait, so an attempt that waits for an old thread blocks no other node.
        async with slot:
            # After a backoff, or a wait for a thread, the run may have been paused.
            if (passes := execution.controls.passes(task)) and job.unchanged():
                return await _timed(execution, task, job, given, number, of)
        if not passes:
            await execution.controls.passed(task)


async def _timed(execution: Execution, task: Task, job: Job, given: dict[str, Any], number: int, of: int) -> Taken:
    """Make one attempt within its timeout; a later return value or error is dropped (SEMANTICS rule 15a)."""
    context = execution.started(task, execution.clock(), number, given, job)
    attempt = task.attempt
    limit = attempt.limit = asyncio.timeout(job.timeout)
    cause: BaseException | None = None
    try:
        async with limit:
            try:
                value = await _checked(execution, task, job, given, context)
            finally:
                await give_turns(attempt)
    except GeneratorExit:
        raise
    except BaseException as error:
        is_late = _is_overdue(attempt, execution.loop) or (isinstance(error, TimeoutError) and limit.expired())
        if not is_late or _is_cancelled(task, error):
            raise
        cause = error
    else:
        if not _is_overdue(attempt, execution.loop):
            return value
    less = ", or retry less" if of > 1 else ""
    thread = "; its thread cannot be stopped and still runs" if attempt.thread and attempt.thread.ended is None else ""
    late = TimeoutError(
        f"node {task.name!r} timed out after {job.timeout:g} s (attempt {number} of {of}); "
        f"raise timeout= on the node{less}{thread}"
    )
    raise complete(late) from cause


def _is_overdue(attempt: Attempt, loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether the tool ended after the timeout; a thread ends when its function returns."""
    limit, thread = attempt.limit, attempt.thread
    due = None if limit is None else limit.when()
    if limit is None or due is None:
        return False
    if thread is None or thread.ended is None:
        return limit.expired() or due <= loop.time()
    return due <= loop.time() - (time.monotonic() - thread.ended)


def _is_cancelled(task: Task, error: BaseException, *, own: int = 0) -> bool:
    """Return whether an attempt was cancelled from outside: with its execution, or with its asyncio task.

    `own` is the number of cancel requests that came from the timeout of the attempt.
    """
    current = asyncio.current_task()
    assert current is not None  # noqa: S101 - it is one
    return isinstance(error, asyncio.CancelledError) and (not task.live or current.cancelling() > own)


async def give_turns(attempt: Attempt) -> None:
    """Let the loop run the callbacks that became due while a tool blocked it, such as a cancellation."""
    if attempt.held:
        attempt.held = False
        for _ in range(TURNS):
            await asyncio.sleep(0)


async def _checked(execution: Execution, task: Task, job: Job, given: dict[str, Any], context: Context) -> Taken:
    handover = Handover(execution.copies, task, job, given)
    try:
        return await _watched(execution, task, job, handover, context)
    except ValueError as error:
        handover.explain(error)
        raise


async def _watched(execution: Execution, task: Task, job: Job, handover: Handover, context: Context) -> Taken:
    given = handover.given
    if not job.checked:
        return await _call(execution, task, job, handover, context)
    whole = given[STATE] if job.whole is not None else {}
    seen = {**whole, **{key: value for key, value in given.items() if value is not whole}}
    before = fingerprints(seen)
    taken = await _call(execution, task, job, handover, context)
    check_mutation(task.name, before, seen)
    return taken


async def _call(execution: Execution, task: Task, job: Job, handover: Handover, context: Context) -> Taken:
    """Call the tool with copies of its arguments; return a copy of its output, which no tool can change."""
    if job.mode == "thread":
        stream = Stream(task, handover)
        try:
            result = await _threaded(execution, task, context, partial(_in_thread, job, handover, stream))
        finally:
            stream.stopped = True
        if isinstance(result, Taken):
            return result
        task.attempt.thread = None  # the rest of the call runs on the loop
        return await settled(execution, task, job, handover, context, *result)
    given = await _copied(execution, handover, context) if handover.is_heavy else handover.arguments()
    began, watch = execution.clock(), execution.workers.watch
    watch.inside = True
    try:
        box = [context.run(partial(job.function, **given))]
    finally:
        watch.inside = False
        held_loop(execution, task, execution.clock() - began)
    return await settled(execution, task, job, handover, context, box)


async def _copied(execution: Execution, handover: Handover, context: Context) -> dict[str, Any]:
    """Return the arguments of a tool, copied off the loop.

    Attempts copy one after the other, since Python runs one thread at a time. An attempt that waits holds no copy in
    memory; after the wait there usually is a snapshot of the values, from which the attempt copies on the loop.
    """
    async with execution.copies.turn:
        if handover.is_heavy:
            given: dict[str, Any] = await execution.threads.submit(context, handover.arguments)
            return given
    return handover.arguments()


async def take(execution: Execution, handover: Handover, box: list[Any], *, part: bool = False) -> Taken:
    """Return the output for the return value of a tool, or one yielded `part`; in a thread if that takes long."""
    function = handover.part if part else handover.take
    if handover.is_heavy_to_take(box[0]):
        taken: Taken = await execution.threads.submit(copy_context(), partial(function, box))
        return taken
    return function(box)


async def draw_figures(execution: Execution, attempt: Attempt | None) -> None:
    """Draw and record, in a thread, the figures that a tool left open."""
    if attempt is not None and attempt.figures:
        await execution.threads.submit(copy_context(), partial(take_figures, attempt))


def _in_thread(job: Job, handover: Handover, stream: Stream) -> Taken | tuple[list[Any], bool]:
    """Call the tool in its thread, and copy its arguments and its output there.

    An awaitable or an async generator is returned as `([object], whether it was awaited)`, for the loop to consume. A
    coroutine runs in the thread only if the node asks for a thread, since it may depend on the loop.
    """
    try:
        return _called(job, handover, stream)
    except BaseException:
        take_figures(current_attempt())  # in the thread, since drawing takes long
        raise


def _called(job: Job, handover: Handover, stream: Stream) -> Taken | tuple[list[Any], bool]:
    box = [job.function(**handover.arguments())]
    awaited = False
    if job.awaits_in_thread and inspect.iscoroutine(box[0]):
        box = [asyncio.run(box.pop())]
        awaited = True
    sort = sort_of(box[0], awaited=awaited)
    if sort == "value":
        return handover.take(box)
    return stream.consume(box.pop()) if sort == "generator" else (box, awaited)


async def settled(
    execution: Execution,
    task: Task,
    job: Job,
    handover: Handover,
    context: Context,
    box: list[Any],
    awaited: bool = False,
) -> Taken:
    """Await and consume the result of a call until it is a value; return a copy of it, which no tool can change.

    Raises:
        ToolError: Too many awaitables returned each other, or a generator yielded neither text nor a dict.
    """
    for _ in range(MOST_AWAITED):
        match sort_of(box[0], awaited=awaited):
            case "value":
                return await take(execution, handover, box)
            case "awaitable":
                box = [await _stepwise(execution, task, context, _awaited(box.pop()))]
                awaited = True
            case "async generator":
                coroutine = _streamed(execution, handover, Stream(task, handover), box.pop())
                taken: Taken = await _stepwise(execution, task, context, coroutine)
                return taken
            case "generator":
                return await _consumed(execution, task, job, Stream(task, handover), context, box.pop())
    if inspect.iscoroutine(box[0]):
        box[0].close()
    raise ToolError(f"node {task.name!r}: awaiting its tool gave something to await {MOST_AWAITED} times over")


async def _consumed(
    execution: Execution, task: Task, job: Job, stream: Stream, context: Context, generator: Any
) -> Taken:
    """Consume a generator: in a thread, or on the loop if the node asks for that."""
    taken: Taken
    if job.stays_on_loop:
        taken = await _stepwise(execution, task, context, stream.consume_in_turns(generator))
        return taken
    # An attempt in a thread has its slot already.
    async with nullcontext() if job.mode == "thread" else execution.thread_slots:
        task.attempt.in_thread = True
        try:
            taken = await _threaded(execution, task, context, partial(stream.consume, generator))
        finally:
            stream.stopped = True
    return taken


async def _threaded(execution: Execution, task: Task, context: Context, function: Callable[[], Any]) -> Any:
    """Call a function in a thread; the thread may outlive the attempt."""
    attempt: Attempt = task.attempt
    thread = attempt.thread = ToolThread(function)
    future = execution.threads.submit(context, thread)
    try:
        return await future
    except asyncio.CancelledError as error:
        expired = attempt.limit is not None and attempt.limit.expired()
        if _is_cancelled(task, error, own=int(expired)) or _is_overdue(attempt, execution.loop):
            raise
        if not future.done() or future.cancelled():
            raise
        return future.result()  # the tool ended in time, while something else blocked the loop


async def _awaited(value: Any) -> Any:
    return await value


async def _stepwise(execution: Execution, task: Task, context: Context, coroutine: Any) -> Any:
    began = execution.clock()
    try:
        finished, value = first_step(context, coroutine, execution.workers.watch)
    finally:
        held_loop(execution, task, execution.clock() - began)
    return value if finished else await rest_of(execution, task, context, coroutine, value)


async def _streamed(execution: Execution, handover: Handover, stream: Stream, generator: Any) -> Taken:
    """Stream the text that an async generator yields; return the merged dicts that it yields, else the whole text."""
    async with aclosing(generator):
        async for piece in generator:
            if stream.is_update(piece):
                stream.add(await take(execution, handover, [piece], part=True))
    return stream.result()


def rest_of(execution: Execution, task: Task, context: Context, coroutine: Any, waits_for: Any) -> Awaitable[Any]:
    """Run the rest of a tool, after its first step."""
    return rest(
        context, coroutine, waits_for, execution.clock, partial(held_loop, execution, task), execution.workers.watch
    )


def held_loop(execution: Execution, task: Task, seconds: float) -> None:
    """Record a step that blocked the loop for long; warn once per attempt if the tool's own code did that."""
    if seconds <= BLOCKED_S:
        return
    attempt = task.attempt
    held = execution.workers.watch.held(seconds)
    if held > BLOCKED_S and not (attempt is not None and attempt.warned):
        logger.warning(
            "node %r blocked the event loop for %.2f s; make its tool a plain function, so that it runs in a thread, "
            "or await inside it", task.name, held,
        )  # fmt: skip
        if attempt is not None:
            attempt.warned = True
    if attempt is not None:
        attempt.held = True


BREATH_S = 0.005
"""A worker yields to the loop after this time (s); together with one short tool it is below 10 ms."""
MOST_SPARES = 64


class Workers:
    """Runs tasks in the order in which they became ready, at most `most` at once; see the module docstring."""

    def __init__(self, execution: Execution, most: int | None) -> None:
        self.controls = execution.controls
        self._execution = execution
        self._room = 1 << 62 if most is None else most
        self._ready: deque[Task] = deque()
        self._waiting: dict[Task, asyncio.Task[None]] = {}
        self._all: set[asyncio.Task[None]] = set()
        self._spares, self._crew = 0, 1
        self._breath = execution.clock()
        self.watch = watch_here()
        self.context = copy_context()

    @property
    def idle(self) -> bool:
        """True if no worker runs."""
        return not self._all

    def release(self, execution: Execution) -> None:
        """Replace the reference to the execution, which has ended, by `execution`, a weak proxy of it."""
        self._execution = execution

    def add(self, task: Task) -> None:
        """Queue a task."""
        self._ready.append(task)

    def cancel(self, task: Task) -> None:
        """Cancel a waiting task. A task that has not started is skipped later, since it is no longer live."""
        worker = self._waiting.get(task)
        if worker is not None:
            worker.cancel()

    def step(self) -> bool:
        """Let one task start during a pause; return False if no task is ready."""
        stopped = None if self._ready else self.controls.stopped()
        if stopped is not None:
            self.controls.let_through(stopped)
        elif self._ready:
            self.controls.steps += 1
            self.wake()
        return stopped is not None or bool(self._ready)

    def wake(self) -> None:
        """Create spare workers if tasks are ready and no spare exists."""
        if self._ready and not self._spares and self._room > 0 and (self.controls.steps or not self.controls.paused):
            self._spares = min(self._crew, len(self._ready), self._room)
            for place in range(self._spares):
                worker = self._execution.loop.create_task(self._work(first=place == 0), context=self.context.copy())
                self._all.add(worker)
                worker.add_done_callback(self._left)

    def abandon(self) -> list[Task]:
        """Stop waiting for the workers; return the tasks that were cancelled and have not ended."""
        self._all.clear()
        return list(self._waiting)

    async def _work(self, *, first: bool) -> None:
        self._spares -= 1
        if first:
            self._breath = self._execution.clock()
        if self.watch.asleep:
            self.watch.wake()
        if not self._ready:
            self._crew = 1
        elif not self._spares:
            self._crew = min(2 * self._crew, MOST_SPARES)
        try:
            await self._run_ready()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - e.g. of a reducer; a KeyboardInterrupt would stop the loop
            self._execution.abort(error)

    async def _run_ready(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101 - it is one
        ready, clock, controls = self._ready, self._execution.clock, self.controls
        while ready and self._room > 0 and (controls.steps or not controls.paused):
            now = clock()
            if now - self._breath > BREATH_S:
                self._crew = 1
                if self._spares:
                    return
                # All workers that start in a turn share the time limit, and only one continues in the next turn.
                self._spares = 1
                await asyncio.sleep(0)
                self._spares = 0
                self._breath = now = clock()
                if self.watch.asleep:
                    self.watch.wake()
                if not ready or self._room <= 0 or (controls.paused and not controls.steps):
                    return
            task = ready.popleft()
            if (controls.paused or controls.breaks) and task.live and self._stops(task):
                continue
            if ready and not self._spares:
                self.wake()
            if task.live:
                waits = self._begin(task, now)
                if waits is not None:
                    await self._go_on(task, waits, worker)

    def _stops(self, task: Task) -> bool:
        """Pause before a task at a breakpoint, queue it again and return True; in a paused run, use up a step."""
        controls, at = self.controls, self.controls.breaks_at(task)
        if controls.paused:
            controls.steps -= 1
        elif at is None:
            return False
        controls.let_through(task)
        if not controls.paused:
            self._ready.appendleft(task)
            self._execution.pause(at)
            return True
        return False

    def _left(self, worker: asyncio.Task[None]) -> None:
        """Remove a worker that has ended; cancel the run if the worker was cancelled from outside."""
        self._all.discard(worker)
        if worker.cancelled():
            self._execution.stop("with the task that ran it")
        self._execution.check_ended()

    def _begin(self, task: Task, now: float) -> Coroutine[Any, Any, Taken] | None:
        """Run a task until it waits for the first time; return its rest as a coroutine, None if it has ended."""
        execution, handover = self._execution, None
        try:
            job = execution.jobs.of(task.node)
            if not job.quick or execution.stragglers.threads:
                return perform(execution, task)
            given = job.arguments(task) if job.asks else {}
            arguments = plain_arguments(job, given)
            if arguments is None:
                handover = Handover(execution.copies, task, job, given)
                if handover.is_heavy:
                    return perform(execution, task)
                arguments = handover.arguments()
            context = execution.started(task, now, 1, given, job)
            attempt: Attempt = task.attempt
            coroutine = job.function(**arguments)
            finished, value = first_step(context, coroutine, self.watch)
        except BaseException as error:  # noqa: BLE001 - any exception of a tool is a failure of its node
            seconds = execution.clock() - now
            held_loop(execution, task, seconds)
            if handover is not None:
                handover.explain(error)
            if seconds > BLOCKED_S:
                return _raising(error)
            execution.failed(task, error)
            return None
        end = execution.clock()
        blocked = end - now > BLOCKED_S
        if blocked:
            held_loop(execution, task, end - now)
        elif finished and handover is None and not attempt.figures and is_plain_update(task, given, value):
            execution.completed(task, value.copy(), (), end)
            return None
        if handover is None:
            state = arguments.get(STATE)
            handover = Handover(execution.copies, task, job, given, state if isinstance(state, WholeState) else None)
        if not finished:
            waits = rest_of(execution, task, context, coroutine, value)
            return _rest(handover, waits, partial(settled, execution, task, job, handover, context, awaited=True))
        if sort_of(value, awaited=True) != "value":
            return settled(execution, task, job, handover, context, [value], awaited=True)
        box = [value]
        del value
        if blocked or handover.is_heavy_to_take(box[0]):
            return take(execution, handover, box)
        self._end(task, handover, box, end)
        return None

    def _end(self, task: Task, handover: Handover, box: list[Any], end: float) -> None:
        """End a task that did not wait, with the value that it returned."""
        try:
            taken = handover.take(box)
        except Exception as error:  # noqa: BLE001 - an error about the value is a failure of the node
            self._execution.failed(task, error)
        else:
            self._execution.completed(task, taken.output, taken.unchanged, end)

    async def _go_on(self, task: Task, waits: Coroutine[Any, Any, Taken], worker: asyncio.Task[None]) -> None:
        """Await a task that waits, while spare workers run other tasks."""
        execution = self._execution
        self._room -= 1
        self._waiting[task] = worker
        if not task.live:
            worker.cancel()  # the first step of the task ended the run
        try:
            try:
                taken = await waits
                await draw_figures(execution, task.attempt)
            finally:
                if task.live and task.attempt is not None:
                    await give_turns(task.attempt)
        except asyncio.CancelledError as error:
            self._free(task, worker)
            if task.live and worker.cancelling():
                raise  # cancelled from outside; otherwise the tool itself raised the error
            execution.failed(task, error)
        except BaseException as error:  # noqa: BLE001 - as above
            self._free(task, worker)
            execution.failed(task, error)
        else:
            self._free(task, worker)
            cached = type(task.attempt) is Recalled
            execution.completed(task, taken.output, taken.unchanged, execution.clock(), cached=cached)

    def _free(self, task: Task, worker: asyncio.Task[None]) -> None:
        self._room += 1
        del self._waiting[task]
        if not task.live:
            worker.uncancel()  # the next task of this worker is not cancelled


async def _rest(handover: Handover, waits: Awaitable[Any], settle: Callable[[list[Any]], Awaitable[Taken]]) -> Taken:
    """Await the rest of a tool, and settle its return value."""
    try:
        return await settle([await waits])
    except ValueError as error:
        handover.explain(error)
        raise


async def _raising(error: BaseException) -> Taken:
    raise error
