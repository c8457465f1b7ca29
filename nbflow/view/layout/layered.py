"""Layered graph layout in plain Python, used where Graphviz is not installed.

The method is that of Sugiyama, Tagawa and Toda ("Methods for Visual Understanding of Hierarchical System Structures",
1981), which Graphviz uses too:

1. Layers. Each node's column is its rank: the length of the longest path to it, without edges that close a loop.
2. Passages. An edge that spans several columns is cut into a chain with an empty node (a "dummy vertex") in each column
   between, so that it reserves room there and passes between the cards:  a --> o --> o --> b
   If the edges of a graph would need more than `_PASSAGES` of them together, no edge gets any.
3. Order. Each column is sorted by the mean position of its neighbours in the column before (the "barycenter
   heuristic", which reduces crossings), then of those in the column after, in `_SWEEPS` sweeps.
4. Coordinates. Columns are stacked with fixed gaps and centred; an edge bends between columns and runs straight
   through them.

Invariant: the same graph always gets the same layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from nbflow.graph import END
from nbflow.view.layout.layout import Layout, assemble
from nbflow.view.layout.paths import ARROW, Box, EdgePath, Point, curve
from nbflow.view.layout.sizes import END_SIZE, PAIR_GAP, Size, label_size, mode_of, pairs
from nbflow.view.outline import Line, Outline

_ACROSS, _DOWN, _SWEEPS = 40.0, 14.0, 6
_PASSAGE = Size(0.0, 8.0)
_PASSAGES = 20_000


def layered(shape: Outline, sizes: Mapping[str, Size]) -> Layout:
    """Return the layout of a graph; the time is linear in the columns that its edges span, times `_SWEEPS`."""
    cards = mode_of(len(shape.nodes)) == "cards"
    inner = dict(pairs(shape)) if cards else {}
    stage = _stages(shape, inner)
    lines = [line for line in shape.lines if not line.back and inner.get(line.source) != line.target]
    long = sum(stage[line.target] - stage[line.source] for line in lines) > _PASSAGES
    chains = {line.key: [line.source, line.target] if long else _chain(line, stage) for line in lines}
    columns = _columns(stage, chains)
    _untangle(columns, chains, {below: head for head, below in inner.items()})
    columns = [_with_inner(column, inner) for column in columns]
    measured = dict(sizes) | dict.fromkeys((n for c in columns for n in c if n not in sizes), _PASSAGE)
    if shape.ends:
        measured[END] = Size(END_SIZE, END_SIZE)
    room = [_ACROSS] * len(columns)
    for line in lines:
        room[stage[line.source]] = max(room[stage[line.source]], 16.0 + (label_size(line)[0] if cards else 0.0))
    boxes = _placed(columns, measured, room, set(inner.values()))
    edges = {line.key: _path(line, chains[line.key], boxes, measured) for line in lines}
    return assemble(shape, {name: box for name, box in boxes.items() if name in stage}, edges, sizes)


def _stages(shape: Outline, inner: Mapping[str, str]) -> dict[str, int]:
    """Return each node's column, numbered without gaps; a loop of two nodes shares one column."""
    rank = dict(shape.rank) | {below: shape.rank[head] for head, below in inner.items()}
    if shape.ends:
        rank[END] = max(rank.values()) + 1
    dense = {value: index for index, value in enumerate(sorted(set(rank.values())))}
    return {name: dense[value] for name, value in rank.items()}


def _chain(line: Line, stage: Mapping[str, int]) -> list[str]:
    """Return the edge's two ends and, between them, the names of its passages, one in each column it spans."""
    # No node's id contains a control character, so these names cannot clash.
    between = range(stage[line.source] + 1, stage[line.target])
    return [line.source, *(f"\x00{column} {line.key}" for column in between), line.target]


def _columns(stage: Mapping[str, int], chains: Mapping[str, list[str]]) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(max(stage.values()) + 1)]
    for name, column in stage.items():
        columns[column].append(name)
    for chain in chains.values():
        for offset, name in enumerate(chain[1:-1], 1):
            columns[stage[chain[0]] + offset].append(name)
    return columns


def _untangle(columns: list[list[str]], chains: Mapping[str, list[str]], heads: Mapping[str, str]) -> None:
    """Sort each column in place by the mean position of its neighbours, in alternating sweeps."""
    before: dict[str, list[str]] = {name: [] for column in columns for name in column}
    after: dict[str, list[str]] = {name: [] for name in before}
    for chain in chains.values():
        for one, other in pairwise(chain):
            before[other].append(heads.get(one, one))
            after[one].append(other)
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else after
        # Positions count from the middle of a column, since columns are centred on each other.
        position = {name: index - len(column) / 2 for column in columns for index, name in enumerate(column)}
        for column in columns if sweep % 2 == 0 else reversed(columns):
            means = {n: sum(position[m] for m in near[n]) / len(near[n]) if near[n] else position[n] for n in column}
            column.sort(key=means.__getitem__)
            position |= {name: index - len(column) / 2 for index, name in enumerate(column)}


def _with_inner(column: list[str], inner: Mapping[str, str]) -> list[str]:
    """Return a column with the second node of each loop of two directly below the first."""
    below = set(inner.values())
    return [name for node in column if node not in below for name in (node, inner.get(node, "")) if name]


def _placed(columns: list[list[str]], sizes: Mapping[str, Size], room: list[float], below: set[str]) -> dict[str, Box]:
    gaps = dict.fromkeys(sizes, _DOWN) | dict.fromkeys(below, PAIR_GAP)
    heights = [sum(sizes[name].total[1] + gaps[name] for name in column) - gaps[column[0]] for column in columns]
    boxes: dict[str, Box] = {}
    x = 0.0
    for column, tall, across in zip(columns, heights, room, strict=True):
        y = (max(heights) - tall) / 2 - gaps[column[0]]
        for name in column:
            size = sizes[name]
            y += size.above + gaps[name]
            boxes[name] = Box(x + size.left, y, size.width, size.height)
            y += size.height
        wide = max(sizes[name].total[0] for name in column)
        boxes |= {name: Box(x, boxes[name].y, wide, _PASSAGE.height) for name in column if sizes[name] is _PASSAGE}
        x += wide + across
    return boxes


def _path(line: Line, chain: list[str], boxes: Mapping[str, Box], sizes: Mapping[str, Size]) -> EdgePath:
    """Return the path of an edge: a bend between two columns, a straight line through a column."""
    points: list[Point] = []
    for name, following in pairwise(chain):
        here, there = boxes[name], boxes[following]
        start = (here.right + sizes[name].right, here.y + here.h / 2)
        end = (there.x - sizes[following].left, there.y + there.h / 2)
        if points:
            points += [points[-1], start, start]
        else:
            points.append(start)
        if following == line.target:
            tip, end = end, (end[0] - ARROW, end[1])
        middle = (start[0] + end[0]) / 2
        points += [(middle, start[1]), (middle, end[1]), end]
    first, last = points[0], points[3]
    return curve(points, tip, ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2 - 8.0) if line.label else None)
