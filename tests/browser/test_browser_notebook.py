"""The live view in a real Notebook 7, whose page is another than JupyterLab's: all that a person does there with a run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from axe import faults
from test_browser_faces import Live, restart, run_until
from test_browser_live import clean, shoot

Open = Callable[..., Any]
LOAD = "%env NBFLOW_DURABILITY=sync\n%load_ext nbflow"
TOOLS = """%%flow_tool
import asyncio
async def fetch(pages: int = 3) -> dict:
    \"\"\"Get the pages.\"\"\"
    print("fetching", pages)
    await asyncio.sleep(3)  # seconds in which the page of a busy machine shows that it runs
    return {"rows": list(range(pages)), "score": 0.4}
async def merge(): await asyncio.sleep(0.2)
def revise(): return {"score": 0.9}
def publish(): ...
def breaks(rows):
    found = {}
    return found["severity"]
async def long(): await asyncio.sleep(30)
async def slow(): await asyncio.sleep(6)
"""
GRAPH = """%%flow_graph review
fetch -> merge
merge -> publish if score > 0.8 else revise
revise -> merge [max=5]
"""


@pytest.fixture
def notebook7(notebook: Open) -> Open:
    tall = {"width": 1200, "height": 2000}
    return partial(notebook, place="notebooks/{name}", viewport=tall)


def opened(notebook7: Open, *cells: str, **options: Any) -> Any:
    """Open a notebook and run all of its cells but the last."""
    book = notebook7(LOAD, TOOLS, *cells, **options)
    book.page.set_default_timeout(60_000)
    assert book.page.evaluate("window.jupyterapp.name") == "Jupyter Notebook"
    run_until(book, len(cells) + 1)
    return book


def to_the_past(book: Any, view: Live) -> None:
    """Drag the slider's knob from its end to its beginning."""
    track = view.root.locator(".nf-track").bounding_box()
    middle = track["y"] + track["height"] / 2
    book.page.mouse.move(track["x"] + track["width"] - 1, middle)
    book.page.mouse.down()
    book.page.mouse.move(track["x"] + 1, middle, steps=5)
    book.page.mouse.up()


def test_a_run_is_followed_inspected_seen_from_every_side_and_looked_back_on(notebook7: Open) -> None:
    book = opened(notebook7, GRAPH, "run = %flow_run review pages=4")
    book.start(3)
    view = Live(book, 3)
    view.node("fetch", "running")
    view.node("publish", "completed")
    view.told("Completed")
    book.wait_idle(3)
    assert view.node("merge", "completed").locator(".nf-badge").text_content() == "\u00d72"

    view.node("fetch", "completed").click()
    for text in ("fetching 4", "Get the pages."):
        view.root.locator(".nf-insp", has_text=text).wait_for()
    shoot(book, "notebook-inspector")
    view.press("Close")

    view.face("Timeline")
    view.root.locator('.nf-tl-row[data-n="merge"][aria-label^="merge, 2 visits, completed, "]').wait_for()
    shoot(book, "notebook-timeline")
    view.face("State")
    view.key("score").locator(".nf-v", has_text="0.9").wait_for()
    shoot(book, "notebook-state")
    view.face("Log")
    view.root.locator(".nf-lr", has_text="fetching 4").wait_for()
    shoot(book, "notebook-log")

    view.face("Graph")
    to_the_past(book, view)
    view.root.locator(".nf-showing", has_text="Showing 0:0").wait_for()
    view.node("publish", "pending")
    view.press("To the end")
    view.node("publish", "completed")
    clean(book)


def test_a_failed_run_shows_the_error_and_leads_to_its_cell(notebook7: Open) -> None:
    book = opened(notebook7, "%%flow_graph bad\nfetch -> breaks", "%flow_run bad")
    book.run(3)
    view = Live(book, 3)
    view.node("breaks", "failed").click()
    view.root.locator(".nf-insp", has_text="KeyError: 'severity'").wait_for()
    shoot(book, "notebook-failed")
    view.root.locator(".nf-insp").get_by_text("Cell [2], line 13").click()
    book.page.wait_for_function("() => document.activeElement.closest('.jp-Cell')?.innerText.includes('def breaks')")
    clean(book)


def test_a_run_is_stopped_while_its_cell_awaits_it(notebook7: Open) -> None:
    book = opened(notebook7, "%%flow_graph g\nlong -> publish", "%flow_run g")
    book.start(3)
    view = Live(book, 3)
    view.node("long", "running")
    view.press("Stop")
    view.root.locator(".nf-danger").click()
    view.node("long", "cancelled")
    view.told("Cancelled")
    book.wait_idle(3)
    assert [output.get("ename") for output in book.outputs(3)].count("ExecutionCancelled") == 1
    clean(book)


def test_a_page_reloaded_in_mid_run_catches_up_with_a_background_run(notebook7: Open) -> None:
    book = opened(notebook7, "%%flow_graph g\nfetch -> slow -> publish", "run = %flow_run g --background", "1 + 1")
    Live(book, 3).node("slow", "running")
    book.run(4)
    book.save()
    book.page.reload(wait_until="domcontentloaded")
    book.ready()
    view = Live(book, 3)
    view.node("fetch", "completed")
    view.node("publish", "completed")
    view.told("Completed")
    clean(book)


def test_a_run_is_opened_again_from_history_in_a_new_kernel(notebook7: Open) -> None:
    book = opened(notebook7, GRAPH, "run = %flow_run review", "print(run.id)")
    book.run(4)
    book.js("w.content.model.cells.get(4).sharedModel.setSource(arg)", f"%flow_show {book.text(4).strip()}")
    restart(book)
    book.run(0)
    book.run(4)
    past = Live(book, 4)
    past.unfold()
    past.node("merge", "completed").click()
    past.root.locator(".nf-insp", has_text="Went to publish").wait_for()
    clean(book)


@pytest.mark.parametrize("scheme", ["dark", "light"])  # the server stores the last scheme
def test_axe_finds_no_fault_in_the_page_s_own_colours(notebook7: Open, scheme: str) -> None:
    book = opened(notebook7, GRAPH, "run = %flow_run review pages=4", color_scheme=scheme)
    theme = f"JupyterLab {scheme.capitalize()}"
    book.js("return window.jupyterapp.commands.execute('apputils:change-theme', {theme: arg})", theme)
    book.page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
    book.run(3)
    view = Live(book, 3)
    view.told("Completed")
    for face in ("Graph", "Timeline", "State", "Log"):
        view.face(face)
        book.page.wait_for_timeout(700)  # until the face has asked and been answered
        shoot(book, f"notebook-{face.lower()}-{scheme}")
        assert faults(book.page, ".nf-root") == [], face
    view.face("Graph")
    view.node("merge", "completed").click()
    view.root.locator(".nf-insp", has_text="Went to publish").wait_for()
    shoot(book, f"notebook-{scheme}")
    assert faults(book.page, ".nf-root") == []
    clean(book)
