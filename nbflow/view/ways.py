"""Edges as SVG paths: curves through Graphviz's control points, and straight lines with rounded corners.

Invariant: a path ends at the base of its arrow, and the arrow's tip touches the node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
