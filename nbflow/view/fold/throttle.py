"""Decide when to update a run's view: 30 times a second, and less often where updates would slow the run down.

An update folds events on the event loop that the run needs itself. So while a run makes events as fast as it can, the
next update waits eleven times as long as the last one took, at most one second.

Invariant: while a run is busy, updates take at most a twelfth of the time, unless that would leave more than a second
between two of them. Nothing here reads a clock.
"""

from __future__ import annotations

FRAME = 1 / 30
"""The shortest time between two updates, in seconds, on average."""
BURST = 2
"""The updates that may come early, so that changes which themselves come 30 times a second never wait."""
SHARE = 1 / 12
"""The largest share of the time that updates may take while a run is busy."""
REST = 1.0
"""The longest wait for the sake of this share, in seconds."""

FLAT_OUT = 30_000
"""Events a second below which a run is not busy: it mostly waits for its tools. A busy run makes ten times as many."""


class Throttle:
    """The times of updates; all times are seconds of one clock."""

    def __init__(self) -> None:
        self._due = self._rest_until = self._started = float("-inf")
        self._folded, self._calm = 0, False

    def wait(self, now: float) -> float:
        """Return the seconds to wait before the next update."""
        return max(0.0, self._due - BURST * FRAME - now, self._rest_until - now)

    def start(self, now: float, new_events: int) -> None:
        """Record the start of an update; `new_events` is the number of events since the start of the last one."""
        # Not busy: few events a second, or fewer than half of what the last update folded (it was catching up).
        self._calm = new_events < FLAT_OUT * (now - self._started) or 2 * new_events < self._folded
        self._started = now

    def end(self, now: float, folded: int) -> None:
        """Record the end of an update that folded `folded` events; the next one waits in proportion to its duration."""
        self._folded = folded
        self._due = max(self._due, now) + FRAME
        self._rest_until = now if self._calm else now + min(REST, (now - self._started) * (1 - SHARE) / SHARE)
