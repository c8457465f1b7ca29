"""Draw the overview of a large graph: one small cell per node, in columns by stage. It needs no layout.

A node's stage is the longest path to it, without edges that close a loop.

Invariant: the time is linear in the number of nodes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from nbflow.view.draw import element, frame, number
from nbflow.view.measure import SMALL, fitted, text_width
from nbflow.view.outline import Outline
from nbflow.view.plain import TIMES, middle
from nbflow.view.ways import Box
from nbflow.view.words import counted

_CELL, _PITCH, _ROWS, _GAP, _HEAD = 6.0, 7.0, 20, 24.0, 36.0
_MOST_COLUMNS, _WIDTH = 24, 980.0


def grid(shape: Outline) -> ET.Element:
    """Return the overview of a graph before a run; each cell is a `<rect>` with the node's id in `data-n`."""
    columns = stages(shape)
    rows = max(_ROWS, -(-len(shape.nodes) * int(_PITCH) // int(_WIDTH - _GAP * len(columns))))
    cells: list[tuple[str, list[str], float, float]] = []
    x = 0.0
    for title, nodes in columns:
        width = -(-len(nodes) // rows) * _PITCH
        counts = f"{len(nodes)}/{len(nodes)}{TIMES}99"
        named = max(width, min(72.0, text_width(title, SMALL)), text_width(counts, SMALL))
        cells.append((title, nodes, x, named))
        x += named + _GAP
    tall = min(rows, max(len(nodes) for _, nodes in columns))
    root = frame(12.0, Box(0.0, 0.0, x - _GAP, _HEAD + tall * _PITCH), counted(len(shape.nodes), "node"))
    for title, nodes, left, width in cells:
        stage = element(root, "g", "nf-stage")
        element(stage, "text", "nf-name", fitted(title, SMALL, width + _GAP - 6), x=left, y=10.0)
        element(stage, "text", "nf-meta", f"0/{len(nodes)}", x=left, y=25.0)
        for index, node in enumerate(nodes):
            element(stage, "rect", "nf-cell is-pending", data_n=node, width="6", height="6",
                    x=left + index // rows * _PITCH, y=_HEAD + index % rows * _PITCH)  # fmt: skip
    return root


def stages(shape: Outline) -> list[tuple[str, list[str]]]:
    """Return the columns, each a title and its nodes; neighbouring stages share a column if there are more than 24."""
    last = max(shape.rank.values())
    step = -(-(last + 1) // _MOST_COLUMNS)
    columns: dict[int, list[str]] = {}
    for node in shape.nodes:
        columns.setdefault(shape.rank[node] // step, []).append(node)
    return [(_title(shape, nodes, index, step), nodes) for index, nodes in sorted(columns.items())]


def _title(shape: Outline, nodes: list[str], index: int, step: int) -> str:
    runs = {shape.nodes[node].tool or shape.nodes[node].graph or "" for node in nodes}
    if len(runs) == 1:
        return middle(runs.pop(), 16)
    first = index * step + 1
    return f"stage {first}" if step == 1 else f"{first} to {first + step - 1}"


def colour_grid(root: ET.Element, snapshot: Mapping[str, Any]) -> None:
    """Apply a snapshot to an overview: the status of each cell, and each column's counts of done and failed nodes."""
    for stage in root.iter("g"):
        cells = [part for part in stage if part.tag == "rect"]
        statuses = [snapshot["nodes"][cell.attrib.pop("data-n")]["status"] for cell in cells]
        for cell, status in zip(cells, statuses, strict=True):
            cell.set("class", f"cell-{status}")
            if status == "failed":
                _cross(stage, cell)
        done, failed = statuses.count("completed") + statuses.count("skipped"), statuses.count("failed")
        stage[1].text = f"{done}/{len(statuses)}"
        if failed:
            element(stage[1], "tspan", "nf-bad", f" {TIMES}{failed}")


def _cross(stage: ET.Element, cell: ET.Element) -> None:
    x, y = float(cell.get("x", "0")) - 1, float(cell.get("y", "0")) - 1
    cell.attrib.update({"x": number(x), "y": number(y), "width": "8", "height": "8"})
    element(stage, "path", "cross", d=f"M{number(x + 2)},{number(y + 2)}l4,4m0,-4l-4,4")
