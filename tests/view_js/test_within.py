"""Maps and subgraphs opened in a real browser: from a row to what an item or an inner node is, and back."""

from __future__ import annotations

from typing import Any

import pytest
from answering import Fed, ran
from scenes import NOW

from nbflow import Run
from nbflow.graph import GraphDefinition

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ended() -> Run:
    """A run with a map, of whose items one failed, and a subgraph."""
    scan = GraphDefinition.from_text("secrets -> report")
    graph = GraphDefinition.model_validate(
        {
            "name": "audit",
            "nodes": [
                {"node_id": "load", "tool": "load"},
                {"node_id": "fan", "tool": "check", "map": "files", "on_error": "collect"},
                {"node_id": "sub", "graph": "scan"},
            ],
            "edges": [{"from_node": "load", "to_node": "fan"}, {"from_node": "fan", "to_node": "sub"}],
        }
    )

    def load() -> dict[str, Any]:
        return {"files": [f"file_{i}.py" for i in range(9)]}

    def check(files: str) -> str:
        if files == "file_7.py":
            raise KeyError("severity")
        return files.upper()

    def secrets() -> dict[str, Any]:
        return {"secrets": 3}

    def report(secrets: int) -> dict[str, Any]:
        return {"report": f"{secrets} secrets"}

    return ran(graph, {"load": load, "check": check, "secrets": secrets, "report": report}, scan=scan)


@pytest.fixture
def page(view: Any, ended: Run) -> Fed:
    return Fed(view, ended)


def opened(page: Fed, node: str, row: str) -> Any:
    page.shown.node(node).click()
    page.answer()
    page.shown.page.locator(".nf-part", has_text=row).click()
    page.answer()
    return page.shown


def focused(page: Fed) -> Any:
    return page.shown.page.evaluate("document.activeElement.dataset.path")


def test_a_failed_item_opens_on_its_error_with_a_link_to_its_cell_and_its_input(page: Fed) -> None:
    shown = opened(page, "fan", "[7]")

    assert shown.text(".nf-ih") == "fan [7] tool Failed"
    assert "Error KeyError: 'severity' Cell [4]" in shown.text(".nf-ib")
    assert "Input files = file_7.py" in shown.text(".nf-ib")
    shown.page.locator(".nf-at .nf-link").click()
    assert [cell for cell, _ in shown.page.evaluate("harness.opened")] == ["c4"]


def test_an_inner_node_opens_on_its_output_and_its_subgraph_stays_selected(page: Fed) -> None:
    shown = opened(page, "sub", "report")

    assert shown.text(".nf-ih") == "sub /report tool Completed"
    assert "Output report = 3 secrets" in shown.text(".nf-ib")
    assert "sel" in shown.node("sub").get_attribute("class").split()


def test_the_crumb_leads_back_to_the_map(page: Fed) -> None:
    shown = opened(page, "fan", "[7]")

    shown.page.get_by_role("button", name="fan", exact=True).click()
    page.answer()

    assert shown.text(".nf-ih") == "fan map Completed"
    assert shown.page.locator(".nf-part").count() == 9


def test_rows_are_one_tab_stop_opened_by_keyboard_and_the_way_back_ends_at_the_row(page: Fed) -> None:
    page.shown.node("fan").click()
    page.answer()
    rows, keys = page.shown.page.locator(".nf-part"), page.shown.page.keyboard
    assert rows.evaluate_all("all => all.map((row) => row.tabIndex)") == [0, *[-1] * 8]
    rows.first.focus()
    keys.press("ArrowDown")
    assert focused(page) == "fan[0]"

    keys.press("Enter")
    page.answer()
    assert page.shown.text(".nf-crumbs") == "fan [0]"
    keys.press("Enter")
    page.answer()

    assert page.shown.text(".nf-crumbs") == "fan"
    assert focused(page) == "fan[0]"
    keys.press("Escape")
    assert page.shown.page.locator(".nf-insp").is_hidden()


def test_at_a_past_moment_an_item_is_shown_without_controls(page: Fed) -> None:
    shown = opened(page, "fan", "[7]")
    while "Failed" in shown.text(".nf-ih"):
        shown.page.locator(".nf-root").press("[")
        page.answer()

    assert shown.text(".nf-ih") in ("fan [7] tool Running", "fan [7] tool Pending")
    assert shown.page.locator(".nf-steer").is_hidden()


def test_a_part_follows_the_messages_of_the_kernel(page: Fed) -> None:
    shown = opened(page, "fan", "[0]")
    about = {"type": "inspector", "node": "fan[0]", "data": {}}
    told = shown.page.evaluate("harness.sent.filter((one) => one.type === 'inspect').at(-1)")
    assert told == {"type": "inspect", "node": "fan[0]"}
    shown.push(
        about
        | {"data": {"node": "fan[0]", "kind": "tool", "status": "running", "attempts": [], "timing": {"started": NOW}}}
    )
    assert shown.text(".nf-ih") == "fan [0] tool Running"
