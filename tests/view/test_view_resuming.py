"""The view of a resumed run: completed nodes, nodes that run again, and the origin of a fork."""

from __future__ import annotations

from typing import Any

import pytest
from view_samples import ERROR, PAIR, PULL, START, Story

from nbflow.graph import GraphDefinition
from nbflow.state import Unstored
from nbflow.view import RunView, inspect, static_svg, summary
from nbflow.view.text import second_line
from nbflow.view.values.preview import value


def fold(definition: GraphDefinition, story: Story, **options: Any) -> dict[str, Any]:
    view = RunView(definition, **options)
    view.apply(story.events)
    return view.snapshot(story.now)


def begun() -> Story:
    return Story()("execution_start", input={}).ran("a").took("a", "b")("node_start", "b", attempt=1, firing=2)


@pytest.mark.parametrize(
    "before",
    [
        begun(),
        begun()("node_retry", "b", attempt=2, delay=9.0, error=ERROR),
        begun()("node_waiting", "b"),
        begun()("node_error", "b", error=ERROR, firing=2, handled=False)("execution_error", error=ERROR),
        begun()("node_cancelled", "b", firing=2)("execution_cancelled"),
    ],
    ids=["running", "retrying", "waiting", "failed", "cancelled"],
)
def test_unfinished_nodes_are_pending_again(before: Story) -> None:
    seen = fold(PAIR, before("execution_resumed", None, 60.0))
    again = fold(PAIR, before("node_start", "b", attempt=2, firing=2)("node_complete", "b", firing=2, output={}))

    assert (seen["nodes"]["a"]["status"], seen["nodes"]["b"]["status"]) == ("completed", "pending")
    assert (second_line(seen["nodes"]["b"], START + 60), seen["nodes"]["b"]["error"]) == (("", ""), None)
    assert seen["edges"]["a>b"]["state"] == "taken"
    assert (again["nodes"]["b"]["status"], again["nodes"]["b"]["runs"]) == ("completed", 1)


def test_a_failure_that_an_error_edge_took_up_is_no_open_matter() -> None:
    story = Story()("execution_start")("node_start", "a", attempt=1)("node_error", "a", error=ERROR, handled=True)

    assert fold(PAIR, story("execution_resumed"))["nodes"]["a"]["status"] == "failed"


def test_what_lost_a_race_long_before_the_end_stays_cancelled() -> None:
    story = Story()("execution_start")("node_start", "a", attempt=1)("node_cancelled", "a")
    story("execution_cancelled", None, 5.0)("execution_resumed")

    assert fold(PAIR, story)["nodes"]["a"]["status"] == "cancelled"


def test_the_time_in_which_a_run_did_not_run_does_not_count() -> None:
    story = begun()("execution_resumed", None, 86_400.0)
    story("node_complete", "b", 2.0, output={}, firing=2)("execution_complete", None, 1.0)

    assert fold(PAIR, story)["run"]["elapsed"] == 4.0  # 1 s before it stopped, 3 s after


def test_items_that_had_completed_are_counted_on() -> None:
    story = Story()("execution_start")("node_start", "review_files", attempt=1, input={"files": list("abc")})
    story("node_complete", "review_files[0]", output=1)("node_error", "review_files[1]", error=ERROR)
    story("execution_resumed")("node_start", "review_files", attempt=2, input={"files": list("abc")})

    assert fold(PULL, story)["nodes"]["review_files"]["items"] == {"done": 1, "total": 3, "failed": 0}


def test_the_inspector_lists_the_attempt_that_ended_with_its_process() -> None:
    story = begun()("execution_resumed", None, 60.0)("node_start", "b", attempt=2, firing=2)

    tries = inspect(story.events, PAIR, "b")["attempts"]

    assert [(one["n"], one["status"], one["note"]) for one in tries] == [
        (1, "cancelled", "its process ended"), (2, "running", ""),
    ]  # fmt: skip


def test_a_try_after_a_resume_waited_for_no_back_off() -> None:
    story = begun()("node_error", "b", error=ERROR, firing=2, duration_ms=1.0)("execution_error", error=ERROR)
    story("execution_resumed", None, 60.0)("node_start", "b", attempt=2, firing=2)

    assert inspect(story.events, PAIR, "b")["attempts"][-1]["note"] == ""


def test_a_fork_says_of_which_run_it_is_and_from_where() -> None:
    story = begun()("execution_resumed", None, parent="1a2b3c4d5e6f", at=17)

    assert fold(PAIR, story)["run"]["note"] == "fork of 1a2b at 17"
    assert fold(PAIR, story, stable=True)["run"]["note"] == "fork"
    assert summary(fold(PAIR, story)).endswith(", fork of 1a2b at 17")


def test_a_fork_that_was_stopped_says_both() -> None:
    story = begun()("execution_resumed", None, parent="1a2b3c4d5e6f", at=17)("execution_cancelled", reason="by you")

    assert fold(PAIR, story)["run"]["note"] == "fork of 1a2b at 17, by you"


def test_a_completion_from_the_cache_says_so_in_place_of_its_time() -> None:
    story = Story()("execution_start")("node_start", "a", attempt=1)("node_complete", "a", output={}, cached=True)

    seen = fold(PAIR, story)

    assert second_line(seen["nodes"]["a"], START) == ("cached", "")
    assert ">cached<" in static_svg(PAIR, seen)
    assert fold(PAIR, story("node_start", "a", attempt=1))["nodes"]["a"]["cached"] is False


def test_a_value_that_was_not_stored_is_marked_and_says_why() -> None:
    seen = value("model", Unstored("it is a generator"))

    assert (seen["type"], seen["preview"]) == ("not stored", "was not stored: it is a generator")
    assert "was not stored: it is a generator" in value("rows", [1, Unstored("it is a generator")])["preview"]
