"""The tour of `explore.ipynb` in a real JupyterLab: every face, the past, the form, steps, a node that is fixed.

With NBFLOW_PICTURES=1 the pictures of the notebook are taken again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
Open = Callable[..., Any]


def beginning() -> list[str]:
    """Return the cells that load the extension and define the tools and the graph."""
    book = nbformat.read(NOTEBOOKS / "explore.ipynb", as_version=4)
    return [cell.source for cell in book.cells if cell.cell_type == "code"][:3]


def picture(view: Any, name: str) -> None:
    if os.environ.get("NBFLOW_PICTURES") == "1":
        view.page.mouse.move(0, 0)
        view.screenshot(path=NOTEBOOKS / "images" / f"explore-{name}.png")


def opened(notebook: Open, *cells: str) -> tuple[Any, Any]:
    """Run the beginning and the cells; return the notebook and the last cell's live view."""
    nb = notebook(*beginning(), *cells, viewport={"width": 1500, "height": 1000}, device_scale_factor=1.5)
    nb.js("window.jupyterapp.commands.execute('application:toggle-left-area')")
    for index in range(3 + len(cells)):
        nb.run(index)
    return nb, nb.cell(2 + len(cells)).locator(".nf-root")


def status(view: Any, word: str) -> None:
    view.scroll_into_view_if_needed()  # out of sight nothing is drawn
    view.locator(".nf-head .nf-word").get_by_text(word, exact=True).wait_for(timeout=300_000)


def answer(view: Any, choice: str) -> None:
    view.locator(".nf-alert").click()
    view.get_by_role("radio", name=choice).check()
    view.get_by_role("button", name="Answer").click()


def test_a_question_is_answered_and_the_run_is_seen_from_all_sides(notebook: Open) -> None:
    nb, view = opened(notebook, "run = %flow_run triage --background")
    status(view, "Waiting for you")
    view.locator(".nf-alert").click()
    view.get_by_text("Most tickets (3) are about billing.").first.wait_for()
    picture(view, "form")
    answer(view, "livelier")
    view.get_by_text("Most tickets (3) are about billing.!").first.wait_for()
    answer(view, "publish")
    status(view, "Completed")
    view.get_by_role("button", name="Close").click()

    view.get_by_role("tab", name="Timeline").click()
    view.get_by_text("Critical path").wait_for()
    picture(view, "timeline")

    view.get_by_role("tab", name="State").click()
    view.get_by_text("published").first.wait_for()
    picture(view, "state")

    view.get_by_role("tab", name="Log").click()
    view.get_by_text("waiting for you: Publish this summary?").first.wait_for()
    picture(view, "log")
    view.get_by_role("searchbox").first.fill("invoice is wrong")
    view.get_by_text("'invoice is wrong' is about billing").first.wait_for()

    view.get_by_role("tab", name="Graph").click()
    view.focus()
    for _ in range(8):
        nb.page.keyboard.press("[")
    view.get_by_text("Showing").wait_for()
    view.locator('.nf-node[data-n="publish"].is-pending').wait_for()
    picture(view, "past")
    nb.page.keyboard.press("l")
    view.locator('.nf-node[data-n="publish"].is-completed').wait_for()
    assert (nb.errors, nb.external) == ([], [])


def test_a_run_stops_at_a_breakpoint_goes_by_steps_and_is_stopped(notebook: Open) -> None:
    nb, view = opened(notebook, "run = %flow_run triage limit=2 --background --break tabulate")
    status(view, "Paused")
    assert view.locator('.nf-node[data-n="tabulate"].brk .nf-brk').is_visible()
    view.get_by_role("button", name="Step").click()
    view.locator('.nf-node[data-n="tabulate"].is-completed').wait_for()
    status(view, "Paused")
    view.get_by_role("button", name="Continue").click()
    status(view, "Waiting for you")
    view.get_by_role("button", name="Stop").click()
    view.locator(".nf-ask").get_by_role("button", name="Stop").click()
    status(view, "Cancelled")
    assert (nb.errors, nb.external) == ([], [])


def test_a_fixed_node_is_retried_and_another_gets_its_output_by_hand(notebook: Open) -> None:
    broken = '%%flow_tool\ndef tabulate(classified):\n    raise ValueError("no table")'
    fixed = '%%flow_tool\ndef tabulate(classified):\n    return {"table": classified}\ndef chart(table):\n    raise ValueError("no ink")'
    nb, view = opened(notebook, broken, "run = %flow_run triage --background")
    status(view, "Failed")
    nb.js("w.content.model.sharedModel.cells[3].setSource(arg)", fixed)
    nb.run(3)
    view.locator('.nf-node[data-n="tabulate"]').click()
    view.get_by_text("ValueError: no table").first.wait_for()
    view.get_by_role("button", name="Retry", exact=True).click()
    view.locator('.nf-node[data-n="tabulate"].is-completed').wait_for()
    status(view, "Failed")

    view.locator('.nf-node[data-n="chart"]').click()
    view.get_by_role("button", name="Skip with…").click()
    view.get_by_label("Output in its place, as JSON").fill('{"chart": "drawn by hand"}')
    view.get_by_role("button", name="Skip", exact=True).click()
    view.locator('.nf-node[data-n="chart"].is-skipped').wait_for()
    assert (nb.errors, nb.external) == ([], [])


def test_a_run_from_history_is_alive_in_another_view_and_after_a_reload(notebook: Open) -> None:
    nb, first = opened(
        notebook,
        "run = %flow_run triage --background",
        "from nbflow import session\nget_ipython().run_line_magic('flow_show', run.id);",
    )
    second, first = first, nb.cell(3).locator(".nf-root")
    for view in (first, second):
        status(view, "Waiting for you")
    answer(second, "publish")
    for view in (first, second):
        status(view, "Completed")
    nb.save()
    nb.page.reload(wait_until="domcontentloaded")
    nb.ready()
    nb.cell(3).locator(".nf-root").get_by_text("Completed").first.wait_for()
    assert nb.errors == []
