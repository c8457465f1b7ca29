"""A run used with the mouse, in a real JupyterLab and Notebook: faces, past moments, buttons, form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from test_browser_live import clean, shoot

Open = Callable[..., Any]
LOAD = "%env NBFLOW_DURABILITY=sync\n%load_ext nbflow"
TALL = {"width": 1200, "height": 2400}  # so that Lab renders every cell
TOOLS = """%%flow_tool
import asyncio
import pandas as pd
from PIL import Image
tries = []
def fetch(count: int = 3):
    print("fetching", count)
    return {"rows": list(range(count)), "score": 0.4}
def flaky():
    tries.append(1)
    if len(tries) == 1:
        raise OSError("not yet")
def frame(rows): return {"table": pd.DataFrame({"row": rows, "square": [row * row for row in rows]})}
def draw(): return {"picture": Image.new("RGB", (24, 16), "teal")}
async def double(item):
    await asyncio.sleep(0.05)
    return item * 2
def merge(): ...
def revise(): return {"score": 0.9}
def tidy(): return {"tidied": True}
def publish(): ...
def drop(): ...
"""
POLISH = """%%flow_graph polish
tidy"""
REVIEW = """%%flow_graph review
flaky [retries=1, backoff=0.1]
doubled = double [map=rows, as=item]
approve = ask(question="Publish it?", choices=["yes", "no"])
polished = graph polish
fetch -> flaky & frame & draw & doubled -> merge
merge -> approve if score > 0.8 else revise
revise -> merge [max=5]
approve -> polished -> publish if approve == "yes" else drop
"""
ASKED = """%%flow_tool
def prepare(): return {"ready": 1}
def publish(): ...
"""
ASKING = """%%flow_graph asking
approve = ask(question="Publish it?", choices=["yes", "no"])
prepare -> approve -> publish
"""


class Live:
    """The live view beneath one cell."""

    def __init__(self, book: Any, index: int) -> None:
        self.book, self.page = book, book.page
        self.root = book.cell(index).locator(".nf-root")

    def node(self, name: str, status: str) -> Any:
        found = self.root.locator(f'.nf-node.is-{status}[data-n="{name}"]').first
        found.wait_for()
        return found

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).first.click()

    def face(self, name: str) -> None:
        self.root.get_by_role("tab", name=name).click()

    def told(self, word: str) -> None:
        """Wait until the header's word for the run is this one."""
        self.root.locator(".nf-head .nf-word", has_text=re.compile(f"^{word}$")).wait_for()

    def answer(self, choice: str) -> None:
        """Answer the open question by its form."""
        self.root.get_by_role("button", name="1 waiting").click()
        self.root.locator("form.nf-form").get_by_text(choice, exact=True).click()
        self.press("Answer")

    def unfold(self) -> None:
        """Open a view that is one line, as of a run that is history."""
        self.root.locator(".nf-openup, .nf-tabs").locator("visible=true").first.wait_for()
        if self.root.locator(".nf-openup").is_visible():
            self.press("Open")

    def fork(self, step: str, **values: str) -> None:
        """Fork behind a step of the state, with other values."""
        self.face("State")
        self.root.locator(f'.nf-shead .nf-c[title="{step}"]').click()
        self.press("Fork from here")
        for name, value in values.items():
            field = self.root.locator(".nf-over:not([hidden]) .nf-fld", has_text=name)
            field.get_by_role("checkbox").click()
            field.get_by_role("textbox").fill(value)
        self.press("Start fork")

    def key(self, name: str) -> Any:
        """Return the row of the state's table for a key."""
        return self.root.locator(".nf-srows .nf-srow", has=self.page.locator(f'.nf-k[title="{name}"]'))

    @property
    def run_id(self) -> str:
        return str(self.root.locator(".nf-head .nf-id .nf-opt").first.text_content())


def shown(notebook: Open, *cells: str) -> Any:
    book = notebook(LOAD, *cells, viewport=TALL)
    book.page.set_default_timeout(30_000)
    return book


def run_until(book: Any, last: int) -> None:
    for index in range(last):
        book.run(index)


def test_every_face_of_a_run_answers_while_its_question_waits(either: Open) -> None:
    book = shown(either, TOOLS, POLISH, REVIEW, "run = %flow_run review count=4")
    run_until(book, 4)
    book.start(4)
    view = Live(book, 4)
    view.node("approve", "waiting")

    view.face("Timeline")
    retried = view.root.locator('.nf-tl-row.is-completed[data-n="flaky"]')
    assert retried.get_attribute("aria-label").startswith("flaky, ")

    view.face("State")
    view.key("table").locator(".nf-k").click()
    table = view.root.locator(".nf-over:not([hidden]) .nf-table tbody tr")
    table.nth(3).wait_for()
    assert table.count() == 4
    view.press("Back")
    view.key("picture").locator(".nf-k").click()
    picture = view.root.locator(".nf-over:not([hidden]) img")
    picture.wait_for()
    assert picture.evaluate("e => e.decode().then(() => [e.naturalWidth, e.naturalHeight])") == [24, 16]
    view.press("Back")
    shoot(book, "faces-state")

    view.face("Log")
    view.root.get_by_label("Filter text").fill("fetching")
    view.root.locator(".nf-lr", has_text="fetching 4").locator(".nf-ln").click()
    view.root.locator(".nf-insp", has_text="fetching 4").wait_for()
    assert view.root.locator(".nf-graph").is_visible()
    view.press("Close")

    track = view.root.locator(".nf-track").bounding_box()
    middle = track["y"] + track["height"] / 2
    book.page.mouse.move(track["x"] + track["width"] - 1, middle)
    book.page.mouse.down()
    book.page.mouse.move(track["x"] + 1, middle, steps=5)
    book.page.mouse.up()
    view.root.locator(".nf-showing", has_text="Showing 0:0").wait_for()
    view.node("approve", "pending")
    view.press("Go live")
    view.node("approve", "waiting")

    view.answer("yes")
    view.node("publish", "completed")
    view.node("drop", "skipped")
    view.told("Completed")
    book.wait_idle(4)
    shoot(book, "faces")
    clean(book)


STEPS = """%%flow_tool
import asyncio
from nbflow import session
async def first():
    run = list(session.current().live.values())[-1]
    while run.status != "paused": await asyncio.sleep(0.05)
def second(): ...
def third(): ...
async def fourth(): await asyncio.sleep(30)
"""


def test_a_run_is_paused_stepped_broken_into_stopped_and_resumed(either: Open) -> None:
    book = shown(either, STEPS, "%%flow_graph steps\nfirst -> second -> third -> fourth", "%flow_run steps")
    run_until(book, 3)
    book.start(3)
    view = Live(book, 3)
    view.node("first", "running")
    view.press("Pause")
    view.told("Paused")
    view.node("first", "completed")
    view.node("second", "pending")
    view.press("Step")
    view.node("second", "completed")
    view.node("third", "pending").click()
    view.press("Break before")
    view.root.get_by_role("button", name="Breaks before").click()
    view.root.get_by_role("button", name="Break before").wait_for()
    view.node("fourth", "pending").click()
    view.press("Break before")
    view.root.get_by_role("button", name="Breaks before").wait_for()
    view.press("Continue")
    view.node("third", "completed")
    view.told("Paused")
    view.node("fourth", "pending")
    view.press("Continue")
    view.node("fourth", "running")
    view.press("Stop")
    view.press("Keep running")
    view.told("Running")
    view.press("Stop")
    view.root.locator(".nf-danger").click()
    view.node("fourth", "cancelled")
    book.wait_idle(3)
    assert [output.get("ename") for output in book.outputs(3)].count("ExecutionCancelled") == 1
    view.press("Resume")
    view.node("fourth", "running")
    view.node("first", "completed")
    view.press("Stop")
    view.root.locator(".nf-danger").click()
    view.told("Cancelled")
    clean(book)


BROKEN = """%%flow_tool
def load(): return {"rate": 2}
def price(rate): return {"price": rate * base}
def tax(price): raise OSError("no rates today")
def bill(price, tax): return {"bill": price + tax}
"""


def test_a_failed_run_is_resumed_skipped_and_forked_in_its_view(either: Open) -> None:
    book = shown(either, BROKEN, "%%flow_graph sale\nload -> price -> tax -> bill", "%flow_run sale")
    run_until(book, 4)
    view = Live(book, 3)
    view.node("price", "failed").click()
    first = view.run_id
    book.js("w.content.model.cells.get(1).sharedModel.setSource(arg)", BROKEN.replace("base", "10"))
    book.run(1)
    view.press("Retry")
    view.node("price", "completed")
    view.node("tax", "failed").click()
    view.press("Skip with…")
    view.root.get_by_label("Output in its place, as JSON").fill('{"tax": 3}')
    view.press("Skip")
    view.node("bill", "completed")
    view.told("Completed")
    assert view.run_id == first

    view.fork("Step 2: price", price="50")
    view.face("Graph")
    view.node("price", "completed")
    view.node("tax", "failed")
    assert view.run_id != first
    view.face("State")
    view.key("price").locator(".nf-v", has_text="50").wait_for()
    shoot(book, "forked")
    clean(book)


def test_a_reloaded_page_and_a_second_view_follow_the_same_run(either: Open) -> None:
    book = shown(
        either,
        ASKED,
        ASKING,
        "run = %flow_run asking --background",
        "get_ipython().run_line_magic('flow_show', run.id)",
    )
    run_until(book, 4)
    Live(book, 3).node("approve", "waiting")
    book.save()
    book.page.reload(wait_until="domcontentloaded")
    book.ready()
    one = Live(book, 3)
    one.node("approve", "waiting")
    book.run(4)
    two = Live(book, 4)
    two.node("approve", "waiting")
    two.answer("no")
    for view in (one, two):
        view.node("publish", "completed")
        view.told("Completed")
    shoot(book, "two-views")
    clean(book)


def restart(book: Any) -> None:
    book.js("return w.sessionContext.restartKernel()")
    book.js("for (const cell of w.content.model.cells) cell.executionCount = null")
    book.wait_js("w.sessionContext.session.kernel.status === 'idle'")


def test_a_question_outlives_the_kernel_and_the_run_is_seen_from_history(either: Open) -> None:
    book = shown(either, ASKED, ASKING, "%flow_run asking", "run = %flow_resume", "print(run.id)")
    run_until(book, 3)
    book.start(3)
    lost = Live(book, 3)
    lost.node("approve", "waiting").click()
    lost.root.locator("form.nf-form").wait_for()
    restart(book)
    lost.told("Disconnected")
    assert lost.root.get_by_role("button", name="Answer").is_disabled()
    run_until(book, 3)
    book.start(4)
    view = Live(book, 4)
    view.node("prepare", "completed")
    view.node("approve", "waiting")
    view.answer("yes")
    view.told("Completed")
    lost.told("Disconnected")
    book.wait_idle(4)
    book.run(5)
    book.js("w.content.model.cells.get(5).sharedModel.setSource(arg)", f"%flow_show {book.text(5).strip()}")
    restart(book)
    for index in (0, 5):
        book.run(index)
    past = Live(book, 5)
    past.node("approve", "completed").click()
    past.root.locator(".nf-insp", has_text="Publish it?").wait_for()
    past.face("State")
    past.key("approve").locator(".nf-v", has_text="yes").wait_for()
    shoot(book, "history")
    clean(book)
