"""Waiting for a database that others hold, or that is coming back.

Rule: what passes by itself is a wait of up to a minute, and never an error before that.
"""

from __future__ import annotations

from collections.abc import Callable

from tenacity import AsyncRetrying, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

PATIENCE_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0


def patiently(passes: Callable[[BaseException], bool]) -> Retrying:
    """Return what calls a function again as long as its error is one that passes; the last error is raised as it is."""
    return Retrying(
        retry=retry_if_exception(passes),
        stop=stop_after_delay(PATIENCE_S),
        wait=wait_random_exponential(FIRST_WAIT_S, LONGEST_WAIT_S),
        reraise=True,
    )


def patiently_awaited(passes: Callable[[BaseException], bool]) -> AsyncRetrying:
    """Return what does the same for a coroutine function."""
    return AsyncRetrying(
        retry=retry_if_exception(passes),
        stop=stop_after_delay(PATIENCE_S),
        wait=wait_random_exponential(FIRST_WAIT_S, LONGEST_WAIT_S),
        reraise=True,
    )
