"""The form of `%flow_run NAME --form` in a real JupyterLab: filled in by hand, it starts a run beneath itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from test_browser_live import LOAD, clean, shoot, told

TOOLS = """%%flow_tool
import asyncio
from typing import Literal
async def fetch(pages: int, source: Literal["web", "disk"] = "web", tags: list[str] = []) -> dict:
    \"\"\"Get <b>the</b> pages, at $1 or $2 each.\"\"\"
    await asyncio.sleep(3)  # seconds in which the page of a busy machine shows that it runs
    return {"rows": [source] * pages + tags}
def merge(rows: list) -> dict:
    return {"text": " ".join(rows)}
"""


def test_a_form_is_filled_in_and_its_run_is_seen_beneath_it(notebook: Callable[..., Any]) -> None:
    cells = (LOAD, TOOLS, "%%flow_graph gather\nfetch -> merge", "form = %flow_run gather --form", "1 + 1")
    book = notebook(*cells, "print(form.run.status.value, form.run.state['text'])")
    for index in range(5):
        book.run(index)
    cell = book.cell(3)
    assert cell.get_by_text("fetch: Get <b>the</b> pages, at $1 or $2 each.").count() == 3
    tags = cell.get_by_label("tags", exact=True)
    tags.fill("[1")
    cell.get_by_role("button", name="Run", exact=True).click()
    cell.get_by_text("Invalid JSON").wait_for()
    shoot(book, "form-error")
    tags.fill('["x"]')
    cell.get_by_label("pages *").fill("2")
    cell.get_by_label("source", exact=True).select_option("disk")
    cell.get_by_role("button", name="Run", exact=True).click()
    book.node("fetch", "running")
    assert cell.get_by_label("pages *").is_visible()
    book.node("merge", "completed")
    told(book, "Completed")
    assert cell.locator(".nf-root").count() == 1
    assert cell.get_by_label("pages *").is_visible()
    assert not cell.locator(".nbflow-static img").first.is_visible()
    shoot(book, "form-run")
    book.run(5)
    assert book.text(5) == "completed disk disk x\n"
    clean(book)


NAMES = ["$a$ and $b$", "\\(x\\) < <b>y</b>"]


def test_names_are_shown_as_they_are_and_label_their_fields(notebook: Callable[..., Any]) -> None:
    nodes = [{"node_id": f"m{at}", "tool": "one", "map": name} for at, name in enumerate(NAMES)]
    edges = [{"from_node": "m0", "to_node": "m1"}]
    graph = "%%flow_graph odd\n" + json.dumps({"name": "odd", "nodes": nodes, "edges": edges})
    tools = "%%flow_tool\ndef one(x: int) -> int:\n    return x\n"
    book = notebook(LOAD, tools, graph, "form = %flow_run odd --form", "print(sorted(form.run.initial))")
    for index in range(4):
        book.run(index)
    cell = book.cell(3)
    for name in NAMES:
        cell.get_by_label(f"{name} *", exact=True).fill("[1]")
    book.page.wait_for_timeout(500)
    assert cell.locator("mjx-container, .widget-label b").count() == 0
    shoot(book, "form-names")
    cell.get_by_role("button", name="Run", exact=True).click()
    book.node("m1", "completed")
    book.run(4)
    assert book.text(4) == f"{sorted(NAMES)}\n"
    clean(book)
