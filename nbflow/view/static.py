"""Draw the static picture of a graph or a run as one self-contained SVG.

Invariant: the drawing is that of the live page, with colours written into it. It is valid XML without scripts, links or
embedded fonts.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from nbflow.graph import GraphDefinition
from nbflow.view.draw import draw, element, number, written
from nbflow.view.fold import RunView
from nbflow.view.grid import colour_grid, grid
from nbflow.view.layout import layout
from nbflow.view.measure import CAPTION_LETTERS, SMALL, fitted, mode_of, text_width
from nbflow.view.outline import Outline, outline
from nbflow.view.palette import DARK, FONT, ICONS, LIGHT
from nbflow.view.plain import clean, line
from nbflow.view.style import bake, dark_css
from nbflow.view.words import badge, counted, duration, second_line, spoken, standing

_HEAD = 34.0
_LEAST = 360.0


def static_svg(
    graph: GraphDefinition,
    snapshot: Mapping[str, Any] | None = None,
    *,
    dark: bool = False,
    title: str = "",
    deterministic: bool = False,
) -> str:
    """Return the picture of a graph as SVG text; with a snapshot of a run, in the state of the run.

    Args:
        graph: The graph.
        snapshot: A snapshot by `RunView.snapshot`; None draws the graph before a run.
        dark: Use the dark theme only. If False, the theme follows the reader's system.
        title: The name shown; if empty, the graph's name.
        deterministic: Leave out times, so that equal runs give equal texts.
    """
    shape = outline(graph)
    seen = snapshot or RunView(graph).snapshot(0.0)
    name = line(title or graph.name or "workflow", 80)
    if mode_of(len(shape.nodes)) == "list":
        root = grid(shape)
        colour_grid(root, seen)
    else:
        root = draw(shape, layout(shape))
        _Painter(seen, times=not deterministic).paint(root, shape)
    _head(root, name, seen, times=not deterministic)
    used = frozenset(cls for part in root.iter() for cls in part.get("class", "").split())
    bake(root, DARK if dark else LIGHT)
    if not dark:
        css = ET.Element("style")
        css.text = dark_css(DARK, used)
        root.insert(1, css)
    return written(root)


class _Painter:
    """Applies a snapshot to a drawing, as the live page does."""

    def __init__(self, snapshot: Mapping[str, Any], *, times: bool) -> None:
        self.nodes, self.edges = snapshot["nodes"], snapshot["edges"]
        self.now, self.times = snapshot["now"], times
        self.started = snapshot["run"]["status"] != "ready"

    def paint(self, root: ET.Element, shape: Outline) -> None:
        for group in root.iter("g"):
            if (name := group.get("data-n")) is not None:
                self._node(group, name, shape)
            elif (key := group.get("data-e")) is not None:
                state = self.edges[key]["state"]
                group.set("class", group.get("class", "").replace("open", state))
                group[0].set("class", "way")
                group[1].set("class", "tip")
        for text in root.iter("text"):
            if (key := text.get("data-e")) is not None:
                text.text = clean(self.edges[key]["label"] or "")

    def _node(self, group: ET.Element, name: str, shape: Outline) -> None:
        node = self.nodes[name]
        group.set("class", group.get("class", "").replace("is-pending", f"is-{node['status']}"))
        group.set("aria-label", clean(spoken(name, shape.kinds[name], node, self.now, times=self.times)))
        for attribute in ("role", "tabindex"):
            group.attrib.pop(attribute, None)
        parts = {part.get("class", "").split(" ")[0]: part for part in group.iter() if part is not group}
        group.remove(parts["nf-hit"])
        icon(parts["nf-ic"], node["status"])
        if "nf-meta" in parts:
            self._second_line(parts, node)
        if "nf-prog" in parts:
            self._bar(group, parts, node)
        if "nf-cap" in parts:
            self._caption(parts["nf-cap"], name, shape)

    def _second_line(self, parts: Mapping[str, ET.Element], node: Mapping[str, Any]) -> None:
        box, meta, name = parts["nf-shape"], parts["nf-meta"], parts["nf-name"]
        text, failed = second_line(node, self.now, times=self.times)
        right = _number(box, "x") + _number(box, "width") - 6
        room = right - _number(meta, "x") - text_width(failed, SMALL)
        meta.text = fitted(clean(text) + (" · " if text and failed else ""), SMALL, room)
        if failed:
            element(meta, "tspan", "nf-bad", failed)
        if not text and not failed:
            name.set("y", number(_number(box, "y") + 22.0))
        parts["nf-badge"].text = badge(node)

    def _bar(self, group: ET.Element, parts: Mapping[str, ET.Element], node: Mapping[str, Any]) -> None:
        items = node["items"]
        if node["status"] != "running" or (node["progress"] is None and not (items and items["total"])):
            group.remove(parts["nf-prog"])
            return
        full, x = _number(parts["nf-ptrack"], "width"), _number(parts["nf-ptrack"], "x")
        bad = full * items["failed"] / items["total"] if items else 0.0
        good = full * items["done"] / items["total"] - bad if items else full * node["progress"]
        parts["nf-pfill"].set("width", number(good))
        parts["nf-pfail"].set("x", number(x + good))
        parts["nf-pfail"].set("width", number(max(2.5, bad) if bad else 0.0))

    def _caption(self, cap: ET.Element, name: str, shape: Outline) -> None:
        captions = (self.edges[drawn.key]["caption"] for drawn in shape.out[name])
        caption = next((found for found in captions if found), None)
        if caption is None:
            asked = [drawn.condition for drawn in shape.out[name] if drawn.condition]
            if len(asked) == 1 and not self.started:
                cap[-1].text = line(asked[0], CAPTION_LETTERS)
            return
        rows = [list(caption["parts"]), [["→ "], [caption["result"], "v"]]]
        if len(cap) == 1:
            rows = [[*rows[0], [" "], *rows[1]]]
        for text, row in zip(cap, rows, strict=True):
            for part in row:
                element(text, "tspan", "v" if len(part) > 1 else "c", part[0])


def icon(group: ET.Element, status: str) -> None:
    """Draw the icon of a status into a group, in a square of 16 units."""
    classes = {"stroke": "s", "fill": "f", "cut": "cut"}
    for tag, attributes in ICONS[status]:
        more = {name: value for name, value in attributes.items() if name != "role"}
        ET.SubElement(group, tag, {"class": classes[attributes["role"]], **more})


def _head(root: ET.Element, name: str, snapshot: Mapping[str, Any], *, times: bool) -> None:
    """Add the page's background and, for a run, a line with its name, status and facts above the picture."""
    x, y, width, height = (float(part) for part in root.get("viewBox", "0 0 0 0").split())
    run = snapshot["run"]
    started = run["status"] != "ready"
    top = _HEAD if started else 0.0
    width = max(width, _LEAST) if started else width
    root.set("viewBox", f"{number(x)} {number(y - top)} {number(width)} {number(height + top)}")
    root.set("width", number(width))
    root.set("height", number(height + top))
    root.set("font-family", FONT)
    root.set("role", "img")
    title = ET.Element("title")
    title.text = name
    page = element(None, "rect", "nf-page", x=x, y=y - top, width=width, height=height + top, rx=4.0)
    root[:0] = [title, page]
    if started:
        look = {"ready": "pending", "paused": "waiting"}.get(run["status"], run["status"])
        group = element(root, "g", f"is-{look}")
        at = y - top + 21.0
        icon(element(group, "g", transform=f"translate({number(x + 10)},{number(at - 11.5)}) scale(.875)"), look)
        _facts(group, x + 32, at, x + width - 10, name, snapshot, times=times)


def _facts(
    group: ET.Element, x: float, y: float, right: float, name: str, snapshot: Mapping[str, Any], *, times: bool
) -> None:
    run = snapshot["run"]
    word = str(run["status"])
    shown = fitted(name, 13, right - x - 90)
    text = element(group, "text", x=x, y=y)
    element(text, "tspan", "nf-head", shown)
    element(text, "tspan", "nf-word", word.capitalize(), dx="8")
    room = right - x - text_width(shown, 14) - text_width(word, 12) - 24
    text_of_facts = " · ".join(facts(run, snapshot["nodes"], times=times))
    if run["error"]:
        cause = f"{run['error']['node']}: {run['error']['text']}" if run["error"]["node"] else run["error"]["text"]
        element(text, "tspan", "nf-word", fitted(clean(cause), 12, room), dx="8")
    elif text_width(text_of_facts, 12) <= room:
        element(text, "tspan", "nf-fact", text_of_facts, dx="8")


def facts(run: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], *, times: bool) -> list[str]:
    """Return the facts of a run: its duration, completed nodes, retries, and the note on a cancellation or fork."""
    counts = standing(nodes)
    found = [duration(run["elapsed"] * 1000)] if times and run["elapsed"] is not None else []
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    found.append(f"{counts['completed']} of {counted(len(nodes), 'node')}{skipped}")
    if run["retries"]:
        found.append("1 retry" if run["retries"] == 1 else f"{run['retries']} retries")
    return found + ([run["note"]] if run["note"] else [])


def _number(part: ET.Element, name: str) -> float:
    return float(part.get(name, "0"))
