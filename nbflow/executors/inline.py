"""Run coroutines on the loop, inside the asyncio task of the calling worker.

Invariant: every firing has a separate context, and `asyncio.current_task()` is the asyncio task that runs it, so
timeouts and task groups work inside a tool. A coroutine that ends without waiting costs no asyncio task.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Protocol


class Sleeper(Protocol):
    """The watchdog of the loop's thread."""

    asleep: bool
    inside: bool
    """True if the thread is inside a call of a tool."""

    def wake(self) -> None:
        """Watch the thread from now on."""


def first_step(context: Context, coroutine: Coroutine[Any, Any, Any], watch: Sleeper) -> tuple[bool, Any]:
    """Run a coroutine until it waits or ends; return whether it ended, and its value or the awaited object."""
    watch.inside = True
    try:
        return False, context.run(coroutine.send, None)
    except StopIteration as stop:
        return True, stop.value
    finally:
        watch.inside = False


@types.coroutine
def rest(
    context: Context,
    coroutine: Coroutine[Any, Any, Any],
    waits_for: Any,
    clock: Callable[[], float],
    slow: Callable[[float], None],
    watch: Sleeper,
) -> Generator[Any, Any, Any]:
    """Run the rest of a coroutine after `first_step`.

    Call `slow` with the duration (s) of each step that is longer than all before it; wake `watch` before each step.
    """
    longest = 0.0
    while True:
        call: Callable[..., Any] = coroutine.send
        argument: Any = None
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001 - the tool must see every exception, a cancellation too
            call, argument = coroutine.throw, error
        if watch.asleep:
            watch.wake()
        began = clock()
        watch.inside = True
        try:
            waits_for = context.run(call, argument)
        except StopIteration as stop:
            return stop.value
        finally:
            watch.inside = False
            seconds = clock() - began
            if seconds > longest:
                longest = seconds
                slow(seconds)
