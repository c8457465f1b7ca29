"""The timeline of a run as the page asks for it: attempts in their nodes' lanes, and the critical path through them.

Rule: an answer tells what changed after the event that the page knows up to, and no more than a screen takes in at
once; `more` says that the page has to ask on. It folds a bounded number of events, so that a run with a million behind
it goes on while the page catches up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.view.critical import CriticalPath, thinned
from nbflow.view.firings import Firings
from nbflow.view.fold import Locate
from nbflow.view.groups import groups_of
from nbflow.view.recorded import Recorded

AT_ONCE = 2_000
"""Events folded for one answer."""
PIECES = 2_000
"""Pieces told in one answer."""
HOPS_LIVE, HOPS = 300, 3_000
"""Steps told of a critical path that still changes, and of one that is final."""


class Timeline:
    """Answers `spans`, `{"after": seq}`, and `share`, `{"node"}`."""

    def __init__(self, run: Recorded, _locate: Locate | None = None) -> None:
        self._run = run
        self._fold = Firings(run.graph, run.subgraphs)
        self._path = CriticalPath()

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is asked for; None of a malformed question."""
        match message:
            case {"type": "share", "node": str() as node}:
                return {"type": "share", "node": node, "share": self.share(node), "more": self._is_behind()}
            case {"type": "spans", "after": after} if type(after) is int and after >= 0:
                return self._spans(after)
        return None

    def _spans(self, after: int) -> dict[str, Any]:
        """Return what changed after the event `after`.

        Times are seconds of the run, in which the time between a stop and a resume does not count. `lanes` are
        `[number, path, parent or -1, kind]`, and with the first answer come `groups` of them, `[name, numbers]`;
        `forget` names tracks, `[lane, row]`, to drop before the `pieces` are taken in (see `Piece.told`); `left` are
        lanes left out by a choice, `[lane, time, seq, condition]`, or `[lane]` where that is no longer so; `seq` is
        what to ask after next. With the last of several answers come `ended`, `pauses` (`[from, until or None]`),
        `resumes` (`[time, seconds lost, seq]`) and `path`, None or `{"length", "waited", "at", "live", "waits",
        "hops"}`: both lengths as of `at`, whether they still grow, and steps `[lane, from, until or None, seq, end seq
        or None]`.
        """
        fold = self._fold
        self._catch_up()
        if len(self._run.events) - fold.seq > AT_ONCE:  # what would be told now is soon to be told again
            return {"type": "spans", "after": after, "seq": after, "more": True}
        pieces, forget, upto = fold.tracks.since(after, PIECES, fold.seq)
        more = upto < len(self._run.events)
        told: dict[str, Any] = {
            "type": "spans",
            "after": after,
            "seq": upto,
            "more": more,
            "lanes": [[lane.number, lane.path, lane.parent, lane.kind] for lane in fold.lanes.since(after, upto)],
            "forget": forget,
            "pieces": [piece.told() for piece in pieces],
            "left": [[lane.number, *(lane.left or ())] for lane in fold.lanes.all if after < lane.left_changed <= upto],
            "merged": fold.tracks.merged,
        }
        if not after:
            told["groups"] = self._groups()
        return told if more or (after and upto == after) else told | self._last_part()

    def _groups(self) -> list[list[Any]]:
        number = {node.node_id: index for index, node in enumerate(self._run.graph.nodes)}
        return [[name, [number[node] for node in nodes]] for name, nodes in groups_of(self._run.graph)]

    def share(self, node: str) -> float | None:
        """Return which part of the critical path, from 0 to 1, a node of the graph is.

        None before the run began, and while more has happened than one call folds: whoever asks again is told.
        """
        self._catch_up()
        fold, path = self._fold, self._path
        lane = fold.lanes.find(node, fold.seq)
        if lane is None or self._is_behind():
            return None
        path.lead_to(fold.leads_to())
        return path.share(lane.number, fold.now) if path.hops else None

    def _is_behind(self) -> bool:
        return self._fold.seq < len(self._run.events)

    def _catch_up(self) -> None:
        seen = self._fold.seq
        for event in self._run.events[seen : seen + AT_ONCE]:
            self._fold.apply(event)

    def _last_part(self) -> dict[str, Any]:
        fold = self._fold
        about = {"pauses": fold.pauses, "resumes": fold.resumes}
        return about | {"path": self._told_path(), "ended": fold.ended is not None}

    def _told_path(self) -> dict[str, Any] | None:
        self._path.lead_to(self._fold.leads_to())
        hops, now = self._path.hops, self._fold.now
        if not hops:
            return None
        live = hops[-1].end is None
        return {
            "length": round(self._path.length(now), 6),
            "waited": round(self._path.waited(now), 6),
            "at": round(now, 6),
            "live": live,
            "waits": live and hops[-1].asked is not None,
            "hops": thinned(hops, HOPS if self._fold.ended else HOPS_LIVE),
        }
