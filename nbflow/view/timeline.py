"""Answer the page's requests for the timeline of a run: attempts in lanes by node, and the critical path through them.

Invariant: an answer holds the changes after the event that the page has seen, at most `PIECES` of them, and folds at
most `AT_ONCE` events, so that the run is not held up while a page catches up with a million events. `more` in an answer
means that the page must ask again.
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
"""The most events folded for one answer."""
PIECES = 2_000
"""The most pieces in one answer."""
HOPS_LIVE, HOPS = 300, 3_000
"""The most steps of a critical path in an answer: while it still changes, and once it is final."""


class Timeline:
    """Answers the requests `spans`, `{"after": seq}`, and `share`, `{"node"}`."""

    def __init__(self, run: Recorded, _locate: Locate | None = None) -> None:
        self._run = run
        self._fold = Firings(run.graph, run.subgraphs)
        self._path = CriticalPath()

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request, or None if the request is malformed."""
        match message:
            case {"type": "share", "node": str() as node}:
                return {"type": "share", "node": node, "share": self.share(node), "more": self._is_behind()}
            case {"type": "spans", "after": after} if type(after) is int and after >= 0:
                return self._spans(after)
        return None

    def _spans(self, after: int) -> dict[str, Any]:
        """Return the changes of the timeline after event `after`.

        Times are seconds of the run; the time between a stop and a resume does not count. The fields are:

        - `seq`: the event up to which the answer goes; the next request asks after it.
        - `lanes`: new lanes, `[number, path, parent or -1, kind]`.
        - `groups` (first answer only): groups of lanes, `[name, numbers]`.
        - `forget`: tracks, `[lane, row]`, that the page must clear before it adds the pieces.
        - `pieces`: new and changed pieces, in the form of `Piece.as_row`.
        - `left`: lanes that a choice left out, `[lane, time, seq, condition]`, or `[lane]` once reached after all.
        - `merged`: True if some pieces replace several.

        An answer without `more` also has:

        - `ended`: True if the run has ended.
        - `pauses`, `[from, until or None]`, and `resumes`, `[time, seconds lost, seq]`.
        - `path`: the critical path, None before the run starts: `{"length", "waited", "at", "live", "waits", "hops"}`,
          with both durations as of `at`, whether they still grow, whether a person is waited for now, and steps
          `[lane, from, until or None, seq, end seq or None]`.
        """
        fold = self._fold
        self._catch_up()
        if len(self._run.events) - fold.seq > AT_ONCE:  # far behind: pieces sent now would soon be sent again
            return {"type": "spans", "after": after, "seq": after, "more": True}
        pieces, forget, upto = fold.tracks.since(after, PIECES, fold.seq)
        more = upto < len(self._run.events)
        answer: dict[str, Any] = {
            "type": "spans",
            "after": after,
            "seq": upto,
            "more": more,
            "lanes": [[lane.number, lane.path, lane.parent, lane.kind] for lane in fold.lanes.since(after, upto)],
            "forget": forget,
            "pieces": [piece.as_row() for piece in pieces],
            "left": [[lane.number, *(lane.left or ())] for lane in fold.lanes.all if after < lane.left_changed <= upto],
            "merged": fold.tracks.merged,
        }
        if not after:
            answer["groups"] = self._groups()
        return answer if more or (after and upto == after) else answer | self._last_part()

    def _groups(self) -> list[list[Any]]:
        number = {node.node_id: index for index, node in enumerate(self._run.graph.nodes)}
        return [[name, [number[node] for node in nodes]] for name, nodes in groups_of(self._run.graph)]

    def share(self, node: str) -> float | None:
        """Return a node's share of the critical path, from 0 to 1.

        None before the run starts, and while the fold is behind the run: each call folds `AT_ONCE` more events.
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
        return about | {"path": self._path_data(), "ended": fold.ended is not None}

    def _path_data(self) -> dict[str, Any] | None:
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
