"""Draw the static picture as PNG by Graphviz, for programs that show no SVG.

The picture is simpler than the SVG and has the same colours and texts.

Invariant: text of users reaches Graphviz only through an XML library.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from nbflow.errors import GraphError
from nbflow.graph import END, GraphDefinition
from nbflow.view.fold.run_view import RunView
from nbflow.view.layout.sizes import CHIPS, name_of
from nbflow.view.outline import Line, Outline, outline
from nbflow.view.render.palette import LIGHT
from nbflow.view.text import badge, clean, second_line

_DPI = "144"
_DASHED = {"retrying": ",DASHED", "skipped": ",DASHED", "cancelled": ",DOTTED"}


def static_png(graph: GraphDefinition, snapshot: Mapping[str, Any] | None = None) -> bytes:
    """Return the picture of a graph as PNG; with a snapshot of a run, in the state of the run.

    Raises:
        GraphError: The graph has more than 400 nodes.
        ImportError: pygraphviz is not installed.
    """
    shape = outline(graph)
    if len(shape.nodes) > CHIPS:
        fault = f"{len(shape.nodes)} nodes are too many for a PNG, {CHIPS} are the most; draw SVG"
        raise GraphError(fault, graph=graph.name)
    try:
        import pygraphviz  # type: ignore[import-untyped]  # it ships no types
    except ImportError as error:
        raise ImportError("drawing PNG needs pygraphviz: pip install pygraphviz; or draw SVG") from error
    drawn = pygraphviz.AGraph(string=_source(shape, snapshot or RunView(graph).snapshot(0.0)))
    try:
        picture: bytes = drawn.draw(format="png", prog="dot")
    finally:
        drawn.close()
    return picture


def _source(shape: Outline, snapshot: Mapping[str, Any]) -> str:
    import graphviz  # type: ignore[import-untyped]  # it ships no types

    dot = graphviz.Digraph()
    dot.attr("graph", rankdir="LR", ranksep=".4", nodesep=".2", dpi=_DPI, bgcolor=LIGHT.page, pad=".15")
    dot.attr("node", shape="plain", fontname="sans-serif")
    dot.attr("edge", arrowsize=".5", fontname="sans-serif", fontsize="9", fontcolor=LIGHT.ink2)
    names = {node: f"n{index}" for index, node in enumerate((*shape.nodes, END))}
    for node in shape.nodes:
        dot.node(names[node], label=_card(node, snapshot["nodes"][node], snapshot["now"]))
    if shape.ends:
        dot.node(names[END], label="", shape="doublecircle", width=".12", color=LIGHT.open, fillcolor=LIGHT.open)
    for line in shape.lines:
        dot.edge(f"{names[line.source]}", names[line.target], **_edge(line, snapshot["edges"][line.key]))
    return str(dot.source)


def _edge(line: Line, edge: Mapping[str, Any]) -> dict[str, str]:
    taken = edge["state"] in ("taken", "live")
    look = {"color": LIGHT.taken if taken else LIGHT.open, "penwidth": "1.5" if taken else "1"}
    if edge["state"] == "untaken":
        look["style"] = "dashed"
    if line.back:
        look["constraint"] = "false"
    if edge["label"]:
        look["label"] = _html(_font(edge["label"], LIGHT.ink2, 9))
    return look


def _card(name: str, node: Mapping[str, Any], now: float) -> str:
    status = node["status"]
    fill = LIGHT.fill[status]
    look = {"BORDER": "1", "COLOR": LIGHT.border[status], "STYLE": "ROUNDED" + _DASHED.get(status, "")}
    table = ET.Element("TABLE", look | {"CELLBORDER": "0", "CELLSPACING": "0", "CELLPADDING": "3"})
    if fill != "none":
        table.set("BGCOLOR", fill)
    words = " ".join(filter(None, (" · ".join(filter(None, second_line(node, now))), badge(node))))
    quiet = status in ("pending", "skipped")
    for text, colour, size in (
        (name_of(name, "cards"), LIGHT.ink2 if quiet else LIGHT.ink, 12),
        (words, LIGHT.text[status], 10),
    ):
        if text:
            cell = ET.SubElement(ET.SubElement(table, "TR"), "TD", {"ALIGN": "LEFT"})
            cell.append(_font(text, colour, size))
    return _html(table)


def _font(text: str, colour: str, size: int) -> ET.Element:
    font = ET.Element("FONT", {"COLOR": colour, "POINT-SIZE": str(size)})
    font.text = clean(text)
    return font


def _html(element: ET.Element) -> str:
    return f"<{ET.tostring(element, encoding='unicode')}>"
