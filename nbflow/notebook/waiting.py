"""Wait for a run inside a cell: on the loop of the kernel, or blocking in a cell that cannot await.

Invariant: Stop ends the run, but not the kernel. A KeyboardInterrupt is never raised inside a task: asyncio would raise
it again out of `run_forever`, which ends the kernel.
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
        ExecutionCancelled: The run was cancelled, by Stop on this cell or otherwise.
        ExecutionError, ConditionError: The run failed; the same error as that of `await run`.
    """
    end = asyncio.ensure_future(ended(run))
    try:
        with ticking(shell):
            await asyncio.shield(end)
    except asyncio.CancelledError:
        run.cancel(STOPPED)
        # With a limit: a second Stop during this wait is ignored, because the future of the cell is done.
        await asyncio.wait([end], timeout=CLEANUP)
        if run.error is None:
            # The run completed before Stop reached it: the cell is stopped, and the message says so of the cell alone.
            raise ExecutionCancelled(f"the cell was stopped {STOPPED}; run {run.id} had completed before") from None
    if run.error is not None:
        raise run.error


@contextlib.contextmanager
def ticking(shell: Any) -> Iterator[None]:
    """Make Stop and the page's clicks work while the body awaits."""
    ticker = asyncio.ensure_future(_tick(shell))
    try:
        with comm_gate(shell):
            yield
    finally:
        ticker.cancel()


async def _tick(shell: Any) -> None:
    """Wake the loop every 50 ms, so that Stop takes effect.

    ipykernel's handler of SIGINT queues the cancellation with `call_soon`, which does not wake a sleeping loop: an
    `await asyncio.sleep(30)` still ran 14 s after Stop (ipykernel #881).
    """
    pump = comm_pump(shell)
    while True:
        await asyncio.sleep(TICK)
        if pump is not None:
            await pump()


async def ended(run: Run) -> None:
    """Wait until the run has ended, and raise nothing; `run.error` has the error."""
    with contextlib.suppress(Exception):
        await run


def blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new loop in a helper thread and return its result; the calling thread can be interrupted.

    Objects bound to the loop of the kernel cannot be used inside. Context variables that the coroutine sets are set for
    the caller too.

    Raises:
        ExecutionCancelled: The caller was interrupted, and the coroutine was cancelled.
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

    # The context names the cell beneath which text printed by the thread appears.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(main,), name="nbflow-blocking", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(TICK)
    except KeyboardInterrupt:
        with contextlib.suppress(RuntimeError):  # the loop has just closed: the coroutine has ended
            loop.call_soon_threadsafe(task.cancel)
        thread.join(2 * CLEANUP)
        if not task.done() or task.cancelled():
            raise ExecutionCancelled("stopped by you") from None
    adopt(context.run(changed_since, before))
    return task.result()


def without_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, on the calling thread, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # typeshed has no type for it
    coroutine.close()
    raise RuntimeError("the coroutine suspended; run it with blocking()")


def in_background(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Call `start` on a loop that keeps running after the cell, and return its result.

    This is the running loop, on which the coroutine must not suspend, else a new one in a thread.
    """
    if in_loop():
        return without_loop(start())
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="nbflow-background", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(start(), loop).result()


def in_loop() -> bool:
    """Return True if a loop is running on the calling thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
