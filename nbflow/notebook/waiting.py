"""Waits for a run inside a cell: on the kernel's own loop, or blocking where a cell cannot await.

Rule: Stop ends the run and leaves the kernel well. A KeyboardInterrupt never enters a task: that would end the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.errors import ExecutionCancelled
from nbflow.live_view.controls import STOPPED
from nbflow.notebook.ipykernel_compat import adopt, changed_since, comm_gate, comm_pump

if TYPE_CHECKING:
    from nbflow.engine import Run

T = TypeVar("T")

TICK = 0.05
CLEANUP = 15.0


async def finished(run: Run, shell: Any) -> None:
    """Wait until the run has ended.

    Raises:
        ExecutionCancelled: The run was stopped, by Stop on this cell or otherwise.
        ExecutionError, ConditionError: The run failed, as `await run` says it.
    """
    end = asyncio.ensure_future(ended(run))
    try:
        with ticking(shell):
            await asyncio.shield(end)
    except asyncio.CancelledError:
        run.cancel(STOPPED)
        # Bounded: a second Stop would not reach us while we wait here.
        await asyncio.wait([end], timeout=CLEANUP)
        if run.error is None:
            # The run ended before Stop reached it. The cell is stopped, and does not say that the run was.
            raise ExecutionCancelled(f"the cell was stopped {STOPPED}; run {run.id} had completed before") from None
    if run.error is not None:
        raise run.error


@contextlib.contextmanager
def ticking(shell: Any) -> Iterator[None]:
    """Keep Stop and the page's clicks working while the cell awaits what is inside."""
    ticker = asyncio.ensure_future(_tick(shell))
    try:
        with comm_gate(shell):
            yield
    finally:
        ticker.cancel()


async def _tick(shell: Any) -> None:
    """Wake the loop often: ipykernel's SIGINT handler queues the cancellation without waking a loop that sleeps."""
    pump = comm_pump(shell)
    while True:
        await asyncio.sleep(TICK)
        if pump is not None:
            await pump()


async def ended(run: Run) -> None:
    """Wait for the end, whatever it is: how a run ended is in `run.error`."""
    with contextlib.suppress(Exception):
        await run


def blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own, in a helper thread; the calling thread stays interruptible.

    Objects bound to the kernel's loop cannot be used inside. Context variables that it sets are set for the caller.
    """
    loop = asyncio.new_event_loop()
    before = contextvars.copy_context()
    context = before.copy()
    task = loop.create_task(coroutine, context=context)

    def main() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(asyncio.wait([task]))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    # The context holds under which cell the thread's output belongs.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(main,), name="nbflow-blocking", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(TICK)
    except KeyboardInterrupt:
        with contextlib.suppress(RuntimeError):  # the loop has just closed: the run ended by itself
            loop.call_soon_threadsafe(task.cancel)
        thread.join(2 * CLEANUP)
        if not task.done() or task.cancelled():
            raise ExecutionCancelled("stopped by you") from None
    adopt(context.run(changed_since, before))
    return task.result()


def without_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, here and now: ordinary Python stays on the thread that asked for it."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # typeshed cannot know it
    coroutine.close()
    raise RuntimeError("the coroutine waits for something; run it by blocking()")


def in_background(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `start` on a loop that runs on after the cell: in a thread, or the kernel's, where it must not suspend."""
    if in_loop():
        return without_loop(start())
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="nbflow-background", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(start(), loop).result()


def in_loop() -> bool:
    """Return whether the calling thread is in a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
