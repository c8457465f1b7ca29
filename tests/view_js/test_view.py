"""The page in a real browser."""

# ruff: noqa: RUF001 - messages and scripts are verbatim
from __future__ import annotations

import re
from typing import Any

import pytest
from scenes import (
    FAILURE,
    NOW,
    chain,
    fetch_details,
    inspector,
    layered,
    merge_details,
    node,
    partly_done,
    review,
    review_ended,
    review_running,
    scene,
    snapshot,
    value,
)

pytestmark = pytest.mark.browser


def patch(seq: int, **parts: Any) -> dict[str, Any]:
    return {"type": "patch", "seq": seq, "now": NOW, **parts}


def ends(status: str = "completed", seq: int = 90) -> dict[str, Any]:
    nodes = {node.node_id: {"status": "completed"} for node in review().nodes}
    return patch(seq, run={"status": status, "elapsed": 140.0}, nodes=nodes)


@pytest.fixture
def running(view: Any) -> Any:
    return view.mount(scene(review()), review_running())


# -- what it shows ----------------------------------------------------------------------------------------------------


def test_the_page_asks_for_the_snapshot_once(running: Any) -> None:
    assert len(running.sent("ready")) == 1


def test_a_page_that_gets_no_snapshot_asks_again_until_it_has_one(view: Any) -> None:
    view.mount(scene(review()), busy=True)
    view.page.wait_for_function("harness.sent.filter(m => m.type === 'ready').length === 2")
    view.push(review_running())
    assert "is-waiting" in view.node("approve_fix").get_attribute("class")
    view.page.wait_for_timeout(2500)  # longer than until it would ask for the third time
    assert len(view.sent("ready")) == 2


def test_every_node_shows_its_status_as_class_icon_and_second_line(running: Any) -> None:
    for name, one in review_running()["nodes"].items():
        group = running.node(name)
        assert f"is-{one['status']}" in group.get_attribute("class").split()
        assert group.locator("use").get_attribute("href").endswith(f"i-{one['status']}")
    lines = {
        name: running.node(name).locator(".nf-meta").text_content()
        for name in ("review_files", "merge_findings", "fetch_pr")
    }
    assert lines == {"review_files": "35/500 · 2 failed", "merge_findings": "0 of 4 in", "fetch_pr": "1.2 s · try 2"}
    assert running.node("run_tests").locator(".nf-badge").text_content() == "×4"


def test_a_decision_shows_its_condition_with_the_values_it_read(running: Any) -> None:
    caption = "".join(running.node("run_tests").locator(".nf-captext").all_text_contents())
    assert " ".join(caption.split()) == "failed (0) > 0 → no"


def test_a_patch_touches_the_node_it_names_and_no_other(running: Any) -> None:
    running.page.evaluate(
        """() => { window.touched = new Set();
        new MutationObserver(found => found.forEach(m => touched.add((m.target.closest ? m.target : m.target.parentElement).closest('[data-n]')?.dataset.n)))
          .observe(document.querySelector('.nf-svg'), { subtree: true, attributes: true, childList: true, characterData: true }) }"""
    )
    running.push(patch(11, nodes={"lint": {"status": "running", "since": NOW, "progress": 0.5}}))
    assert running.page.evaluate("[...touched]") == ["lint"]
    assert running.node("lint").locator(".nf-meta").text_content() == "50 %"


def test_a_taken_edge_ends_as_taken(running: Any) -> None:
    running.push(patch(11, edges={"lint>merge_findings": {"state": "taken", "count": 1}}))
    running.page.wait_for_selector('.nf-edge.taken[data-e="lint>merge_findings"]', state="attached")


def test_the_second_line_of_a_running_node_ticks(view: Any) -> None:
    graph = chain(2)
    names = [one.node_id for one in graph.nodes]
    view.mount(scene(graph), snapshot({names[0]: node("running", since=NOW - 5), names[1]: node()}, {}))
    view.push(patch(11, now=NOW, run={"retries": 0}))
    before = view.node(names[0]).locator(".nf-meta").text_content()
    view.page.wait_for_function("t => document.querySelector('.is-running .nf-meta').textContent !== t", arg=before)
    assert re.fullmatch(r"\d+ s", view.node(names[0]).locator(".nf-meta").text_content())


def test_the_name_of_a_running_node_follows_its_second_line_unless_somebody_listens_to_it(view: Any) -> None:
    graph = chain(2)
    name, after = [one.node_id for one in graph.nodes]
    view.mount(scene(graph), snapshot({name: node("running", since=NOW - 5), after: node()}, {}))
    told = f"""document.querySelector('[data-n="{name}"]').getAttribute('aria-label')"""
    before = view.page.evaluate(told)
    view.page.wait_for_function(f"t => {told} !== t", arg=before)
    view.node(name).focus()
    line, heard = view.node(name).locator(".nf-meta").text_content(), view.page.evaluate(told)
    view.page.wait_for_function("t => document.querySelector('.is-running .nf-meta').textContent !== t", arg=line)
    assert view.page.evaluate(told) == heard
    view.page.evaluate("document.activeElement.blur()")
    assert view.page.evaluate(told) != heard


def test_without_a_clock_the_page_shows_no_time(view: Any) -> None:
    shown = review_ended("completed") | {"now": None}
    for one in shown["nodes"].values():
        one["ms"] = None
    shown["run"]["started"] = None
    view.mount(scene(review()), shown)
    view.page.click(".nf-openup")
    assert not re.search(r"\d (s|ms|m)\b|\d:\d\d", view.text(".nf-root"))


def test_a_graph_without_a_run_has_no_controls_and_is_ready(view: Any) -> None:
    view.mount(scene(review(), run_id=None), snapshot({}, {}, "ready", seq=0, started=None))
    assert view.text(".nf-id") == "review_pr Ready"
    assert view.page.locator(".nf-ctl > button:visible").count() == 1


# -- text is text -----------------------------------------------------------------------------------------------------

EVIL = '<img src="http://evil.test/x.png" onerror="window.hit=1"><script>window.hit=2</script>'


def hostile(data: Any) -> Any:
    """Return a message with every free text replaced; what steers the page (types, statuses) stays."""
    fixed = {"type", "status", "state", "result", "mode", "kind", "node"}
    if isinstance(data, dict):
        return {k: v if k in fixed and isinstance(v, str) else hostile(v) for k, v in data.items()}
    if isinstance(data, list):
        return [hostile(one) for one in data]
    return EVIL if isinstance(data, str) else data


def test_hostile_text_reaches_the_page_as_text(view: Any) -> None:
    shown = scene(review())
    running, details = review_running(), fetch_details()
    running["run"] = hostile(running["run"]) | {
        "status": "failed",
        "error": hostile(FAILURE),
        "started": NOW - 9,
        "note": EVIL,
    }
    running["nodes"] = {name: one | {"error": EVIL, "text": EVIL} for name, one in running["nodes"].items()}
    running["nodes"]["fetch_pr"] |= {"status": "failed"}
    running["edges"] = hostile(running["edges"])
    view.mount(shown | {"title": EVIL}, running)
    view.node("fetch_pr").click()
    body = hostile(details["data"]) | {"status": "failed", "attempts": hostile(details["data"]["attempts"])}
    body["error"]["type"] = EVIL
    view.push({"type": "inspector", "node": "fetch_pr", "data": body})
    for link in view.page.locator(".nf-ib .nf-link").all():
        link.click()
    assert view.page.evaluate("window.hit") is None
    assert view.page.locator(".nf-root img, .nf-root script, .nf-root iframe").count() == 0
    for place in (".nf-head .nf-title", ".nf-head .nf-cause", ".nf-ib .nf-err", ".nf-note"):
        assert EVIL in view.page.locator(place).first.text_content()


def test_what_acts_in_a_scene_is_left_out(view: Any) -> None:
    shown = scene(review())
    acts = '<script>window.hit=1</script><a href="javascript:window.hit=2"><rect width="9" height="9"/></a><image href="http://evil.test/x.png"/>'
    shown["svg"] = (
        shown["svg"]
        .replace("</svg>", f"{acts}</svg>")
        .replace('class="nf-edges"', 'class="nf-edges" onclick="window.hit=3"')
    )
    view.mount(shown, review_running())
    assert view.page.locator(".nf-svg").locator("script, a, image, [onclick]").count() == 0
    assert view.node("fetch_pr").count() == 1
    assert view.page.evaluate("window.hit") is None


def test_a_scene_that_is_no_picture_leaves_the_list(view: Any) -> None:
    view.mount(scene(review()) | {"svg": "<svg"}, review_running())
    assert "No picture of this graph" in view.text(".nf-canvas")
    view.page.wait_for_selector('.nf-row[data-n="lint"]', state="attached")


def test_two_views_share_no_id(view: Any) -> None:
    view.mount(scene(review()), review_running())
    view.page.evaluate("messages => harness.mount(messages)", [scene(review()), review_running()])
    ids = view.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


# -- selecting --------------------------------------------------------------------------------------------------------


def test_a_click_on_a_node_asks_for_its_details_and_shows_them(running: Any) -> None:
    running.node("fetch_pr").click()
    assert running.sent("inspect") == [{"type": "inspect", "node": "fetch_pr"}]
    running.push(fetch_details())
    titles = running.page.locator(".nf-sec > h2").all_text_contents()
    assert titles == ["Attempts2 of 3", "Error in try 1", "Output", "Input", "Printedlast 6 of 12", "Timing", "About"]
    assert running.page.locator(".nf-code .hit").text_content() == "8r.raise_for_status()"


def test_a_failed_node_shows_its_error_first(view: Any) -> None:
    view.mount(scene(review()), review_ended("failed", elapsed=9.0, error=FAILURE))
    view.page.click(".nf-min .nf-cause")
    view.push(merge_details())
    assert view.page.locator(".nf-sec > h2").first.text_content() == "Error"
    view.page.click(".nf-ib .nf-at .nf-link")
    assert view.page.evaluate("harness.opened") == [["c9", 12]]


def test_a_cell_that_cannot_be_found_is_no_link(view: Any) -> None:
    view.mount(scene(review()), review_ended("failed", elapsed=9.0, error=FAILURE), links=False)
    assert "Cell [9], line 12" in view.text(".nf-min")
    assert view.page.locator(".nf-min .nf-link").count() == 0


def test_a_click_opens_the_whole_of_a_value_and_an_update_leaves_it_open(running: Any) -> None:
    running.node("fetch_pr").click()
    details = inspector("fetch_pr", output=[value("pr", "first", "PR", "84 kB", "first\n" + "more\n" * 40)])
    running.push(details)
    running.page.click(".nf-sec .nf-box.more")
    assert running.page.locator(".nf-insp .nf-box.open").text_content().count("more") == 40
    details["data"]["output"][0]["full"] += "last"
    running.push(details)
    assert "last" in running.page.locator(".nf-insp .nf-box.open").text_content()


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def test_pictures_of_a_node_are_shown_and_nothing_but_png_is(running: Any) -> None:
    running.node("fetch_pr").click()
    pictures = [{"kind": "image", "mime": mime, "data": PIXEL, "width": 640, "height": 480, "seq": seq, "node": "fetch_pr"}
                for seq, mime in enumerate(("image/png", "image/svg+xml", "image/png"))]  # fmt: skip
    running.push(inspector("fetch_pr", pictures=pictures, pictures_of=5))
    drawn = running.page.locator(".nf-insp img.nf-drawn")
    assert drawn.count() == 2
    assert drawn.first.get_attribute("alt") == "Picture 1 of 2, 640 by 480 pixels"
    assert running.page.evaluate("document.querySelector('.nf-drawn').naturalWidth") == 1
    body = running.page.locator(".nf-ib").bounding_box()
    assert drawn.first.bounding_box()["width"] <= body["width"]
    assert "last 3 of 5" in running.text(".nf-ib")


def test_updates_leave_selection_scroll_and_focus_alone(running: Any) -> None:
    running.node("fetch_pr").click()
    running.push(fetch_details())
    running.page.evaluate("document.querySelector('.nf-ib').scrollTop = 40; document.querySelector('.nf-ib').focus()")
    details = fetch_details()
    details["data"]["printed"] += "one more line\n"
    running.push(patch(11, nodes={"lint": {"status": "failed", "error": "E"}}), details)
    assert running.page.evaluate("[document.querySelector('.nf-ib').scrollTop, document.activeElement.className]") == [
        40,
        "nf-ib",
    ]
    assert "one more line" in running.text(".nf-ib")
    assert running.text(".nf-ih b") == "fetch_pr"


def test_arrows_walk_the_graph_enter_selects_and_escape_closes(running: Any) -> None:
    stops = running.page.locator('.nf-svg [tabindex="0"]')
    assert stops.count() == 1
    stops.focus()
    running.page.keyboard.press("ArrowRight")
    assert running.page.evaluate("document.activeElement.dataset.n") == "classify"
    running.page.keyboard.press("Enter")
    assert running.text(".nf-ih b") == "classify"
    running.page.keyboard.press("Escape")
    assert running.page.locator(".nf-insp").is_hidden()
    assert running.sent("inspect")[-1] == {"type": "inspect", "node": None}


def test_e_goes_from_one_failed_node_to_the_next(view: Any) -> None:
    graph = layered(60)
    view.mount(scene(graph), partly_done(graph))
    view.page.locator('.nf-svg [tabindex="0"]').focus()
    seen = []
    for _ in range(3):
        view.page.keyboard.press("e")
        seen.append(view.text(".nf-ih b"))
    assert len(set(seen)) == 3


# -- steering ---------------------------------------------------------------------------------------------------------


def test_pause_is_sent_at_once_and_stop_asks_first(running: Any) -> None:
    running.page.click(".nf-pause")
    running.push(patch(11, run={"status": "paused"}))
    running.page.click(".nf-continue")
    running.push(patch(12, run={"status": "running"}))
    running.page.click(".nf-stop")
    assert [m["name"] for m in running.sent("command")] == ["pause", "continue"]
    running.page.click(".nf-ask .nf-danger")
    assert [m["name"] for m in running.sent("command")] == ["pause", "continue", "stop"]


def test_a_button_that_does_nothing_now_says_why(running: Any) -> None:
    stop = running.page.locator(".nf-stop")
    assert stop.is_enabled()
    running.push(ends())
    assert stop.is_disabled()
    assert stop.get_attribute("title") == "Stop: The run has ended"


def test_a_lost_kernel_disables_the_controls_but_not_the_colours(running: Any) -> None:
    running.push({"type": "connection", "live": False})
    assert "Disconnected" in running.text(".nf-id")
    assert running.page.locator(".nf-stop").is_disabled()
    assert "is-retrying" in running.node("lint").get_attribute("class")
    running.push({"type": "connection", "live": True})
    assert running.page.locator(".nf-stop").is_enabled()
    assert len(running.sent("ready")) == 2


def test_letters_steer_only_inside_the_view(running: Any) -> None:
    running.page.locator("body").press("s")
    assert running.page.locator(".nf-ask").is_hidden()
    running.page.locator('.nf-svg [tabindex="0"]').press("s")
    assert running.page.locator(".nf-ask").is_visible()


# -- open, collapsed, narrow, large -----------------------------------------------------------------------------------


def test_a_run_that_ends_while_watched_stays_open_and_a_reopened_one_is_collapsed(view: Any) -> None:
    view.mount(scene(review()), review_running())
    view.push(ends())
    assert view.page.locator(".nf-head").is_visible()
    view.mount(scene(review()), review_ended("completed", elapsed=1686.0, retries=2))
    assert view.page.locator(".nf-head").is_hidden()
    assert "28 m 06 s 11 of 12 nodes, 1 skipped 2 retries" in view.text(".nf-min")
    assert view.page.locator(".nf-min").bounding_box()["height"] == 48


@pytest.mark.parametrize("width", [1000, 480])
def test_a_run_that_fails_moves_nothing_on_the_page(view: Any, width: int) -> None:
    view.mount(scene(review()), review_running(), width=width)
    before = view.page.locator(".nf-root").bounding_box()["height"]
    view.push(patch(11, run={"status": "failed", "elapsed": 9.0, "error": FAILURE}))
    assert view.page.locator(".nf-head .nf-cause").is_visible()
    assert view.page.locator(".nf-root").bounding_box()["height"] == before <= 408


def test_a_narrow_view_lists_what_needs_a_person_first(view: Any) -> None:
    view.mount(scene(review()), review_running(), width=480)
    view.page.wait_for_selector(".nf-row:visible")
    names = view.page.locator(".nf-list .nf-row").evaluate_all("rows => rows.map(r => r.dataset.n)")
    assert names[:4] == ["approve_fix", "lint", "security_scan", "review_files"]
    assert view.node("lint").locator(".nf-name").is_hidden()
    view.page.locator(".nf-list .nf-row").first.click()
    box, face = (view.page.locator(part).bounding_box() for part in (".nf-insp", ".nf-face"))
    assert box == face


def test_the_list_stays_in_order_and_moves_only_the_rows_that_changed(view: Any) -> None:
    graph = chain(60)
    names = [one.node_id for one in graph.nodes]
    view.mount(scene(graph), snapshot({names[0]: node("running")}, {}))
    row = '.nf-list .nf-row[data-n="{}"].is-{}'
    view.page.wait_for_selector(row.format(names[0], "running"), state="attached")
    view.page.evaluate("""() => { window.moves = 0; new MutationObserver((all) => all.forEach((one) => moves += one.addedNodes.length))
        .observe(document.querySelector('.nf-list .nf-rows'), { childList: true }); }""")
    done = {name: {"status": "completed", "ms": 5.0} for name in names[:4]}
    view.push(patch(11, nodes={**done, names[30]: {"status": "failed"}, names[4]: {"status": "running", "since": NOW}}))
    view.page.wait_for_selector(row.format(names[3], "completed"), state="attached")
    listed = view.page.locator(".nf-list .nf-row").evaluate_all("rows => rows.map(r => r.dataset.n)")
    assert listed == [names[30], *names[4:30], *names[31:], *names[:4]]
    assert view.page.evaluate("moves") == 5


def test_a_wide_drawing_is_panned_to_the_newest_running_node_until_a_person_pans(view: Any) -> None:
    graph = chain(14)
    names = [one.node_id for one in graph.nodes]
    view.mount(scene(graph), partly_done(graph))
    inside = "n => { const r = document.querySelector(`[data-n=\"${n}\"] .nf-shape`).getBoundingClientRect(); const c = document.querySelector('.nf-canvas').getBoundingClientRect(); return r.left >= c.left && r.right <= c.right }"
    assert view.page.evaluate(inside, names[9])
    view.push(patch(11, nodes={names[13]: {"status": "running", "since": NOW + 1}}))
    assert view.page.evaluate(inside, names[13])
    canvas = view.page.locator(".nf-canvas").bounding_box()
    x, y = canvas["x"] + 300, canvas["y"] + 40
    view.page.mouse.move(x, y)
    view.page.mouse.down()
    view.page.mouse.move(x + 600, y, steps=4)
    view.page.mouse.up()
    view.push(patch(12, nodes={names[12]: {"status": "running", "since": NOW + 2}}))
    assert not view.page.evaluate(inside, names[12])


def test_the_notebook_still_scrolls(view: Any) -> None:
    view.mount(scene(chain(14)), partly_done(chain(14)))
    taken = """([x, y]) => { const e = new WheelEvent('wheel', { deltaX: x, deltaY: y, bubbles: true, cancelable: true });
        document.querySelector('.nf-canvas').dispatchEvent(e); return e.defaultPrevented }"""
    assert view.page.evaluate(taken, [0, 100]) is False
    assert view.page.evaluate(taken, [-100, 0]) is True
    assert view.page.evaluate(taken, [-9999, 0]) is True
    assert view.page.evaluate(taken, [-100, 0]) is False


def test_a_large_graph_is_cells_and_bounded_lists(view: Any) -> None:
    graph = layered(1000, 150)
    view.mount(scene(graph), partly_done(graph))
    view.page.wait_for_selector(".nf-side .nf-row")
    assert view.page.locator(".nf-cell").count() == 1000
    assert view.page.locator(".nf-row").count() < 200
    assert "6 of 1000" in view.text(".nf-side")
    name = view.page.locator(".nf-side .nf-row").first.get_attribute("data-n")
    view.page.locator(".nf-side .nf-row").first.click()
    assert view.text(".nf-ih b") == name


def test_a_stage_counts_its_cells(view: Any) -> None:
    graph = layered(600, 200)
    names = [one.node_id for one in graph.nodes]
    view.mount(scene(graph), snapshot({name: node() for name in names}, {}))
    view.push(patch(11, nodes={names[0]: {"status": "completed"}, names[1]: {"status": "failed", "error": "E"}}))
    assert view.page.locator(".nf-stage .nf-meta").first.text_content() == "1/200 ×1"


# -- working only when seen -------------------------------------------------------------------------------------------


def test_a_view_off_screen_is_not_drawn_and_catches_up_once(running: Any) -> None:
    running.page.evaluate("document.body.style.paddingTop = '4000px'")
    running.page.wait_for_timeout(200)
    running.push(patch(11, nodes={"lint": {"status": "failed", "error": "KeyError"}}))
    assert "is-retrying" in running.node("lint").get_attribute("class")
    running.page.evaluate("document.querySelector('.nf-root').scrollIntoView()")
    running.page.wait_for_selector('.nf-node.is-failed[data-n="lint"]')


def test_a_view_taken_away_leaves_nothing_running(running: Any) -> None:
    running.page.evaluate("harness.close()")
    assert running.page.locator(".nf-root").count() == 0
    running.page.wait_for_timeout(1200)


# -- for everyone -----------------------------------------------------------------------------------------------------


def test_the_region_the_nodes_and_the_progress_have_names(running: Any) -> None:
    assert running.page.get_by_role("region", name="Workflow run review_pr").count() == 1
    assert running.page.get_by_role("button", name="review_files, 35/500 · 2 failed, map, running").count() == 1
    assert running.page.get_by_role("progressbar", name="6 of 12 nodes done").count() == 1
    assert running.page.locator(".nf-root").get_attribute("data-lm-suppress-shortcuts") == "true"


def test_a_failure_is_spoken(running: Any) -> None:
    running.push(patch(11, nodes={"lint": {"status": "failed"}}))
    running.page.wait_for_function("document.querySelector('.nf-sr[aria-live]').textContent === 'review_pr: 1 failed'")


def test_nothing_turns_where_less_motion_is_wanted(running: Any) -> None:
    turning = "getComputedStyle(document.querySelector('.nf-node .nf-spin')).animationName"
    assert running.page.evaluate(turning) == "nf-spin"
    running.page.emulate_media(reduced_motion="reduce")
    assert running.page.evaluate(turning) == "none"


def test_icons_turn_until_more_nodes_run_than_a_person_follows(view: Any) -> None:
    names = [one.node_id for one in chain(20).nodes]
    turning = "getComputedStyle(document.querySelector('.nf-node .nf-spin')).animationName"
    view.mount(
        scene(chain(20)),
        snapshot({name: node("running" if at < 16 else "pending") for at, name in enumerate(names)}, {}),
    )
    assert view.page.evaluate(turning) == "nf-spin"
    view.push(patch(11, nodes={names[16]: {"status": "running"}}))
    assert view.page.evaluate(turning) == "none"
    view.push(patch(12, nodes={names[0]: {"status": "completed"}}))
    assert view.page.evaluate(turning) == "nf-spin"


@pytest.mark.parametrize(
    ("theme", "system", "page"), [("dark", "light", "dark"), ("light", "dark", "light"), (None, "dark", "dark")]
)
def test_the_theme_is_the_notebooks_and_elsewhere_the_systems(
    view: Any, theme: str | None, system: str, page: str
) -> None:
    view.page.emulate_media(color_scheme=system)
    view.mount(scene(review()), review_running(), theme=theme)
    ink = view.page.evaluate("getComputedStyle(document.querySelector('.nf-mut')).color")
    assert ink == {"light": "rgb(84, 92, 103)", "dark": "rgb(170, 178, 188)"}[page]


def test_a_forced_palette_has_borders_and_no_fills(running: Any) -> None:
    running.page.emulate_media(forced_colors="active")
    shape = running.page.evaluate(
        "(() => { const s = getComputedStyle(document.querySelector('.is-running .nf-shape')); return [s.fill, s.stroke] })()"
    )
    assert shape[0] != shape[1]
