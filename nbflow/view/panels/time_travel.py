"""Answer requests about a past moment of a run: the change at each event, a node's details, why an edge was taken.

A moment is an event. The view at that moment is folded from the nearest earlier state: the last checkpoint before it
(`Checkpoints`), or the moment requested last.

Invariant: a request folds a bounded number of events; `more` in an answer means that the page must ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.events import Event, Kind
from nbflow.view.fold.catch_up import LOOKED, CatchUp
from nbflow.view.fold.run_view import Locate, RunView
from nbflow.view.panels.inspector import inspect, why
from nbflow.view.panels.part_inspector import PartInspector
from nbflow.view.recorded_run import RecordedRun, empty_view
from nbflow.view.values.time_limit import Previews

# Checkpoints of a run's view, so that a past moment is folded from the nearest checkpoint instead of from the start.
#
# A checkpoint is a copy of the view after event `n * every`. To show the run after event `seq`, the latest checkpoint
# at or before `seq` is copied and the events between are folded: at most `every` of them. When the checkpoints exceed
# their limit, `every` doubles and each one that is not a multiple of it is evicted. So their number is bounded for a
# run of any length, they stay evenly spaced, and going back folds at most about the run's length divided by half of the
# limit:
#
#     events   0     2000     4000     6000     8000
#     before   |-------c--------c--------c--------c         every = 2000
#     after    |----------------c-----------------c         every = 4000
#
# Invariant: at most `MOST` checkpoints with `NODES` nodes together are retained.

EVERY = 2_000
"""The initial distance of two checkpoints in events: about 20 ms of folding."""
MOST, NODES = 16, 16_000
"""The limits: the number of checkpoints, and of the nodes in all of them together."""
LARGE = 2_000
"""The number of nodes above which a graph has no checkpoints: a copy would take longer than to fold `EVERY` events."""


class Checkpoints:
    """The checkpoints of one run, `every` events apart; each exists once some fold has passed its event."""

    def __init__(self, run: RecordedRun, locate: Locate | None) -> None:
        self._run, self._locate = run, locate
        nodes = len(run.graph.nodes)
        self._most = min(MOST, NODES // nodes) if nodes <= LARGE else 0
        self._views: dict[int, RunView] = {}
        self.every = EVERY

    def store(self, view: RunView) -> None:
        """Store a copy of a view if the view is at the position of a checkpoint that does not exist yet."""
        if not self._most or view.seq % self.every or view.seq in self._views:
            return
        self._views[view.seq] = view.copy()
        while len(self._views) > self._most:
            self.every *= 2
            self._views = {seq: view for seq, view in self._views.items() if seq % self.every == 0}

    def last(self, seq: int) -> int:
        """Return the event of the latest checkpoint at or before event `seq`; 0, the start of the run, if none."""
        return max((at for at in self._views if at <= seq), default=0)

    def next(self, seq: int) -> int:
        """Return the first position of a checkpoint after event `seq`, whether or not it exists."""
        return (seq // self.every + 1) * self.every

    def at(self, seq: int) -> RunView:
        """Return a copy of the checkpoint at event `seq`, or an empty view if there is none."""
        return self._views[seq].copy() if seq in self._views else empty_view(self._run, locate=self._locate)


# The change of the view at each event of a run, so that the page can show any past moment by itself.
#
# Requests fold the run once, a bounded number of events at a time, and store checkpoints on the way. An event that
# changes nothing in the view, such as printed text, is not a step.
#
# Invariant: the snapshot of a run that has not started, updated with the steps in turn, equals the snapshot after any
# event.

STEPS, EVENTS = 1_000, 10_000
"""The most steps in one answer, and the most events folded for it: a few milliseconds of the event loop."""
_FAILURES = (Kind.NODE_ERROR, Kind.NODE_RETRY)
_PARTS = ("run", "nodes", "edges")


class Moments:
    """Answers `history` with `{"after", "seq", "of", "base", "steps"}`.

    `seq` is the event up to which the answer goes, `of` the number of events, and `base` the snapshot of the run before
    it started (None unless `after` is 0). A step is `[seq, time, patch]`, with a fourth item 1 if it is a failure.
    """

    def __init__(self, run: RecordedRun, locate: Locate | None, checkpoints: Checkpoints) -> None:
        self._run, self._locate, self._checkpoints = run, locate, checkpoints
        self._view = empty_view(self._run, locate=self._locate)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the steps after event `after`; cheap if the last answer ended there."""
        after = message.get("after")
        if type(after) is not int or after < 0:
            return None
        self._move_to(after)
        base = None if after else self._view.snapshot(0.0)
        steps: list[list[Any]] = []
        for event in self._run.events[after : after + EVENTS]:
            self._view.apply((event,))
            patch = self._view.take_patch(0.0)
            self._checkpoints.store(self._view)
            if patch is not None:
                steps.append(_step(event, patch))
                if len(steps) == STEPS:
                    break
        return {
            "type": "history",
            "after": after,
            "seq": self._view.seq,
            "of": len(self._run.events),
            "base": base,
            "steps": steps,
        }

    def _move_to(self, seq: int) -> None:
        if seq < self._view.seq:  # another page, or one that was reloaded
            self._view = empty_view(self._run, locate=self._locate)
        if seq > self._view.seq:
            self._view.apply(self._run.events[self._view.seq : seq])
            self._view.take_patch(0.0)


def _step(event: Event, patch: Mapping[str, Any]) -> list[Any]:
    changed = {part: patch[part] for part in _PARTS if part in patch}
    return [event.seq, event.time, changed, 1] if event.kind in _FAILURES else [event.seq, event.time, changed]


# -- the requests about a past moment ----------------------------------------------------------------------------------

_MORE = {"more": True}


class TimeTravel:
    """Answers `history` (see `Moments`), and `inspect` and `why` for the moment after event `at`."""

    def __init__(self, run: RecordedRun, locate: Locate | None) -> None:
        self._run = run
        self._checkpoints = Checkpoints(run, locate)
        self._moments = Moments(run, locate, self._checkpoints)
        self._previews = Previews()
        self._parts = PartInspector(run, locate, self._previews)
        self._start_at(0)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request, or None if the request is malformed or names an unknown edge."""
        match message:
            case {"type": "history"}:
                return self._moments.answer(message)
            case {"type": "inspect", "node": str() as path, "at": at} if type(at) is int:
                return {"type": "inspector", "node": path, "at": at, **self._inspect(path, at)}
            case {"type": "why", "edge": str() as edge, "at": at} if type(at) is int:
                answer = why(self._view, edge) if self._move_to(at) else {"edge": edge, **_MORE}
                return answer and {"type": "why", "at": at, **answer}
        return None

    def _inspect(self, path: str, at: int) -> dict[str, Any]:
        """Return `data` of a node, or of a part of a map or subgraph (None if the run has no such path), or `more`."""
        if path in self._view.nodes:
            reached = self._move_to(at)
            return {"data": inspect(self._view, self._run.graph, path, previews=self._previews)} if reached else _MORE
        data = self._parts.inspect(path, max(0, min(at, len(self._run.events))), most=LOOKED)
        return _MORE if data and data["timing"]["more"] else {"data": data}

    def _move_to(self, seq: int) -> bool:
        """Fold towards event `seq`; return True once the view is there."""
        seq = max(0, min(seq, len(self._run.events)))
        nearest = self._checkpoints.last(seq)
        if not nearest <= self._view.seq <= seq:
            self._start_at(nearest)
        self._catch_up.fold_piece(min(seq, self._checkpoints.next(self._view.seq)))
        self._checkpoints.store(self._view)
        return self._view.seq == seq

    def _start_at(self, seq: int) -> None:
        self._view: RunView = self._checkpoints.at(seq)
        self._catch_up = CatchUp(self._view, self._run.events)
