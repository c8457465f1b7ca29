"""Collect the details of one node for the inspector: attempts, input, output, error, routing and its reasons.

Invariant: all texts are bounded, and values are rendered only on request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nbflow.events import Event
from nbflow.graph import END, GraphDefinition
from nbflow.secrets import covered
from nbflow.view.caption import with_values
from nbflow.view.fold import Locate, RunView
from nbflow.view.history import Route, error_parts, place_of
from nbflow.view.plain import clean, line
from nbflow.view.preview import short
from nbflow.view.previews import Previews
from nbflow.view.waiting import waits_for

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
