"""The critical path of a run: the firings of which each released the next, from the run's start to its end.

Rule: only what happened counts. A firing was released by the arrival that came last before it started; from the end one
walks back, so that the path has no gap and its length is the run's. Waits, retries and queues are part of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LEAST = 1e-9
_LOOKED_AT = 16


@dataclass(slots=True, eq=False)
class Hop:
    """One firing of a node as a part of paths, in seconds of the run.

    `reached` is when its last input came and `seq` the event of that, `by` the firing that it came from, None at the
    start of a graph. `waited` are the seconds spent waiting for a person in it, without those since `asked`; `behind`
    those on the whole way to it. `inner` is the end of the way through the graph that it runs.
    """

    lane: int
    reached: float
    seq: int
    by: Hop | None = None
    end: float | None = None
    end_seq: int | None = None
    waited: float = 0.0
    asked: float | None = None
    inner: Hop | None = None
    depth: int = 0
    behind: float = 0.0

    def __post_init__(self) -> None:
        if self.by is not None:
            self.depth = self.by.depth + 1
            self.behind = self.by.behind + self.by.waiting()

    def waiting(self, now: float | None = None) -> float:
        """Return the seconds in it that a person was waited for, until `now` if that goes on."""
        if self.end is not None and self.inner is not None:
            return self.inner.behind + self.inner.waiting()
        return self.waited + (0.0 if self.asked is None or now is None else max(0.0, now - self.asked))

    def told(self) -> list[float | int | None]:
        """Return the hop as the page reads it."""
        end = None if self.end is None else round(self.end, 6)
        return [self.lane, round(self.reached, 6), end, self.seq, self.end_seq]


def leading(live: Iterable[Hop], last: Hop | None) -> Hop | None:
    """Return the firing that the path leads to.

    Of those that run it is one that waits for a person, else the one reached last; where none runs, `last`.
    """
    return max(live, key=lambda hop: (hop.asked is not None, hop.reached, hop.seq), default=last)


class CriticalPath:
    """The way to a firing. Asked for another one it walks back only to where the two ways meet."""

    def __init__(self) -> None:
        self.hops: list[Hop] = []

    def lead_to(self, end: Hop | None) -> None:
        """Make it the way to a firing, to nothing where there is none."""
        new: list[Hop] = []
        hop = end
        while hop is not None and not (hop.depth < len(self.hops) and self.hops[hop.depth] is hop):
            new.append(hop)
            hop = hop.by
        del self.hops[0 if hop is None else hop.depth + 1 :]
        self.hops += reversed(new)

    def length(self, now: float) -> float:
        """Return the seconds from its start to its end, or to `now` while that is open."""
        return self._end(now) - self.hops[0].reached if self.hops else 0.0

    def waited(self, now: float) -> float:
        """Return the seconds of it that a person was waited for."""
        return self.hops[-1].behind + self.hops[-1].waiting(now) if self.hops else 0.0

    def share(self, lane: int, now: float) -> float:
        """Return which part of it, from 0 to 1, is a node's: its firings with their queues, retries and waits."""
        own = sum((now if hop.end is None else hop.end) - hop.reached for hop in self.hops if hop.lane == lane)
        return own / max(self.length(now), _LEAST)

    def _end(self, now: float) -> float:
        end = self.hops[-1].end
        return now if end is None else end


def thinned(hops: Sequence[Hop], most: int) -> list[list[float | int | None]]:
    """Return the hops as the page reads them; of a longer path some `most`, each for a stretch of time."""
    if len(hops) <= most:
        return [hop.told() for hop in hops]
    grain = (hops[-1].reached - hops[0].reached) * 2 / most
    told: list[list[float | int | None]] = []
    at = 0
    while at < len(hops):
        upto = bisect_right(hops, hops[at].reached + grain, at + 1, key=lambda hop: hop.end or hop.reached)
        told.append(_as_one(hops, at, max(upto, at + 1)))
        at = max(upto, at + 1)
    return told


def _as_one(hops: Sequence[Hop], first: int, upto: int) -> list[float | int | None]:
    """Return a stretch as if it were all of the longest hop among its first ones."""
    longest = max(hops[first : min(upto, first + _LOOKED_AT)], key=lambda hop: (hop.end or hop.reached) - hop.reached)
    begin, end = hops[first].told(), hops[upto - 1].told()
    return [longest.lane, begin[1], end[2], begin[3], end[4]]
