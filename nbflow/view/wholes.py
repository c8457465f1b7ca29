"""Whole folds of a run, kept as it stood after some of its events, so that a moment is reached from the nearest.

Rule: what is kept is bounded: of a run that grows they stand further and further apart.
"""

from __future__ import annotations

from nbflow.view.fold import Locate, RunView
from nbflow.view.recorded import Recorded, unfed

EVERY = 2_000
"""Events from one to the next, at first: some 20 ms of folding."""
MOST, NODES = 16, 16_000
"""How many are kept, and how many nodes they have together."""
LARGE = 2_000
"""Nodes of a graph above which none is kept, as to copy one would take longer than to fold what lies between two."""


class Wholes:
    """The folds that are kept of one run; `every` so many events there is one, where a fold has come by."""

    def __init__(self, run: Recorded, locate: Locate | None) -> None:
        self._run, self._locate = run, locate
        nodes = len(run.graph.nodes)
        self._most = min(MOST, NODES // nodes) if nodes <= LARGE else 0
        self._kept: dict[int, RunView] = {}
        self.every = EVERY

    def keep(self, view: RunView) -> None:
        """Keep a fold as it stands, where that is one of the places."""
        if not self._most or view.seq % self.every or view.seq in self._kept:
            return
        self._kept[view.seq] = view.copy()
        while len(self._kept) > self._most:
            self.every *= 2
            self._kept = {seq: kept for seq, kept in self._kept.items() if seq % self.every == 0}

    def last(self, seq: int) -> int:
        """Return where the last one up to event `seq` stands; 0 is the beginning."""
        return max((kept for kept in self._kept if kept <= seq), default=0)

    def next(self, seq: int) -> int:
        """Return where the first one after event `seq` has its place."""
        return (seq // self.every + 1) * self.every

    def at(self, seq: int) -> RunView:
        """Return a fold to go on with from where one stands."""
        return self._kept[seq].copy() if seq in self._kept else unfed(self._run, locate=self._locate)
