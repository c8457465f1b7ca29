"""The workers of a run: who runs the tasks that are ready.

Rule: a worker runs one task after the other as long as none waits, and a spare one stands by to take over when one
does. So a task of asyncio is made only for what really waits, and nothing that is ready ever waits for something else.
Where one after the other waits, twice as many stand by each time, as every change of workers is a turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from nbflow.engine.context import Recalled
from nbflow.engine.hold import Hold
from nbflow.engine.ownership import Handover, Taken, WholeState, is_plain_update, plain_arguments
from nbflow.engine.perform import BLOCKED_S, draw_figures, give_turns, held_loop, perform, rest_of, settled, take
from nbflow.engine.streams import sort_of
from nbflow.engine.watchdog import watch_here
from nbflow.executors import first_step
from nbflow.state_parameter import NAME as STATE

if TYPE_CHECKING:
    from nbflow.engine.context import Attempt
    from nbflow.engine.run import Run
    from nbflow.scheduler import Task

BREATH_S = 0.005
"""A worker gives the loop a turn when it has kept it for this long; with a short tool added that stays below 10 ms."""
MOST_SPARES = 64


class Workers:
    """Runs tasks in the order in which they became ready, at most `most` at once."""

    def __init__(self, run: Run, most: int | None) -> None:
        self.hold = Hold()
        self._run = run
        self._room = 1 << 62 if most is None else most
        self._ready: deque[Task] = deque()
        self._waiting: dict[Task, asyncio.Task[None]] = {}
        self._all: set[asyncio.Task[None]] = set()
        self._spares, self._crew = 0, 1
        self._breath = run.clock()
        self.watch = watch_here()
        self.context = copy_context()

    @property
    def idle(self) -> bool:
        """Whether no worker is left."""
        return not self._all

    def untie(self, run: Run) -> None:
        """Refer to the run, which has ended, by a weak reference."""
        self._run = run

    def add(self, task: Task) -> None:
        """Run a task as soon as there is room."""
        self._ready.append(task)

    def cancel(self, task: Task) -> None:
        """Cancel a task that waits; one that has not begun is left out as it is no longer live."""
        worker = self._waiting.get(task)
        if worker is not None:
            worker.cancel()

    def step(self) -> bool:
        """Let one task start, though the others are held; return whether there is one."""
        stopped = None if self._ready else self.hold.stopped()
        if stopped is not None:
            self.hold.let_through(stopped)
        elif self._ready:
            self.hold.steps += 1
            self.wake()
        return stopped is not None or bool(self._ready)

    def wake(self) -> None:
        """See to it that somebody runs what is ready."""
        if self._ready and not self._spares and self._room > 0 and (self.hold.steps or not self.hold.paused):
            self._spares = min(self._crew, len(self._ready), self._room)
            for place in range(self._spares):
                worker = self._run.loop.create_task(self._work(first=place == 0), context=self.context.copy())
                self._all.add(worker)
                worker.add_done_callback(self._left)

    def abandon(self) -> list[Task]:
        """Wait for nobody any longer; return the tasks that did not end when they were cancelled."""
        self._all.clear()
        return list(self._waiting)

    async def _work(self, *, first: bool) -> None:
        self._spares -= 1
        if first:
            self._breath = self._run.clock()
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
        except BaseException as error:  # noqa: BLE001 - a reducer's, say; the loop would not survive a KeyboardInterrupt
            self._run.broke(error)

    async def _run_ready(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101 - it is one
        ready, clock, hold = self._ready, self._run.clock, self.hold
        while ready and self._room > 0 and (hold.steps or not hold.paused):
            now = clock()
            if now - self._breath > BREATH_S:
                self._crew = 1
                if self._spares:
                    return
                # All that start in a turn of the loop share a breath, and only one comes back in the next turn.
                self._spares = 1
                await asyncio.sleep(0)
                self._spares = 0
                self._breath = now = clock()
                if self.watch.asleep:
                    self.watch.wake()
                if not ready or self._room <= 0 or (hold.paused and not hold.steps):
                    return
            task = ready.popleft()
            if (hold.paused or hold.breaks) and task.live and self._stops(task):
                continue
            if ready and not self._spares:
                self.wake()
            if task.live:
                waits = self._begin(task, now)
                if waits is not None:
                    await self._go_on(task, waits, worker)

    def _stops(self, task: Task) -> bool:
        """Pause before a task at a breakpoint, and put it back; else it uses up a step, where the run goes by steps."""
        hold, at = self.hold, self.hold.breaks_at(task)
        if hold.paused:
            hold.steps -= 1
        elif at is None:
            return False
        hold.let_through(task)
        if not hold.paused:
            self._ready.appendleft(task)
            self._run.pause(at)
            return True
        return False

    def _left(self, worker: asyncio.Task[None]) -> None:
        """Note that a worker ended; one that was cancelled from outside takes the run with it."""
        self._all.discard(worker)
        if worker.cancelled():
            self._run.cancel("with the task that ran it")
        self._run.worker_left()

    def _begin(self, task: Task, now: float) -> Coroutine[Any, Any, Taken] | None:
        """Run a task until it first waits; return the rest of it to await, None if it has ended."""
        run, handover = self._run, None
        try:
            job = run.jobs.of(task.node)
            if not job.quick or run.stragglers:
                return perform(run, task)
            given = job.arguments(task) if job.asks else {}
            arguments = plain_arguments(job, given)
            if arguments is None:
                handover = Handover(run.copies, task, job, given)
                if handover.is_heavy:
                    return perform(run, task)
                arguments = handover.arguments()
            context = run.started(task, now, 1, given, job)
            attempt: Attempt = task.attempt
            coroutine = job.function(**arguments)
            finished, value = first_step(context, coroutine, self.watch)
        except BaseException as error:  # noqa: BLE001 - whatever a tool raises is its node's failure, and not the loop's
            seconds = run.clock() - now
            held_loop(run, task, seconds)
            if handover is not None:
                handover.explain(error)
            if seconds > BLOCKED_S:
                return _raising(error)
            run.failed(task, error)
            return None
        end = run.clock()
        blocked = end - now > BLOCKED_S
        if blocked:
            held_loop(run, task, end - now)
        elif finished and handover is None and not attempt.figures and is_plain_update(task, given, value):
            run.completed(task, value.copy(), (), end)
            return None
        if handover is None:
            state = arguments.get(STATE)
            handover = Handover(run.copies, task, job, given, state if isinstance(state, WholeState) else None)
        if not finished:
            waits = rest_of(run, task, context, coroutine, value)
            return _rest(handover, waits, partial(settled, run, task, job, handover, context, awaited=True))
        if sort_of(value, awaited=True) != "value":
            return settled(run, task, job, handover, context, [value], awaited=True)
        box = [value]
        del value
        if blocked or handover.is_heavy_to_take(box[0]):
            return take(run, handover, box)
        self._end(task, handover, box, end)
        return None

    def _end(self, task: Task, handover: Handover, box: list[Any], end: float) -> None:
        """End a task that did not wait with what it returned."""
        try:
            taken = handover.take(box)
        except Exception as error:  # noqa: BLE001 - it is the tool's value
            self._run.failed(task, error)
        else:
            self._run.completed(task, taken.output, taken.unchanged, end)

    async def _go_on(self, task: Task, waits: Coroutine[Any, Any, Taken], worker: asyncio.Task[None]) -> None:
        """Await a task that waits, while others take its place as far as there is room."""
        run = self._run
        self._room -= 1
        self._waiting[task] = worker
        if not task.live:
            worker.cancel()  # in its first step it ended the run itself
        try:
            try:
                taken = await waits
                await draw_figures(run, task.attempt)
            finally:
                if task.live and task.attempt is not None:
                    await give_turns(task.attempt)
        except asyncio.CancelledError as error:
            self._free(task, worker)
            if task.live and worker.cancelling():
                raise  # from outside, so the run goes with it; without that the tool raised it by itself
            run.failed(task, error)
        except BaseException as error:  # noqa: BLE001 - as above
            self._free(task, worker)
            run.failed(task, error)
        else:
            self._free(task, worker)
            cached = type(task.attempt) is Recalled
            run.completed(task, taken.output, taken.unchanged, run.clock(), cached=cached)

    def _free(self, task: Task, worker: asyncio.Task[None]) -> None:
        self._room += 1
        del self._waiting[task]
        if not task.live:
            worker.uncancel()  # the next task is to find nothing of the run's cancelling this one


async def _rest(handover: Handover, waits: Awaitable[Any], settle: Callable[[list[Any]], Awaitable[Taken]]) -> Taken:
    """Await the rest of a tool that first waited, and settle what it returns."""
    try:
        return await settle([await waits])
    except ValueError as error:
        handover.explain(error)
        raise


async def _raising(error: BaseException) -> Taken:
    raise error
