"""The timeline of a run: fold its events into firings, and answer a page's requests for their pieces.

The fold records when each firing was reached, started, retried, waited and ended. Times are seconds of the run: they
start at its first event, and the time between a stop and a resume does not count.

Invariant: an event costs a few assignments, however long the run is. Events of unknown nodes, or without the fields
they should have, are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbflow.events import ENDINGS, Event, Kind
from nbflow.graph import GraphDefinition
from nbflow.view.fold.condition_caption import with_values
from nbflow.view.fold.run_view import Locate
from nbflow.view.panels.critical_path import CriticalPath, Hop, leading, thinned
from nbflow.view.panels.lanes import Firing, Key, Lane, Lanes, Tracks, beside, groups_of, index_of, key_of
from nbflow.view.recorded_run import RecordedRun
from nbflow.view.text import line

_SHORTEST = 0.001
"""A shorter time between reaching a node and its start is not drawn as queueing, in seconds."""


class Firings:
    """The timeline of one run, up to event `seq`.

    Attributes:
        lanes: The lanes, by path of the node.
        tracks: The pieces to draw.
        now: The time of the last event, in seconds of the run.
        ended: The kind of the event that ended the run; None while it runs.
        pauses: Start and end of each pause, in seconds of the run; the end is None while it lasts.
        resumes: For each resume its time in seconds of the run, the seconds lost before it, and its event.
    """

    def __init__(self, graph: GraphDefinition, subgraphs: Mapping[str, GraphDefinition]) -> None:
        self.lanes = Lanes(graph, subgraphs)
        self.tracks = Tracks()
        self.seq = 0
        self.now = 0.0
        self.ended: Kind | None = None
        self.pauses: list[tuple[float, float | None]] = []
        self.resumes: list[tuple[float, float, int]] = []
        self._time: float | None = None
        self._lost = self._origin = self._gap = 0.0
        self._open: dict[Key, Firing] = {}
        self._at: dict[str, Firing] = {}
        """The running firing of each path; if several overlap, the one started last."""
        self._outermost: dict[Key, Firing] = {}
        self._done: dict[str, Hop] = {}
        self._arrived: dict[str, list[tuple[float, int, Hop | None]]] = {}
        self._last: Hop | None = None
        self._cut: Hop | None = None
        """The end of the critical path among the firings cancelled since any other firing ended."""
        self._failed: str | None = None

    # -- reading --------------------------------------------------------------------------------------------------

    def leads_to(self) -> Hop | None:
        """Return the last step of the critical path: the one that failed or was cancelled last, else see `leading`."""
        if self._failed is not None and self._failed in self._done:
            return self._done[self._failed]
        if self.ended is Kind.EXECUTION_CANCELLED and self._cut is not None:
            return self._cut
        return leading((firing.hop for firing in self._outermost.values()), self._last)

    # -- folding --------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Fold one event."""
        if self._time is None:
            self._origin = self._time = event.time
        if event.kind is Kind.EXECUTION_RESUMED:
            self._gap = max(0.0, event.time - self._time)
            self._lost += self._gap
        self._time, self.seq = event.time, event.seq
        self.now = max(self.now, event.time - self._origin - self._lost)
        fold = _FOLDS.get(event.kind)
        if fold is not None and (event.node is not None or event.kind in _OF_THE_RUN):
            fold(self, event)

    def _start(self, event: Event) -> None:
        key = key_of(event)
        firing = self._open.get(key) or self._add_firing(event, key)
        if firing is None:
            return
        self._close(firing, "cancelled")
        if not firing.has_row:
            firing.row, firing.has_row = firing.lane.take_row(int(firing.item)), True
        firing.attempt = int(event.data.get("attempt") or 1)
        firing.hop.end = firing.hop.end_seq = None
        self._at[firing.path] = firing
        if firing.outermost:
            self._outermost[key] = firing
        self._show(firing, "running")

    def _add_firing(self, event: Event, key: Key) -> Firing | None:
        path = event.node or ""
        lane = self.lanes.find(path, event.seq)
        if lane is None:
            return None
        item = path.endswith("]")
        outside = self._at.get(path[: path.rfind("[")] if item else path.rpartition("/")[0])
        time, seq, by = (self.now, event.seq, None) if item else self._arrival(lane, path, outside)
        lane.runs += not item
        visit = index_of(path) if item else lane.runs
        hop = Hop(lane.number, time, seq, by)
        firing = self._open[key] = Firing(path, lane, lane.take_row(int(item)), visit, hop, outside, item)
        if self.now - time >= _SHORTEST:
            self.tracks.add_queue(firing.track, (time, seq), (self.now, event.seq), visit)
        return firing

    def _arrival(self, lane: Lane, path: str, outside: Firing | None) -> tuple[float, int, Hop | None]:
        """Return the time, event and sending firing of the last input of the node that starts now."""
        arrived = self._arrived.get(path)
        if not arrived:
            if outside is not None and outside.piece is not None:
                return outside.piece.begin, outside.piece.seq, None
            return (self.now, self.seq, None) if lane.runs else (0.0, 1, None)
        return arrived.pop(0)

    def _retry(self, event: Event) -> None:
        firing = self._open.get(key_of(event))
        if firing is not None and firing.piece is not None:
            self._close(firing, "failed")
            firing.attempt = int(event.data.get("attempt") or firing.attempt + 1)
            self._show(firing, "backoff")

    def _complete(self, event: Event) -> None:
        self._end(event, "cached" if event.data.get("cached") else "completed", over=True)

    def _error(self, event: Event) -> None:
        self._end(event, "failed", over=bool(event.data.get("handled")))

    def _cancelled(self, event: Event) -> None:
        self._end(event, "cancelled", over=False)

    def _skipped(self, event: Event) -> None:
        firing = self._open.get(key_of(event))
        if firing is None or firing.piece is None:
            self._start(event)
        self._end(event, "skipped", over=True)

    def _end(self, event: Event, kind: str, *, over: bool) -> None:
        key = key_of(event)
        firing = self._open.get(key)
        if firing is not None:
            self._end_firing(key, firing, kind)
        if over:
            self._open.pop(key, None)

    def _end_firing(self, key: Key, firing: Firing, kind: str) -> None:
        self._close(firing, kind)
        firing.lane.free_row(firing.row)
        firing.has_row = False
        self._outermost.pop(key, None)
        if self._at.get(firing.path) is firing:
            del self._at[firing.path]
        firing.hop.end, firing.hop.end_seq = self.now, self.seq
        if not firing.item:
            self._record_end(firing, kind)

    def _record_end(self, firing: Firing, kind: str) -> None:
        hop = self._done[firing.path] = firing.hop
        if firing.outermost and kind == "cancelled":
            self._cut = leading(filter(None, (self._cut, hop)), None)
        elif firing.outermost:
            self._last, self._cut = hop, None
        elif firing.outside is not None and firing.outside.lane.kind == "subgraph":
            firing.outside.hop.inner = hop

    def _close(self, firing: Firing, kind: str) -> None:
        """Close the open pieces of a firing; the firing may continue with another attempt."""
        piece = firing.piece
        if piece is not None:
            self.tracks.end(piece, kind if piece.kind == "running" else piece.kind, self.now, self.seq)
        firing.piece, firing.questions = None, 0
        self._stop_asking(firing)

    def _show(self, firing: Firing, kind: str) -> None:
        firing.piece = self.tracks.begin(kind, firing.track, self.now, self.seq, firing.visit, firing.attempt)

    # -- a person -------------------------------------------------------------------------------------------------

    def _ask(self, event: Event) -> None:
        firing = self._at.get(event.node or "")
        while firing is not None:
            firing.questions += 1
            if firing.question is None:
                firing.hop.asked = self.now
                firing.question = self.tracks.begin(
                    "waiting", firing.track, self.now, self.seq, firing.visit, firing.attempt
                )
            firing = firing.outside

    def _answered(self, event: Event) -> None:
        firing = self._at.get(event.node or "")
        while firing is not None:
            firing.questions = max(0, firing.questions - 1)
            if not firing.questions:
                self._stop_asking(firing)
            firing = firing.outside

    def _stop_asking(self, firing: Firing) -> None:
        hop = firing.hop
        if firing.question is not None and hop.asked is not None:
            hop.waited += self.now - hop.asked
            self.tracks.end(firing.question, "waiting", self.now, self.seq)
        firing.question = hop.asked = None

    # -- edges ----------------------------------------------------------------------------------------------------

    def _taken(self, event: Event) -> None:
        path = beside(event)
        lane = self.lanes.find(path, event.seq)
        if lane is None:
            return
        lane.leave(None, event.seq)
        arrived = self._arrived.setdefault(path, [])
        if lane.definition.join != "each":
            arrived.clear()
        arrived.append((self.now, event.seq, self._done.get(event.node or "")))

    def _untaken(self, event: Event) -> None:
        lane = self.lanes.find(beside(event), event.seq)
        if lane is not None and not lane.runs and event.data.get("condition"):
            asked = with_values(str(event.data["condition"]), event.data.get("values"))
            lane.leave((self.now, event.seq, line(asked, 80)), event.seq)

    # -- the run --------------------------------------------------------------------------------------------------

    def _paused(self, _event: Event) -> None:
        self.pauses.append((self.now, None))

    def _continued(self, _event: Event) -> None:
        if self.pauses and self.pauses[-1][1] is None:
            self.pauses[-1] = (self.pauses[-1][0], self.now)

    def _over(self, event: Event) -> None:
        self._stop_all(event)
        self.ended = event.kind
        error = event.data.get("error")
        if event.kind is Kind.EXECUTION_ERROR and isinstance(error, Mapping):
            self._failed = str(error.get("node") or "").partition("/")[0].partition("[")[0]

    def _resumed(self, event: Event) -> None:
        self._stop_all(event)
        self.resumes.append((self.now, self._gap, event.seq))
        self.ended = self._failed = self._cut = None

    def _stop_all(self, event: Event) -> None:
        """End all running firings as cancelled: the run ended, or its process died before it was resumed."""
        self._continued(event)
        for key in [key for key, firing in self._open.items() if firing.piece is not None]:
            self._end_firing(key, self._open[key], "cancelled")


_FOLDS: dict[Kind, Callable[[Firings, Event], None]] = {
    Kind.NODE_START: Firings._start,
    Kind.NODE_RETRY: Firings._retry,
    Kind.NODE_COMPLETE: Firings._complete,
    Kind.NODE_ERROR: Firings._error,
    Kind.NODE_CANCELLED: Firings._cancelled,
    Kind.NODE_SKIPPED: Firings._skipped,
    Kind.NODE_WAITING: Firings._ask,
    Kind.NODE_ANSWERED: Firings._answered,
    Kind.EDGE_TAKEN: Firings._taken,
    Kind.EDGE_UNTAKEN: Firings._untaken,
    Kind.EXECUTION_PAUSED: Firings._paused,
    Kind.EXECUTION_CONTINUED: Firings._continued,
    Kind.EXECUTION_RESUMED: Firings._resumed,
    **dict.fromkeys(ENDINGS, Firings._over),
}
_OF_THE_RUN = frozenset({kind for kind in Kind if kind.value.startswith("execution")})


# Answer the page's requests for the timeline of a run: attempts in lanes by node, and the critical path through them.
#
# Invariant: an answer holds the changes after the event that the page has seen, at most `PIECES` of them, and folds at
# most `AT_ONCE` events, so that the run is not held up while a page catches up with a million events. `more` in an
# answer means that the page must ask again.

AT_ONCE = 2_000
"""The most events folded for one answer."""
PIECES = 2_000
"""The most pieces in one answer."""
HOPS_LIVE, HOPS = 300, 3_000
"""The most steps of a critical path in an answer: while it still changes, and once it is final."""


class Timeline:
    """Answers the requests `spans`, `{"after": seq}`, and `share`, `{"node"}`."""

    def __init__(self, run: RecordedRun, _locate: Locate | None = None) -> None:
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
