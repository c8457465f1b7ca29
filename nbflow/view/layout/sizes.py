"""Estimate the sizes of texts and nodes without a font, so that a layout can be computed before anything is drawn.

Invariant: a node is wide enough for the longest text that a run can show in it, so a run never changes the layout.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from nbflow.view.outline import Line, Outline
from nbflow.view.text import line as one_line
from nbflow.view.text import middle

NAME, SMALL = 12.0, 11.0
NAME_LETTERS, CAPTION_LETTERS = 22, 40
CARDS, CHIPS = 24, 400
NAMED_WIDTH = 1_250
END_SIZE = 14.0
PAIR_GAP = 36.0

# Widths in em, at the upper end of the usual interface fonts: a text may be narrower than estimated, but not wider.
_WIDTHS = {
    **dict.fromkeys("ijl.,:;'|!`", 0.30),
    **dict.fromkeys(' fIrt()[]{}/\\-"·', 0.40),
    **dict.fromkeys("mwMW@%→…", 0.92),
    **dict.fromkeys("ABCDEFGHKNOPQRUVXYZ&", 0.68),
    **dict.fromkeys("_sckvxyzJ", 0.52),
}
_OTHER, _WIDE = 0.60, 1.20


def text_width(text: str, size: float) -> float:
    """Return the estimated width of a text at a font size, in px."""
    return size * sum(_WIDTHS.get(letter) or _em(letter) for letter in text)


def _em(letter: str) -> float:
    if letter < "\x80":
        return _OTHER
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0.0
    return _WIDE if unicodedata.east_asian_width(letter) in "WF" else _OTHER


def fitted(text: str, size: float, room: float) -> str:
    """Return the text; one wider than `room` px is cut and ends with an ellipsis."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a node, in px.

    Attributes:
        width: The width of its card.
        height: The height of its card.
        above: The room above the card, for captions and the stack of a map.
        left: The room for the bar of a join.
        right: The room for the bar of a split.
        captions: The lines of its caption: 0, 1 or 2.
        spread: The distance that a caption may extend beyond the card on each side.
    """

    width: float
    height: float
    above: float = 0.0
    left: float = 0.0
    right: float = 0.0
    captions: int = 0
    spread: float = 0.0

    @property
    def total(self) -> tuple[float, float]:
        """The width and height including bars and captions."""
        return self.left + self.width + self.right, self.above + self.height


def mode_of(count: int) -> str:
    """Return the mode in which a graph of `count` nodes is drawn: `cards`, `chips` or `list`."""
    return "cards" if count <= CARDS else "chips" if count <= CHIPS else "list"


def name_of(node: str, mode: str) -> str:
    """Return a node's name as drawn, shortened for the mode."""
    return middle(node, NAME_LETTERS if mode == "cards" else 16)


def sizes(shape: Outline) -> dict[str, Size]:
    """Return the size of each node; nodes of one stage have equal widths."""
    return _cards(shape) if mode_of(len(shape.nodes)) == "cards" else _chips(shape)


def _by_rank(shape: Outline, wants: Mapping[str, float]) -> dict[str, float]:
    stage = dict(shape.rank) | {inner: shape.rank[head] for head, inner in pairs(shape)}
    widest: dict[int, float] = {}
    for node, width in wants.items():
        widest[stage[node]] = max(widest.get(stage[node], 0.0), width)
    return {node: 4.0 * math.ceil(widest[stage[node]] / 4) for node in wants}


def _cards(shape: Outline) -> dict[str, Size]:
    loops = _looping(shape)
    wants = {node: _card_width(shape, node, node in loops) for node in shape.nodes}
    widths = _by_rank(shape, wants)
    made = {}
    for node, width in widths.items():
        caption = caption_width(shape, node)
        captions = 0 if not caption else 1 if caption + text_width(" → yes", SMALL) <= width + 16 else 2
        stack = 7.0 if shape.kinds[node] == "map" else 0.0
        made[node] = Size(
            width,
            36.0,
            above=stack + captions * 14.0 + (2.0 if captions else 0.0),
            left=8.0 if node in shape.joins else 0.0,
            right=8.0 if node in shape.splits else 0.0,
            captions=captions,
            spread=max(0.0, (caption - width) / 2) if captions else 0.0,
        )
    return made


def _card_width(shape: Outline, node: str, loops: bool) -> float:
    kind, definition = shape.kinds[node], shape.nodes[node]
    name = text_width(name_of(node, "cards"), NAME) * 1.03 + (28.0 if loops else 0.0)
    lines = ["59 m 59 s"]
    if definition.retries:
        lines += ["try 3 in 59 s", "59 s · try 3"]
    if kind == "ask":
        lines.append("waiting 59 s")
    if kind == "map":
        lines.append("99/999 · 9 failed")
    if node in shape.joins:
        lines.append(f"{shape.joins[node]} of {shape.joins[node]} in")
    pad = {"ask": 36.0 + 18.0, "subgraph": 30.0 + 13.0}.get(kind, 30.0 + 9.0)
    meta = max(text_width(text, SMALL) for text in lines)
    return max(84.0, pad + max(name, meta), caption_width(shape, node) - 16.0)


def caption_width(shape: Outline, node: str) -> float:
    """Return the width of a node's longest possible caption in px; 0 for a node without conditions."""
    conditions = {drawn.condition for drawn in shape.out[node] if drawn.condition is not None}
    shown = [one_line(condition, CAPTION_LETTERS) for condition in conditions]
    return max((min(200.0, text_width(text, SMALL) + 28.0) for text in shown), default=0.0)


def _looping(shape: Outline) -> set[str]:
    """Return the nodes that may run more than once: those with a stage between a loop's head and its closing edge."""
    inside: set[str] = set()
    for drawn in shape.lines:
        if drawn.back:
            last, first = shape.rank[drawn.source], shape.rank[drawn.target]
            inside |= {node for node, rank in shape.rank.items() if first <= rank <= last}
    return inside


def pairs(shape: Outline) -> list[tuple[str, str]]:
    """Return the loops of two nodes that are drawn one above the other, each as its head and its other node."""
    into: dict[str, list[str]] = {}
    for drawn in shape.lines:
        into.setdefault(drawn.target, []).append(drawn.source)
    found: list[tuple[str, str]] = []
    used: set[str] = set()
    for drawn in shape.lines:
        head, inner = drawn.target, drawn.source
        if not drawn.back or head == inner or used & {head, inner} or into.get(inner) != [head]:
            continue
        if any(other.condition for other in shape.out[inner]):
            continue  # its caption would be drawn between the two
        used |= {head, inner}
        found.append((head, inner))
    return found


def _chips(shape: Outline) -> dict[str, Size]:
    wants = {node: 27.0 + text_width(name_of(node, "chips"), SMALL) for node in shape.nodes}
    widths = _by_rank(shape, wants)
    columns = {shape.rank[node]: width for node, width in widths.items()}
    if sum(columns.values()) + 24.0 * len(columns) > NAMED_WIDTH:
        widths = dict.fromkeys(widths, 22.0)
    made = {}
    for node, width in widths.items():
        above = 6.0 if shape.kinds[node] == "map" else 0.0
        made[node] = Size(width, 22.0, above=above)
    return made


def label_size(line: Line) -> tuple[float, float]:
    """Return the width and height of an edge's longest label, (0, 0) for an edge that never has one."""
    texts = [text for text in (line.label, line.label_after(9)) if text]
    return (max(text_width(text, SMALL) for text in texts) + 6.0, 14.0) if texts else (0.0, 0.0)
