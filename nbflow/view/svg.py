"""Build the scene: the drawing of a graph that a page receives once, before snapshots and patches.

Invariant: the layout is computed here only; the page then changes classes, texts and widths, never positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.graph import GraphDefinition
from nbflow.view.draw import draw, written
from nbflow.view.grid import grid
from nbflow.view.layout import layout
from nbflow.view.measure import mode_of
from nbflow.view.outline import outline
from nbflow.view.plain import line


def scene(
    graph: GraphDefinition,
    *,
    subgraphs: Mapping[str, GraphDefinition] | None = None,
    run_id: str | None = None,
) -> dict[str, Any]:
    """Return the scene in the view protocol; for more than 400 nodes its picture is the overview, a cell per node."""
    shape = outline(graph)
    mode = mode_of(len(shape.nodes))
    root = grid(shape) if mode == "list" else draw(shape, layout(shape))
    return {
        "type": "scene",
        "title": line(graph.name or "workflow", 80),
        "run_id": run_id,
        "svg": written(root),
        "order": list(shape.order),
        "kinds": dict(shape.kinds),
        "mode": mode,
        "controls": ["pause", "step", "stop", "resume"] if run_id is not None else [],
    }
