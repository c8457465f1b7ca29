"""The details of one node for the inspector: attempts, input, output, error, routing and its reasons.

Invariant: all texts are bounded, and values are rendered only on request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from itertools import islice
from typing import Any

from nbflow.events import Event
from nbflow.graph import END, GraphDefinition
from nbflow.secrets import covered
from nbflow.view.fold.condition_caption import with_values
from nbflow.view.fold.edges import EdgeState
from nbflow.view.fold.history import Route, error_line, error_parts, place_of
from nbflow.view.fold.nodes import LIVE, NodeState
from nbflow.view.fold.run_view import Locate, RunView
from nbflow.view.outline import Line, Outline
from nbflow.view.text import clean, line
from nbflow.view.values.preview import short
from nbflow.view.values.time_limit import Previews

# Name the nodes that a pending join waits for: the active nodes from which a token can still reach it in this round.
#
# The search goes upstream from the join. If the join lies inside a loop, a path through the loop's head belongs to the
# next round, so the edges that close such a loop are not followed. A pending join upstream counts as active if a token
# has reached it, since it will run.
#
# Invariant: the result agrees with the engine's decision when a join may start.

MOST = 100
"""The most nodes in an answer."""
_UNFINISHED = ("running", "waiting", "paused")
Step = Callable[[str], Iterable[str]]


def waits_for(view: RunView, node: str) -> list[str]:
    """Return the nodes that a pending join waits for, in the order of the graph; empty for any other node."""
    shape, state = view.outline, view.nodes[node]
    if state.status != "pending" or state.definition.join != "all" or view.run()["status"] not in _UNFINISHED:
        return []
    into: dict[str, list[Line]] = defaultdict(list)
    for edge in shape.lines:
        into[edge.target].append(edge)
    if sum(not edge.back for edge in into[node]) < 2:
        return []
    entries = set(shape.graph.entries())
    upstream = (view.nodes[name] for name in _upstream(shape, node, into))
    return [one.id for one in islice((one for one in upstream if _is_live(one, entries)), MOST)]


def _is_live(node: NodeState, entries: Container[str]) -> bool:
    if node.status != "pending":
        return node.status in LIVE
    return bool(node.arrived) or (not node.runs and node.id in entries)


def _upstream(shape: Outline, node: str, into: dict[str, list[Line]]) -> list[str]:
    """Return the nodes from which a token can reach `node` without starting a new round of a loop around it."""
    after = _reached((node,), lambda name: (edge.target for edge in shape.out.get(name, ()) if not edge.back))

    def before(name: str) -> Iterable[str]:
        if name == node:
            return ()
        # The head of a loop around `node` lies before it, and the edges that close the loop come from behind it.
        before_node = name not in after
        return (edge.source for edge in into[name] if not (edge.back and before_node and edge.source in after))

    found = _reached((line.source for line in into[node]), before)
    return [name for name in shape.nodes if name in found and name != node]


def _reached(begin: Iterable[str], step: Step) -> set[str]:
    stack = list(begin)
    seen = set(stack)
    while stack:
        new = set(step(stack.pop())) - seen
        seen |= new
        stack += new
    return seen


# -- the details of a node ---------------------------------------------------------------------------------------------

_CODE_LINES, _QUESTIONS, _TEXT, _EDGES = 9, 20, 20_000, 100


def inspect(
    view: RunView | Iterable[Event],
    graph: GraphDefinition,
    node: str,
    locate: Locate | None = None,
    previews: Previews | None = None,
) -> dict[str, Any]:
    """Return the inspector's data of a node, in the view protocol.

    Args:
        view: A fold of the run, or its events.
        graph: The graph that ran.
        node: The id of one of its nodes.
        locate: Returns the notebook cell of a file and line, `{"label", "cell_id"}`, or None.
        previews: Renders and caches values; pass the same object for repeated requests.

    Raises:
        KeyError: The graph has no such node.
    """
    if not isinstance(view, RunView):
        events, view = view, RunView(graph, locate=locate)
        view.apply(events)
    state, previews = view.nodes[node], previews or Previews()
    past = state.history
    printed, dropped = past.printed.text()
    return {
        "node": node,
        "kind": state.kind,
        "tool": state.definition.tool or state.definition.graph,
        "doc": "",
        "status": state.status,
        "visits": state.runs,
        "attempts": [{"n": a.number, "status": a.status, "ms": a.ms, "note": a.note} for a in past.attempts],
        "of": state.of,
        "input": previews.of(past.input),
        "output": previews.of(past.output),
        "printed": printed,
        "printed_dropped": dropped,
        "pictures": past.shown_pictures(),
        "pictures_of": len(past.pictures),
        "error": _error(past.error, locate or view.locate),
        "next": _next(past.routes),
        "conditions": [_condition(route) for route in past.routes if route.line.condition is not None],
        "edges": _edges(view, node),
        "timing": {"started": past.started, "ms": state.ms, "total_ms": past.total_ms},
        "items": state.items(),
        "inside": state.inner_rows(),
        "waits_for": waits_for(view, node),
        "questions": [_question(event) for event in list(state.asked.values())[:_QUESTIONS]],
    }


def _error(error: Mapping[str, Any] | None, locate: Locate | None) -> dict[str, Any] | None:
    if error is None:
        return None
    parts = error_parts(error)
    where = parts["where"]
    rows = list((where or {}).get("code") or ())[:_CODE_LINES]
    return {
        "type": parts["type"],
        "message": parts["message"],
        **place_of(where, locate),
        "code": [[int(number), clean(str(text)[:400])] for number, text in rows],
        "hit": where.get("line") if where else None,
        "traceback": parts["traceback"],
    }


def _edges(view: RunView, node: str) -> dict[str, Any]:
    """Return the keys of a node's edges, each with the node at its other end, and the number of edges left out."""
    into, out = view.edges.around(node)
    return {
        "in": [[edge.line.key, edge.line.source] for edge in into[:_EDGES]],
        "out": [[edge.line.key, edge.line.target] for edge in out[:_EDGES]],
        "more": max(0, len(into) - _EDGES) + max(0, len(out) - _EDGES),
    }


def _question(event: Event) -> dict[str, Any]:
    """Return a question for the form. Choices and schema are not cleaned, since the answer must repeat them exactly."""
    data = event.data
    texts = {name: clean(str(data[name])[:_TEXT]) for name in ("question", "details") if data.get(name)}
    exact = {name: data.get(name) for name in ("scope", "firing", "ordinal", "choices", "schema")}
    return {"node": event.node, "seq": event.seq, "question": "", **texts, **exact}


def _condition(route: Route) -> dict[str, Any]:
    values = {line(name, 40): short(read, 40) for name, read in covered(route.values or {}).items()}
    result = "yes" if route.taken else "no"
    return {"text": line(route.line.condition or "", 400), "to": route.line.target, "values": values, "result": result}


def _next(routes: list[Route]) -> str | None:
    """Return the nodes that this one led to and, if a condition decided it, the reason; None before it ended."""
    taken = [route for route in routes if route.taken]
    if not routes:
        return None
    names = ["the end" if route.line.target == END else route.line.target for route in taken] or ["the end"]
    went = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    if taken and taken[0].line.type == "error":
        return f"{went}, on error"
    asked = [route for route in taken if route.line.condition] or [r for r in routes if r.line.condition]
    if not asked:
        return went
    last = asked[-1]
    why = with_values(last.line.condition or "", last.values)
    return f"{went}, because {why} is {'yes' if last.taken else 'no'}"


# Explain in one line why an edge was taken or not: its condition with the values that it read, or what was decided.
#
# Invariant: an evaluated condition is explained by the values it read at that time; an edge that was not evaluated is
# explained by the decision made instead.

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
