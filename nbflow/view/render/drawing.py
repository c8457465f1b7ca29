"""Draw a graph as SVG elements: cards and edges of a layout, or the overview of a large graph.

The drawing has no state of a run; the page or the static picture adds colours and texts.

Invariant: the drawing is built by ElementTree from numbers and cleaned text. CSS classes name what an element is,
attributes its position.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from nbflow.graph import END, GraphDefinition
from nbflow.view.layout.layout import Layout, layout
from nbflow.view.layout.paths import Box
from nbflow.view.layout.sizes import SMALL, fitted, mode_of, name_of, text_width
from nbflow.view.outline import Outline, outline
from nbflow.view.text import TIMES, allowed, clean, counted, line, middle

SVG = "http://www.w3.org/2000/svg"
_MARGIN = 8.0


def element(
    parent: ET.Element | None, tag: str, cls: str = "", text: str | None = None, **attributes: Any
) -> ET.Element:
    """Return a new SVG element, appended to `parent` if that is given.

    In names of attributes `_` becomes `-`; floats are rounded to a tenth and texts cleaned. The ids `data_n` and
    `data_e` are not changed, so that the page finds them; `written` replaces the characters that XML forbids.
    """
    given: dict[str, str] = {"class": cls} if cls else {}
    for name, value in attributes.items():
        exact = name in ("data_n", "data_e")
        given[name.replace("_", "-")] = value if exact else number(value) if isinstance(value, float) else clean(value)
    made = ET.Element(tag, given) if parent is None else ET.SubElement(parent, tag, given)
    made.text = None if text is None else clean(text)
    return made


def written(root: ET.Element) -> str:
    """Return the picture as SVG text."""
    for part in root.iter():
        for name in ("data-n", "data-e"):
            if name in part.attrib:
                part.set(name, allowed(part.attrib[name]))
    return ET.tostring(root, encoding="unicode")


def number(value: float) -> str:
    """Return a number as text with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def draw(shape: Outline, placed: Layout) -> ET.Element:
    """Return the drawing of a graph: `<svg class="nf-svg">` with groups of edges, nodes and labels, in this order."""
    mode = mode_of(len(shape.nodes))
    box = Box(placed.x, placed.y, placed.width, placed.height)
    root = frame(_MARGIN, box, counted(len(shape.nodes), "node"))
    edges = element(root, "g", "nf-edges")
    nodes = element(root, "g", "nf-nodes")
    labels = element(root, "g", "nf-labels")
    for edge in shape.lines:
        path = placed.edges[edge.key]
        group = element(edges, "g", "nf-edge open" + (" error" if edge.type == "error" else ""), data_e=edge.key)
        element(group, "path", d=path.d)
        element(group, "polygon", points=" ".join(f"{number(x)},{number(y)}" for x, y in path.arrow))
        if path.label is not None and mode == "cards":
            x, y = path.label
            element(labels, "text", "nf-elabel", edge.label or "", x=x, y=y + (3.8 if path.anchor != "middle" else 2.3),
                    text_anchor=path.anchor, data_e=edge.key)  # fmt: skip
    for node in shape.nodes:
        _Card(shape, placed, node, mode).draw(nodes)
    if shape.ends:
        _end(nodes, placed.nodes[END])
    return root


def frame(margin: float, box: Box, what: str) -> ET.Element:
    """Return an empty SVG element with a margin around the given box; `what` completes its accessible name."""
    width, height = box.w + 2 * margin, box.h + 2 * margin
    seen = " ".join(number(part) for part in (box.x - margin, box.y - margin, width, height))
    return element(
        None, "svg", "nf-svg", xmlns=SVG, viewBox=seen, role="group", aria_label=f"Workflow graph, {what}",
        width=width, height=height,
    )  # fmt: skip


def _end(nodes: ET.Element, box: Box) -> None:
    x, y, r = box.x + box.w / 2, box.y + box.h / 2, box.w / 2
    group = element(nodes, "g", "nf-end")
    element(group, "title", text="end")
    element(group, "circle", cx=x, cy=y, r=r - 1, fill="none", stroke="#8c939c")
    element(group, "circle", cx=x, cy=y, r=r - 4, fill="#8c939c")


class _Card:
    """Draws one node, as a card or, in a larger graph, as a chip."""

    def __init__(self, shape: Outline, placed: Layout, node: str, mode: str) -> None:
        self.shape, self.node, self.mode = shape, node, mode
        self.kind = shape.kinds[node]
        self.size, self.box = placed.sizes[node], placed.nodes[node]
        self.card = mode == "cards"

    def draw(self, nodes: ET.Element) -> None:
        chip = "" if self.card else " chip"
        group = element(
            nodes, "g", f"nf-node k-{self.kind} is-pending{chip}", data_n=self.node,
            role="button", aria_label=f"{self.node}, {self.kind}", tabindex="-1",
        )  # fmt: skip
        if not self.card:
            element(group, "title", text=self.node)
        self._shape(group)
        self._texts(group)
        if self.card and self.kind != "ask":
            self._progress(group)
        if self.size.captions:
            self._captions(group)
        self._bars(group)

    def _shape(self, group: ET.Element) -> None:
        box, kind = self.box, self.kind
        up = (7.0 if self.card else 5.0) if kind == "map" else 0.0
        round_ = box.h / 2 if kind == "ask" else 4.0
        element(group, "rect", "nf-hit", x=box.x - 4, y=box.y - 4 - up, width=box.w + 8, height=box.h + 8 + up,
                rx=round_ + 4, fill="none", pointer_events="all")  # fmt: skip
        if kind == "map":
            self._stack(group)
        element(group, "rect", "nf-shape", x=box.x, y=box.y, width=box.w, height=box.h, rx=round_, ry=round_)
        if kind == "subgraph":
            inset = 4.0 if self.card else 2.5
            right = box.x + box.w - inset
            sides = (f"M{number(x)},{number(box.y)}v{number(box.h)}" for x in (box.x + inset, right))
            element(group, "path", "nf-side", d="".join(sides))

    def _stack(self, group: ET.Element) -> None:
        """Draw the edges of two more cards behind a map, visible at the top right."""
        box, step = self.box, 3.5 if self.card else 2.5
        for back in (2, 1):
            x, y = box.x + 3 * back, box.y - step * back
            right = box.x + box.w
            d = f"M{number(x)},{number(y)}H{number(right - 4)}a4,4 0 0 1 4,4V{number(box.y + 6)}"
            element(group, "path", "nf-back", d=d)

    def _texts(self, group: ET.Element) -> None:
        box = self.box
        pad = (16.0 if self.kind == "ask" else 10.0) if self.card else 5.0
        size = 14.0 if self.card else 12.0
        x, y = box.x + pad, box.y + (box.h - size) / 2
        element(group, "g", "nf-ic", transform=f"translate({number(x)},{number(y)}) scale({size / 16:g})")
        shown = self.card or box.w > 24
        name = name_of(self.node, self.mode) if shown else ""
        at = x + (20.0 if self.card else 16.5)
        element(group, "text", "nf-name", name, x=at, y=box.y + (15.5 if self.card else 14.9))
        if self.card:
            element(group, "text", "nf-meta", x=at, y=box.y + 29.0)
            right = {"ask": 14.0, "subgraph": 9.0}.get(self.kind, 9.0)
            element(group, "text", "nf-badge", x=box.x + box.w - right, y=box.y + 15.5, text_anchor="end")

    def _progress(self, group: ET.Element) -> None:
        box = self.box
        side = 5.0 if self.kind == "subgraph" else 1.0
        y, width = box.y + box.h - 4, box.w - 2 * side
        prog = element(group, "g", "nf-prog")
        element(prog, "rect", "nf-ptrack", x=box.x + side, y=y, width=width, height=3.0)
        element(prog, "rect", "nf-pfill", x=box.x + side, y=y, width="0", height=3.0)
        element(prog, "rect", "nf-pfail", x=box.x + side, y=y, width="0", height=3.0)

    def _captions(self, group: ET.Element) -> None:
        box = self.box
        cap = element(group, "g", "nf-cap")
        up = 7.0 if self.kind == "map" else 0.0
        for row in range(self.size.captions):
            y = box.y - up - 6 - 14.0 * (self.size.captions - 1 - row)
            element(cap, "text", "nf-captext", x=box.x + box.w / 2, y=y, text_anchor="middle")

    def _bars(self, group: ET.Element) -> None:
        box = self.box
        bar: dict[str, Any] = {"width": 3.0, "height": box.h - 8, "rx": 1.5}
        if self.size.left:
            element(group, "rect", "nf-barr join", x=box.x - 8, y=box.y + 4, **bar)
        if self.size.right:
            element(group, "rect", "nf-barr split", x=box.right + 5, y=box.y + 4, **bar)


# Draw the overview of a large graph: one small cell per node, in columns by stage. It needs no layout.
#
# A node's stage is the longest path to it, without edges that close a loop.
#
# Invariant: the time is linear in the number of nodes.

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


# Build the scene: the drawing of a graph that a page receives once, before snapshots and patches.
#
# Invariant: the layout is computed here only; the page then changes classes, texts and widths, never positions.


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
