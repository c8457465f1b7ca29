"""Static pictures of graphs and runs: self-contained SVG, and outputs of notebook cells.

Invariant: the drawing is that of the live page, with colours written into it. It is valid XML without scripts, links or
embedded fonts.
"""

from __future__ import annotations

import base64
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nbflow.graph import GraphDefinition
from nbflow.graph.params import without_secrets
from nbflow.secrets import MASK
from nbflow.view.fold.run_view import RunView
from nbflow.view.layout.layout import layout
from nbflow.view.layout.sizes import CAPTION_LETTERS, SMALL, fitted, mode_of, text_width
from nbflow.view.outline import Outline, outline
from nbflow.view.recorded_run import RecordedRun, empty_view
from nbflow.view.render.drawing import colour_grid, draw, element, grid, number, written
from nbflow.view.render.palette import (
    BORDER_DASH,
    BORDER_WIDTH,
    DARK,
    EDGE_WIDTH,
    FONT,
    ICONS,
    LIGHT,
    STATUSES,
    Palette,
)
from nbflow.view.text import badge, clean, counted, duration, line, second_line, spoken, standing, summary

# The style of static pictures as one table of rules, applied to elements as attributes, and as CSS for the dark theme.
#
# Invariant: every element of a static picture has its light colours as attributes, so that programs without CSS show
# them; CSS only adds the dark theme in a browser that prefers it.

_LOUD = ("running", "waiting", "retrying", "failed")
_QUIET = ("pending", "skipped")


@dataclass(frozen=True, slots=True)
class Rule:
    """The attributes of elements of class `what` inside an element of class `within` (empty: anywhere)."""

    within: str
    what: str
    look: Mapping[str, str]


def rules(palette: Palette) -> Iterator[Rule]:
    """Yield all rules of a theme; later rules override earlier ones."""
    yield Rule("", ".nf-page", {"fill": palette.page})
    yield Rule("", ".nf-name", {"fill": palette.ink, "font-size": "12", "font-weight": "500"})
    small = {"fill": palette.ink2, "font-size": "11"}
    halo = {"stroke": palette.page, "stroke-width": "4", "stroke-linejoin": "round", "paint-order": "stroke"}
    yield Rule("", ".nf-meta", small)
    yield Rule("", ".nf-badge", small)
    yield Rule("", ".nf-captext", small | halo)
    yield Rule("", ".nf-elabel", small | halo)
    yield Rule("", ".v", {"fill": palette.ink, "font-weight": "600"})
    yield Rule("", ".nf-head", {"fill": palette.ink, "font-size": "13", "font-weight": "600"})
    yield Rule("", ".nf-fact", {"fill": palette.ink2, "font-size": "12"})
    yield Rule("", ".nf-barr", {"fill": palette.taken})
    yield Rule("is-pending", ".nf-barr", {"fill": palette.border["pending"]})
    yield Rule("", ".nf-back", {"fill": "none"})
    yield Rule("", ".nf-side", {"fill": "none"})
    yield Rule("", ".cut", {"fill": "none", "stroke": palette.page})
    yield Rule("chip", ".nf-name", {"font-size": "11"})
    yield from _edge_rules(palette)
    for status in STATUSES:
        yield from _status_rules(palette, status)
    yield Rule("", ".nf-bad", {"fill": palette.text["failed"], "font-weight": "600"})
    yield from _cell_rules(palette)


def _edge_rules(palette: Palette) -> Iterator[Rule]:
    colours = {"open": palette.open, "untaken": palette.open, "taken": palette.taken, "live": palette.border["running"]}
    for state, colour in colours.items():
        dash = {"stroke-dasharray": "3 3"} if state == "untaken" else {}
        width = EDGE_WIDTH.get(state, "1")
        yield Rule(state, ".way", {"fill": "none", "stroke": colour, "stroke-width": width, **dash})
        yield Rule(state, ".tip", {"fill": colour})


def _status_rules(palette: Palette, status: str) -> Iterator[Rule]:
    inside, text, border = f"is-{status}", palette.text[status], palette.border[status]
    dash = {"stroke-dasharray": BORDER_DASH[status]} if status in BORDER_DASH else {}
    cap = {"stroke-linecap": "round"} if status == "cancelled" else {}
    outline = {"stroke": border, "stroke-width": BORDER_WIDTH.get(status, "1"), **dash, **cap}
    yield Rule(inside, ".nf-shape", {"fill": palette.fill[status]} | outline)
    behind = {"stroke": border, **(dash if status == "skipped" else {})}
    yield Rule(inside, ".nf-back", behind)
    yield Rule(inside, ".nf-side", behind)
    yield Rule(inside, ".s", {"fill": "none", "stroke": text})
    yield Rule(inside, ".f", {"fill": text})
    yield Rule(inside, ".nf-word", {"fill": text, "font-size": "12"})
    if status in _LOUD:
        yield Rule(inside, ".nf-meta", {"fill": text})
    if status in _QUIET:
        yield Rule(inside, ".nf-name", {"fill": palette.ink2, "font-weight": "400"})
    yield Rule(inside, ".nf-ptrack", {"fill": border, "opacity": ".22"})
    yield Rule(inside, ".nf-pfill", {"fill": border})
    yield Rule(inside, ".nf-pfail", {"fill": palette.border["failed"]})


def _cell_rules(palette: Palette) -> Iterator[Rule]:
    for status in STATUSES:
        colour = {"pending": palette.line, "skipped": palette.page}.get(status, palette.border[status])
        rim = {"stroke": palette.line} if status == "skipped" else {}
        faint = {"opacity": ".55"} if status == "completed" else {}
        yield Rule("", f".cell-{status}", {"fill": colour, **rim, **faint})
    yield Rule("", ".cross", {"fill": "none", "stroke": palette.page, "stroke-width": "1.2"})


def bake(root: ET.Element, palette: Palette) -> None:
    """Write the style of a theme into the attributes of every element."""
    table: dict[str, list[Rule]] = {}
    for rule in rules(palette):
        table.setdefault(rule.what, []).append(rule)
    _bake(root, table, frozenset())


def _bake(element: ET.Element, table: Mapping[str, list[Rule]], around: frozenset[str]) -> None:
    classes = element.get("class", "").split()
    for name in classes:
        for rule in table.get(f".{name}", ()):
            if not rule.within or rule.within in around:
                element.attrib.update(rule.look)
    if len(element):
        inner = around.union(classes)
        for child in element:
            _bake(child, table, inner)


def dark_css(palette: Palette, used: frozenset[str]) -> str:
    """Return the colours of the dark theme as CSS, without rules for classes that are not in `used`."""
    colours = ("fill", "stroke", "opacity")
    written = []
    for rule in rules(palette):
        look = ";".join(f"{name}:{value}" for name, value in rule.look.items() if name in colours)
        if look and rule.what[1:] in used and (not rule.within or rule.within in used):
            written.append(f"{'.' + rule.within + ' ' if rule.within else ''}{rule.what}{{{look}}}")
    return "@media (prefers-color-scheme:dark){" + "".join(written) + "}"


# -- outputs of notebook cells -----------------------------------------------------------------------------------------

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


# Pictures of graphs and runs as outputs of notebook cells.
#
# Invariant: HTML is written by ElementTree from text; a picture is embedded as data, never as markup.

# The static copy is hidden while the same output has a live view. In a notebook reopened without its kernel the live
# view cannot start; then the static copy is shown, and the widget's error message is hidden.
STYLE = (
    ".jp-OutputArea:has(.nf-root) .nbflow-static{display:none}"
    ".jp-OutputArea:not(:has(.nf-root)):has(.nbflow-static) "
    ".jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets){display:none}"
)


def static_html(svg: str, title: str, details: str | None = None) -> str:
    """Return HTML for an ended run: its picture, hidden while the same output has a live view."""
    # Written without ElementTree, which would escape `>`: HTML does not unescape it in a style. It has no user text.
    return f"<style>{STYLE}</style>" + _html("nbflow-static", svg, title, details)


def _html(name: str, svg: str, title: str, details: str | None = None) -> str:
    """Return HTML that embeds the picture as data, with `details` as text to unfold."""
    box = ET.Element("div", {"class": name})
    data = base64.b64encode(svg.encode()).decode()
    ET.SubElement(box, "img", {"alt": clean(title), "src": f"data:image/svg+xml;base64,{data}"})
    if details is not None:
        folded = ET.SubElement(box, "details")
        ET.SubElement(folded, "summary").text = "Details"
        ET.SubElement(folded, "pre").text = clean(details)
    return ET.tostring(box, encoding="unicode", method="html")


class GraphPicture:
    """A graph as a cell's output: a picture, and the graph's text for front ends that show no HTML."""

    def __init__(self, graph: GraphDefinition, *, title: str = "") -> None:
        self.graph, self.title = graph, title or graph.name

    def svg(self, *, dark: bool = False) -> str:
        """Return the picture as SVG text."""
        return static_svg(self.graph, None, dark=dark, title=self.title)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        text = without_secrets(self.graph, MASK).to_text()
        return {
            "text/plain": text,
            "text/html": _html("nbflow-graph", self.svg(), f"Workflow graph {self.title}".strip()),
        }

    def __repr__(self) -> str:
        return f"GraphPicture({self.title!r}, {len(self.graph.nodes)} nodes)"


class Run(RecordedRun, Protocol):
    """The part of a run, live or read from a store, that its picture needs."""

    @property
    def name(self) -> str:
        """The graph's name."""


class RunPicture:
    """A run as a cell's output: a picture at the time of display, and a summary for front ends that show no HTML.

    Args:
        run: The run; its state, logs and events are available as attributes of `run`.
        deterministic: Leave out ids and times, so that equal runs give equal outputs.
    """

    def __init__(self, run: Run, *, deterministic: bool = False) -> None:
        self.run, self.deterministic = run, deterministic

    def snapshot(self) -> dict[str, Any]:
        """Return the run's present snapshot in the view protocol."""
        view = empty_view(self.run, stable=self.deterministic)
        view.apply(self.run.events)
        return view.snapshot(time.time())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        seen, title = self.snapshot(), self.run.name
        text = summary(seen, title, deterministic=self.deterministic)
        svg = static_svg(self.run.graph, seen, title=title, deterministic=self.deterministic)
        return {"text/plain": text, "text/html": _html("nbflow-graph", svg, text)}

    def __repr__(self) -> str:
        return summary(self.snapshot(), self.run.name, deterministic=self.deterministic)
