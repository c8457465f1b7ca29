"""Runs coroutines on the loop, inside the task of the worker that asks.

Rule: every firing has a context of its own, and `asyncio.current_task()` is the task that really runs it, so timeouts
and task groups inside a tool work as anywhere. What finishes without waiting costs no task.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Protocol


class Sleeper(Protocol):
    """What watches the loop's thread while something runs there."""

    asleep: bool
    inside: bool
    """Whether the thread is in a call of a tool."""

    def wake(self) -> None:
        """Watch from now on."""


def first_step(context: Context, coroutine: Coroutine[Any, Any, Any], watch: Sleeper) -> tuple[bool, Any]:
    """Run a coroutine until it first waits or ends; return whether it ended, and its value or what it waits for."""
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
    """Run a coroutine on from where `first_step` left it.

    Report to `slow` each step that held the loop for longer (s) than all before; wake `watch` before a step.
    """
    longest = 0.0
    while True:
        call: Callable[..., Any] = coroutine.send
        argument: Any = None
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001 - whatever is thrown in, a cancellation too, is the tool's to see
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
