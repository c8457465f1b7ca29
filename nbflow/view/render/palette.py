"""The colours and the status icons of the view.

Invariant: a node's kind is shown by its shape, its status by colour, icon and border together, so that no information
is lost in a grey print or to a colour-blind reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STATUSES = ("pending", "running", "waiting", "retrying", "completed", "failed", "cancelled", "skipped")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme; `text`, `border` and `fill` map each status to a colour."""

    page: str
    ink: str
    ink2: str
    line: str
    taken: str
    open: str
    text: Mapping[str, str]
    border: Mapping[str, str]
    fill: Mapping[str, str]


def _by_status(*colours: str) -> dict[str, str]:
    return dict(zip(STATUSES, colours, strict=True))


LIGHT = Palette(
    page="#ffffff", ink="#1f2328", ink2="#545c67", line="#dfe3e7", taken="#4f5762", open="#8c939c",
    text=_by_status("#5b6470", "#0a5bb5", "#744600", "#8a2c79", "#0a664e", "#a31c0b", "#474d56", "#6a717b"),
    border=_by_status("#89919b", "#1c6fd4", "#c07f00", "#a6408f", "#12876a", "#b3200d", "#6b727c", "#8c939c"),
    fill=_by_status("#ffffff", "#e9f2fd", "#ffefc4", "#faebf7", "#ffffff", "#fdece7", "#f0f1f3", "none"),
)  # fmt: skip
DARK = Palette(
    page="#111316", ink="#e6e9ec", ink2="#aab2bc", line="#2d3136", taken="#a7afb9", open="#646c75",
    text=_by_status("#a6aeb8", "#86bcff", "#f6c453", "#eaa3da", "#63d2ac", "#ff9479", "#bac0c8", "#8e969f"),
    border=_by_status("#656d77", "#4f98f0", "#e6b030", "#c870b6", "#35a584", "#ee5a38", "#858d97", "#5b636c"),
    fill=_by_status("#111316", "#0f2138", "#2e230a", "#2e1829", "#111316", "#361710", "#212427", "none"),
)  # fmt: skip

BORDER_WIDTH = {"running": "1.75", "waiting": "1.75", "retrying": "1.75", "failed": "1.75", "cancelled": "1.75"}
BORDER_DASH = {"retrying": "7 3", "cancelled": "1 3", "skipped": "2.5 2.5"}
EDGE_WIDTH = {"taken": "1.5", "live": "1.75"}

Shape = tuple[str, dict[str, Any]]


def _stroke(d: str, width: float, *, cut: bool = False, opacity: float | None = None) -> Shape:
    role = "cut" if cut else "stroke"
    more = {} if opacity is None else {"opacity": str(opacity)}
    return "path", {"d": d, "role": role, "stroke-width": str(width), **more}


def _solid(d: str) -> Shape:
    return "path", {"d": d, "role": "fill"}


def _circle(r: float, x: float = 8, y: float = 8) -> str:
    return f"M{x - r} {y}a{r} {r} 0 1 1 {2 * r} 0a{r} {r} 0 1 1 {-2 * r} 0z"


# Drawn in a square of 16 units; `role`: `stroke` or `fill` in the status colour, `cut`: a stroke in the page's colour.
ICONS: dict[str, tuple[Shape, ...]] = {
    "pending": (_stroke(_circle(5.25), 1.5),),
    "running": (
        _stroke(_circle(5.75), 2, opacity=0.28),
        _stroke("M8 2.25a5.75 5.75 0 0 1 5.75 5.75", 2),
        _solid(_circle(2.25)),
    ),
    "waiting": (_solid(_circle(3, 8, 4.75)), _solid("M2.25 14.25c0-3.25 2.4-5.25 5.75-5.25s5.75 2 5.75 5.25z")),
    "retrying": (_stroke("M13.2 9.2a5.3 5.3 0 1 1-1.3-4.8", 1.9), _stroke("M12.7 1.4v3.9h-3.9", 1.9)),
    "completed": (_stroke("M2.75 8.5l3.6 3.6 6.9-7.7", 2.1),),
    "failed": (
        _solid("M5.2 1.25h5.6l3.95 3.95v5.6l-3.95 3.95h-5.6l-3.95-3.95v-5.6z"),
        _stroke("M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2", 1.8, cut=True),
    ),
    "cancelled": (_stroke(_circle(6), 1.5), _solid("M5.5 5.5h5v5h-5z")),
    "skipped": (_stroke("M2.5 4l4 4-4 4m5-8l4 4-4 4m6-8v8", 1.5),),
}
