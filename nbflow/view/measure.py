"""How wide texts and nodes will be, estimated without a font, so that a layout can be made before anything is drawn.

Invariant: a node is as wide as the longest thing it can come to show; a run never moves the layout.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from nbflow.view.outline import Line, Outline
from nbflow.view.plain import line as one_line
from nbflow.view.plain import middle

NAME, SMALL = 12.0, 11.0
NAME_LETTERS, CAPTION_LETTERS = 22, 40
CARDS, CHIPS = 24, 400
NAMED_WIDTH = 1_250
END_SIZE = 14.0
PAIR_GAP = 36.0

# Widths in em, on the wide side of the usual interface fonts.
_WIDTHS = {
    **dict.fromkeys("ijl.,:;'|!`", 0.30),
    **dict.fromkeys(' fIrt()[]{}/\\-"·', 0.40),
    **dict.fromkeys("mwMW@%→…", 0.92),
    **dict.fromkeys("ABCDEFGHKNOPQRUVXYZ&", 0.68),
    **dict.fromkeys("_sckvxyzJ", 0.52),
}
_OTHER, _WIDE = 0.60, 1.20


def text_width(text: str, size: float) -> float:
    """Return about how wide the text is drawn at a font size, in px."""
    return size * sum(_WIDTHS.get(letter) or _em(letter) for letter in text)


def _em(letter: str) -> float:
    if letter < "\x80":
        return _OTHER
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0.0
    return _WIDE if unicodedata.east_asian_width(letter) in "WF" else _OTHER


def fitted(text: str, size: float, room: float) -> str:
    """Return the text, cut with an ellipsis at its end where it is wider than `room` px."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Size:
    """A node as the layout must place it: its card, room above it, and the bars of a join and a split beside it."""

    width: float
    height: float
    above: float = 0.0
    left: float = 0.0
    right: float = 0.0
    captions: int = 0
    spread: float = 0.0

    @property
    def total(self) -> tuple[float, float]:
        """Width and height with all that belongs to it."""
        return self.left + self.width + self.right, self.above + self.height


def mode_of(count: int) -> str:
    """Return how a graph of so many nodes is drawn: `cards`, `chips` or `list`."""
    return "cards" if count <= CARDS else "chips" if count <= CHIPS else "list"


def name_of(node: str, mode: str) -> str:
    """Return the name as drawn."""
    return middle(node, NAME_LETTERS if mode == "cards" else 16)


def sizes(shape: Outline) -> dict[str, Size]:
    """Return each node's size; nodes of one stage are equally wide."""
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
    """Return the room a node's longest caption needs in px, 0 where it decides nothing."""
    conditions = {drawn.condition for drawn in shape.out[node] if drawn.condition is not None}
    shown = [one_line(condition, CAPTION_LETTERS) for condition in conditions]
    return max((min(200.0, text_width(text, SMALL) + 28.0) for text in shown), default=0.0)


def _looping(shape: Outline) -> set[str]:
    """Return the nodes that may run more than once: those between a loop's head and the edge that closes it."""
    inside: set[str] = set()
    for drawn in shape.lines:
        if drawn.back:
            last, first = shape.rank[drawn.source], shape.rank[drawn.target]
            inside |= {node for node, rank in shape.rank.items() if first <= rank <= last}
    return inside


def pairs(shape: Outline) -> list[tuple[str, str]]:
    """Return the two-node loops to draw one above the other: the head, and the node that only it leads to."""
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
            continue  # its caption would stand between the two
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
    """Return the room an edge's label will need, (0, 0) where it never has one."""
    texts = [text for text in (line.label, line.label_after(9)) if text]
    return (max(text_width(text, SMALL) for text in texts) + 6.0, 14.0) if texts else (0.0, 0.0)
