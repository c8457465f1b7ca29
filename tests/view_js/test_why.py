"""Why an edge was taken, zoom and search in the graph, and the inside of a node, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from scenes import (
    NOW,
    chain,
    inspector,
    layered,
    node,
    partly_done,
    review,
    review_running,
    scene,
    snapshot,
)

pytestmark = pytest.mark.browser

LOOP = "run_tests>fix_tests"
ANSWER = {"type": "why", "edge": LOOP, "at": None, "from": "run_tests", "to": "fix_tests", "state": "taken",
          "text": "Taken 3 times, not the last time: failed (0) > 0 is no"}  # fmt: skip


@pytest.fixture
def running(view: Any) -> Any:
    return view.mount(scene(review()), review_running())


def middle(shown: Any, key: str) -> tuple[float, float]:
    """Return the position of the middle of an edge on the page."""
    x, y = shown.page.evaluate(
        """key => { const path = document.querySelector(`.nf-edge[data-e="${key}"] .nf-ehit`);
        const at = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM()); return [at.x, at.y] }""",
        key,
    )
    return x, y


def scale(shown: Any) -> float:
    return float(shown.page.evaluate("document.querySelector('.nf-svg').getScreenCTM().a"))


def patch(seq: int, **parts: Any) -> dict[str, Any]:
    return {"type": "patch", "seq": seq, "now": NOW, **parts}


# -- why --------------------------------------------------------------------------------------------------------------


def test_an_edge_pointed_at_says_why_beside_it_and_says_no_more_when_left(running: Any) -> None:
    running.page.mouse.move(*middle(running, LOOP))
    assert running.sent("why") == [{"type": "why", "edge": LOOP, "at": None}]
    assert "Taken 3 times" in running.text(".nf-why")
    running.push(ANSWER)
    assert running.text(".nf-why") == "run_tests → fix_tests Taken 3 times, not the last time: failed (0) > 0 is no"
    inside = "(() => { const [f, w] = ['.nf-face', '.nf-why'].map((s) => document.querySelector(s).getBoundingClientRect()); return w.left >= f.left && w.right <= f.right && w.top >= f.top && w.bottom <= f.bottom })()"
    assert running.page.evaluate(inside)
    running.page.mouse.move(5, 5)
    assert running.page.locator(".nf-why").is_hidden()


def test_a_label_says_what_its_edge_says(running: Any) -> None:
    running.page.locator(f'.nf-elabel[data-e="{LOOP}"]').hover()
    assert running.sent("why")[0]["edge"] == LOOP
    assert running.page.locator(".nf-why").is_visible()


def test_a_clicked_edge_says_why_until_escape_and_leaves_the_selection_alone(running: Any) -> None:
    running.node("lint").click()
    running.page.mouse.click(*middle(running, LOOP))
    running.push(ANSWER)
    running.page.mouse.move(5, 5)
    assert running.page.locator(".nf-why").is_visible()
    running.page.keyboard.press("Escape")
    assert running.page.locator(".nf-why").is_hidden()
    assert running.text(".nf-ih b") == "lint"


def test_a_focused_edge_says_why(running: Any) -> None:
    running.page.locator(f'.nf-edge[data-e="{LOOP}"]').focus()
    running.push(ANSWER)
    assert "failed (0) > 0 is no" in running.text(".nf-why")


def test_an_edge_that_changes_while_it_is_pointed_at_is_asked_for_again_once(running: Any) -> None:
    running.page.mouse.move(*middle(running, LOOP))
    for seq in (11, 12):
        running.push(patch(seq, edges={LOOP: {"count": seq}}))
    assert len(running.sent("why")) == 1
    running.push(ANSWER)
    assert len(running.sent("why")) == 2


def test_an_answer_about_another_edge_or_moment_is_passed_over(running: Any) -> None:
    running.page.mouse.move(*middle(running, LOOP))
    running.push({**ANSWER, "edge": "fetch_pr>classify", "text": "wrong"}, {**ANSWER, "at": 3, "text": "wrong"})
    assert "wrong" not in running.text(".nf-why")


def test_the_inspector_shows_a_single_condition_with_values_and_result(running: Any) -> None:
    running.node("run_tests").click()
    told = {"text": "failed > 0", "to": "fix_tests", "values": {"failed": "0"}, "result": "no"}
    running.push(inspector("run_tests", conditions=[told], next="approve_fix, because failed (0) > 0 is no"))
    assert "Next step failed > 0 no → fix_tests, failed = 0 Went to approve_fix" in running.text(".nf-ib")


def test_a_pending_join_names_what_it_waits_for_and_a_click_goes_there(running: Any) -> None:
    running.node("merge_findings").click()
    running.push(inspector("merge_findings", "pending", waits_for=["lint", "review_files"]))
    assert "Waits for lint, review_files" in running.text(".nf-ib")
    running.page.locator(".nf-waits .nf-link").nth(1).click()
    assert running.text(".nf-ih b") == "review_files"


def test_the_share_of_the_critical_path_is_asked_for_until_it_is_known(running: Any) -> None:
    running.node("lint").click()
    timing = {"started": NOW - 9, "ms": 5000, "total_ms": 5000, "share": None, "more": True}
    running.push(inspector("lint", timing=timing))
    assert len(running.sent("inspect")) == 2
    running.push(inspector("lint", timing={**timing, "share": 0.384, "more": False}))
    assert "38 % of the critical path" in running.text(".nf-ib")
    assert len(running.sent("inspect")) == 2


# -- the inside -------------------------------------------------------------------------------------------------------


def test_the_parts_of_a_map_are_rows_with_status_or_error_and_the_rest_is_counted(running: Any) -> None:
    running.node("review_files").click()
    rows = [["7", "failed", "KeyError: 'severity'"], ["8", "running", None], ["0", "completed", None]]
    items = {"done": 35, "total": 500, "failed": 1}
    running.push(inspector("review_files", "running", kind="map", items=items, inside={"rows": rows, "more": 9800}))
    assert running.text(".nf-inside") == "[7] KeyError: 'severity' [8] running [0] completed and 9 800 more"
    assert "Items 35 of 500 Done 34 Failed 1 Left 465" in running.text(".nf-ib")


def test_the_nodes_of_a_subgraph_are_rows_by_their_path(running: Any) -> None:
    running.node("security_scan").click()
    rows = [["deep/probe", "running", None], ["report", "pending", None]]
    running.push(inspector("security_scan", "running", kind="subgraph", inside={"rows": rows, "more": 0}))
    assert "Inside deep/probe running report pending" in running.text(".nf-ib")


def test_an_update_leaves_the_rows_scrolled_and_focused(running: Any) -> None:
    running.node("review_files").click()
    rows = [[str(i), "running", None] for i in range(200)]
    running.push(inspector("review_files", "running", kind="map", inside={"rows": rows, "more": 0}))
    running.page.evaluate(
        "document.querySelector('.nf-inside').scrollTop = 900; document.querySelectorAll('.nf-part')[40].focus({ preventScroll: true })"
    )
    rows[0][1] = "completed"
    running.push(inspector("review_files", "running", kind="map", inside={"rows": rows, "more": 0}))
    assert running.page.evaluate(
        "[document.querySelector('.nf-inside').scrollTop, document.activeElement.dataset.path]"
    ) == [900, "review_files[40]"]


# -- zoom -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["Control", "Meta"])
def test_a_wheel_with_a_key_zooms_about_the_pointer(running: Any, key: str) -> None:
    box = running.node("lint").locator(".nf-shape").bounding_box()
    x, y = box["x"] + 10, box["y"] + 10
    before = scale(running)
    running.page.mouse.move(x, y)
    running.page.keyboard.down(key)
    running.page.mouse.wheel(0, -300)
    running.page.keyboard.up(key)
    running.page.wait_for_function("s => document.querySelector('.nf-svg').getScreenCTM().a > 1.5 * s", arg=before)
    assert (
        running.page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('[data-n]')?.dataset.n", [x, y])
        == "lint"
    )


def test_keys_and_buttons_zoom_and_nought_shows_all_again(running: Any) -> None:
    before = scale(running)
    running.page.locator('.nf-svg [tabindex="0"]').press("+")
    assert scale(running) == pytest.approx(1.25 * before, rel=0.01)
    running.page.click(".nf-zin")
    running.page.click(".nf-zout")
    running.page.locator('.nf-svg [tabindex="0"]').press("-")
    assert scale(running) == pytest.approx(before, rel=0.01)
    running.page.click(".nf-zin")
    running.page.locator('.nf-svg [tabindex="0"]').press("0")
    assert scale(running) == pytest.approx(before, rel=0.001)


def test_a_wide_drawing_is_shown_whole_and_then_readable_again(view: Any) -> None:
    view.mount(scene(chain(14)), partly_done(chain(14)))
    before = scale(view)
    view.page.click(".nf-zfit")
    whole = scale(view)
    box, face = (view.page.locator(part).bounding_box() for part in (".nf-svg", ".nf-face"))
    assert box["x"] >= face["x"]
    assert box["x"] + box["width"] <= face["x"] + face["width"]
    view.page.click(".nf-zfit")
    assert whole < scale(view) == pytest.approx(before)


def test_a_zoom_stays_while_the_run_is_running_and_when_a_node_is_selected(running: Any) -> None:
    running.page.click(".nf-zin")
    running.page.click(".nf-zin")
    zoomed = scale(running)
    running.push(patch(11, nodes={"lint": {"status": "failed", "error": "E"}}))
    running.node("fetch_pr").focus()
    running.page.keyboard.press("Enter")
    assert scale(running) == pytest.approx(zoomed)


def test_focus_far_off_pans_the_drawing_and_never_scrolls_what_lies_over_it(running: Any) -> None:
    running.page.click(".nf-zin")
    running.page.click(".nf-zin")
    running.node("post_review").focus()
    scrolled = (
        "[...document.querySelectorAll('.nf-root, .nf-root *')].filter((e) => e.scrollLeft || e.scrollTop).length"
    )
    assert running.page.evaluate(scrolled) == 0
    assert running.page.locator(".nf-zin").is_visible()


# -- search -----------------------------------------------------------------------------------------------------------


def test_a_part_of_a_name_finds_nodes_and_enter_goes_through_them(running: Any) -> None:
    running.page.locator('.nf-svg [tabindex="0"]').press("/")
    running.page.keyboard.type("TEST")
    assert running.text(".nf-seek") == "2 nodes"
    seen = []
    for key in ("Enter", "ArrowDown", "ArrowDown", "ArrowUp", "Shift+Enter"):
        running.page.keyboard.press(key)
        seen.append((running.text(".nf-ih b"), running.text(".nf-seek")))
    first, second = ("run_tests", "1 of 2"), ("fix_tests", "2 of 2")
    assert seen == [first, second, first, second, first]
    assert running.page.evaluate("document.activeElement.className") == "nf-find"


def test_escape_closes_the_search_and_gives_the_focus_back_to_the_graph(running: Any) -> None:
    running.page.locator('.nf-svg [tabindex="0"]').press("/")
    running.page.keyboard.type("zzz")
    assert running.text(".nf-seek") == "no node"
    running.page.keyboard.press("Enter")
    running.page.keyboard.press("Escape")
    assert running.page.locator(".nf-seek").is_hidden()
    assert running.page.evaluate("document.activeElement.dataset.n") == "fetch_pr"
    assert running.page.locator(".nf-insp").is_hidden()


def test_a_large_graph_is_searched_and_its_cell_ringed(view: Any) -> None:
    graph = layered(1000, 150)
    view.mount(scene(graph), partly_done(graph))
    name = graph.nodes[777].node_id
    view.page.click(".nf-zfind")
    view.page.keyboard.type(name)
    view.page.keyboard.press("Enter")
    assert view.text(".nf-ih b") == name
    assert view.page.locator(".nf-ring").get_attribute("visibility") is None


def test_a_found_node_of_a_wide_drawing_comes_into_view(view: Any) -> None:
    graph = chain(60)
    names = [one.node_id for one in graph.nodes]
    view.mount(scene(graph), snapshot({name: node() for name in names}, {}))
    view.page.click(".nf-zin")
    view.page.click(".nf-zfind")
    view.page.keyboard.type(names[59])
    view.page.keyboard.press("Enter")
    inside = "n => { const r = document.querySelector(`[data-n=\"${n}\"] .nf-shape`).getBoundingClientRect(); const c = document.querySelector('.nf-face').getBoundingClientRect(); return r.left >= c.left && r.right <= c.right }"
    assert view.page.evaluate(inside, names[59])


def test_a_narrow_view_has_no_zoom(view: Any) -> None:
    view.mount(scene(review()), review_running(), width=480)
    assert view.page.locator(".nf-zoom").is_hidden()
