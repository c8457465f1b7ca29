"""The displayed states of edges, and how a node's routing changes them.

Invariant: the first time an edge of an exclusive choice is taken, the other edges that were never taken become
`untaken`; later choices change only counts, labels and captions.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from nbflow.events import Event, Kind
from nbflow.graph import EdgeDefinition
from nbflow.view.fold.condition_caption import caption_parts
from nbflow.view.fold.history import Route
from nbflow.view.fold.nodes import NodeState
from nbflow.view.outline import Line, Outline

_ROUTES = 64
_TAKEN = Kind.EDGE_TAKEN


class EdgeState:
    """One edge with its label, caption and counts.

    `count` is how often it was taken, `rounds` how often since its loop was last entered. `asked` is its last
    evaluation. `state` is `open`, `taken`, `live` (the node it led to runs) or `untaken`.
    """

    __slots__ = ("asked", "caption", "count", "label", "line", "rounds", "state")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.state, self.count, self.rounds = "open", 0, 0
        self.label = line.label
        self.caption: dict[str, Any] | None = None
        self.asked: Route | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the edge's fields in the view protocol."""
        return {"state": self.state, "count": self.count, "label": self.label, "caption": self.caption}


class Edges:
    """The edges of the outermost graph; `touched` names those that changed."""

    def __init__(self, shape: Outline) -> None:
        self.touched: dict[str, None] = {}
        self._shape = shape
        self._index({line.key: EdgeState(line) for line in shape.lines})

    def _index(self, states: dict[str, EdgeState]) -> None:
        self.states, shape = states, self._shape
        self._by_ends = {(e.source, e.target, e.type, e.condition): states[e.key] for e in shape.lines}
        self._out = {node: [states[line.key] for line in lines] for node, lines in shape.out.items()}
        self._into: dict[str, list[EdgeState]] = {}
        self._loops: dict[str, list[EdgeState]] = {}
        for edge in states.values():
            self._into.setdefault(edge.line.target, []).append(edge)
            if edge.line.back:
                self._loops.setdefault(edge.line.target, []).append(edge)

    def copy(self) -> Edges:
        """Return an independent copy."""
        other = copy(self)
        other.touched = {**self.touched}
        other._index({key: copy(edge) for key, edge in self.states.items()})
        return other

    def of(self, edge: EdgeDefinition) -> EdgeState:
        """Return the state of an edge of the graph."""
        return self._by_ends[edge.from_node, edge.to_node, edge.type, edge.condition]

    def enters_loop(self, edge: EdgeState) -> bool:
        """Return True if taking an edge resets the count of a loop: it leads to the loop's head from outside."""
        return not edge.line.back and edge.line.target in self._loops

    def routed(self, node: NodeState, event: Event) -> EdgeState | None:
        """Fold the evaluation of an edge; return the edge if it was taken, else None."""
        data = event.data
        ends = (data.get("from"), data.get("to"), data.get("type", "normal"), data.get("condition"))
        edge = self._by_ends.get(ends)  # type: ignore[arg-type]  # a missing field is None, which no edge has
        if edge is None:
            return None
        taken = event.kind is _TAKEN
        edge.asked = Route(edge.line, data.get("values"), taken)
        if len(node.history.routes) < _ROUTES:
            node.history.routes.append(edge.asked)
        if edge.line.condition is not None:
            self._set_caption(node, edge, data.get("values"), taken=taken)
        if taken:
            self._take(node, edge)
        elif not edge.count:
            self._set(edge, "untaken")
        return edge if taken else None

    def add_takes(self, edge: EdgeState, times: int, rounds: int | None) -> None:
        """Add `times` to the counts of an edge without folding the events; `rounds`, if given, replaces its rounds."""
        edge.count += times
        edge.rounds = edge.rounds + times if rounds is None else rounds

    def arrive(self, node: NodeState) -> None:
        """Mark the edges that a started node was reached by as `live`."""
        for edge in node.arrived.values():
            self._set(edge, "live")
            node.live.append(edge)
        node.started_by, node.arrived = node.arrived, {}

    def around(self, node: str) -> tuple[list[EdgeState], list[EdgeState]]:
        """Return a node's incoming edges, without those from itself, and its outgoing edges."""
        return [edge for edge in self._into.get(node, ()) if edge.line.source != node], self._out[node]

    def beside(self, edge: EdgeState) -> list[EdgeState]:
        """Return the other outgoing edges of an edge's source node."""
        return [other for other in self._out[edge.line.source] if other is not edge]

    def settle(self, node: NodeState) -> None:
        """Mark the `live` edges of a node that ended as `taken`."""
        for edge in node.live:
            self._set(edge, "taken")
        node.live.clear()

    def leave_untaken(self) -> None:
        """Mark every edge that was never taken as `untaken`, at the end of a run."""
        for edge in self.states.values():
            if not edge.count:
                self._set(edge, "untaken")

    def _set(self, edge: EdgeState, state: str) -> None:
        edge.state = state
        self.touched[edge.line.key] = None

    def _set_caption(self, node: NodeState, edge: EdgeState, values: Mapping[str, Any] | None, *, taken: bool) -> None:
        """Set the caption of an edge and clear the node's previous one: a node shows only its latest decision."""
        if node.caption is not None and node.caption is not edge:
            node.caption.caption = None
            self.touched[node.caption.line.key] = None
        parts = caption_parts(edge.line.condition or "", values)
        edge.caption = {"parts": parts, "result": "yes" if taken else "no"}
        node.caption = edge
        self.touched[edge.line.key] = None

    def _take(self, node: NodeState, edge: EdgeState) -> None:
        edge.count += 1
        edge.rounds += 1
        edge.label = edge.line.label_after(edge.rounds)
        self._set(edge, "taken")
        if edge.count == 1:
            self._leave_others(node, edge.line.type)
        if not edge.line.back:
            for loop in self._loops.get(edge.line.target, ()):
                loop.rounds = 0

    def _leave_others(self, node: NodeState, kind: str) -> None:
        """Mark the open edges that an exclusive choice, or a handled error, did not take as `untaken`."""
        if kind == "error" or (kind == "conditional" and node.definition.route == "first"):
            for other in self._out[node.id]:
                if other.line.type != "error" and other.state == "open":
                    self._set(other, "untaken")
