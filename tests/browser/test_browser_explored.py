"""A run explored by clicks and keys, in JupyterLab and in Notebook 7: while it waits for a person, and from history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from test_browser_faces import Live, restart, run_until
from test_browser_live import clean, shoot

Open = Callable[..., Any]
LOAD = "%env NBFLOW_DURABILITY=sync\n%load_ext nbflow"
TOOLS = """%%flow_tool
from pydantic import BaseModel, Field
from nbflow import ask
class Verdict(BaseModel):
    severity: int = Field(ge=1, le=5)
    reason: str = ""
def fetch(count: int = 3): return {"rows": list(range(count)), "score": 0.4}
def double(item):
    if item == 2: raise ValueError("two is one too many")
    print("doubling", item)
    return item * 2
def revise(): return {"score": 0.9}
async def judge(): return {"verdict": await ask("How bad is it?", schema=Verdict)}
"""
GRAPH = """%%flow_graph report
doubled = double [map=rows, as=item, on_error=collect]
fetch -> doubled -> check
check = pass()
check -> judge if score > 0.8 else revise
revise -> check [max=3]
"""
TALL = {"width": 1600, "height": 2000}


def middle(view: Live, edge: str) -> tuple[float, float]:
    """Return the position of the middle of an edge on the page."""
    x, y = view.root.locator(f'.nf-edge[data-e="{edge}"] .nf-ehit').evaluate(
        "path => { const at = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM());"
        " return [at.x, at.y] }"
    )
    return x, y


def explore(view: Live) -> None:
    """Look at a run that has come to its question, from every side."""
    page = view.page
    page.mouse.click(*middle(view, "check>revise"))
    view.root.locator(".nf-why", has_text="Taken, not the last time: score (0.9) > 0.8 is yes").wait_for()
    page.keyboard.press("Escape")

    view.node("fetch", "completed").focus()
    for key in ("ArrowRight", "Enter"):
        page.keyboard.press(key)
    inspector = view.root.locator(".nf-insp")
    inspector.get_by_text("two is one too many").first.wait_for()
    page.keyboard.press("Escape")
    inspector.wait_for(state="hidden")

    page.keyboard.press("/")
    page.keyboard.type("revi")
    page.keyboard.press("Enter")
    inspector.locator("b", has_text="revise").wait_for()
    for _ in range(2):
        page.keyboard.press("Escape")

    view.face("Timeline")
    view.root.locator('.nf-tl-row[data-n="check"][aria-label^="check, 2 visits"]').wait_for()
    view.face("Log")
    view.root.get_by_label("Filter text").fill("doubling")
    view.root.locator(".nf-lr", has_text="doubling 1").wait_for()
    assert view.root.locator(".nf-lr", has_text="doubling").count() == 2
    view.face("State")
    view.key("score").locator(".nf-v", has_text="0.9").wait_for()
    view.root.locator(".nf-shead .nf-c").first.click()
    view.key("score").locator(".nf-v", has_text="0.4").wait_for()
    view.face("Graph")
    view.node("check", "pending")
    page.keyboard.press("l")
    view.node("check", "completed")


def test_a_run_is_explored_while_it_waits_and_its_form_is_filled_in_field_by_field(either: Open) -> None:
    book = either(LOAD, TOOLS, GRAPH, "run = %flow_run report", viewport=TALL)
    book.page.set_default_timeout(30_000)
    run_until(book, 3)
    book.start(3)
    view = Live(book, 3)
    view.node("judge", "waiting")

    explore(view)
    view.face("Log")
    view.root.get_by_role("button", name="1 waiting").click()
    view.root.get_by_label("Severity").fill("9")
    view.press("Answer")
    view.root.locator(".nf-ferr", has_text="5").locator("visible=true").wait_for()
    view.root.get_by_label("Severity").fill("4")
    view.root.get_by_label("Reason").fill("late")
    shoot(book, "explored-form")
    view.press("Answer")
    view.told("Completed")
    book.wait_idle(3)
    clean(book)


def test_a_run_from_history_is_explored_and_forked_from_its_past(either: Open) -> None:
    ask = "import asyncio\nrun = %flow_run report --background\nwhile not run.asking: await asyncio.sleep(0.1)\nrun.answer({'severity': 3})\nawait run\nprint(run.id)"
    book = either(LOAD, TOOLS, GRAPH, ask, viewport=TALL)
    book.page.set_default_timeout(30_000)
    run_until(book, 4)
    run_id = book.text(3).split()[-1]
    book.js("w.content.model.cells.get(3).sharedModel.setSource(arg)", f"%flow_show {run_id}")
    restart(book)
    for index in range(4):
        book.run(index)
    view = Live(book, 3)
    view.unfold()

    explore(view)
    view.fork("Step 1: fetch", rows="[7]")
    view.root.get_by_role("button", name="1 waiting").click()
    view.node("judge", "waiting")
    view.root.get_by_label("Severity").fill("1")
    view.press("Answer")
    view.told("Completed")
    view.face("State")
    view.key("doubled").locator(".nf-v", has_text="14").wait_for()
    assert view.run_id != f"run {run_id[:4]}"
    shoot(book, "explored-fork")
    clean(book)


def test_a_view_on_a_page_as_wide_as_a_phone_is_used_to_the_end(either: Open) -> None:
    book = either(LOAD, TOOLS, GRAPH, "run = %flow_run report", viewport={"width": 420, "height": 1400})
    book.page.set_default_timeout(30_000)
    if book.page.evaluate("window.jupyterapp.name") == "JupyterLab":  # whose file browser takes most of such a page
        book.js("return window.jupyterapp.commands.execute('application:toggle-left-area')")
    run_until(book, 3)
    book.start(3)
    view = Live(book, 3)
    view.root.get_by_role("button", name="1 waiting").click()
    view.root.get_by_label("Severity").fill("2")
    view.press("Answer")
    view.told("Completed")
    assert view.root.evaluate("e => e.scrollWidth <= e.clientWidth")
    shoot(book, "explored-phone")
    clean(book)
