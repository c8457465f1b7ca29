"""The state face in a real browser, its questions answered from real runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from alone import Alone
from PIL import Image
from scenes import review as graph_of_review
from scenes import review_running, scene

from nbflow import GraphDefinition, Run, ToolRegistry, WorkflowEngine
from nbflow.live_view import state_history
from nbflow.live_view.lookups import Lookups

pytestmark = pytest.mark.browser

INDEX = "import { StateFace } from './state.js';\nexport default StateFace;\n"
MOUNT = """([started, width]) => {
  const root = document.getElementById('root');
  root.innerHTML = '<div class="nf-body"><div class="nf-face"></div></div>';
  const model = { run: { started }, connected: true };
  window.moment = null;
  window.redraw = (change = {}) => face.draw(model, { moment, now: started, selected: null, change });
  const ask = async (message) => {
    sent.push(message);
    const answer = await kernel(message);
    if (answer) { face.receive(answer); redraw(); }
  };
  window.at = (seq) => { moment = seq === null ? null : { seq, time: started + seq / 10 }; root.firstChild.style.background = moment ? 'var(--nf-panel)' : ''; redraw({ moved: true }); };
  window.face = new part.default({ actions: { seek: at, select() {} }, ask, prefix: 'nft-' });
  root.querySelector('.nf-face').append(face.el);
  face.show({});
  face.layout(width < 640);
  redraw({ all: true });
}"""
EVIL = '<img src="http://evil.test/x.png" onerror="window.hit=1">\u202egnp\u200b'


def ran(text: str, *tools: Callable[..., Any], **state: Any) -> Run:
    """Run a graph until it ends, in another thread: this one runs the loop of the browser."""
    registry = ToolRegistry()
    for tool in tools:
        registry.register(tool.__name__, tool)

    async def main() -> Run:
        run = WorkflowEngine(registry).start(GraphDefinition.from_text(text), state)
        await run.wait()
        return run

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main()).result()


@dataclass
class Finding:
    file: str
    line: int
    kind: str


def load_rules() -> dict[str, Any]:
    return {"rules": [{"id": f"R{i}", "level": "high" if i % 3 else "low", "on": True} for i in range(138)]}


def fetch_pr() -> dict[str, Any]:
    return {
        "pr": {
            "number": 4182,
            "files": [f"src/{i}.py" for i in range(500)],
            "author": {"name": "ada", "teams": ["core", "api"]},
        }
    }


def classify() -> dict[str, Any]:
    return {"n_files": 500, "risk": "high"}


def run_tests(findings: list[Any] | None = None, failed: int = 9) -> dict[str, Any]:
    left = failed - 3
    report = "\n".join(f"tests/test_{i}.py {'FAILED' if i < left else 'passed'}" for i in range(40))
    return {
        "test_report": report,
        "failed": left,
        "findings": [*(findings or []), *(Finding("auth.py", 41 + i, "await") for i in range(left + 7))],
    }


def fix_tests(findings: list[Any], failed: int) -> dict[str, Any]:
    return {
        "patch": f"{3 - failed // 3} files, +{10 * failed} -7",
        "findings": [*findings, Finding("login.py", failed, "scope")],
    }


def sum_up(findings: list[Any]) -> dict[str, Any]:
    frame = pd.DataFrame(np.arange(3600).reshape(120, 30), columns=[f"column_{i}" for i in range(30)])
    logo = Image.new("RGBA", (320, 160), (0, 0, 0, 0))
    logo.paste((28, 111, 212, 255), (40, 40, 280, 120))
    return {"table": frame, "logo": logo, "approved": True, "notes": EVIL}


REVIEW = """load_rules -> fetch_pr -> classify -> run_tests
run_tests -> fix_tests if failed > 0 else sum_up
fix_tests -> run_tests"""


def again(n: int) -> dict[str, int]:
    return {"n": n + 1, f"key_{n % 1000:03d}": n, f"list_{n % 7}": n}


@pytest.fixture(scope="module")
def review() -> Run:
    return ran(REVIEW, load_rules, fetch_pr, classify, run_tests, fix_tests, sum_up, repo="acme/api", token_limit=8000)


@pytest.fixture(scope="module")
def long() -> Run:
    return ran("again -> again if n < 10000 [max=20000]", again, n=0)


@pytest.fixture
def face(browser: Any, tmp_path: Path) -> Iterator[Alone]:
    context = browser.new_context(viewport={"width": 1048, "height": 500}, device_scale_factor=1.5)
    shown = Alone(context.new_page(), tmp_path)
    yield shown
    context.close()
    assert shown.errors == []
    assert shown.external == []


def show(face: Alone, run: Run, kernel: Callable[[Any], Any] | None = None, width: int = 1000, **options: Any) -> Any:
    page = face.page
    page.expose_function("kernel", kernel or Lookups(run).answer)
    face.load(INDEX, "state", "form", width=width, **options)
    page.evaluate(MOUNT, [run.started_at, width])
    page.wait_for_selector(".nf-srows .nf-srow .nf-v bdi")
    return page


def row(page: Any, key: str) -> Any:
    return page.locator(".nf-srows .nf-srow", has=page.locator(f'.nf-k[title="{key}"]'))


def text(page: Any, key: str) -> str:
    return str(row(page, key).locator(".nf-v bdi").inner_text())


def marks(page: Any, key: str) -> str:
    drawn = row(page, key).locator(".nf-c svg").evaluate_all("all => all.map(e => e.getAttribute('class'))")
    return "".join({"nf-mark": ".", "nf-mark m0": "+", "nf-mark m1": "*", "nf-mark m2": "="}[one] for one in drawn)


def choose(page: Any, number: int) -> None:
    page.locator(".nf-shead .nf-c", has_text=str(number)).first.click()
    page.wait_for_function("n => face.data.step?.number === n", arg=number)


def test_every_key_has_a_row_with_type_value_and_what_each_step_wrote(face: Alone, review: Run) -> None:
    page = show(face, review)

    assert marks(page, "repo") == "........."
    assert marks(page, "rules") == "+........"
    assert marks(page, "failed") == "...+.*.*."
    assert marks(page, "findings") == "...+====."
    assert row(page, "failed").locator(".nf-ty").inner_text() == "int"
    assert text(page, "failed") == "0"


def test_choosing_a_step_moves_the_moment_and_shows_the_values_then(face: Alone, review: Run) -> None:
    page = show(face, review)
    choose(page, 6)

    assert page.evaluate("moment.seq") == page.evaluate("face.data.steps[5].seq")
    assert text(page, "failed") == "3"
    assert text(page, "approved") == "not set"
    assert page.locator(".nf-sstep .nf-sih").inner_text().split() == ["Step", "6", "run_tests,", "visit", "2", "0:00"]
    boxes = {
        one.locator(".nf-key").inner_text(): one.locator(".nf-box").inner_text()
        for one in page.locator(".nf-sstep .nf-sec").all()
    }
    assert boxes["failed"].split() == ["\u2212", "6", "+", "3"]
    assert "14 unchanged" in boxes["findings"]
    assert row(page, "failed").locator(".nf-c.fut").count() == 3


def test_the_table_is_walked_by_keys(face: Alone, review: Run) -> None:
    page = show(face, review)
    rows = page.get_by_role("listbox", name="Keys of the state")
    rows.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("face.data.step?.number === 8")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = page.locator(f"#{rows.get_attribute('aria-activedescendant')}")
    assert active.get_attribute("aria-label").startswith("rules, list, ")
    page.keyboard.press("Enter")
    page.get_by_role("table").wait_for()
    page.keyboard.press("Escape")
    assert page.get_by_role("table").count() == 0
    assert rows.evaluate("e => document.activeElement === e")


def test_a_row_says_what_the_chosen_step_did_to_it(face: Alone, review: Run) -> None:
    page = show(face, review)
    choose(page, 8)
    assert row(page, "failed").get_attribute("aria-label") == "failed, int, 0, changed in step 8"


def opened(page: Any, key: str) -> Any:
    row(page, key).locator(".nf-k").click()
    page.wait_for_selector(".nf-over:not([hidden]) .nf-vbody > :not(p)")
    return page.locator(".nf-over:not([hidden]) .nf-vbody")


def test_a_frame_is_a_table_with_a_head_that_stays_and_pages(face: Alone, review: Run) -> None:
    page = show(face, review)
    body = opened(page, "table")

    assert body.locator("tbody tr").count() == 50
    assert body.get_by_role("status").inner_text() == "Rows 1 to 50 of 120, first 20 of 30 columns"
    body.get_by_role("button", name="Next").click()
    page.wait_for_function("document.querySelector('.nf-pager span').textContent.startsWith('Rows 51')")
    head = body.locator("thead th").first
    top = head.bounding_box()["y"]
    body.locator(".nf-table").evaluate("e => { e.scrollTop = 300 }")
    assert head.bounding_box()["y"] == top


def test_an_image_is_an_image_with_words_for_it(face: Alone, review: Run) -> None:
    page = show(face, review)
    picture = opened(page, "logo").get_by_role("img", name="logo, an image of 320 by 160 pixels")

    assert picture.evaluate("e => e.decode().then(() => e.naturalWidth)") == 320


def test_a_nested_value_is_a_tree_to_unfold(face: Alone, review: Run) -> None:
    page = show(face, review)
    tree = opened(page, "pr")

    assert tree.get_by_text("4182").is_visible()
    assert "400 more" in tree.inner_text()


def test_a_fork_starts_from_the_moment_with_what_was_changed(face: Alone, review: Run) -> None:
    page = show(face, review)
    choose(page, 6)
    seq = page.evaluate("moment.seq")
    page.get_by_role("button", name="Fork from here").click()
    failed = page.get_by_role("checkbox", name="failed int")
    failed.check()
    field = page.get_by_role("textbox", name="failed, as JSON")
    assert field.input_value() == "3"
    assert page.get_by_role("checkbox", name="findings").is_disabled()

    field.fill("{")
    page.get_by_role("button", name="Start fork").click()
    assert field.get_attribute("aria-invalid") == "true"
    assert "is not JSON" in page.locator(f"#{field.get_attribute('aria-describedby')}").inner_text()

    field.fill("1")
    page.get_by_role("button", name="Start fork").click()
    assert page.evaluate("sent.at(-1)") == {"type": "command", "name": "fork", "at": seq, "state": {"failed": 1}}
    page.evaluate("face.receive({ type: 'refused', name: 'fork', message: 'the run is gone' })")
    assert page.get_by_role("status").inner_text() == "the run is gone"
    page.evaluate("face.receive({ type: 'forked', run_id: 'ab12' })")
    assert page.get_by_role("status").inner_text() == "Started as run ab12"


def test_only_a_past_moment_can_be_forked(face: Alone, review: Run) -> None:
    page = show(face, review)
    assert page.get_by_role("button", name="Fork from here").count() == 0


def test_one_question_is_under_way_at_a_time_and_the_newest_moment_wins(face: Alone, review: Run) -> None:
    page = show(face, review)
    page.evaluate("() => { sent.length = 0; for (let seq = 1; seq <= 30; seq += 1) at(seq) }")
    page.wait_for_function("face.data.at === 30")

    asked = page.evaluate("sent.filter(m => m.type === 'state').map(m => m.at)")
    assert asked[-1] == 30
    assert len(asked) <= 3


def test_a_moment_that_needs_several_requests_is_requested_until_it_is_complete(
    face: Alone, review: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("AT_ONCE", 4), ("_BEFORE", 0), ("_REMEMBERED", 4)):
        monkeypatch.setattr(state_history, name, value)
    page = show(face, review)
    page.wait_for_function("!face.data.behind && face.data.at === null")
    assert text(page, "failed") == "0"
    assert len(face.sent()) > 5

    page.evaluate("() => { at(face.data.steps[4].seq); face.open(face.data.keys.indexOf('pr')) }")
    page.get_by_text("4182").wait_for()
    page.evaluate("() => { face.back(); at(face.data.steps[2].seq); face.fork() }")
    page.get_by_role("checkbox", name="n_files int").wait_for()
    asked = [message["type"] for message in face.sent()]
    assert asked.count("value") > 1
    assert asked.count("editable") > 1


def test_a_face_that_is_not_looked_at_asks_nothing(face: Alone, review: Run) -> None:
    page = show(face, review)
    page.evaluate("() => { sent.length = 0; face.el.hidden = true; redraw({ all: true }); face.tick() }")
    page.wait_for_timeout(700)
    assert face.sent() == []


def test_a_live_run_is_asked_about_twice_a_second_at_most(face: Alone, review: Run) -> None:
    page = show(face, review)
    page.evaluate("() => { sent.length = 0; window.beat = setInterval(() => redraw({ run: true }), 20) }")
    page.wait_for_timeout(1600)
    page.evaluate("clearInterval(beat)")
    assert 2 <= len(face.sent()) <= 4


def test_in_the_whole_view_the_state_takes_the_place_of_the_inspector(view: Any, review: Run) -> None:
    view.mount(scene(graph_of_review()), review_running())
    view.node("lint").click()
    view.page.get_by_role("tab", name="State").click()
    view.page.wait_for_function("harness.sent.some(m => m.type === 'state')")
    (question,) = view.sent("state")
    view.push(Lookups(review).answer(question))

    assert not view.page.locator(".nf-insp").is_visible()
    assert text(view.page, "failed") == "0"
    view.page.keyboard.press("1")
    assert view.page.locator(".nf-insp").is_visible()


def test_hostile_text_is_text(face: Alone) -> None:
    def hostile() -> dict[str, Any]:
        return {
            EVIL: [EVIL] * 30,
            "frame": pd.DataFrame({EVIL: [EVIL]}),
            "long": "y" * 1_000_000,
            "nest": {EVIL: {EVIL: EVIL * 9}},
        }

    page = show(face, ran("hostile", hostile))
    for index in range(4):
        page.evaluate("i => face.open(i)", index)
        page.wait_for_selector(".nf-over:not([hidden]) .nf-vbody > :not(p)")
    assert page.evaluate("window.hit") is None
    assert page.locator("#root img").count() == 0


def test_a_state_that_cannot_be_replayed_says_why(face: Alone, review: Run) -> None:
    page = face.page
    page.expose_function("kernel", lambda m: {"type": "state", "at": None, "seq": 1, "fault": "event 3 does not fit"})
    face.load(INDEX, "state")
    page.evaluate(MOUNT, [review.started_at, 1000])
    page.get_by_text("event 3 does not fit").wait_for()


def test_the_table_has_the_same_steps_when_narrow_and_wide(face: Alone, review: Run) -> None:
    page = show(face, review, width=700)
    assert page.locator(".nf-shead .nf-c").count() == 7
    assert not page.locator(".nf-sstep").is_visible()


def test_an_editor_stays_at_its_moment(face: Alone, review: Run) -> None:
    page = show(face, review)
    choose(page, 6)
    seq = page.evaluate("moment.seq")
    page.get_by_role("button", name="Fork from here").click()
    page.get_by_role("checkbox", name="failed int").check()
    page.evaluate("at(4)")
    page.get_by_role("button", name="Start fork").click()
    assert page.evaluate("sent.at(-1).at") == seq


def test_a_narrow_page_shows_seven_steps_and_the_step_is_one_click_away(face: Alone, review: Run) -> None:
    page = show(face, review, width=400)

    assert page.locator(".nf-shead .nf-c").count() == 7
    assert not page.locator(".nf-shead .nf-ty").is_visible()
    page.get_by_role("button", name="Step 9, sum_up").click()
    assert page.locator(".nf-sstep").is_visible()
    page.get_by_role("button", name="Close").click()
    assert not page.locator(".nf-sstep").is_visible()


def test_ten_thousand_steps_and_a_thousand_keys_draw_a_screenful(face: Alone, long: Run) -> None:
    page = show(face, long)
    page.wait_for_function("face.data.steps.length === 10000")

    assert page.locator(".nf-srow").count() < 30
    assert page.locator(".nf-shead .nf-c.cur").inner_text() == "10000"
    page.locator(".nf-strip").evaluate("e => { e.scrollLeft = 0 }")
    page.locator(".nf-shead .nf-c", has_text="2").first.wait_for()
    page.locator(".nf-srows").evaluate("e => { e.scrollTop = 1e6 }")
    page.wait_for_function("[...document.querySelectorAll('.nf-srows .nf-v')].some(e => e.textContent === '9999')")
