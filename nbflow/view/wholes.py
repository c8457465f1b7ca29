"""Checkpoints of a run's view, so that a past moment is folded from the nearest checkpoint instead of from the start.

A checkpoint is a copy of the view after event `n * every`. To show the run after event `seq`, the latest checkpoint at
or before `seq` is copied and the events between are folded: at most `every` of them. When the checkpoints exceed their
limit, `every` doubles and each one that is no multiple of it is evicted. So their number is bounded for a run of any
length, they stay evenly spaced, and going back folds at most about the run's length divided by half of the limit:

    events   0     2000     4000     6000     8000
    before   |-------c--------c--------c--------c         every = 2000
    after    |----------------c-----------------c         every = 4000

Invariant: at most `MOST` checkpoints with `NODES` nodes together are retained.
"""

from __future__ import annotations

from nbflow.view.fold import Locate, RunView
from nbflow.view.recorded import Recorded, unfed

EVERY = 2_000
"""The initial distance of two checkpoints in events: about 20 ms of folding."""
MOST, NODES = 16, 16_000
"""The limits: the number of checkpoints, and of the nodes in all of them together."""
LARGE = 2_000
"""The number of nodes above which a graph has no checkpoints: a copy would take longer than to fold `EVERY` events."""


class Wholes:
    """The checkpoints of one run, `every` events apart; each exists once some fold has passed its event."""

    def __init__(self, run: Recorded, locate: Locate | None) -> None:
        self._run, self._locate = run, locate
        nodes = len(run.graph.nodes)
        self._most = min(MOST, NODES // nodes) if nodes <= LARGE else 0
        self._checkpoints: dict[int, RunView] = {}
        self.every = EVERY

    def keep(self, view: RunView) -> None:
        """Store a copy of a view if the view is at the position of a checkpoint that does not exist yet."""
        if not self._most or view.seq % self.every or view.seq in self._checkpoints:
            return
        self._checkpoints[view.seq] = view.copy()
        while len(self._checkpoints) > self._most:
            self.every *= 2
            self._checkpoints = {seq: view for seq, view in self._checkpoints.items() if seq % self.every == 0}

    def last(self, seq: int) -> int:
        """Return the event of the latest checkpoint at or before event `seq`; 0, the start of the run, if none."""
        return max((at for at in self._checkpoints if at <= seq), default=0)

    def next(self, seq: int) -> int:
        """Return the first position of a checkpoint after event `seq`, whether or not it exists."""
        return (seq // self.every + 1) * self.every

    def at(self, seq: int) -> RunView:
        """Return a copy of the checkpoint at event `seq`, or an empty view if there is none."""
        return self._checkpoints[seq].copy() if seq in self._checkpoints else unfed(self._run, locate=self._locate)
