"""Write a graph as DOT text for Graphviz.

Invariant: the text has synthetic names and fixed sizes only, so no text of the user reaches Graphviz. Graphviz decides
positions and paths, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import graphviz  # type: ignore[import-untyped]  # it ships no types

from nbflow.graph import END
from nbflow.view.layout.sizes import END_SIZE, PAIR_GAP, Size, label_size, mode_of, pairs
from nbflow.view.outline import Outline

POINTS = 72.0


def dot_source(shape: Outline, sizes: Mapping[str, Size]) -> str:
    """Return the DOT text; node i is `n<i>` (END the next), edge i carries `id=e<i>`, both in the order given.

    A loop of two nodes is one DOT node that contains both cards, so that nothing is placed between them. Edges that
    close a loop are left out; `nbflow.view.layout.paths` routes them around the cards.

    Args:
        shape: The graph.
        sizes: The size of each node.
    """
    cards = mode_of(len(shape.nodes)) == "cards"
    dot = graphviz.Digraph()
    dot.attr("graph", rankdir="LR", ranksep=".32" if cards else ".28", nodesep=".16" if cards else ".12")
    dot.attr("node", shape="plain", fontsize="1")
    dot.attr("edge", arrowsize=".5", fontsize="1")
    names = {node: f"n{index}" for index, node in enumerate((*shape.nodes, END))}
    inner = dict(pairs(shape)) if cards else {}
    heads = {below: head for head, below in inner.items()}
    for node, size in sizes.items():
        if node not in heads:
            below = sizes.get(inner.get(node, ""))
            dot.node(names[node], label=_table(size, below))
    if shape.ends:
        dot.node(names[END], label="", shape="circle", fixedsize="true", width=str(END_SIZE / POINTS))
    for index, line in enumerate(shape.lines):
        if line.back or heads.get(line.target) == line.source:
            continue
        attributes = {"id": f"e{index}", "weight": "2" if line.source in shape.splits else "1"}
        width, height = label_size(line) if cards else (0.0, 0.0)
        if width:
            attributes["label"] = _cell(width, height)
        tail = names[heads.get(line.source, line.source)]
        tail += _tail_port(sizes[line.source], inner=line.source in heads)
        head = names[line.target]
        head += "" if line.target == END else ":j" if sizes[line.target].left else ":c"
        dot.edge(f"{tail}:e", f"{head}:w", **attributes)
    return str(dot.source)


def _tail_port(size: Size, *, inner: bool) -> str:
    return (":t" if inner else ":s") if size.right else (":d" if inner else ":c")


def whole(size: Size, below: Size | None) -> tuple[float, float]:
    """Return the width and height of a DOT node: a card with its bars, room above it, and the card below it."""
    width = size.left + size.width + max(size.right, below.right if below else 0.0)
    return width, size.above + size.height + (PAIR_GAP + below.height if below else 0.0)


def _table(size: Size, below: Size | None) -> str:
    """Return the HTML-like label of a card with its bars, room above it, and the card below it."""
    left, right = size.left, max(size.right, below.right if below else 0.0)
    widths = [width for width in (left, size.width, right) if width]
    rows = [_td("", sum(widths), size.above, len(widths))] if size.above else []
    rows.append("".join(_td(port, width, size.height) for port, width in _ports("jcs", left, size.width, right)))
    if below:
        rows.append(_td("", sum(widths), PAIR_GAP, len(widths)))
        rows.append("".join(_td(port, width, below.height) for port, width in _ports("kdt", left, size.width, right)))
    return f"<{_TABLE}{''.join(f'<TR>{row}</TR>' for row in rows)}</TABLE>>"


def _ports(names: str, *widths: float) -> list[tuple[str, float]]:
    return [(name, width) for name, width in zip(names, widths, strict=True) if width]


_TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'


def _td(port: str, width: float, height: float, span: int = 1) -> str:
    named = f' PORT="{port}"' if port else ""
    return f'<TD{named} COLSPAN="{span}" FIXEDSIZE="TRUE" WIDTH="{width:.0f}" HEIGHT="{height:.0f}"></TD>'


def _cell(width: float, height: float) -> str:
    return f"<{_TABLE}<TR>{_td('', width, height)}</TR></TABLE>>"
