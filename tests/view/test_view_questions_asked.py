"""Questions to a person as a view shows them: open until they are answered, or what asked has ended."""

from __future__ import annotations

from typing import Any

import pytest
from view_samples import PULL, Story

from nbflow.view import RunView, inspect


def seen(story: Story) -> RunView:
    view = RunView(PULL)
    view.apply(story.events)
    return view


def asks(story: Story, node: str, ordinal: int = 1, **data: Any) -> Story:
    return story("node_waiting", node, firing=1, attempt=1, ordinal=ordinal, question="Ship?", **data)


def begun(node: str = "approve_fix") -> Story:
    story = Story()("execution_start", input={})
    return story("node_start", node, firing=1, attempt=1, input={})


def test_an_open_question_is_listed_with_everything_an_answer_needs() -> None:
    story = asks(begun(), "approve_fix", choices=["yes", "no"], details="two\u202elines")

    (question,) = inspect(seen(story), PULL, "approve_fix")["questions"]

    assert question == {
        "node": "approve_fix", "seq": seen(story).seq, "question": "Ship?", "details": "two\ufffdlines",
        "scope": None, "firing": 1, "ordinal": 1, "choices": ["yes", "no"], "schema": None,
    }  # fmt: skip


def test_each_answer_closes_its_own_question() -> None:
    story = asks(asks(begun(), "approve_fix"), "approve_fix", 2)
    story("node_answered", "approve_fix", firing=1, attempt=1, ordinal=1, answer="yes")
    view = seen(story)

    assert [question["ordinal"] for question in inspect(view, PULL, "approve_fix")["questions"]] == [2]
    assert view.nodes["approve_fix"].status == "waiting"


@pytest.mark.parametrize("end", ["node_complete", "node_error", "node_cancelled", "node_skipped"])
def test_what_ends_inside_a_node_asks_no_longer(end: str) -> None:
    story = begun("review_files")
    for item in (0, 1):
        story("node_start", f"review_files[{item}]", firing=1, item=item, attempt=1, input={})
        asks(story, f"review_files[{item}]", item=item)
    data = {"error": {"type": "E", "message": ""}, "handled": True} if end == "node_error" else {"output": None}

    first = seen(story(end, "review_files[0]", firing=1, item=0, attempt=1, duration_ms=1.0, **data))
    last = seen(story(end, "review_files[1]", firing=1, item=1, attempt=1, duration_ms=1.0, **data))

    assert [question["node"] for question in inspect(first, PULL, "review_files")["questions"]] == ["review_files[1]"]
    assert (first.nodes["review_files"].status, last.nodes["review_files"].status) == ("waiting", "running")


def test_a_resumed_run_asks_nothing_until_its_tool_asks_again() -> None:
    view = seen(asks(begun(), "approve_fix")("execution_resumed"))

    assert inspect(view, PULL, "approve_fix")["questions"] == []
    assert view.nodes["approve_fix"].status == "pending"
