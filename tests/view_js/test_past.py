"""The slider: a run at any moment of its past, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from answering import Kernel
from scenes import NOW, chain, layered, review

from nbflow.view.fold import catch_up

pytestmark = pytest.mark.browser

ERROR = {"type": "TimeoutError", "message": "ruff took longer than 60 s", "traceback": "Traceback", "where": None}


def lint() -> Kernel:
    """Return a kernel whose run has fetched, decided, and tries to lint for the second time."""
    kernel = Kernel(review()).ran("fetch_pr", 9.0).ran("load_rules").ran("classify", 10.0)
    kernel.took("classify", "quick_review", taken=False, n_files=500).took("classify", "lint", n_files=500)
    kernel("node_start", "lint", 1.0, attempt=1, input={})("node_output", "lint", 20.0, text="checking\n")
    kernel("node_retry", "lint", 40.0, attempt=2, delay=4.0, error=ERROR)
    return kernel("node_start", "lint", 4.0, attempt=2, input={})


@pytest.fixture
def kernel() -> Kernel:
    return lint()


@pytest.fixture
def running(view: Any, kernel: Kernel) -> Any:
    view.mount(*kernel.messages())
    return view


def told(view: Any) -> str:
    return str(view.page.locator(".nf-track").get_attribute("aria-valuetext"))


def moment(view: Any) -> str:
    """Return the moment of the past that the slider shows; the duration beside it grows with the clock of the page."""
    shown, _, rest = told(view).partition(" of ")
    assert re.fullmatch(r"2:[1-5]\d, past", rest)
    return shown


def press(view: Any, kernel: Kernel, *keys: str) -> None:
    for key in keys:
        view.page.locator(".nf-root").press(key)
        view.page.evaluate("harness.frame()")
        kernel.answer(view)


def test_a_run_that_is_only_watched_is_not_asked_for_its_past(running: Any) -> None:
    assert running.sent("history") == []
    assert re.fullmatch(r"2:[1-5]\d, live", told(running))


def test_a_step_back_shows_the_graph_one_event_before(running: Any, kernel: Kernel) -> None:
    press(running, kernel, "[")
    assert "is-retrying" in running.node("lint").get_attribute("class")
    press(running, kernel, "[")
    assert "is-running" in running.node("lint").get_attribute("class")
    assert running.node("lint").locator(".nf-meta").text_content() == "0 s"
    press(running, kernel, "[", "[", "[")
    assert "is-pending" in running.node("lint").get_attribute("class")


def test_a_past_moment_is_named_in_the_header_and_shown_by_the_colour_of_the_body(running: Any, kernel: Kernel) -> None:
    press(running, kernel, "[", "[")
    assert moment(running) == "0:21"
    assert running.text(".nf-showing") == "Showing 0:21"
    assert running.text(".nf-now").startswith("0:21 of 2:")
    assert "past" in running.page.locator(".nf-root").get_attribute("class").split()


@pytest.mark.parametrize("back", ["l", "click", "End", "]"])
def test_there_is_always_a_way_back_to_now(running: Any, kernel: Kernel, back: str) -> None:
    press(running, kernel, "[")
    if back == "click":
        running.page.click(".nf-live")
    elif back == "End":
        running.page.locator(".nf-track").press("End")
    else:
        press(running, kernel, back)
    running.page.evaluate("harness.frame()")
    assert re.fullmatch(r"2:[1-5]\d, live", told(running))
    assert running.page.locator(".nf-showing").is_hidden()
    assert "is-running" in running.node("lint").get_attribute("class")


def test_what_happens_meanwhile_changes_the_header_and_not_the_past(running: Any, kernel: Kernel) -> None:
    press(running, kernel, "[", "[")
    running.push(
        {"type": "patch", "seq": 90, "now": NOW, "run": {"status": "waiting"}, "nodes": {"lint": {"status": "failed"}}}
    )
    assert "is-running" in running.node("lint").get_attribute("class")
    assert "Waiting for you" in running.text(".nf-id")
    press(running, kernel, "l")
    assert "is-failed" in running.node("lint").get_attribute("class")


def test_the_inspector_shows_the_node_at_the_past_moment(running: Any, kernel: Kernel) -> None:
    running.node("lint").click()
    press(running, kernel, "[")
    assert running.sent("inspect")[-1] == {"type": "inspect", "node": "lint", "at": 12}
    assert "Retrying" in running.text(".nf-ih")
    assert "TimeoutError: ruff took longer than 60 s" in running.text(".nf-ib")
    press(running, kernel, "[")
    assert "TimeoutError" not in running.text(".nf-ib")


def test_a_pointer_over_the_slider_asks_for_nothing_before_it_is_pressed(running: Any) -> None:
    running.page.hover(".nf-track")
    running.page.locator(".nf-track").focus()
    assert running.sent("history") == []
    running.page.mouse.down()
    assert running.sent("history") == [{"type": "history", "after": 0}]


def test_a_node_is_asked_on_for_until_the_kernel_is_at_the_moment(
    running: Any, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "PIECE", 5)
    running.node("lint").click()
    press(running, kernel, "[")
    for _ in range(3):
        running.page.evaluate("harness.frame()")
        kernel.answer(running)

    asked = [message for message in running.sent("inspect") if "at" in message]
    assert len(asked) == 3
    assert all(message == asked[0] for message in asked)
    assert "TimeoutError: ruff took longer than 60 s" in running.text(".nf-ib")


def test_events_are_ticks_and_failures_crosses(running: Any, kernel: Kernel) -> None:
    press(running, kernel, "[")
    paths = {name: running.page.locator(f".nf-{name}").get_attribute("d") for name in ("ticks", "crosses")}
    assert paths["crosses"].count("M") == 1
    assert paths["ticks"].count("M") == 6


def test_marks_of_a_run_that_is_watched_come_with_its_patches(running: Any) -> None:
    running.push({"type": "patch", "seq": 91, "now": NOW - 20, "nodes": {"lint": {"status": "failed"}}})
    running.push({"type": "patch", "seq": 92, "now": NOW - 10, "nodes": {"lint": {"status": "running"}}})
    running.page.wait_for_function("document.querySelector('.nf-ticks').getAttribute('d')?.length > 0")
    assert running.page.locator(".nf-crosses").get_attribute("d").count("M") == 1
    assert running.sent("history") == []


def test_the_slider_is_dragged_and_stepped_by_keys(running: Any, kernel: Kernel) -> None:
    box = running.page.locator(".nf-track").bounding_box()
    running.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 20)
    running.page.mouse.down()
    kernel.answer(running)
    running.page.mouse.move(box["x"] + box["width"] * 0.07, box["y"] + 20, steps=3)
    running.page.mouse.up()
    running.page.evaluate("harness.frame()")
    assert moment(running) == "0:09"
    running.page.locator(".nf-track").press("ArrowLeft")
    running.page.evaluate("harness.frame()")
    assert moment(running) == "0:09"
    running.page.locator(".nf-track").press("Home")
    running.page.evaluate("harness.frame()")
    assert moment(running) == "0:00"
    assert "is-pending" in running.node("load_rules").get_attribute("class")


def test_a_drag_uses_the_loaded_pages_and_continues_as_more_arrive(view: Any) -> None:
    graph = chain(14)
    names = [one.node_id for one in graph.nodes]
    kernel = Kernel(graph)
    for _ in range(80):
        for name in names:
            kernel.ran(name, 0.1)
    view.mount(*kernel.messages())
    box = view.page.locator(".nf-track").bounding_box()
    view.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20)
    view.page.mouse.down()
    first = kernel.questions.answer({"type": "history", "after": 0})
    view.push(first)
    at_first = told(view)
    kernel.answered = len(view.page.evaluate("harness.sent")) - 1
    kernel.answer(view)
    view.page.mouse.up()
    assert at_first.startswith("0:49 of ")
    assert told(view).startswith("1:47 of ")


def test_an_ended_run_can_be_looked_back_on(view: Any, kernel: Kernel) -> None:
    kernel("node_complete", "lint", 10.0, output={}, duration_ms=10_000.0)("execution_complete", result={})
    view.mount(*kernel.messages())
    press(view, kernel, "[", "[")
    assert "is-running" in view.node("lint").get_attribute("class")
    assert view.text(".nf-live") == "To the end"
    press(view, kernel, "]", "]")
    assert told(view) == "1:35, the end"


def frame_of_a_drag(view: Any, events: int) -> float:
    """Return the mean time (ms) of a frame while the slider of a run is dragged to and fro."""
    graph = layered(60)
    names = [one.node_id for one in graph.nodes]
    kernel = Kernel(graph)
    while len(kernel.events) < events:
        for name in names:
            kernel.ran(name, 0.02)
    view.mount(*kernel.messages())
    press(view, kernel, "[")
    frames = view.page.evaluate(
        """async () => {
        const track = document.querySelector('.nf-track'); const { left, width, top } = track.getBoundingClientRect();
        const at = (type, x) => track.dispatchEvent(new PointerEvent(type, { clientX: left + x * width, clientY: top + 20, button: 0, pointerId: 1 }));
        track.setPointerCapture = () => {}; const times = []; at('pointerdown', 0.5);
        for (let i = 0; i < 90; i += 1) { at('pointermove', 0.5 + 0.45 * Math.sin(i / 7)); times.push(await new Promise(requestAnimationFrame)); }
        at('pointerup', 0.5); return times.slice(1).map((t, i) => t - times[i]); }"""
    )
    return float(sum(frames) / len(frames))


def test_a_drag_over_ten_thousand_events_is_as_smooth_as_one_over_a_thousand(view: Any) -> None:
    few = frame_of_a_drag(view, 1_000)

    assert frame_of_a_drag(view, 10_000) < 2 * few
