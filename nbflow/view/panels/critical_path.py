"""The critical path of a run: the chain of firings, each released by the one before, from the run's start to its end.

In project planning the critical path is the longest path through planned durations. Here the durations are known and
the path is read backwards: a firing was released by the input that arrived last before it started, so from the last
firing one follows `Hop.by` to the start. The firings on the way, with their queueing, retries and waiting, cover the
time of the run without gaps, and making any of them shorter could have made the run shorter.

Each firing stores the number of hops before it (`depth`) and the time waited before it (`behind`). So when the end of
the path moves, only the part that differs is walked, and the waiting time needs no sum over the path.

Invariant: the path depends only on events, not on the graph: the length of the path is that of the run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LEAST = 1e-9
_LOOKED_AT = 16


@dataclass(slots=True, eq=False)
class Hop:
    """One firing of a node as a step of paths; times are in seconds of the run.

    Attributes:
        lane: The number of the node's lane.
        reached: When its last input arrived, at event `seq`.
        by: The firing that sent this input; None at the start of a graph.
        waited: The time spent waiting for a person, without the wait that started at `asked` and still lasts.
        inner: The last step of the path through the graph that the node runs, if it runs one.
        depth: The number of steps before it.
        behind: The time spent waiting for a person in all steps before it.
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
        """Return the seconds spent waiting for a person in this firing, up to `now` if a wait still lasts."""
        if self.end is not None and self.inner is not None:
            return self.inner.behind + self.inner.waiting()
        return self.waited + (0.0 if self.asked is None or now is None else max(0.0, now - self.asked))

    def as_row(self) -> list[float | int | None]:
        """Return the hop in the page's protocol, `[lane, reached, end or None, seq, end seq or None]`."""
        end = None if self.end is None else round(self.end, 6)
        return [self.lane, round(self.reached, 6), end, self.seq, self.end_seq]


def leading(live: Iterable[Hop], last: Hop | None) -> Hop | None:
    """Return the firing at the end of the critical path.

    That is a running firing that waits for a person, else the running firing that was reached last, else `last`.
    """
    return max(live, key=lambda hop: (hop.asked is not None, hop.reached, hop.seq), default=last)


class CriticalPath:
    """The critical path to one firing; moved to another firing, it walks back only to where the two paths meet."""

    def __init__(self) -> None:
        self.hops: list[Hop] = []

    def lead_to(self, end: Hop | None) -> None:
        """Make this the path to the firing `end`; empty for None."""
        new: list[Hop] = []
        hop = end
        while hop is not None and not (hop.depth < len(self.hops) and self.hops[hop.depth] is hop):
            new.append(hop)
            hop = hop.by
        del self.hops[0 if hop is None else hop.depth + 1 :]
        self.hops += reversed(new)

    def length(self, now: float) -> float:
        """Return the seconds from the path's start to its end, or to `now` while its last firing runs."""
        return self._end(now) - self.hops[0].reached if self.hops else 0.0

    def waited(self, now: float) -> float:
        """Return the seconds of the path spent waiting for a person."""
        return self.hops[-1].behind + self.hops[-1].waiting(now) if self.hops else 0.0

    def share(self, lane: int, now: float) -> float:
        """Return a node's share of the path, from 0 to 1: its firings with their queueing, retries and waits."""
        own = sum((now if hop.end is None else hop.end) - hop.reached for hop in self.hops if hop.lane == lane)
        return own / max(self.length(now), _LEAST)

    def _end(self, now: float) -> float:
        end = self.hops[-1].end
        return now if end is None else end


def thinned(hops: Sequence[Hop], most: int) -> list[list[float | int | None]]:
    """Return the hops as rows for the page; of a longer path about `most` rows, each for a stretch of time."""
    if len(hops) <= most:
        return [hop.as_row() for hop in hops]
    grain = (hops[-1].reached - hops[0].reached) * 2 / most
    rows: list[list[float | int | None]] = []
    at = 0
    while at < len(hops):
        upto = bisect_right(hops, hops[at].reached + grain, at + 1, key=lambda hop: hop.end or hop.reached)
        rows.append(_as_one(hops, at, max(upto, at + 1)))
        at = max(upto, at + 1)
    return rows


def _as_one(hops: Sequence[Hop], first: int, upto: int) -> list[float | int | None]:
    """Return one row for a stretch of hops, under the lane of the longest of its first `_LOOKED_AT` hops."""
    longest = max(hops[first : min(upto, first + _LOOKED_AT)], key=lambda hop: (hop.end or hop.reached) - hop.reached)
    begin, end = hops[first].as_row(), hops[upto - 1].as_row()
    return [longest.lane, begin[1], end[2], begin[3], end[4]]
