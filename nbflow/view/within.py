"""A part of a map or of a subgraph, looked at by its path: an item, `fan[7]`, or an inner node, `sub/inner`.

Rule: what is around a part is a run of its own, folded as the whole is, from those events of the whole that lie within
it, under the names that they have there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nbflow.engine.journal import Journal
from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition, NodeDefinition
from nbflow.view.backlog import PIECE
from nbflow.view.fold import Locate, RunView
from nbflow.view.inspect import inspect
from nbflow.view.previews import Previews
from nbflow.view.recorded import Recorded

_FOLDS = 4
_STEPS = re.compile(r"^[^/\[\]]+|/[^/\[\]]+|\[\d+\]")
_BECOMES = {
    Kind.NODE_COMPLETE: Kind.EXECUTION_COMPLETE,
    Kind.NODE_ERROR: Kind.EXECUTION_ERROR,
    Kind.NODE_CANCELLED: Kind.EXECUTION_CANCELLED,
    Kind.NODE_SKIPPED: Kind.EXECUTION_CANCELLED,
}
"""What the end of a map or a subgraph is to what is inside it."""


def root_of(path: str) -> str:
    """Return the node of the outermost graph that a path begins with."""
    return re.split(r"[/\[]", path, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands: in a graph, whose names stand for paths that begin otherwise.

    A path that begins with `outside` has within the graph a name that begins with `inside` in its place. `around` are
    the paths of the maps and subgraphs that the part is in, the outermost first.
    """

    graph: GraphDefinition
    outside: str
    inside: str
    around: tuple[str, ...]

    def name(self, path: str) -> str:
        """Return what a path is called within."""
        return self.inside + path[len(self.outside) :]

    def path(self, name: str) -> str:
        """Return the path of what is called so within."""
        return self.outside + name[len(self.inside) :]


def place_in(run: Recorded, path: str) -> Place | None:
    """Return where a part of a run stands, None for a path that leads nowhere."""
    first, *steps = _STEPS.findall(path) or [""]
    if not steps or first + "".join(steps) != path:
        return None
    place: Place | None = Place(run.graph, "", "", ())
    for step in steps:
        place = _entered(run, place, first, step) if place else None
        first += step
    return place if place and _node(place, path) else None


def _entered(run: Recorded, place: Place, path: str, step: str) -> Place | None:
    """Return where that stands which a step leads to, from a map to an item, `[7]`, or into a subgraph, `/inner`."""
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
    """What is around a part, as the first `seen` events of the run tell it."""

    def __init__(self, run: Recorded, place: Place, locate: Locate | None, previews: Previews) -> None:
        self.place, self.seen, self._previews = place, 0, previews
        self._run, self._locate = run, locate
        self._open, self._kept = set[str](), set[str]()
        self._view = self._unfed()

    def _unfed(self) -> RunView:
        return RunView(self.place.graph, subgraphs=self._run.subgraphs, locate=self._locate)

    def go_on(self, upto: int) -> None:
        """Fold what lies within of the events up to one of them, as many as some hundredths of a second allow."""
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
            self._kept = set(self._open)
        if event.node is not None and event.node in self.place.around:
            self._bound(event.node, event)
        else:
            name = event.node and self.place.name(event.node)
            self._view.apply([Event(event.kind, event.seq, event.time, name, event.data)])

    def _bound(self, path: str, event: Event) -> None:
        """Fold in that a map or a subgraph around the part begins, or ends; resumed, it goes on with what it has."""
        becomes = _BECOMES.get(event.kind)
        if event.kind is Kind.NODE_START:
            anew = event.data.get("attempt", 1) == 1 or event.data.get("begun", 1) > 1
            if anew and path not in self._kept:
                self._view = self._unfed()
            self._kept.discard(path)
            self._open.add(path)
            becomes = Kind.EXECUTION_START
        elif event.kind is Kind.NODE_COMPLETE:
            self._open.discard(path)
        if becomes is not None:
            self._view.apply([Event(becomes, event.seq, event.time, None, event.data)])

    def told(self, path: str) -> dict[str, Any]:
        """Return what the inspector shows of a part, its names as they are in the whole run."""
        place = self.place
        data = inspect(self._view, place.graph, place.name(path), previews=self._previews)
        return data | {
            "node": path,
            "waits_for": [place.path(name) for name in data["waits_for"]],
            "questions": [asked | {"node": place.path(asked["node"])} for asked in data["questions"]],
            "edges": {"in": [], "out": [], "more": 0},  # `why` knows those of the outermost graph
        }


def _paths(events: Sequence[Event], first: int, upto: int) -> list[str | None]:
    if isinstance(events, Journal):
        return events.paths(first, upto)
    return [event.node for event in events[first:upto]]


class Within:
    """Looks at the parts of a run's maps and subgraphs; what was folded for one question serves the next one there."""

    def __init__(self, run: Recorded, locate: Locate | None, previews: Previews) -> None:
        self._run, self._locate, self._previews = run, locate, previews
        self._folds: dict[str, _Fold] = {}

    def inspect(self, path: str, upto: int, *, most: int) -> dict[str, Any] | None:
        """Return what the inspector shows of a part as it stood after event `upto`, None for a path to nowhere.

        No more than `most` events are looked through for one answer, and fewer where many lie within; `timing` says
        whether there are `more`.
        """
        place = place_in(self._run, path)
        if place is None:
            return None
        fold = self._folds.pop(place.outside, None)
        if fold is None or fold.seen > upto:
            fold = _Fold(self._run, place, self._locate, self._previews)
        self._folds[place.outside] = fold  # the last one used is the last to go
        if len(self._folds) > _FOLDS:
            del self._folds[next(iter(self._folds))]
        fold.go_on(min(upto, fold.seen + most))
        data = fold.told(path)
        data["timing"]["more"] = fold.seen < upto
        return data
