"""axe-core finds no fault in any face of the view, light or dark, with all panels that a person can open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from answering import Kernel
from axe import faults
from scenes import (
    FAILURE,
    NOW,
    fetch_details,
    inspector,
    layered,
    merge_details,
    partly_done,
    review,
    review_ended,
    review_running,
    scene,
)
from test_past import ERROR, press
from test_state_face import ran
from test_steering import QUESTION

from nbflow.live_view.lookups import Lookups

pytestmark = pytest.mark.browser

Scene = Callable[[Any, str], None]
SCENES: list[Scene] = []


def scene_of(show: Scene) -> Scene:
    """Count a function that mounts a view, and does something to it, among what axe looks through."""
    SCENES.append(show)
    return show


def running(view: Any, theme: str, **options: Any) -> None:
    view.mount(scene(review()), review_running(), theme=theme, **options)


def linting() -> Kernel:
    """Return a kernel whose run has values in its state, and tries to lint for the second time."""
    kernel = Kernel(review()).ran("fetch_pr", 9.0, pr={"number": 4182, "files": ["auth.py", "login.py"]}, n_files=500)
    kernel.ran("load_rules", 3.0, rules=[f"R{i}" for i in range(138)]).ran("classify", 10.0, kind="large")
    kernel.took("classify", "quick_review", taken=False, n_files=500).took("classify", "lint", n_files=500)
    kernel("node_start", "lint", 1.0, attempt=1, input={})("node_output", "lint", 20.0, text="checking\n")
    kernel("node_retry", "lint", 40.0, attempt=2, delay=4.0, error=ERROR)
    return kernel("node_start", "lint", 4.0, attempt=2, input={})


def load() -> dict[str, Any]:
    return {"rows": [{"id": i, "level": "high" if i % 3 else "low"} for i in range(90)], "name": "rules"}


def count(rows: list[Any]) -> dict[str, Any]:
    return {"counted": len(rows), "name": "counted"}


def ended() -> Kernel:
    """Return a kernel that answers about a run that was: only of such a one is the state known."""
    run = ran("load -> count", load, count)
    kernel = Kernel(run.graph)
    kernel.events, kernel.questions = list(run.events), Lookups(run)
    return kernel


def recorded(view: Any, theme: str, *keys: str, kernel: Kernel | None = None) -> Kernel:
    """Mount a run whose past and faces are answered, and press keys."""
    kernel = kernel or linting()
    view.mount(*kernel.messages(), theme=theme)
    press(view, kernel, *keys)
    for _ in range(4):
        view.page.evaluate("harness.frame()")
        kernel.answer(view)
    view.page.evaluate("harness.frame()")
    return kernel


def opened(view: Any, name: str, *messages: Any) -> None:
    view.node(name).focus()
    view.page.keyboard.press("Enter")
    view.page.evaluate("document.activeElement.blur()")  # while somebody listens to it, a name does not count seconds
    view.push(*messages)


@scene_of
def graph(view: Any, theme: str) -> None:
    running(view, theme)


@scene_of
def a_failed_node_inspected(view: Any, theme: str) -> None:
    view.mount(scene(review()), review_ended("failed", error=FAILURE) | {"now": NOW}, theme=theme)
    opened(view, "merge_findings", merge_details())
    view.page.click(".nf-zfit")  # a name that is half out of sight is half a name to axe


@scene_of
def a_completed_node_inspected(view: Any, theme: str) -> None:
    running(view, theme)
    opened(view, "fetch_pr", fetch_details())


@scene_of
def the_inside_of_a_map_inspected(view: Any, theme: str) -> None:
    running(view, theme)
    rows = [["7", "failed", "KeyError: 'severity'"], ["8", "running", None], ["0", "completed", None]]
    items = {"done": 35, "total": 500, "failed": 1}
    told = {"text": "failed > 0", "to": "fix_tests", "values": {"failed": "0"}, "result": "no"}
    opened(view, "review_files", inspector("review_files", "running", kind="map", items=items, conditions=[told],
           next="approve_fix", waits_for=["lint"], inside={"rows": rows, "more": 9800}))  # fmt: skip


@scene_of
def an_item_of_a_map_inspected(view: Any, theme: str) -> None:
    the_inside_of_a_map_inspected(view, theme)
    view.page.locator(".nf-part").first.click()
    view.push({**merge_details(), "node": "review_files[7]"})


@scene_of
def an_output_given_by_hand(view: Any, theme: str) -> None:
    running(view, theme)
    opened(view, "lint", inspector("lint", "retrying"))
    view.page.get_by_role("button", name="Skip with…").click()
    view.page.locator(".nf-skip textarea").fill("{")
    view.page.locator(".nf-skip [type=submit]").click()


@scene_of
def a_question_with_a_schema(view: Any, theme: str) -> None:
    running(view, theme)
    fields = {
        "decision": {"enum": ["push", "draft", "discard"]}, "level": {"enum": ["a", "b", "c", "d"]},
        "score": {"type": "integer", "minimum": 0, "description": "0 is harmless."}, "urgent": {"type": "boolean"},
        "files": {"type": "array", "items": {"type": "string"}}, "extra": {"type": "object"},
        "owner": {"type": "object", "properties": {"name": {"type": "string"}}},
    }  # fmt: skip
    schema = {"type": "object", "properties": fields, "required": ["decision", "score"]}
    asked = QUESTION | {"choices": None, "schema": schema, "details": "All pass.\n\n- a\n+ b\n" + "more\n" * 9}
    opened(view, "approve_fix", inspector("approve_fix", "waiting", questions=[asked]))
    view.page.get_by_role("button", name="Answer").click()


@scene_of
def a_question_with_choices(view: Any, theme: str) -> None:
    running(view, theme)
    opened(view, "approve_fix", inspector("approve_fix", "waiting", questions=[QUESTION]))


@scene_of
def an_edge_that_says_why(view: Any, theme: str) -> None:
    running(view, theme)
    view.page.locator('.nf-edge[data-e="run_tests>fix_tests"]').focus()


@scene_of
def a_search_in_the_graph(view: Any, theme: str) -> None:
    running(view, theme)
    view.page.locator('.nf-svg [tabindex="0"]').press("/")
    view.page.keyboard.type("test")
    view.page.keyboard.press("Enter")


@scene_of
def whether_to_stop(view: Any, theme: str) -> None:
    running(view, theme)
    view.page.locator(".nf-root").press("s")


@scene_of
def a_narrow_page(view: Any, theme: str) -> None:
    running(view, theme, width=480)


@scene_of
def a_narrow_page_with_a_node_inspected(view: Any, theme: str) -> None:
    running(view, theme, width=480)
    view.page.locator('.nf-list [data-n="fetch_pr"]').click()
    view.push(fetch_details())


@scene_of
def a_thousand_nodes(view: Any, theme: str) -> None:
    large = layered(1000, 150)
    view.mount(scene(large), partly_done(large), theme=theme)


@scene_of
def chips(view: Any, theme: str) -> None:
    middling = layered(60)
    view.mount(scene(middling), partly_done(middling), theme=theme)


@scene_of
def one_of_a_thousand_nodes(view: Any, theme: str) -> None:
    a_thousand_nodes(view, theme)
    view.page.locator(".nf-side .nf-row").first.click()


@scene_of
def the_edges_of_one_of_a_thousand_nodes(view: Any, theme: str) -> None:
    a_thousand_nodes(view, theme)
    first, name, last = (f"step_{i}" for i in (350, 500, 650))
    edges = {"in": [[f"{first}>{name}", first]], "out": [[f"{name}>{last}", last], [f"{name}>END", "END"]], "more": 7}
    view.push({"type": "breaks", "nodes": [name]})
    view.node(name).click()
    view.push(inspector(name, edges=edges))
    view.page.get_by_role("button", name=f"Taken, edge to {last}").click()
    view.push({"type": "why", "edge": f"{name}>{last}", "at": None, "text": "Taken: it has no condition"})


@scene_of
def a_graph_that_has_not_run(view: Any, theme: str) -> None:
    view.mount(scene(review(), None), theme=theme)


@scene_of
def collapsed_after_a_failure(view: Any, theme: str) -> None:
    view.mount(scene(review()), review_ended("failed", error=FAILURE), theme=theme)


@scene_of
def collapsed_while_it_runs(view: Any, theme: str) -> None:
    running(view, theme)
    view.page.locator(".nf-root").press("c")


@scene_of
def the_past(view: Any, theme: str) -> None:
    recorded(view, theme, "[", "[")


@scene_of
def the_timeline(view: Any, theme: str) -> None:
    recorded(view, theme, "2")
    view.page.locator(".nf-tl-lanes").press("ArrowDown")
    view.page.keyboard.press("ArrowRight")


@scene_of
def the_timeline_with_a_node_inspected(view: Any, theme: str) -> None:
    recorded(view, theme, "2")
    view.page.locator(".nf-tl-row").nth(1).click()


@scene_of
def the_state(view: Any, theme: str) -> None:
    kernel = recorded(view, theme, "[", "3", kernel=ended())
    kernel.answer(view)


@scene_of
def a_value_looked_at(view: Any, theme: str) -> None:
    kernel = recorded(view, theme, "3", kernel=ended())
    view.page.locator(".nf-srows").press("Enter")
    kernel.answer(view)


@scene_of
def a_fork_being_edited(view: Any, theme: str) -> None:
    kernel = recorded(view, theme, "3", "[", "[", kernel=ended())
    view.page.get_by_role("button", name="Fork from here").click()
    kernel.answer(view)
    view.page.evaluate("harness.frame()")
    view.page.locator(".nf-over .nf-check").first.check()
    view.page.locator(".nf-over textarea").first.fill("{")
    view.page.get_by_role("button", name="Start fork").click()


@scene_of
def the_log(view: Any, theme: str) -> None:
    recorded(view, theme, "4")


@scene_of
def the_log_of_a_node_searched(view: Any, theme: str) -> None:
    kernel = recorded(view, theme)
    view.node("lint").click()
    press(view, kernel, "4")
    view.page.get_by_label("Filter text").fill("try")
    view.page.wait_for_timeout(200)
    for _ in range(3):
        kernel.answer(view)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("show", SCENES, ids=lambda show: show.__name__)
def test_axe_finds_no_fault(view: Any, show: Scene, theme: str) -> None:
    show(view, theme)
    assert faults(view.page, ".nf-root") == []


CONTRASTS = """() => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const over = (...colours) => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = getComputedStyle(document.querySelector('.nf-root')).backgroundColor;
  const body = getComputedStyle(document.querySelector('.nf-body')).backgroundColor;
  const low = [];
  for (const text of document.querySelectorAll('.nf-svg text, .nf-svg tspan')) {
    if (!text.textContent.trim() || !text.checkVisibility()) continue;
    const shape = text.closest('.nf-cap, .nf-labels') ? null : text.closest('[data-n]')?.querySelector('.nf-shape');
    const fill = shape ? getComputedStyle(shape).fill : 'transparent';
    const ground = over(page, body, fill === 'none' ? 'transparent' : fill);
    const ink = over(`rgb(${ground})`, getComputedStyle(text).fill);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push([text.textContent, ((a + 0.05) / (b + 0.05)).toFixed(2)]);
  }
  return low;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "show", [graph, a_failed_node_inspected, chips, a_thousand_nodes, the_past], ids=lambda show: show.__name__
)
def test_every_text_of_a_drawing_contrasts_with_its_background(view: Any, show: Scene, theme: str) -> None:
    """It is measured here, since axe does not look behind the texts of an SVG."""
    show(view, theme)
    assert view.page.evaluate(CONTRASTS) == []
