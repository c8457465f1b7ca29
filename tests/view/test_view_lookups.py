"""The lookups of a page: the moments of a run, and a node at a past moment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from test_view_patches import events, laid_over
from view_samples import ERROR, PULL, Story

from nbflow.events import Event
from nbflow.graph import GraphDefinition
from nbflow.live_view.lookups import Lookups
from nbflow.view import RunView, inspect
from nbflow.view.panels.time_travel import STEPS


@dataclass
class FixedRun:
    """A run as questions are asked of it."""

    events: list[Event]
    graph: GraphDefinition = PULL
    subgraphs: dict[str, GraphDefinition] = field(default_factory=dict)


def retried() -> FixedRun:
    story = Story()("execution_start")("node_start", "lint", 1.0, attempt=1, input={"pr": 1})
    story("node_output", "lint", text="checking\n")("node_retry", "lint", 3.0, attempt=2, delay=2.0, error=ERROR)
    story("node_start", "lint", 2.0, attempt=2, input={"pr": 1})("node_complete", "lint", 1.0, output={"ok": True})
    return FixedRun(story.events)


def history(questions: Lookups, after: int = 0) -> dict[str, Any]:
    answer = questions.answer({"type": "history", "after": after})
    assert answer is not None
    told: dict[str, Any] = json.loads(json.dumps(answer))
    return told


@settings(max_examples=40)
@given(events())
def test_the_steps_laid_over_the_beginning_give_the_run_after_every_event(listed: list[Event]) -> None:
    answer = history(Lookups(FixedRun(listed)))
    seen, steps = answer["base"], answer["steps"]
    for event in listed:
        if steps and steps[0][0] == event.seq:
            laid_over(seen, {"seq": event.seq, **steps.pop(0)[2]})
        view = RunView(PULL)
        view.apply(listed[: event.seq])
        now = json.loads(json.dumps(view.snapshot(0.0)))
        assert {**seen, "seq": event.seq} == now


def test_a_step_says_its_event_its_time_and_whether_it_failed() -> None:
    steps = history(Lookups(retried()))["steps"]

    assert [(seq, time, failed) for seq, time, _, *failed in steps] == [
        (1, 1000.0, []),
        (2, 1001.0, []),
        (4, 1004.0, [1]),
        (5, 1006.0, []),
        (6, 1007.0, []),
    ]


def test_a_long_history_comes_in_consecutive_pages() -> None:
    story = Story()("execution_start")
    while len(story.events) < 3 * STEPS:
        story.ran("lint")
    questions = Lookups(FixedRun(story.events))

    seq, pages = 0, []
    while seq < len(story.events):
        answer = history(questions, seq)
        assert answer["seq"] > seq
        seq, pages = answer["seq"], [*pages, answer["steps"]]

    assert [step[0] for page in pages for step in page] == [event.seq for event in story.events]
    assert max(map(len, pages)) == STEPS


def test_a_page_opened_again_starts_over_and_another_continues() -> None:
    told = retried()
    questions = Lookups(told)
    first = history(questions)

    assert history(questions) == first
    assert history(questions, 3)["steps"] == [step for step in first["steps"] if step[0] > 3]


def test_a_running_run_is_answered_from_the_last_moment() -> None:
    told = retried()
    whole, told.events = told.events, told.events[:3]
    questions = Lookups(told)
    history(questions)
    told.events = whole

    assert [step[0] for step in history(questions, 3)["steps"]] == [4, 5, 6]


@pytest.mark.parametrize("at", [3, 4, 5, 6, 2])
def test_a_node_is_inspected_at_the_moment_after_an_event(at: int) -> None:
    told = retried()
    questions = Lookups(told)
    for other in (4, 6, at):
        answer = questions.answer({"type": "inspect", "node": "lint", "at": other})

    assert answer is not None
    assert (answer["type"], answer["node"], answer["at"]) == ("inspector", "lint", at)
    assert answer["data"] == inspect(told.events[:at], PULL, "lint")


@pytest.mark.parametrize(
    "message",
    [
        None, "history", {}, {"type": None}, {"type": ["history"]}, {"type": "unheard"}, {"type": "history"},
        {"type": "history", "after": -1}, {"type": "history", "after": "1"}, {"type": "history", "after": True},
        {"type": "inspect", "node": "lint", "at": 1.5},
        {"type": "inspect", "node": ["lint"], "at": 1}, {"type": "log", "from": -1}, {"type": "log", "text": 7},
    ],
)  # fmt: skip
def test_what_is_not_in_the_protocol_is_passed_over(message: Any) -> None:
    assert Lookups(retried()).answer(message) is None
