"""A graph's edges by keyboard, in a real browser: where the arrows lead, what is said of each edge, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from scenes import chain, partly_done, review, review_running, scene
from test_why import ANSWER, LOOP, middle, patch

pytestmark = pytest.mark.browser


@pytest.fixture
def running(view: Any) -> Any:
    return view.mount(scene(review()), review_running())


def focused(shown: Any) -> str:
    """Return the node or the edge that has the focus."""
    return str(shown.page.evaluate("document.activeElement.dataset.e ?? document.activeElement.dataset.n"))


def walked(shown: Any, node: str, *keys: str) -> list[str]:
    """Return the element that each key leads to, from a node."""
    shown.node(node).focus()
    places = []
    for key in keys:
        shown.page.keyboard.press(key)
        places.append(focused(shown))
    return places


def test_shift_and_an_arrow_leave_a_node_for_its_edges_and_arrows_go_round_them_and_on(running: Any) -> None:
    keys = ("Shift+ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight", "Shift+ArrowLeft", "ArrowLeft")
    assert walked(running, "run_tests", *keys) == [
        LOOP, "run_tests>approve_fix", LOOP, "fix_tests", LOOP, "run_tests",
    ]  # fmt: skip
    assert running.page.locator(".nf-insp").is_hidden()


def test_a_walk_over_edges_says_why_of_each(running: Any) -> None:
    walked(running, "run_tests", "Shift+ArrowRight")
    running.push(ANSWER)
    assert running.text(".nf-why") == "run_tests → fix_tests Taken 3 times, not the last time: failed (0) > 0 is no"
    running.page.keyboard.press("ArrowDown")
    assert running.text(".nf-why b") == "run_tests → approve_fix"
    running.page.keyboard.press("ArrowRight")
    assert running.page.locator(".nf-why").is_hidden()


def test_escape_closes_the_line_and_goes_back_to_the_node_that_was_left(running: Any) -> None:
    walked(running, "merge_findings", "Shift+ArrowLeft", "ArrowDown", "Escape")
    assert focused(running) == "merge_findings"
    assert running.page.locator(".nf-why").is_hidden()


def test_enter_pins_the_line_until_the_next_edge_replaces_it(running: Any) -> None:
    assert walked(running, "run_tests", "Shift+ArrowRight", "Enter", "ArrowRight")[-1] == "fix_tests"
    assert running.text(".nf-why b") == "run_tests → fix_tests"
    running.page.keyboard.press("Shift+ArrowRight")
    assert running.text(".nf-why b") == "fix_tests → run_tests"
    running.page.keyboard.press("Escape")
    assert focused(running) == "fix_tests"


def test_the_focus_stays_at_a_node_without_edges_on_a_side(running: Any) -> None:
    assert walked(running, "fetch_pr", "Shift+ArrowLeft") == ["fetch_pr"]


def test_an_edge_is_named_by_its_ends_and_by_how_often_it_was_taken(running: Any) -> None:
    named = "edge from merge_findings to post_review, {}"
    running.page.get_by_role("button", name=named.format("not decided"), exact=True).wait_for(state="attached")
    running.push(patch(11, edges={"merge_findings>post_review": {"state": "taken", "count": 2}}))
    running.page.get_by_role("button", name=named.format("taken 2 times"), exact=True).wait_for(state="attached")


def test_an_edge_out_of_sight_is_panned_into_it(view: Any) -> None:
    view.mount(scene(chain(14)), partly_done(chain(14)))
    names = [one.node_id for one in chain(14).nodes]
    walked(view, names[-2], "Shift+ArrowRight")
    box, face = (view.page.locator(part).bounding_box() for part in (".nf-why", ".nf-face"))
    x, _ = middle(view, f"{names[-2]}>{names[-1]}")
    assert face["x"] < x < face["x"] + face["width"]
    assert box["x"] + box["width"] <= face["x"] + face["width"]
