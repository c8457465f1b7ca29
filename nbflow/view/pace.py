"""How often a run's loop is taken to look at the run: 30 times a second, and less often where the run would feel it.

Rule: while the run goes on as fast as it can, looking takes at most a twelfth of the time, and yet comes once a second.
Nothing here reads a clock.
"""

from __future__ import annotations

FRAME = 1 / 30
"""Seconds from one look to the next, at least."""
BURST = 2
"""Looks that may come ahead of their time, so that changes which come 30 times a second by themselves never wait."""
SHARE = 1 / 12
"""The part of the time that looking takes at most."""
REST = 1.0
"""Seconds that the next look waits at most for what the last one took."""

FLAT_OUT = 30_000
"""Events a second below which a run waits for its tools, and has time to spare; it can make ten times as many."""


class Pace:
    """When to look next; all times are seconds of one clock."""

    def __init__(self) -> None:
        self._due = self._rested = self._began = float("-inf")
        self._folded, self._calm = 0, False

    def wait(self, now: float) -> float:
        """Return how long to wait before the next look."""
        return max(0.0, self._due - BURST * FRAME - now, self._rested - now)

    def begin(self, now: float, came: int) -> None:
        """A look begins; `came` is how many events did since the last one."""
        # Such a run has time to spare, and so has one that does less than what is made up for.
        self._calm = came < FLAT_OUT * (now - self._began) or 2 * came < self._folded
        self._began = now

    def end(self, now: float, folded: int) -> None:
        """The look is over, in which so many events were folded; the longer it took, the longer the next one waits."""
        self._folded = folded
        self._due = max(self._due, now) + FRAME
        self._rested = now if self._calm else now + min(REST, (now - self._began) * (1 - SHARE) / SHARE)
