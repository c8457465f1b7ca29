"""Measurement of time: each round calls all functions in turn (A B A B), so other load on the machine affects all of them.

Invariant: garbage is collected between samples, and within a sample only with `collecting`, as in a user's process. A
ratio is the median of the ratios of all rounds.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

AsyncWay = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Rounds:
    """Times (s) per round and function."""

    times: Sequence[Sequence[float]]

    def median(self, way: int = 0) -> float:
        """Return the median time of a function, in seconds."""
        return statistics.median(times[way] for times in self.times)

    def ratio(self, way: int = 0, to: int = 1) -> float:
        """Return the median of one function's time divided by another's."""
        return statistics.median(times[way] / times[to] for times in self.times)


async def interleave(rounds: int, *ways: AsyncWay, collecting: bool = False) -> Rounds:
    """Time the functions in turn, after one round that is not counted; `collecting` leaves the garbage collector on."""
    was_on = gc.isenabled()
    if not collecting:
        gc.disable()
    # Existing objects are frozen: collections that examine all of them would take most of the time.
    gc.collect()
    gc.freeze()
    try:
        return Rounds([[await _timed(way) for way in ways] for _ in range(rounds + 1)][1:])
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


async def _timed(way: AsyncWay) -> float:
    gc.collect()
    gc.freeze()  # runs of earlier samples do not slow down later ones
    started = perf_counter()
    await way()
    return perf_counter() - started


def awaitable(function: Callable[[], Any]) -> AsyncWay:
    """Return a coroutine function that calls a plain function."""

    async def way() -> Any:
        return function()

    return way


def times(count: int, way: AsyncWay) -> AsyncWay:
    """Return a function that calls another one several times."""

    async def repeated() -> None:
        for _ in range(count):
            await way()

    return repeated
