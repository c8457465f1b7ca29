"""Explain in one line why an edge was taken or not: its condition with the values that it read, or what was decided.

Invariant: an evaluated condition is explained by the values it read at that time; an edge that was not evaluated is
explained by the decision made instead.
"""

from __future__ import annotations

from typing import Any

from nbflow.graph import END
from nbflow.view.caption import with_values
from nbflow.view.edges import EdgeState
from nbflow.view.fold import RunView
from nbflow.view.history import Route, error_line
from nbflow.view.nodes import NodeState
from nbflow.view.plain import line

_IS = {
    "pending": "has not run", "running": "is running", "waiting": "waits for a person", "retrying": "is tried again",
    "failed": "failed", "cancelled": "was cancelled", "skipped": "was not needed", "completed": "has ended",
}  # fmt: skip


def why(view: RunView, key: str) -> dict[str, Any] | None:
    """Return `{"edge", "from", "to", "state", "text"}`, or None if the graph has no such edge."""
    edge = view.edges.states.get(key)
    if edge is None:
        return None
    ends = {"from": edge.line.source, "to": "the end" if edge.line.target == END else edge.line.target}
    return {"edge": key, **ends, "state": edge.state, "text": line(_text(view, edge), 400)}


def _text(view: RunView, edge: EdgeState) -> str:
    node = view.nodes[edge.line.source]
    asked = edge.asked
    if edge.line.condition is not None and asked is not None:
        return _evaluated(edge.count, asked)
    if edge.count and (other := _true_condition(view, edge, node)):
        return f"{_taken(edge.count)}, not the last time: {_result(other)}"
    if edge.count:
        return f"{_taken(edge.count)}: {_reason(view, edge, node)}"
    if edge.line.type == "error" and node.status == "completed":
        return f"Not taken: {node.id} did not fail"
    if edge.state == "open" and node.status != "completed":
        return f"Not decided: {node.id} {_IS[node.status]}"
    return f"Not taken: {_obstacle(view, edge, node)}"


def _evaluated(count: int, asked: Route) -> str:
    result = _result(asked)
    if not count:
        return f"Not taken: {result}"
    if asked.taken:
        return f"{_taken(count)}: {result}"
    return f"{_taken(count)}, not the last time: {result}"


def _taken(count: int) -> str:
    return "Taken" if count == 1 else f"Taken {count} times"


def _result(asked: Route) -> str:
    return f"{with_values(asked.line.condition or '', asked.values)} is {'yes' if asked.taken else 'no'}"


def _reason(view: RunView, edge: EdgeState, node: NodeState) -> str:
    """Return why an edge without a condition was taken."""
    if edge.line.type == "error":
        return f"{node.id} failed" + (f", {error_line(node.history.error)}" if node.history.error else "")
    refused = [one.asked for one in view.edges.beside(edge) if one.asked and one.line.condition and not one.asked.taken]
    if node.definition.route == "all" or not refused:
        return "it has no condition"
    return _result(refused[0]) if len(refused) == 1 else f"none of {len(refused)} conditions is yes"


def _true_condition(view: RunView, edge: EdgeState, node: NodeState) -> Route | None:
    """Return the condition that was true the last time, for an edge that is taken only if none is."""
    if edge.line.type == "error" or node.definition.route == "all":
        return None
    asked = (one.asked for one in view.edges.beside(edge) if one.line.condition is not None)
    return next((route for route in asked if route and route.taken), None)


def _obstacle(view: RunView, edge: EdgeState, node: NodeState) -> str:
    """Return the reason why an edge without an evaluated condition was never taken."""
    chosen = next((one for one in view.edges.beside(edge) if one.asked and one.asked.taken), None)
    if chosen is None or node.status != "completed":
        return f"{node.id} {_IS[node.status]}"
    if chosen.line.condition is not None and chosen.asked is not None:
        return f"{_result(chosen.asked)}, so it went to {chosen.line.target}"
    return f"it went to {chosen.line.target}"
