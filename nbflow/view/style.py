"""The style of static pictures as one table of rules, applied to elements as attributes, and as CSS for the dark theme.

Invariant: every element of a static picture has its light colours as attributes, so that programs without CSS show
them; CSS only adds the dark theme in a browser that prefers it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nbflow.view.palette import BORDER_DASH, BORDER_WIDTH, EDGE_WIDTH, STATUSES, Palette

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
