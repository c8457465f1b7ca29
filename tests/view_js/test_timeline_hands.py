"""The timeline face under a person's hands: mouse, keys, and a moment of the past."""

from __future__ import annotations

from typing import Any

import pytest
from answering import Kernel
from scenes import layered, node, review, review_running, snapshot
from seen_timelines import LANES, focused, labels, point, show
from timelines import layered_spans, review_spans

pytestmark = pytest.mark.browser


@pytest.fixture
def review_shown(view: Any) -> Any:
    return show(view, review(), review_running(), review_spans())


# -- pointing ---------------------------------------------------------------------------------------------------------


def test_pointing_at_a_bar_shows_node_attempt_duration_and_start(review_shown: Any) -> None:
    review_shown.page.mouse.move(*point(review_shown, 100, 4))
    assert review_shown.text(".nf-tl-tip") == "lint, try 2 failed after 56 s, from 1:15.0"
    review_shown.page.mouse.move(*point(review_shown, 60, 5))
    assert "run_tests, visit 3" in review_shown.text(".nf-tl-tip")
    review_shown.page.mouse.move(*point(review_shown, 60, 11))
    assert not review_shown.page.locator(".nf-tl-tip").is_visible()


def test_a_click_on_a_bar_selects_its_node_and_another_lets_it_go(review_shown: Any) -> None:
    review_shown.page.mouse.click(*point(review_shown, 60, 7))
    assert review_shown.text(".nf-ih b") == "security_scan"
    assert review_shown.page.locator('.nf-tl-row.sel[data-n="security_scan"]').get_attribute("aria-selected") == "true"
    review_shown.page.locator('.nf-tl-row[data-n="security_scan"] .nf-el').click()
    assert not review_shown.page.locator(".nf-insp").is_visible()


def test_the_wheel_zooms_with_a_key_and_without_one_stays_the_notebooks(review_shown: Any) -> None:
    taken = """([key, x, y]) => { const e = new WheelEvent('wheel', { deltaX: x, deltaY: y, ctrlKey: key, clientX: 500, bubbles: true, cancelable: true });
        document.querySelector('.nf-tl-lanes').dispatchEvent(e); return e.defaultPrevented }"""
    assert review_shown.page.evaluate(taken, [False, 0, 100]) is False
    assert review_shown.page.evaluate(taken, [False, 100, 0]) is False
    assert review_shown.page.evaluate(taken, [True, 0, -600]) is True
    review_shown.page.evaluate("() => harness.frame()")
    assert labels(review_shown) != ["0:00", "0:30", "1:00", "1:30", "2:00"]
    assert review_shown.page.evaluate(taken, [False, 100, 0]) is True


def test_a_zoomed_view_is_dragged_and_the_drag_selects_nothing(review_shown: Any) -> None:
    focused(review_shown, "+", "+", "+")
    review_shown.page.evaluate("() => harness.frame()")
    before = labels(review_shown)
    x, y = point(review_shown, 60, 11)
    review_shown.page.mouse.move(x, y)
    review_shown.page.mouse.down()
    review_shown.page.mouse.move(x - 300, y, steps=5)
    review_shown.page.mouse.up()
    review_shown.page.evaluate("() => harness.frame()")
    assert labels(review_shown) != before
    assert not review_shown.page.locator(".nf-insp").is_visible()


# -- a moment of the past ---------------------------------------------------------------------------------------------


@pytest.fixture
def past(view: Any) -> Any:
    """A run that has fetched, classified and lints, seen where it fetches: a shift-click went to its first start."""
    kernel = (
        Kernel(review())
        .ran("fetch_pr", 40.0)
        .took("fetch_pr", "classify")
        .ran("classify", 50.0)
        .took("classify", "lint")
    )
    kernel("node_start", "lint", attempt=1, input={})
    view.mount(*kernel.messages())
    view.page.get_by_role("tab", name="Timeline").click()
    kernel.answer(view)
    view.before = labels(view)
    view.page.keyboard.down("Shift")
    view.page.mouse.click(*point(view, 60, 2))
    view.page.keyboard.up("Shift")
    kernel.answer(view)
    view.page.evaluate("harness.frame()")
    return view


def test_a_click_with_shift_goes_to_the_start_of_the_bar(past: Any) -> None:
    assert past.text(".nf-showing") == "Showing 0:40"
    assert not past.page.locator(".nf-insp").is_visible()


def test_at_a_moment_later_bars_are_not_there_and_the_axis_stays(past: Any) -> None:
    assert past.page.locator('.nf-tl-row[data-n="lint"]').get_attribute("aria-label") == "lint, pending"
    assert "running" in past.page.locator('.nf-tl-row[data-n="classify"]').get_attribute("aria-label")
    assert labels(past) == past.before
    past.page.mouse.move(*point(past, 70, 2))
    assert not past.page.locator(".nf-tl-tip").is_visible()


def test_two_clicks_on_a_bar_go_to_its_start_too(past: Any) -> None:
    past.page.locator(".nf-live").click()
    past.page.mouse.dblclick(*point(past, 20, 0))
    past.page.wait_for_function("document.querySelector('.nf-showing').textContent === 'Showing 0:00'")


# -- keys and screen readers ------------------------------------------------------------------------------------------


def test_arrows_go_to_lanes_and_bars_and_enter_selects(review_shown: Any) -> None:
    focused(
        review_shown,
        "Home",
        "ArrowDown",
        "ArrowDown",
        "ArrowDown",
        "ArrowDown",
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
    )
    assert review_shown.text(".nf-tl-tip") == "lint, try 2 failed after 56 s, from 1:15.0"
    active = review_shown.page.locator(LANES).get_attribute("aria-activedescendant")
    assert review_shown.page.locator(f"#{active}").get_attribute("data-n") == "lint"
    assert "lint, try 2" in review_shown.page.locator(".nf-timeline [role=status]").text_content()
    review_shown.page.keyboard.press("Enter")
    assert review_shown.text(".nf-ih b") == "lint"


def test_plus_and_minus_zoom_and_nought_shows_the_whole_run(review_shown: Any) -> None:
    whole = labels(review_shown)
    focused(review_shown, "+", "+", "+")
    review_shown.page.evaluate("() => harness.frame()")
    assert labels(review_shown) != whole
    focused(review_shown, "0")
    review_shown.page.evaluate("() => harness.frame()")
    assert labels(review_shown) == whole


def test_a_lane_in_focus_stays_in_sight(view: Any) -> None:
    graph = layered(200, 10)
    show(view, graph, snapshot({one.node_id: node() for one in graph.nodes}, {}), layered_spans(200, 10))
    focused(view, "End")
    active = view.page.locator(LANES).get_attribute("aria-activedescendant")
    row, box = view.page.locator(f"#{active}").bounding_box(), view.page.locator(LANES).bounding_box()
    assert row["y"] + row["height"] <= box["y"] + box["height"]
    assert view.page.locator(f"#{active}").get_attribute("aria-posinset") == "20"  # its stages
