"""Helpers for tests of the timeline: show a page, point at a moment of a lane, press keys in it."""

from __future__ import annotations

from typing import Any

from scenes import scene

from nbflow.graph import GraphDefinition

LANES = ".nf-tl-lanes"


def show(view: Any, graph: GraphDefinition, shown: Any, spans: list[Any], **options: Any) -> Any:
    view.mount(scene(graph), shown, **options)
    view.page.get_by_role("tab", name="Timeline").click()
    view.push(*spans)
    return view


def point(view: Any, seconds: float, lane: int, end: float = 135.0) -> tuple[float, float]:
    """Where a moment of a lane is on the page."""
    box = view.page.locator(LANES).bounding_box()
    return box["x"] + 140 + seconds / end * (box["width"] - 156), box["y"] + 8 + 20 * lane + 10


def labels(view: Any) -> list[str]:
    return [str(text) for text in view.page.locator(".nf-tl-scale span:visible").all_text_contents()]


def focused(view: Any, *keys: str) -> None:
    view.page.locator(LANES).focus()
    for key in keys:
        view.page.keyboard.press(key)
