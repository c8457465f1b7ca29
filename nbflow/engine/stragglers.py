"""Threads of sync tools that outlive their attempts, and the wait of the next start of the node for them.

Invariant: two attempts at one node never overlap silently. A thread cannot be stopped, so an attempt that times out or
is cancelled leaves it running; the next start of the same node waits for it, for a grace at most (SEMANTICS rule 15a).
A thread whose attempt has ended counts neither for `max_threads` nor for the end of its run.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from nbflow.scheduler import Task

GRACE_S = 30.0
_SETTING = "NBFLOW_ATTEMPT_GRACE"

Position = tuple[str, str, tuple[int, ...]]
"""A run's id, a node's path in it, and the firings of the `each` nodes on that path."""


def attempt_grace() -> float:
    """Return the time (s) for which a start waits for the thread of an earlier attempt, from the environment.

    Raises:
        NbflowError: NBFLOW_ATTEMPT_GRACE is not a number of seconds.
    """
    text = os.environ.get(_SETTING)
    if text is None:
        return GRACE_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise NbflowError(f"the setting {_SETTING} is {text!r}: it must be a number of seconds, 0 or more")
    return seconds


def position_of(run_id: str, task: Task) -> Position:
    """Return the position of a task: starts at the same position wait for each other's threads.

    A position is a node in a run, or an item of a map. The instances of an `each` node run side by side by design, so
    each of them has a separate position.
    """
    firings = []
    at: Task | None = task
    while at is not None:
        if at.node.each:
            firings.append(at.firing)
        at = at.run.parent
    return run_id, task.name, tuple(firings)


class ToolThread:
    """One call of a sync tool in a thread; `ident` is the number of the thread while the call runs.

    `ended` is the time of its end (monotonic s), None before that.
    """

    __slots__ = ("_function", "_waiting", "ended", "ident")

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._waiting: list[Callable[[], None]] = []
        self.ended: float | None = None
        self.ident = 0

    def __call__(self) -> Any:
        """Call the tool."""
        self.ident = threading.get_ident()
        function = self._function
        del self._function  # and its arguments, since this object may outlive the call
        try:
            return function()
        finally:
            self.ident = 0
            self.ended = time.monotonic()
            for wake in tuple(self._waiting):
                wake()

    async def wait(self) -> None:
        """Wait until the call has ended; on any loop."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(ended.cancel)
            except RuntimeError:
                return  # the loop is closed, so its waiters are gone

        self._waiting.append(wake)
        try:
            # Tested after `wake` was added: either the thread finds `wake`, or this test finds the end.
            if self.ended is None:
                await asyncio.wait([ended])
        finally:
            self._waiting.remove(wake)


class Stragglers:
    """The threads that still run although their attempts have ended, over all runs of an engine."""

    def __init__(self) -> None:
        self.threads: dict[Position, list[ToolThread]] = {}
        """By position, the threads; empty in most runs."""

    def add(self, position: Position, thread: ToolThread) -> None:
        """Retain a thread until it ends."""
        self.threads[position] = [*self.of(position), thread]

    def of(self, position: Position) -> list[ToolThread]:
        """Return the threads that still run at a position; remove all threads that have ended."""
        for at, threads in list(self.threads.items()):
            running = [thread for thread in threads if thread.ended is None]
            if running:
                self.threads[at] = running
            else:
                self.threads.pop(at, None)
        return self.threads.get(position, [])

    async def wait(self, position: Position, until: float) -> None:
        """Wait until all threads of a position have ended, or until the loop's time `until`."""
        try:
            async with asyncio.timeout_at(until):
                for thread in self.of(position):
                    await thread.wait()
        except TimeoutError:
            return
