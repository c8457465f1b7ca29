"""The timeline face in a real browser: what it draws, asks, and does when a person points or types."""

from __future__ import annotations

import time
from typing import Any

import pytest
from scenes import NOW, forked, layered, node, review, review_ended, review_running, scene, snapshot
from seen_timelines import focused, labels, show
from timelines import answers, layered_events, layered_spans, looping_spans, ran, review_spans

from nbflow.graph import GraphDefinition

pytestmark = pytest.mark.browser
COUNT = """() => { window.painted = 0; const { clearRect } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.clearRect = function (...box) { window.painted += 1; clearRect.apply(this, box); } }"""
COLOUR = """([x, y]) => { const c = document.querySelector('.nf-tl-canvas'); const k = c.width / c.clientWidth;
    return [...c.getContext('2d').getImageData(x * k, y * k, 1, 1).data].slice(0, 3) }"""


@pytest.fixture
def review_shown(view: Any) -> Any:
    return show(view, review(), review_running(), review_spans())


# -- what it asks -----------------------------------------------------------------------------------------------------


def test_nothing_is_asked_before_the_face_is_looked_at(view: Any) -> None:
    view.mount(scene(review()), review_running())
    view.page.wait_for_timeout(600)
    assert view.sent("spans") == []
    view.page.get_by_role("tab", name="Timeline").click()
    view.page.evaluate("() => harness.frame()")
    assert view.sent("spans")[0] == {"type": "spans", "after": 0}


def test_it_asks_on_from_where_it_is_until_there_is_no_more(view: Any) -> None:
    show(view, review(), review_running(), [])
    view.push({"type": "spans", "after": 0, "seq": 7, "more": True})
    view.page.wait_for_timeout(200)
    view.push({"type": "spans", "after": 7, "seq": 10, "more": False})
    view.page.wait_for_timeout(700)
    assert [message["after"] for message in view.sent("spans")] == [0, 7]


def test_a_live_run_is_asked_about_at_most_twice_a_second(review_shown: Any) -> None:
    view = review_shown
    last = review_spans()[-1]["seq"]
    before, begun = len(view.sent("spans")), time.monotonic()
    for seq in range(200, 230):
        view.push({"type": "patch", "seq": seq, "now": NOW, "nodes": {"lint": {"progress": seq / 300}}})
        if len(view.sent("spans")) > before:
            view.push(
                {
                    "type": "spans",
                    "after": last,
                    "seq": last + 1,
                    "more": False,
                    "lanes": [],
                    "forget": [],
                    "pieces": [],
                }
            )
            last += 1
        view.page.wait_for_timeout(50)
    assert 2 <= len(view.sent("spans")) - before <= (time.monotonic() - begun) * 2 + 1


# -- what it shows ----------------------------------------------------------------------------------------------------


def test_every_lane_is_a_row_that_says_how_its_node_fared(review_shown: Any) -> None:
    told = {name: review_shown.page.locator(f'.nf-tl-row[data-n="{name}"]').get_attribute("aria-label") for name in
            ("lint", "run_tests", "review_files", "approve_fix", "post_review")}  # fmt: skip
    assert told["lint"] == "lint, 2 tries, retrying, 2:01"
    assert told["run_tests"] == "run_tests, 4 visits, completed, 1:18"
    assert told["review_files"].startswith("review_files, 42 items, running")
    assert told["approve_fix"] == "approve_fix, waiting, 46 s" or told["approve_fix"].startswith(
        "approve_fix, waiting, 0:4"
    )
    assert told["post_review"] == "post_review, pending"


def test_the_legend_shows_the_critical_path_and_its_share_of_waiting(review_shown: Any) -> None:
    assert "Critical path 2 m 14 s, 46 s of it waiting for you" in review_shown.text(".nf-tl-legend")


def test_ticks_are_at_multiples_of_half_a_minute(review_shown: Any) -> None:
    assert labels(review_shown) == ["0:00", "0:30", "1:00", "1:30", "2:00"]


@pytest.mark.parametrize(
    ("theme", "running", "done"), [("light", [28, 111, 212], [18, 135, 106]), ("dark", [79, 152, 240], [53, 165, 132])]
)
def test_bars_have_the_colours_of_the_theme(view: Any, theme: str, running: list[int], done: list[int]) -> None:
    show(view, review(), review_running(), review_spans(), theme=theme)
    box = view.page.locator(".nf-tl-canvas").bounding_box()
    across = (box["width"] - 16) / 135
    names = [one.node_id for one in review().nodes]
    scan, tests = names.index("security_scan"), names.index("run_tests")
    assert view.page.evaluate(COLOUR, [100 * across, 8 + 20 * scan + 10]) == running
    assert view.page.evaluate(COLOUR, [18 * across, 8 + 20 * tests + 10]) == done


def test_a_theme_that_changes_changes_the_bars(review_shown: Any) -> None:
    place = [60, 8 + 20 * 2 + 10]
    before = review_shown.page.evaluate(COLOUR, place)
    review_shown.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    review_shown.page.wait_for_timeout(100)
    assert review_shown.page.evaluate(COLOUR, place) != before


def test_the_lanes_inside_a_subgraph_open_below_it(review_shown: Any) -> None:
    review_shown.page.locator(".nf-tl-turn:not(:empty)").click()
    names = review_shown.page.locator(".nf-tl-row").evaluate_all("rows => rows.map(r => r.dataset.n)")
    assert {"security_scan/resolve", "security_scan/audit", "security_scan/report"} <= set(names)


def test_names_are_always_shown_as_text(view: Any) -> None:
    evil = "<img src=x onerror=window.hit=1>\u202eevil"
    graph = GraphDefinition.model_validate({"name": "g", "nodes": [{"node_id": evil, "tool": "t"}], "edges": []})
    show(view, graph, snapshot({evil: node()}, {}), answers(graph, []))
    assert evil in view.page.locator(".nf-tl-name").text_content()
    assert view.page.evaluate("window.hit") is None


def test_a_narrow_view_has_names_bars_and_the_critical_path(view: Any) -> None:
    show(view, review(), review_running(), review_spans(), width=440)
    canvas, root = view.page.locator(".nf-tl-canvas").bounding_box(), view.page.locator(".nf-root").bounding_box()
    assert canvas["x"] + canvas["width"] <= root["x"] + root["width"]
    assert view.page.locator(".nf-tl-legend > span:visible").count() == 2
    assert view.page.evaluate("document.querySelector('.nf-root').scrollWidth <= 440")


# -- a live run, and one of many --------------------------------------------------------------------------------------


def test_bars_grow_a_few_times_a_second_and_not_while_another_face_is_shown(review_shown: Any) -> None:
    review_shown.page.evaluate(COUNT)
    review_shown.page.wait_for_timeout(2000)
    assert 2 <= review_shown.page.evaluate("painted") <= 14
    review_shown.page.get_by_role("tab", name="Graph").click()
    review_shown.page.evaluate("painted = 0")
    review_shown.page.wait_for_timeout(1500)
    assert review_shown.page.evaluate("painted") == 0


def test_where_less_motion_is_wanted_bars_grow_once_a_second(review_shown: Any) -> None:
    review_shown.page.emulate_media(reduced_motion="reduce")
    review_shown.page.wait_for_timeout(600)
    review_shown.page.evaluate(COUNT)
    review_shown.page.wait_for_timeout(2000)
    assert review_shown.page.evaluate("painted") <= 3


def test_a_run_that_is_over_is_still(view: Any) -> None:
    view.mount(scene(review()), review_ended("failed"))
    view.page.click(".nf-openup")
    view.page.get_by_role("tab", name="Timeline").click()
    view.push(*review_spans())
    view.page.wait_for_timeout(700)
    view.page.evaluate(COUNT)
    view.page.wait_for_timeout(1500)
    assert view.page.evaluate("painted") == 0


@pytest.mark.parametrize("width", [40, 1])  # stages, and a lane for each node
def test_of_a_thousand_lanes_those_in_sight_exist_and_a_frame_costs_as_that_of_few(view: Any, width: int) -> None:
    costs = []
    for count in (200, 1000):
        graph = layered(count, width)
        show(view, graph, snapshot({one.node_id: node() for one in graph.nodes}, {}), layered_spans(count, width))
        costs.append(view.page.evaluate(FRAMES))
    assert view.page.locator(".nf-tl-lanes").get_attribute("aria-label") == f"Timeline, {1000 // width} lanes"
    assert view.page.locator(".nf-tl-row").count() < 40
    assert costs[1] < MOST * costs[0]


def test_a_run_of_many_nodes_opens_with_its_active_groups_expanded(view: Any) -> None:
    graph = forked(60)
    events = layered_events(graph, 11)
    show(view, graph, ran(graph, events), answers(graph, events))
    told = view.page.locator(".nf-tl-row").evaluate_all("rows => rows.map(r => r.getAttribute('aria-label'))")
    groups = [text for text in told if text.startswith("after")]
    assert [text for text in groups if text.endswith("open")] == ["after split_6, 5 nodes, 2 done, running, open"]
    assert sum(text.startswith("work_6") for text in told) == 5
    assert view.text(".nf-tl-legend").startswith("Critical path 2 m")


@pytest.mark.parametrize("how", ["click", "key"])
def test_a_group_is_one_lane_with_counts_that_opens_when_a_person_asks(view: Any, how: str) -> None:
    graph = forked(150, 6)
    events = layered_events(graph, 22)
    show(view, graph, ran(graph, events), answers(graph, events))
    group = view.page.get_by_role("option", name="after split_11")
    assert group.locator(".nf-tl-count").inner_text() == "6/6"
    first, last = (view.page.locator(f'.nf-tl-row[data-n="work_11_{at}"]') for at in (0, 5))
    assert first.count() == 0
    if how == "click":
        group.click()
    else:
        at = group.evaluate("row => row.getAttribute('aria-posinset') - 1")
        focused(view, "Home", *["ArrowDown"] * at, "Enter")
    assert "open" in group.get_attribute("aria-label")
    box, row = view.page.locator(".nf-tl-lanes").bounding_box(), last.bounding_box()
    assert row["y"] + row["height"] <= box["y"] + box["height"]
    first.click()
    assert view.text(".nf-insp").startswith("work_11_0")
    group.click()
    assert first.count() == 0
    assert group.get_attribute("aria-selected") == "true"


def test_a_bar_of_a_group_describes_its_node(view: Any) -> None:
    graph = forked(150, 6)
    events = layered_events(graph, 22)
    show(view, graph, ran(graph, events), answers(graph, events))
    at = view.page.get_by_role("option", name="after split_11").evaluate("row => row.getAttribute('aria-posinset') - 1")
    focused(view, "Home", *["ArrowDown"] * at, "ArrowRight")
    assert view.text(".nf-tl-tip").startswith("work_11_")


def test_a_frame_of_ten_thousand_visits_costs_as_one_of_a_thousand(view: Any) -> None:
    graph = GraphDefinition.model_validate(
        {"name": "loop", "nodes": [{"node_id": n, "tool": n} for n in "ab"], "edges": []}
    )
    costs = []
    for visits in (1_000, 10_000):
        show(view, graph, snapshot({"a": node("completed"), "b": node("running")}, {}), looping_spans(visits))
        costs.append(view.page.evaluate(FRAMES))
    assert costs[1] < MOST * costs[0]


MOST = 4
"""How many times the cost of a small run's frame that of a large one may be; were all of it drawn, it were 5 or 10."""
# Scroll and zoom in turn, a frame each; the least ms of script, layout and paint calls that one costs, which the rest of
# the machine does not change.
FRAMES = """async () => { const lanes = document.querySelector('.nf-tl-lanes'); let spent = Infinity;
    for (let i = 0; i < 40; i += 1) {
      lanes.scrollTop += 97;
      lanes.dispatchEvent(new WheelEvent('wheel', { deltaY: i % 2 ? -200 : 190, ctrlKey: true, clientX: 500, bubbles: true, cancelable: true }));
      await new Promise((done) => requestAnimationFrame(done));
      const begin = performance.now();
      await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); });
      spent = Math.min(spent, performance.now() - begin);
    } return spent }"""
