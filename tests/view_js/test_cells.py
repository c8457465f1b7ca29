"""The overview of a large graph in a real browser: cells by keyboard, breakpoints, edges described as text, ten thousand."""

from __future__ import annotations

from typing import Any

import pytest
from answering import Fed, ran
from scenes import fetch_details, inspector, layered, partly_done, review, review_running, scene
from test_why import patch

from nbflow import Run

pytestmark = pytest.mark.browser

GRAPH = layered(1000, 150)
NAMES = [one.node_id for one in GRAPH.nodes]
EDGES = {"in": [[f"{NAMES[0]}>{NAMES[150]}", NAMES[0]]], "out": [[f"{NAMES[150]}>END", "END"]], "more": 0}


@pytest.fixture
def large(view: Any) -> Any:
    return view.mount(scene(GRAPH), partly_done(GRAPH))


def focused(shown: Any) -> Any:
    return shown.page.evaluate("document.activeElement.dataset.n")


def walked(shown: Any, *keys: str) -> list[Any]:
    """Return the cell that each key leads to, from the cell that has the focus first."""
    shown.page.locator('.nf-svg [tabindex="0"]').focus()
    places = []
    for key in keys:
        shown.page.keyboard.press(key)
        places.append(focused(shown))
    return places


def ring(shown: Any, name: str) -> tuple[float, float] | None:
    """Return the position of the ring around a cell; None if there is none."""
    frame = shown.page.locator(name)
    return (
        None
        if frame.get_attribute("visibility")
        else (float(frame.get_attribute("x")), float(frame.get_attribute("y")))
    )


def about(shown: Any, name: str) -> tuple[float, float]:
    cell = shown.node(name)
    return float(cell.get_attribute("x")) - 3, float(cell.get_attribute("y")) - 3


# -- by keyboard ------------------------------------------------------------------------------------------------------


def test_cells_are_one_tab_stop_and_arrows_go_through_them_as_they_are_seen(large: Any) -> None:
    assert large.page.locator('.nf-svg [tabindex="0"]').count() == 1
    rows = round((float(large.node(NAMES[149]).get_attribute("y")) - 36) / 7) + 1
    assert walked(large, "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp") == [
        NAMES[1], NAMES[1 + max(rows, 20)], NAMES[1], NAMES[0],
    ]  # fmt: skip
    assert large.page.locator('.nf-svg [tabindex="0"]').get_attribute("data-n") == NAMES[0]


def test_the_arrows_lead_from_stage_to_stage(large: Any) -> None:
    places = walked(large, *["ArrowRight"] * 12)
    assert len(set(places)) == 12
    assert large.page.evaluate("document.activeElement.closest('.nf-stage') !== document.querySelector('.nf-stage')")


def test_the_cell_that_has_the_focus_is_framed(large: Any) -> None:
    walked(large, "ArrowDown")
    assert ring(large, ".nf-ring-at") == about(large, NAMES[1])
    large.page.keyboard.press("Tab")
    assert ring(large, ".nf-ring-at") is None


def test_enter_inspects_a_cell_and_escape_closes_and_leaves_the_focus_on_it(large: Any) -> None:
    walked(large, "ArrowDown", "Enter")
    assert large.text(".nf-ih b") == NAMES[1]
    large.page.keyboard.press("Escape")
    assert large.page.locator(".nf-insp").is_hidden()
    assert focused(large) == NAMES[1]


def test_arrows_continue_from_a_clicked_cell(large: Any) -> None:
    large.node(NAMES[500]).click()
    assert large.text(".nf-ih b") == NAMES[500]
    large.page.keyboard.press("ArrowDown")
    assert focused(large) == NAMES[501]
    assert ring(large, ".nf-ring") == about(large, NAMES[500])


def test_a_cell_is_called_by_its_name_and_status_once_the_keyboard_is_at_it(large: Any) -> None:
    walked(large, "ArrowDown")
    large.page.get_by_role("button", name=f"{NAMES[1]}, 0.8 s, tool, completed", exact=True).wait_for()
    large.push(patch(11, nodes={NAMES[1]: {"status": "failed", "error": "KeyError"}}))
    large.page.get_by_role("button", name=f"{NAMES[1]}, KeyError, tool, failed", exact=True).wait_for()
    assert large.page.locator(".nf-cell[role]").count() == 2, "the others are no burden to whoever listens"


def test_a_breakpoint_is_drawn_at_its_cell(large: Any) -> None:
    large.push({"type": "breaks", "nodes": [NAMES[1], NAMES[900]]})
    assert large.page.locator(".nf-marks .nf-brk").count() == 2
    assert large.page.locator(".nf-marks .nf-brk").first.is_visible()
    walked(large, "ArrowDown")
    assert large.node(NAMES[1]).get_attribute("aria-label").endswith(", breakpoint")
    large.push({"type": "breaks", "nodes": []})
    assert large.page.locator(".nf-brk").count() == 0


def test_escape_in_the_search_gives_the_focus_to_the_cell_that_was_found(large: Any) -> None:
    large.page.click(".nf-zfind")
    large.page.keyboard.type(NAMES[777])
    large.page.keyboard.press("Enter")
    large.page.keyboard.press("Escape")
    assert focused(large) == NAMES[777]


@pytest.mark.parametrize(("picture", "width"), [("<svg", 1000), (None, 480)])
def test_escape_in_the_search_gives_the_focus_to_the_view_where_no_node_can_have_it(
    view: Any, picture: str | None, width: int
) -> None:
    shown = scene(review())
    view.mount(shown | {"svg": picture or shown["svg"]}, review_running(), width=width)
    view.page.locator(".nf-root").press("/")
    view.page.keyboard.press("Escape")
    assert "nf-root" in view.page.evaluate("document.activeElement.className")


# -- edges ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def listed(large: Any) -> Any:
    """A large graph with an inspected node whose edges are described."""
    large.node(NAMES[150]).click()
    large.push(inspector(NAMES[150], edges=EDGES))
    return large


def test_the_inspector_lists_a_nodes_edges_in_and_out(listed: Any) -> None:
    words = listed.page.locator(".nf-way").evaluate_all("rows => rows.map((row) => row.textContent)")
    assert words == [f"from{NAMES[0]}Taken", "tothe endNot decided"]
    listed.push(patch(11, edges={EDGES["in"][0][0]: {"count": 3}}))
    assert "Taken 3 times" in listed.text(".nf-ways")


def test_an_edge_in_the_list_says_why_as_it_does_where_it_is_drawn(listed: Any) -> None:
    [key, source] = EDGES["in"][0]
    listed.page.get_by_role("button", name=f"Taken, edge from {source}").click()
    assert listed.sent("why") == [{"type": "why", "edge": key, "at": None}]
    listed.push({"type": "why", "edge": key, "at": None, "text": "Taken: it has no condition"})
    assert "Taken: it has no condition" in listed.text(".nf-ways")
    listed.push(patch(11, edges={key: {"count": 2}}))
    assert len(listed.sent("why")) == 2


def test_a_name_in_the_list_of_edges_leads_to_its_node(listed: Any) -> None:
    listed.page.locator(".nf-way .nf-link").first.click()
    assert listed.text(".nf-ih b") == NAMES[0]
    assert listed.page.locator(".nf-ways").count() == 0


@pytest.mark.parametrize(("width", "seen"), [(1000, False), (480, True)])
def test_edges_are_listed_only_where_none_can_be_pointed_at(view: Any, width: int, seen: bool) -> None:
    view.mount(scene(review()), review_running(), width=width)
    view.page.locator('.nf-list [data-n="fetch_pr"]').evaluate("row => row.click()")
    details = fetch_details()
    details["data"]["edges"] = {"in": [], "out": [["fetch_pr>classify", "classify"]], "more": 0}
    view.push(details)
    assert view.page.locator(".nf-ways").is_visible() is seen


# -- ten thousand -----------------------------------------------------------------------------------------------------

WIDTH = 500


@pytest.fixture(scope="module")
def ended() -> Run:
    """A run of ten thousand nodes, of which the last has failed."""
    plain = layered(10_000, WIDTH)
    first, *others, last = plain.nodes
    ends = [node.model_copy(update={"tool": tool}) for node, tool in ((first, "load"), (last, "judge"))]
    graph = plain.model_copy(update={"nodes": (ends[0], *others, ends[1])})

    async def load() -> dict[str, Any]:
        return {"rows": [1, 2]}

    async def work() -> None:
        """Do nothing."""

    async def judge() -> None:
        raise KeyError("severity")

    return ran(graph, {node.tool or "": work for node in others} | {"load": load, "judge": judge})


@pytest.fixture
def many(view: Any, ended: Run) -> Fed:
    return Fed(view, ended)


def test_a_run_of_ten_thousand_nodes_is_opened_searched_and_inspected(many: Fed) -> None:
    shown, last = many.shown, many.names[-1]
    shown.page.wait_for_selector(".nf-side .nf-row")
    assert shown.page.locator(".nf-cell").count() == 10_000
    assert shown.page.locator(".nf-cell.is-completed").count() == 9999
    assert "1 of 10000" in shown.text(".nf-side")
    assert shown.page.locator(".nf-stage .nf-meta").last.text_content() == "499/500 \u00d71"
    assert shown.page.get_by_role("progressbar", name="9999 of 10000 nodes done").count() == 1

    shown.page.click(".nf-zfind")
    shown.page.keyboard.type(last)
    assert shown.text(".nf-seek") == "1 node"
    shown.page.keyboard.press("Enter")
    many.answer()
    assert "KeyError: 'severity'" in shown.text(".nf-ib")
    shown.page.keyboard.press("Escape")
    assert focused(shown) == last


def test_of_ten_thousand_nodes_one_is_inspected_by_click_and_the_next_by_keyboard(many: Fed) -> None:
    shown, names = many.shown, many.names
    shown.node(names[2000]).click()
    many.answer()
    assert shown.text(".nf-ih") == f"{names[2000]} tool Completed"
    assert "Timing" in shown.text(".nf-ib")

    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("Enter")
    many.answer()
    assert shown.text(".nf-ih b") == names[2001]
    shown.page.get_by_role("button", name=f"Taken, edge from {names[1500]}").click()
    many.answer()
    assert "Taken: it has no condition" in shown.text(".nf-ways")
    shown.page.keyboard.press("Escape")
    assert shown.page.locator(".nf-insp").is_hidden()


def test_the_four_faces_of_ten_thousand_nodes_are_shown_and_the_past_of_the_run(many: Fed) -> None:
    root = many.shown.page.locator(".nf-root")
    for key, rows in (("2", ".nf-tl-row"), ("3", ".nf-srows"), ("4", ".nf-lr"), ("1", ".nf-cell")):
        root.press(key)
        many.see(rows)
        assert many.shown.page.locator(f"[role=tab][aria-selected=true][title$='({key})']").count() == 1

    root.press("[")
    root.press("[")
    many.see(".nf-cell.is-running")
    assert "past" in root.get_attribute("class").split()
    assert many.shown.page.locator(".nf-cell.is-running").count() == 1
