"""Compute the layout of a graph: its boxes and the paths of its edges.

The first of these that works is used: pygraphviz, the `dot` program, and the layout in plain Python
(`nbflow.view.layout.layered`).

Invariant: a picture never fails because Graphviz is missing. Only one thread lays out at a time, since Graphviz's
library is not thread-safe.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbflow.graph import END
from nbflow.view.layout.paths import ARROW, Box, EdgePath, Point, beside, curve, loop_paths
from nbflow.view.layout.sizes import PAIR_GAP, Size, mode_of, pairs, sizes
from nbflow.view.outline import Outline

_LOCK = threading.Lock()
_CACHE: OrderedDict[str, dict[str, Any]] = OrderedDict()
_CACHE_SIZE = 64
_SECONDS = 30.0
_STEPS = 5_000
"""The largest graph for Graphviz, as the sum of the stages that edges span: its time grows faster than this sum."""
_NUMBERS = re.compile(r"-?[0-9.]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a picture, in px: its bounding box, `nodes` by id (with END if it is drawn), `edges` by key."""

    x: float
    y: float
    width: float
    height: float
    nodes: Mapping[str, Box]
    edges: Mapping[str, EdgePath]
    sizes: Mapping[str, Size]


class LayoutError(RuntimeError):
    """A layout engine is not installed, or failed."""


def layout(shape: Outline) -> Layout:
    """Return the layout of a graph of at most 400 nodes.

    Raises:
        ValueError: The graph has more nodes; it is drawn as an overview (`nbflow.view.render.drawing`).
    """
    if mode_of(len(shape.nodes)) == "list":
        raise ValueError(f"{len(shape.nodes)} nodes are too many to lay out; draw the overview")
    measured = sizes(shape)
    for engine in ENGINES if _steps(shape) <= _STEPS else ():
        try:
            return _from_dot(shape, measured, engine)
        except LayoutError:
            continue
    from nbflow.view.layout.layered import layered

    return layered(shape, measured)


def _steps(shape: Outline) -> int:
    rank = shape.rank
    return sum(abs(rank[line.target] - rank[line.source]) for line in shape.lines if line.target != END)


# -- the forms of Graphviz ------------------------------------------------------------------------------------------


def by_pygraphviz(source: str) -> bytes:
    """Return Graphviz's JSON for a DOT source, by the library that pygraphviz contains.

    Raises:
        LayoutError: pygraphviz is not installed, or failed.
    """
    try:
        import pygraphviz  # type: ignore[import-untyped]  # it ships no types

        graph = pygraphviz.AGraph(string=source)
        try:
            drawn: bytes = graph.draw(format="json0", prog="dot")
        finally:
            graph.close()
    except Exception as error:
        raise LayoutError(f"pygraphviz: {error}") from error
    return drawn


def by_dot(source: str) -> bytes:
    """Return Graphviz's JSON for a DOT source, by the `dot` program on PATH.

    Raises:
        LayoutError: There is no such program, or it failed or took longer than 30 s.
    """
    program = shutil.which("dot")
    if program is None:
        raise LayoutError("there is no `dot` on PATH")
    try:
        done = subprocess.run(  # noqa: S603 - the program is found on PATH, and its input contains no text of the user
            [program, "-Tjson0"], input=source.encode(), capture_output=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LayoutError(f"dot: {error}") from error
    return done.stdout


Engine = Callable[[str], bytes]
ENGINES: tuple[Engine, ...] = (by_pygraphviz, by_dot)


def _drawn(source: str, engine: Engine) -> dict[str, Any]:
    key = engine.__name__ + hashlib.sha256(source.encode()).hexdigest()
    with _LOCK:
        if key in _CACHE:
            _CACHE.move_to_end(key)
            return _CACHE[key]
        try:
            drawn: dict[str, Any] = json.loads(engine(source))
        except ValueError as error:
            raise LayoutError(f"{engine.__name__}: its output cannot be read: {error}") from error
        _CACHE[key] = drawn
        while len(_CACHE) > _CACHE_SIZE:
            _CACHE.popitem(last=False)
        return drawn


# -- reading the output of Graphviz -----------------------------------------------------------------------------------


def _from_dot(shape: Outline, measured: Mapping[str, Size], engine: Engine) -> Layout:
    try:
        from nbflow.view.layout.dot import dot_source
    except ImportError as error:
        raise LayoutError("the package graphviz is not installed") from error
    source = dot_source(shape, measured)
    try:
        return _read(_drawn(source, engine), shape, measured)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise LayoutError(f"{engine.__name__}: its output cannot be read: {error!r}") from error


def _read(drawn: Mapping[str, Any], shape: Outline, measured: Mapping[str, Size]) -> Layout:
    left, _, _, top = (float(part) for part in drawn["bb"].split(","))

    def point(text: str) -> Point:
        x, y = text.split(",")[:2]
        return float(x) - left, top - float(y)

    boxes = _boxes(drawn, shape, measured, point)
    by_id = {found["id"]: found for found in drawn.get("edges", ())}
    edges = {}
    for index, line in enumerate(shape.lines):
        if (found := by_id.get(f"e{index}")) is not None:
            points = [point(part) for part in found["pos"].split() if part[1] != ","]
            source, target = boxes[line.source], boxes[line.target]
            start = (source.right + measured[line.source].right, source.y + source.h / 2)
            tip = (target.x - (measured[line.target].left if line.target in measured else 0.0), target.y + target.h / 2)
            points = _pinned(points, start, tip)
            edges[line.key] = curve(points, tip, beside(points, point(found["lp"])) if "lp" in found else None)
    return assemble(shape, boxes, edges, measured)


def _boxes(
    drawn: Mapping[str, Any], shape: Outline, measured: Mapping[str, Size], point: Callable[[str], Point]
) -> dict[str, Box]:
    from nbflow.view.layout.dot import whole

    names = {f"n{index}": node for index, node in enumerate((*shape.nodes, END))}
    inner = dict(pairs(shape)) if mode_of(len(shape.nodes)) == "cards" else {}
    boxes = {}
    for found in drawn["objects"]:
        node = names[found["name"]]
        x, y = point(found["pos"])
        w, h = float(found["width"]) * 72, float(found["height"]) * 72
        size = measured.get(node, Size(w, h))
        below = measured.get(inner.get(node, ""))
        if max(abs(w - whole(size, below)[0]), abs(h - whole(size, below)[1])) > 1.0:
            raise ValueError(f"Graphviz drew a node of {whole(size, below)} px as {w:.0f} by {h:.0f} px")
        boxes[node] = Box(x - w / 2 + size.left, y - h / 2 + size.above, size.width, size.height)
        if below:
            boxes[inner[node]] = replace(boxes[node], y=boxes[node].bottom + PAIR_GAP)
    return boxes


def _pinned(points: list[Point], start: Point, tip: Point) -> list[Point]:
    """Return the curve with its ends moved to the cards: Graphviz may end an edge at the middle of a larger box."""
    end = (tip[0] - ARROW, tip[1])
    near, far = _between(points[0], start), _between(points[-1], end)
    return [start, _moved(points[1], near), *points[2:-2], _moved(points[-2], far), end]


def _between(at: Point, goal: Point) -> Point:
    return goal[0] - at[0], goal[1] - at[1]


def _moved(at: Point, by: Point) -> Point:
    return at[0] + by[0], at[1] + by[1]


def assemble(
    shape: Outline, boxes: Mapping[str, Box], edges: Mapping[str, EdgePath], measured: Mapping[str, Size]
) -> Layout:
    """Return the complete layout of placed cards and edges, adding the edges that close loops."""
    labels = [path.label for path in edges.values() if path.label]
    paths = {**edges, **loop_paths(shape, boxes, measured, labels)}
    xs, ys = [], []
    for node, box in boxes.items():
        size = measured.get(node, Size(box.w, box.h))
        xs += [box.x - size.left - size.spread, box.right + size.right + size.spread]
        ys += [box.y - size.above, box.bottom]
    for path in paths.values():
        found = [float(part) for part in _NUMBERS.findall(path.d)]
        xs += found[::2]
        ys += found[1::2]
    x, y = min(xs), min(ys)
    return Layout(x, y, max(xs) - x, max(ys) - y, boxes, {line.key: paths[line.key] for line in shape.lines}, measured)
