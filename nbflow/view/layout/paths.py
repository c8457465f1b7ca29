"""Edges as SVG paths, and the routes of the edges that close a loop.

Invariant: a path ends at the base of its arrow, and the arrow's tip touches the node.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from nbflow.view.layout.sizes import Size, mode_of, pairs
from nbflow.view.outline import Line, Outline

ARROW, _CORNER = 5.0, 6.0
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A card's rectangle, in px from the top left."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.h


@dataclass(frozen=True, slots=True)
class EdgePath:
    """A drawn edge: its SVG path, the corners of its arrow, and the centre of its label with the text's anchor."""

    d: str
    arrow: tuple[Point, ...]
    label: Point | None = None
    anchor: str = "middle"


def curve(points: Sequence[Point], tip: Point, label: Point | None = None) -> EdgePath:
    """Return a Bézier curve through control points, with an arrow from its end to `tip`."""
    first, rest = points[0], points[1:]
    curves = [f"C{_at(a)} {_at(b)} {_at(c)}" for a, b, c in zip(rest[::3], rest[1::3], rest[2::3], strict=False)]
    return EdgePath(f"M{_at(first)}" + "".join(curves), _arrow(points[-1], tip), label)


def beside(points: Sequence[Point], label: Point) -> Point:
    """Return the position of a label: that of Graphviz, or just above the curve if the curve is far from it."""
    x, y = label
    for start, a, b, end in zip(points[:-1:3], points[1::3], points[2::3], points[3::3], strict=False):
        if min(start[0], end[0]) <= x <= max(start[0], end[0]):
            at = [_bezier(start, a, b, end, step / 16) for step in range(17)]
            near = min(at, key=lambda point: abs(point[0] - x))
            return (x, near[1] - 9.0) if abs(near[1] - y) > 14.0 else label
    return label


def _bezier(start: Point, a: Point, b: Point, end: Point, t: float) -> Point:
    parts = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(part * point[axis] for part, point in zip(parts, (start, a, b, end), strict=True)) for axis in (0, 1))
    return x, y


def angled(points: Sequence[Point], label: Point | None = None, anchor: str = "middle") -> EdgePath:
    """Return straight lines through points, with rounded corners and an arrow at the end."""
    *inner, tip = points
    end = _towards(tip, inner[-1], ARROW)
    path = [f"M{_at(points[0])}"]
    for before, corner, after in zip(points, points[1:], [*points[2:], tip], strict=False):
        if corner is tip:
            break
        path.append(f"L{_at(_towards(corner, before, _CORNER))}Q{_at(corner)} {_at(_towards(corner, after, _CORNER))}")
    return EdgePath("".join(path) + f"L{_at(end)}", _arrow(end, tip), label, anchor)


def _towards(start: Point, goal: Point, step: float) -> Point:
    """Return the point `step` px from `start` towards `goal`, or halfway if that is nearer."""
    length = math.dist(start, goal) or 1.0
    part = min(step, length / 2) / length
    return start[0] + (goal[0] - start[0]) * part, start[1] + (goal[1] - start[1]) * part


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _arrow(end: Point, tip: Point) -> tuple[Point, ...]:
    dx, dy = tip[0] - end[0], tip[1] - end[1]
    length = math.hypot(dx, dy) or 1.0
    across = (-dy / length * 2.0, dx / length * 2.0)
    back = (tip[0] - dx / length * ARROW, tip[1] - dy / length * ARROW)
    return (back[0] + across[0], back[1] + across[1]), tip, (back[0] - across[0], back[1] - across[1])


# -- the edges that close loops ----------------------------------------------------------------------------------------
#
# The two edges of a loop of two nodes are drawn as parallel vertical lines. Any other edge that closes a loop is led
# around the cards between its ends, in a separate horizontal lane: below them if both ends can be left downwards, else
# above, else through the gaps between columns. Short loops are routed first and get the lanes nearest to the cards.
#
# Invariant: such an edge never crosses a card, and its path does not depend on which engine placed the cards.

_LANE, _CLEAR, _GUTTER = 18.0, 16.0, 9.0
_SHIFTS = (6.0, 18.0, 30.0)
_LANES = 200  # lanes that do not overlap; with more of them, edges could not be distinguished by eye


def loop_paths(
    shape: Outline, boxes: Mapping[str, Box], sizes: Mapping[str, Size], labels: Iterable[Point]
) -> dict[str, EdgePath]:
    """Return the paths, by key, of all edges that close a loop and of both edges of loops of two nodes.

    Args:
        shape: The graph.
        boxes: The rectangle of each card.
        sizes: The size of each node, with the room for its bars and caption.
        labels: The centres of the other edges' labels; paths avoid them if they can.
    """
    paths: dict[str, EdgePath] = {}
    if mode_of(len(shape.nodes)) == "cards":
        for head, inner in pairs(shape):
            paths |= _vertical_pair(shape, boxes, head, inner)
    router = _Router(boxes, sizes, labels)
    # The shorter the loop, the nearer its lane lies to the cards.
    backs = [line for line in shape.lines if line.back and line.key not in paths]
    for line in sorted(backs, key=lambda line: shape.rank[line.source] - shape.rank[line.target]):
        paths[line.key] = router.around(line)
    return paths


def _vertical_pair(shape: Outline, boxes: Mapping[str, Box], head: str, inner: str) -> dict[str, EdgePath]:
    """Return the edges of a loop of two nodes, one above the other, as vertical lines 20 px apart.

    Empty if another card is between the two, or they are not above each other.
    """
    first, second = sorted((boxes[head], boxes[inner]), key=lambda box: box.y)
    centre = max(first.x, second.x) + min(first.w, second.w) / 2
    between = [box for box in boxes.values() if first.y < box.y < second.y and box.x - 10 < centre < box.right + 10]
    if between or abs(first.x + first.w / 2 - second.x - second.w / 2) > first.w / 2 or second.y - first.bottom < 16:
        return {}
    drawn = {}
    for line in shape.lines:
        if {line.source, line.target} == {head, inner}:
            down = boxes[line.target] is second
            x, side = (centre + 10, 6) if line.back else (centre - 10, -6)
            ends = (first.bottom, second.y) if down else (second.y, first.bottom)
            label = (x + side, (first.bottom + second.y) / 2)
            drawn[line.key] = angled([(x, ends[0]), (x, ends[1])], label, "start" if line.back else "end")
    return drawn


class _Router:
    """Routes edges around the cards; of the first `_LANES` edges, two that overlap horizontally never share a lane."""

    def __init__(self, boxes: Mapping[str, Box], sizes: Mapping[str, Size], labels: Iterable[Point]) -> None:
        self.boxes, self.sizes, self.labels = boxes, sizes, list(labels)
        self.cards = [self._with_caption(name) for name in boxes]
        self.lanes: list[tuple[float, float, float]] = []
        self._exit = cache(self._find_exit)

    def _with_caption(self, name: str) -> Box:
        """Return the rectangle of a card together with its caption."""
        box, above = self.boxes[name], self.sizes[name].above if name in self.sizes else 0.0
        return Box(box.x, box.y - above, box.w, box.h + above)

    def around(self, line: Line) -> EdgePath:
        """Return a path below the cards if both ends can be left downwards, else above, else between columns."""
        box = self.boxes[line.source]
        if line.source == line.target:
            return self._direct(line, box.right - 14, box.right - 38, below=True)
        for below in (True, False):
            start = self._exit(line.source, 1.0, below=below)
            goal = self._exit(line.target, -1.0, below=below)
            if start is not None and goal is not None:
                return self._direct(line, start, goal, below=below)
        return self._by_gutters(line)

    def _find_exit(self, name: str, side: float, *, below: bool) -> float | None:
        """Return the x at which a vertical line can leave a card downwards or upwards, or None if cards block all."""
        box = self.boxes[name]
        centre = box.x + box.w / 2
        free = [x for x in (centre + side * shift for shift in _SHIFTS) if self._free(name, x, below=below)]
        clear = [x for x in free if not any(self._near_label(x, label, box, below=below) for label in self.labels)]
        return next(iter(clear or free), None)

    @staticmethod
    def _near_label(x: float, label: Point, box: Box, *, below: bool) -> bool:
        return abs(label[0] - x) < 14 and (label[1] > box.y if below else label[1] < box.y)

    def _free(self, name: str, x: float, *, below: bool) -> bool:
        own = self._with_caption(name)
        if not below and own.y < self.boxes[name].y:
            return False
        over = [card for card in self.cards if card.x - 4 < x < card.right + 4]
        return not any(card.y > own.y if below else card.y < own.y for card in over)

    def _direct(self, line: Line, start: float, goal: float, *, below: bool) -> EdgePath:
        source, target = self.boxes[line.source], self.boxes[line.target]
        lane = self._lane(start, goal, below=below)
        ends = (source.bottom, target.bottom) if below else (source.y, target.y)
        points = [(start, ends[0]), (start, lane), (goal, lane), (goal, ends[1])]
        return angled(points, self._label(line, start, goal, lane))

    def _by_gutters(self, line: Line) -> EdgePath:
        """Return a path that leaves to the right, enters from the left, and runs vertically between the columns."""
        source, target = self.boxes[line.source], self.boxes[line.target]
        out = source.right + (self.sizes[line.source].right if line.source in self.sizes else 0)
        into = target.x - (self.sizes[line.target].left if line.target in self.sizes else 0)
        start = max([out, *(card.right for card in self._column(source))]) + _GUTTER
        goal = min([into, *(card.x for card in self._column(target))]) - _GUTTER
        lane = self._lane(start, goal, below=True)
        y, end = source.y + source.h / 2, target.y + target.h / 2
        points = [(out, y), (start, y), (start, lane), (goal, lane), (goal, end), (into, end)]
        return angled(points, self._label(line, start, goal, lane))

    def _column(self, box: Box) -> list[Box]:
        return [card for card in self.cards if card.x < box.right and card.right > box.x]

    def _lane(self, start: float, goal: float, *, below: bool) -> float:
        """Reserve a lane between two x and return its y: clear of the cards and of other lanes there."""
        left, right = min(start, goal) - 6, max(start, goal) + 6
        across = [card for card in self.cards if card.x < right and card.right > left]
        lane = max(card.bottom for card in across) + _CLEAR if below else min(card.y for card in across) - _CLEAR
        if len(self.lanes) >= _LANES:
            return lane
        step = _LANE if below else -_LANE
        while any(abs(lane - y) < _LANE - 1 and a < right and b > left for y, a, b in self.lanes):
            lane += step
        self.lanes.append((lane, left, right))
        return lane

    @staticmethod
    def _label(line: Line, start: float, goal: float, lane: float) -> Point:
        return ((start + goal) / 2, lane - 7.5) if line.source != line.target else ((start + goal) / 2, lane + 8)
