"""Inspect a part of a map or subgraph by its path: an item, `fan[7]`, or an inner node, `sub/inner`.

The graph that directly contains the part is folded like a run: the events of the whole run are filtered to those inside
that graph, and their node paths are made relative to it.

Invariant: the inspector shows for a part what it would show if the graph around it had run alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nbflow.event_log import EventLog
from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition, NodeDefinition
from nbflow.view.fold.catch_up import PIECE
from nbflow.view.fold.run_view import Locate, RunView
from nbflow.view.panels.inspector import inspect
from nbflow.view.recorded_run import RecordedRun
from nbflow.view.values.time_limit import Previews

_FOLDS = 4
_STEPS = re.compile(r"^[^/\[\]]+|/[^/\[\]]+|\[\d+\]")
_BECOMES = {
    Kind.NODE_COMPLETE: Kind.EXECUTION_COMPLETE,
    Kind.NODE_ERROR: Kind.EXECUTION_ERROR,
    Kind.NODE_CANCELLED: Kind.EXECUTION_CANCELLED,
    Kind.NODE_SKIPPED: Kind.EXECUTION_CANCELLED,
}
"""Maps how a map or subgraph node ended to how the run inside it ended."""


def root_of(path: str) -> str:
    """Return the id of the outermost graph's node that a path starts with."""
    return re.split(r"[/\[]", path, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Place:
    """The graph that directly contains a part, and how paths of the run translate to names in that graph.

    Attributes:
        graph: The graph that contains the part. For an item of a map it is a graph of one node, named by its index.
        outside: The prefix that the paths of this graph's nodes have in the run.
        inside: The prefix that replaces `outside` in the names of this graph.
        around: The paths of the enclosing maps and subgraphs, the outermost first.
    """

    graph: GraphDefinition
    outside: str
    inside: str
    around: tuple[str, ...]

    def name(self, path: str) -> str:
        """Return the name in this graph of the node with a path of the run."""
        return self.inside + path[len(self.outside) :]

    def path(self, name: str) -> str:
        """Return the path in the run of the node with a name in this graph."""
        return self.outside + name[len(self.inside) :]


def place_in(run: RecordedRun, path: str) -> Place | None:
    """Return the graph that contains a part of a run, or None if the run has no such path."""
    first, *steps = _STEPS.findall(path) or [""]
    if not steps or first + "".join(steps) != path:
        return None
    place: Place | None = Place(run.graph, "", "", ())
    for step in steps:
        place = _entered(run, place, first, step) if place else None
        first += step
    return place if place and _node(place, path) else None


def _entered(run: RecordedRun, place: Place, path: str, step: str) -> Place | None:
    """Return the place one step further down: from a map to its item, `[7]`, or into a subgraph, `/inner`.

    None if the node at `path` is not of the kind that the step needs.
    """
    node, around = _node(place, path), (*place.around, path)
    if node is None or (node.map is not None) is not step.startswith("["):
        return None
    if node.map is not None:
        index = step[1:-1]
        item = node.model_copy(update={"node_id": index, "map": None})
        alone = place.graph.model_copy(update={"nodes": (item,), "edges": (), "entry_node": None})
        return Place(alone, path + step, index, around)
    inner = run.subgraphs.get(node.graph or "")
    return None if inner is None else Place(inner, f"{path}/", "", around)


def _node(place: Place, path: str) -> NodeDefinition | None:
    name = place.name(path)
    return next((node for node in place.graph.nodes if node.node_id == name), None)


class _Fold:
    """The fold of the graph around a part, over the first `seen` events of the run."""

    def __init__(self, run: RecordedRun, place: Place, locate: Locate | None, previews: Previews) -> None:
        self.place, self.seen, self._previews = place, 0, previews
        self._run, self._locate = run, locate
        # Paths of enclosing nodes that run, and of those that ran when the run was last resumed.
        self._open, self._interrupted = set[str](), set[str]()
        self._view = self._empty_view()

    def _empty_view(self) -> RunView:
        return RunView(self.place.graph, subgraphs=self._run.subgraphs, locate=self._locate)

    def advance(self, upto: int) -> None:
        """Fold the events inside this graph up to event `upto`, or fewer: at most `PIECE`, about 20 ms of work."""
        events, around, outside = self._run.events, self.place.around, self.place.outside
        room = PIECE
        for index, path in enumerate(_paths(events, self.seen, upto), self.seen):
            if path is None or path in around or path.startswith(outside):
                self._take(events[index])
                room -= 1
            if not room:
                upto = index + 1
                break
        self.seen = upto

    def _take(self, event: Event) -> None:
        if event.kind is Kind.EXECUTION_RESUMED:
            self._interrupted = set(self._open)
        if event.node is not None and event.node in self.place.around:
            self._bound(event.node, event)
        else:
            name = event.node and self.place.name(event.node)
            self._view.apply([Event(event.kind, event.seq, event.time, name, event.data)])

    def _bound(self, path: str, event: Event) -> None:
        """Fold the start or end of an enclosing map or subgraph.

        A start discards what was folded, except the first start after a resume: the results inside are then reused.
        """
        becomes = _BECOMES.get(event.kind)
        if event.kind is Kind.NODE_START:
            starts_over = event.data.get("attempt", 1) == 1 or event.data.get("begun", 1) > 1
            if starts_over and path not in self._interrupted:
                self._view = self._empty_view()
            self._interrupted.discard(path)
            self._open.add(path)
            becomes = Kind.EXECUTION_START
        elif event.kind is Kind.NODE_COMPLETE:
            self._open.discard(path)
        if becomes is not None:
            self._view.apply([Event(becomes, event.seq, event.time, None, event.data)])

    def inspect(self, path: str) -> dict[str, Any]:
        """Return the inspector's data of a part, with all node names as paths of the run."""
        place = self.place
        data = inspect(self._view, place.graph, place.name(path), previews=self._previews)
        return data | {
            "node": path,
            "waits_for": [place.path(name) for name in data["waits_for"]],
            "questions": [asked | {"node": place.path(asked["node"])} for asked in data["questions"]],
            "edges": {"in": [], "out": [], "more": 0},  # `why` explains only edges of the outermost graph
        }


def _paths(events: Sequence[Event], first: int, upto: int) -> list[str | None]:
    if isinstance(events, EventLog):
        return events.paths(first, upto)
    return [event.node for event in events[first:upto]]


class PartInspector:
    """Inspects the parts of a run's maps and subgraphs; the last four folds are retained for further requests."""

    def __init__(self, run: RecordedRun, locate: Locate | None, previews: Previews) -> None:
        self._run, self._locate, self._previews = run, locate, previews
        self._folds: dict[str, _Fold] = {}

    def inspect(self, path: str, upto: int, *, most: int) -> dict[str, Any] | None:
        """Return the inspector's data of a part after event `upto`, or None if the run has no such path.

        One call scans at most `most` events, and fewer if many of them are inside the graph around the part.
        `timing.more` is True while the fold has not reached `upto`: call again.
        """
        place = place_in(self._run, path)
        if place is None:
            return None
        fold = self._folds.pop(place.outside, None)
        if fold is None or fold.seen > upto:
            fold = _Fold(self._run, place, self._locate, self._previews)
        self._folds[place.outside] = fold  # moved to the end: the least recently used fold is evicted first
        if len(self._folds) > _FOLDS:
            del self._folds[next(iter(self._folds))]
        fold.advance(min(upto, fold.seen + most))
        data = fold.inspect(path)
        data["timing"]["more"] = fold.seen < upto
        return data
