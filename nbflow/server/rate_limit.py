"""A token bucket for each client.

The number of buckets is bounded; the client that has been quiet longest is forgotten first. The module is pure: the
caller passes the time.
"""

from __future__ import annotations

from collections import OrderedDict

SPAN = 10.0
_CLIENTS = 10_000


class Rates:
    """The buckets; `rate` is requests a second, of which ten seconds' worth may come at once."""

    def __init__(self, rate: float) -> None:
        self._rate, self._most = rate, rate * SPAN
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, client: str, now: float) -> bool:
        """Return whether a client may make a request at `now` (s of any clock), and count the request if so."""
        left, then = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - then) * self._rate)
        allowed = left >= 1.0
        self._left[client] = (left - 1.0 if allowed else left, now)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return allowed
