"""The live view in a real JupyterLab: it draws, follows, answers clicks, and treats text as text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Open = Callable[..., Any]
TOOLS = """%%flow_tool
import asyncio, time
async def fetch(pages: int = 3) -> dict:
    \"\"\"Get the pages.\"\"\"
    print("fetching", pages)
    await asyncio.sleep(0.6)
    return {"rows": list(range(pages))}
def parse(rows: list) -> dict:
    time.sleep(0.4)
    return {"table": {row: row * row for row in rows}, "score": 0.4}
async def index(rows: list) -> dict:
    await asyncio.sleep(0.9)
    return {"index": len(rows)}
async def merge(table, index) -> dict:
    await asyncio.sleep(0.2)
    return {}
def publish(): ...
def revise(): return {"score": 0.9}
def breaks(rows):
    found = {}
    return found["severity"]
"""
GRAPH = """%%flow_graph review
fetch -> parse & index -> merge
merge -> publish if score > 0.8 else revise
revise -> merge [max=5]
"""
LOAD = "%load_ext nbflow"


def shoot(book: Any, name: str) -> None:
    folder = os.environ.get("NBFLOW_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(exist_ok=True)
        book.page.locator(".jp-Notebook .jp-CodeCell").last.scroll_into_view_if_needed()
        book.page.screenshot(path=f"{folder}/{name}.png")


def told(book: Any, text: str) -> None:
    """Wait until the view says the text."""
    book.page.wait_for_function("(text) => document.querySelector('.nf-root').innerText.includes(text)", arg=text)


def clean(book: Any) -> None:
    assert book.errors == []
    assert book.external == []


@pytest.mark.parametrize("scheme", ["dark", "light"])  # Lab stores the last scheme
def test_a_run_is_seen_changing_and_a_node_can_be_inspected(notebook: Open, scheme: str) -> None:
    book = notebook(LOAD, TOOLS, GRAPH, "run = %flow_run review pages=4", color_scheme=scheme)
    theme = f"JupyterLab {scheme.capitalize()}"
    book.js("return window.jupyterapp.commands.execute('apputils:change-theme', {theme: arg})", theme)
    for index in range(3):
        book.run(index)
    book.start(3)
    book.node("merge", "completed")
    book.node("publish", "completed")
    book.wait_idle(3)
    book.node("fetch").click()
    told(book, "fetching 4")
    told(book, "Get the pages.")
    shoot(book, f"run-{scheme}")
    clean(book)


def test_the_timeline_of_a_run_follows_it_to_its_end(notebook: Open) -> None:
    book = notebook(LOAD, TOOLS, GRAPH, "run = %flow_run review pages=4")
    for index in range(3):
        book.run(index)
    book.start(3)
    book.page.locator(".nf-tabs").get_by_text("Timeline").click(timeout=300_000)
    book.page.wait_for_selector('.nf-tl-row.is-completed[data-n="publish"]')
    book.wait_idle(3)
    told(book, "Critical path ")
    # The face asks for news twice a second at most, so that it may be behind the header by that.
    book.page.wait_for_selector('.nf-tl-row[data-n="merge"][aria-label^="merge, 2 visits, completed, "]')
    shoot(book, "timeline")
    clean(book)


def test_states_are_seen_while_the_cell_awaits(notebook: Open) -> None:
    slow = "%%flow_tool\nimport asyncio\nasync def long():\n    await asyncio.sleep(30)\ndef after(): ..."
    book = notebook(LOAD, slow, "%%flow_graph g\nlong -> after", "%flow_run g")
    for index in range(3):
        book.run(index)
    book.start(3)
    book.node("long", "running")
    book.page.get_by_role("button", name="Pause", exact=True).click()
    told(book, "Paused")
    shoot(book, "paused")
    book.page.get_by_role("button", name="Continue", exact=True).click()
    told(book, "Running")
    book.page.get_by_role("button", name="Stop", exact=True).click()
    book.page.locator(".nf-danger").click()
    book.node("long", "cancelled")
    book.wait_idle(3)
    assert any(output.get("ename") == "ExecutionCancelled" for output in book.outputs(3))
    shoot(book, "stopped")
    clean(book)


def test_a_failed_run_shows_the_error_and_leads_to_its_cell(notebook: Open) -> None:
    book = notebook(LOAD, TOOLS, "%%flow_graph bad\nfetch -> breaks", "%flow_run bad")
    for index in range(4):
        book.run(index)
    book.node("breaks", "failed").click()
    told(book, "Cell [2], line 21")
    book.page.get_by_text("Cell [2], line 21").first.click()
    book.page.wait_for_function("() => document.activeElement.closest('.jp-Cell')?.innerText.includes('def breaks')")
    shoot(book, "failed")
    clean(book)


HOSTILE = '<img src=x onerror="window.hacked = 1">'


def test_hostile_text_reaches_the_page_as_text(notebook: Open) -> None:
    tools = f"%%flow_tool\ndef evil(text):\n    '''{HOSTILE}'''\n    print(text)\n    return {{'out': text, text: 1}}"
    graph = f"%%flow_graph '{HOSTILE}'\n'{HOSTILE}' = evil\nb = pass\nc = pass\n"
    graph += f"'{HOSTILE}' -> b if out == '{HOSTILE}' else c"
    run = f"hostile = '''{HOSTILE}'''\nrun = %flow_run '{HOSTILE}' text=hostile"
    book = notebook(LOAD, tools, graph, run)
    for index in range(4):
        book.run(index)
    book.page.wait_for_selector(".nf-node.is-completed", timeout=300_000)
    book.page.locator(".nf-node").first.click()
    told(book, "onerror")
    assert book.page.evaluate("() => window.hacked") is None
    assert book.page.locator(".jp-OutputArea img[src=x]").count() == 0
    shoot(book, "hostile")
    clean(book)


def test_after_a_reload_the_live_view_is_there_again(notebook: Open) -> None:
    book = notebook(LOAD, TOOLS, GRAPH, "run = %flow_run review")
    for index in range(4):
        book.run(index)
    book.node("publish", "completed")
    book.save()
    book.page.reload(wait_until="domcontentloaded")
    book.ready()
    book.node("publish", "completed")
    shoot(book, "reloaded")
    clean(book)


def test_without_a_kernel_the_saved_picture_is_shown_alone(notebook: Open) -> None:
    book = notebook(LOAD, TOOLS, GRAPH, "run = %flow_run review")
    for index in range(4):
        book.run(index)
    book.node("publish", "completed")
    assert not book.cell(3).locator(".nbflow-static img").first.is_visible()
    book.save()
    book.js("return w.sessionContext.shutdown()")
    book.page.reload(wait_until="domcontentloaded")
    book.ready()
    book.cell(3).locator(".nbflow-static img").first.wait_for(state="visible")
    book.page.wait_for_timeout(500)
    assert "Error displaying widget" not in book.cell(3).inner_text()
    shoot(book, "without-kernel")
    clean(book)
