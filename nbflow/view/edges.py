"""What a person sees of the edges, and how a node's routing changes them.

Rule: an exclusive choice marks what it left out when it is first made; later choices change counts and words alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from nbflow.events import Event, Kind
from nbflow.graph import EdgeDefinition
from nbflow.view.caption import caption_parts
from nbflow.view.history import Route
from nbflow.view.nodes import NodeState
from nbflow.view.outline import Line, Outline

_ROUTES = 64
_TAKEN = Kind.EDGE_TAKEN


class EdgeState:
    """One edge: how often it was taken, and what its label and caption say.

    `rounds` counts within its loop; `asked` is how it was evaluated last.
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
        self._know({line.key: EdgeState(line) for line in shape.lines})

    def _know(self, states: dict[str, EdgeState]) -> None:
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
        """Return edges that stand as these do, and go on by themselves."""
        other = copy(self)
        other.touched = {**self.touched}
        other._know({key: copy(edge) for key, edge in self.states.items()})
        return other

    def of(self, edge: EdgeDefinition) -> EdgeState:
        """Return how an edge of the graph stands."""
        return self._by_ends[edge.from_node, edge.to_node, edge.type, edge.condition]

    def enters_loop(self, edge: EdgeState) -> bool:
        """Return whether taking an edge begins the rounds of a loop anew."""
        return not edge.line.back and edge.line.target in self._loops

    def routed(self, node: NodeState, event: Event) -> EdgeState | None:
        """Fold in that an edge was evaluated; return it if it was taken."""
        data = event.data
        ends = (data.get("from"), data.get("to"), data.get("type", "normal"), data.get("condition"))
        edge = self._by_ends.get(ends)  # type: ignore[arg-type]  # what an event lacks is simply not found
        if edge is None:
            return None
        taken = event.kind is _TAKEN
        edge.asked = Route(edge.line, data.get("values"), taken)
        if len(node.history.routes) < _ROUTES:
            node.history.routes.append(edge.asked)
        if edge.line.condition is not None:
            self._say(node, edge, data.get("values"), taken=taken)
        if taken:
            self._take(node, edge)
        elif not edge.count:
            self._set(edge, "untaken")
        return edge if taken else None

    def pass_over(self, edge: EdgeState, times: int, rounds: int | None) -> None:
        """Take in that an edge was taken some times before the one that is folded next; `rounds`, if told, anew."""
        edge.count += times
        edge.rounds = edge.rounds + times if rounds is None else rounds

    def arrive(self, node: NodeState) -> None:
        """Show that a node runs because of the edges it was reached by."""
        for edge in node.arrived.values():
            self._set(edge, "live")
            node.live.append(edge)
        node.came, node.arrived = node.arrived, {}

    def around(self, node: str) -> tuple[list[EdgeState], list[EdgeState]]:
        """Return a node's edges: those into it from others, and those out of it."""
        return [edge for edge in self._into.get(node, ()) if edge.line.source != node], self._out[node]

    def beside(self, edge: EdgeState) -> list[EdgeState]:
        """Return the other edges out of an edge's node."""
        return [other for other in self._out[edge.line.source] if other is not edge]

    def settle(self, node: NodeState) -> None:
        """Show that a node runs no more."""
        for edge in node.live:
            self._set(edge, "taken")
        node.live.clear()

    def leave_untaken(self) -> None:
        """Show that a run is over: what was not taken will not be."""
        for edge in self.states.values():
            if not edge.count:
                self._set(edge, "untaken")

    def _set(self, edge: EdgeState, state: str) -> None:
        edge.state = state
        self.touched[edge.line.key] = None

    def _say(self, node: NodeState, edge: EdgeState, values: Mapping[str, Any] | None, *, taken: bool) -> None:
        """Put the caption on the edge; a node shows one, that of the edge it decided last."""
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
        """Mark what an exclusive choice left out: the other conditions, or the way on where an error was caught."""
        if kind == "error" or (kind == "conditional" and node.definition.route == "first"):
            for other in self._out[node.id]:
                if other.line.type != "error" and other.state == "open":
                    self._set(other, "untaken")
