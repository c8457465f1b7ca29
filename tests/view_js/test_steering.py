"""The controls of a run and its nodes in a real browser: the buttons, their messages, and how refusals are shown."""

from __future__ import annotations

from typing import Any

import pytest
from scenes import FAILURE, inspector, review, review_ended, review_running, scene

from nbflow.view.render.drawing import scene as real_scene

pytestmark = pytest.mark.browser

QUESTION = {
    "node": "approve_fix", "seq": 31, "firing": 9, "ordinal": 1, "question": "Push this fix to the branch?",
    "details": "All 212 tests pass after 3 fixes.", "choices": ["Push", "Push as draft", "Discard"], "schema": None,
}  # fmt: skip


@pytest.fixture
def running(view: Any) -> Any:
    return view.mount(scene(review()), review_running())


def commands(view: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in sent.items() if key != "type"} for sent in view.sent("command")]


def opened(view: Any, name: str, status: str, **fields: Any) -> Any:
    view.node(name).click()
    view.push(inspector(name, status, **fields))
    return view.page.locator(".nf-insp")


def status(view: Any, word: str, seq: int = 90) -> None:
    view.push({"type": "patch", "seq": seq, "now": 0, "run": {"status": word}})


def test_the_form_of_a_question_comes_first_and_sends_the_answer(running: Any) -> None:
    panel = opened(running, "approve_fix", "waiting", questions=[QUESTION])
    assert panel.locator(".nf-ib > *").first.locator("h2").text_content() == QUESTION["question"]

    panel.get_by_label("Push as draft").check()
    panel.get_by_role("button", name="Answer").click()

    assert commands(running) == [{"name": "answer", "node": "approve_fix", "question": 31, "value": "Push as draft"}]
    running.push(
        {
            "type": "refused",
            "name": "answer",
            "node": "approve_fix",
            "question": 31,
            "message": "no",
            "errors": {"": "too late"},
        }
    )
    assert "too late" in panel.inner_text()
    assert panel.get_by_role("button", name="Answer").is_enabled()


def test_a_breakpoint_is_set_from_the_inspector_and_drawn_at_its_node(running: Any) -> None:
    panel = opened(running, "merge_findings", "pending")
    panel.get_by_role("button", name="Break before").click()
    running.push({"type": "breaks", "nodes": ["merge_findings"]})

    assert commands(running) == [{"name": "break", "node": "merge_findings", "on": True}]
    assert running.node("merge_findings").locator(".nf-brk").is_visible()
    assert not running.node("lint").locator(".nf-brk").is_visible()
    assert running.node("merge_findings").get_attribute("aria-label").endswith(", breakpoint")
    running.page.keyboard.press("b")
    assert commands(running)[-1] == {"name": "break", "node": "merge_findings", "on": False}
    running.push({"type": "breaks", "nodes": []})
    assert not running.node("merge_findings").locator(".nf-brk").is_visible()


def test_a_node_is_skipped_with_json_and_a_fault_in_it_is_shown_at_once(running: Any) -> None:
    panel = opened(running, "security_scan", "running")
    panel.get_by_role("button", name="Skip with…").click()
    box = panel.get_by_label("Output in its place, as JSON")
    box.fill("{findings: []}")
    panel.get_by_role("button", name="Skip", exact=True).click()
    assert "This is not JSON" in panel.get_by_role("alert").inner_text()
    assert commands(running) == []

    box.fill('{"findings": []}')
    box.press("Control+Enter")
    assert commands(running) == [{"name": "skip", "node": "security_scan", "output": {"findings": []}}]

    running.push({"type": "refused", "name": "skip", "node": "security_scan", "message": "it has just ended"})
    assert panel.get_by_role("alert").inner_text() == "it has just ended"


def test_a_retrying_node_offers_its_next_try_now(running: Any) -> None:
    opened(running, "lint", "retrying").get_by_role("button", name="Retry now").click()
    assert commands(running) == [{"name": "retry", "node": "lint"}]


def test_a_retry_is_asked_for_once_until_the_kernel_has_answered(running: Any) -> None:
    button = opened(running, "lint", "retrying").get_by_role("button", name="Retry now")
    button.dblclick()
    assert commands(running) == [{"name": "retry", "node": "lint"}]

    running.push({"type": "refused", "name": "retry", "node": "lint", "message": "it has just begun"})
    button.click()
    assert commands(running) == [{"name": "retry", "node": "lint"}] * 2


def test_letters_typed_into_an_output_are_no_shortcuts(running: Any) -> None:
    panel = opened(running, "security_scan", "running")
    panel.get_by_role("button", name="Skip with…").click()
    running.page.keyboard.type("sbp.cr")
    assert panel.locator(".nf-skip textarea").input_value() == "sbp.cr"
    assert commands(running) == []
    running.page.keyboard.press("Escape")
    assert not panel.locator(".nf-skip").is_visible()
    assert panel.is_visible()


def test_a_step_is_there_only_while_the_run_is_paused(running: Any) -> None:
    step = running.page.get_by_role("button", name="Step")
    assert step.is_disabled()
    assert step.get_attribute("title") == "Step: Pause the run first"
    status(running, "paused")
    assert step.is_enabled()
    running.page.locator(".nf-root").focus()
    running.page.keyboard.press(".")
    assert commands(running) == [{"name": "step"}]
    assert step.get_attribute("title") == "Step: Sent; the kernel has not answered yet"


def test_a_refusal_is_shown_as_text_until_the_run_continues(running: Any) -> None:
    running.push({"type": "refused", "name": "step", "message": "run 7f3a has nothing ready to start"})
    note = running.page.locator(".nf-note")
    assert note.inner_text() == "run 7f3a has nothing ready to start"
    status(running, "paused")
    assert note.inner_text() == ""


def test_a_failed_run_offers_resume_and_its_node_retry(view: Any) -> None:
    view.mount(scene(review()), review_ended("failed", error=FAILURE))
    view.page.get_by_role("button", name="Resume").click()
    assert view.page.locator(".nf-head").is_visible()
    opened(view, "merge_findings", "failed").get_by_role("button", name="Retry", exact=True).click()

    assert commands(view) == [{"name": "resume"}, {"name": "retry", "node": "merge_findings"}]
    assert view.page.get_by_role("button", name="Stop").count() == 0


def test_the_scene_names_the_controls_of_a_run_and_none_of_a_graph() -> None:
    assert real_scene(review(), run_id="x")["controls"] == ["pause", "step", "stop", "resume"]
    assert real_scene(review())["controls"] == []
