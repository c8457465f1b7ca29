"""Why an edge was taken or not, what a join waits for, and how much of the critical path a node is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from view_samples import ERROR, PULL, REVIEW, Story, graph

from nbflow.graph import GraphDefinition
from nbflow.live_view.lookups import Lookups
from nbflow.view import RunView, inspect
from nbflow.view.panels.inspector import MOST, why
from nbflow.view.panels.timeline import AT_ONCE


def fold(definition: GraphDefinition, story: Story) -> RunView:
    view = RunView(definition)
    view.apply(story.events)
    return view


def begun() -> Story:
    return Story()("execution_start", input={})


def told(definition: GraphDefinition, story: Story, edge: str) -> str:
    return str((why(fold(definition, story), edge) or {})["text"])


TWO = graph(
    "two", ["a", "b", "c", "d"], [("a", "b", {"condition": "n > 9"}), ("a", "c", {"condition": "n > 5"}), ("a", "d")]
)


# -- edges ------------------------------------------------------------------------------------------------------------


def test_an_edge_with_a_condition_shows_it_with_the_values_it_read() -> None:
    story = begun().ran("a").left("a", "b", "n > 9", n=7).took("a", "c", "n > 5", n=7)

    assert told(TWO, story, "a>b") == "Not taken: n (7) > 9 is no"
    assert told(TWO, story, "a>c") == "Taken: n (7) > 5 is yes"


def test_an_edge_that_was_not_evaluated_shows_the_choice_made_instead() -> None:
    story = begun().ran("a").took("a", "b", "n > 9", n=12)

    assert told(TWO, story, "a>c") == "Not taken: n (12) > 9 is yes, so it went to b"
    assert told(TWO, story, "a>d") == "Not taken: n (12) > 9 is yes, so it went to b"


def test_the_edge_without_a_condition_shows_which_conditions_failed() -> None:
    story = begun().ran("a").left("a", "b", "n > 9", n=1).left("a", "c", "n > 5", n=1).took("a", "d")
    one = (
        begun().ran("run_tests").left("run_tests", "fix_tests", "failed > 0", failed=0).took("run_tests", "approve_fix")
    )

    assert told(TWO, story, "a>d") == "Taken: none of 2 conditions is yes"
    assert told(PULL, one, "run_tests>approve_fix") == "Taken: failed (0) > 0 is no"
    assert (
        told(PULL, begun().ran("fetch_pr").took("fetch_pr", "classify"), "fetch_pr>classify")
        == "Taken: it has no condition"
    )


def test_a_loop_shows_its_count_and_the_last_result() -> None:
    story = begun()
    for failed in (2, 1):
        story.ran("run_tests").took("run_tests", "fix_tests", "failed > 0", failed=failed).ran("fix_tests")
    story.ran("run_tests").left("run_tests", "fix_tests", "failed > 0", failed=0)

    assert told(PULL, story, "run_tests>fix_tests") == "Taken 2 times, not the last time: failed (0) > 0 is no"


def test_the_edge_without_a_condition_shows_the_last_condition_that_was_true() -> None:
    story = begun().ran("a").left("a", "b", "n > 9", n=1).left("a", "c", "n > 5", n=1).took("a", "d")
    story.ran("a").left("a", "b", "n > 9", n=7).took("a", "c", "n > 5", n=7)

    assert told(TWO, story, "a>d") == "Taken, not the last time: n (7) > 5 is yes"


def test_an_error_edge_shows_the_error_or_that_there_was_none() -> None:
    failed = begun()("node_start", "apply_fixes", attempt=1)("node_error", "apply_fixes", error=ERROR, handled=True)
    failed.took("apply_fixes", "suggest_improvements", kind="error")

    error, way_on = "apply_fixes>suggest_improvements", "apply_fixes>detect_issues"
    assert told(REVIEW, failed, error) == "Taken: apply_fixes failed, KeyError: 'severity'"
    assert told(REVIEW, failed, way_on) == "Not taken: apply_fixes failed"
    assert told(REVIEW, begun().ran("apply_fixes"), error) == "Not taken: apply_fixes did not fail"


@pytest.mark.parametrize(
    ("kind", "text"),
    [(None, "has not run"), ("node_start", "is running"), ("node_waiting", "waits for a person"), ("node_cancelled", "was cancelled")],
)  # fmt: skip
def test_an_undecided_edge_shows_the_status_of_its_node(kind: str | None, text: str) -> None:
    story = begun()("node_start", "a", attempt=1) if kind else begun()
    if kind and kind != "node_start":
        story(kind, "a")

    assert told(TWO, story, "a>b") == f"Not decided: a {text}"


def test_an_edge_is_explained_at_a_past_moment() -> None:
    story = begun().ran("a").left("a", "b", "n > 9", n=7)
    questions = Lookups(SimpleNamespace(graph=TWO, subgraphs={}, events=story.events))

    after, before = (questions.answer({"type": "why", "edge": "a>b", "at": at}) or {} for at in (4, 2))

    assert (after["text"], after["at"]) == ("Not taken: n (7) > 9 is no", 4)
    assert before["text"] == "Not decided: a is running"
    assert questions.answer({"type": "why", "edge": "ghost", "at": 4}) is None
    assert why(fold(TWO, story), "ghost") is None


def test_an_edge_shows_text_as_one_bounded_line() -> None:
    hostile = "\u202e\n<b>" * 1_000

    text = told(TWO, begun().ran("a").left("a", "b", "n > 9", n=hostile), "a>b")

    assert len(text) <= 400
    assert "\n" not in text
    assert "\u202e" not in text


# -- joins ------------------------------------------------------------------------------------------------------------


def waits(definition: GraphDefinition, story: Story, node: str) -> Any:
    return inspect(fold(definition, story), definition, node)["waits_for"]


def split() -> Story:
    story = begun().ran("fetch_pr").took("fetch_pr", "classify").ran("load_rules").took("load_rules", "classify")
    story.ran("classify")
    for name in ("lint", "security_scan", "review_files", "run_tests"):
        story.took("classify", name)("node_start", name, attempt=1)
    return story


def test_a_pending_join_names_the_active_nodes_before_it() -> None:
    story = split()("node_complete", "security_scan", output={}, duration_ms=1.0).took(
        "security_scan", "merge_findings"
    )

    assert waits(PULL, story, "merge_findings") == ["lint", "review_files", "run_tests"]


def test_a_join_waits_for_a_loop_before_it_to_end() -> None:
    story = split()("node_complete", "run_tests", output={}, duration_ms=1.0)
    story.took("run_tests", "fix_tests", "failed > 0", failed=1)("node_start", "fix_tests", attempt=1)

    assert waits(PULL, story, "merge_findings") == ["lint", "security_scan", "review_files", "fix_tests"]


def test_a_node_that_a_token_has_reached_is_waited_for_and_waits_itself() -> None:
    story = begun().ran("fetch_pr").took("fetch_pr", "classify")

    assert waits(PULL, story, "classify") == ["load_rules"]
    assert waits(PULL, story, "merge_findings") == ["load_rules", "classify"]


def test_nothing_is_waited_for_by_what_is_no_join_or_no_longer_pending() -> None:
    story = split()

    assert waits(PULL, story, "fix_tests") == []
    assert waits(PULL, story, "lint") == []
    assert waits(PULL, story, "post_review") == ["lint", "security_scan", "review_files", "run_tests"]
    assert waits(PULL, Story(), "merge_findings") == []
    assert waits(PULL, story("execution_cancelled"), "merge_findings") == []


ROUNDS = graph(
    "rounds",
    ["head", "left", "right", "join", "last"],
    [("head", "left"), ("head", "right"), ("left", "join"), ("right", "join"), ("join", "last"),
     ("last", "head", {"condition": "again", "max_iterations": 5})],
)  # fmt: skip


def test_what_comes_round_again_is_not_waited_for_in_this_round() -> None:
    story = begun().ran("head").took("head", "left").took("head", "right").ran("left").took("left", "join")
    story("node_start", "right", attempt=1)("node_start", "last", attempt=1)

    assert waits(ROUNDS, story, "join") == ["right"]


def test_of_many_that_are_waited_for_a_bounded_number_is_named() -> None:
    names = [f"n{index}" for index in range(3_000)]
    many = graph("many", ["begin", *names, "join"], [("begin", n) for n in names] + [(n, "join") for n in names])
    story = begun().ran("begin")
    for name in names:
        story.took("begin", name)

    assert waits(many, story, "join") == names[:MOST]


# -- the critical path ------------------------------------------------------------------------------------------------


def test_the_share_of_the_critical_path_is_sent_when_all_events_are_folded() -> None:
    story = begun().ran("a", 3.0).took("a", "b").ran("b", 1.0)
    for _ in range(AT_ONCE):
        story("node_output", "b", text=".")
    questions = Lookups(
        SimpleNamespace(graph=graph("pair", ["a", "b"], [("a", "b")]), subgraphs={}, events=story.events)
    )

    first, second = (questions.answer({"type": "share", "node": "a"}) for _ in range(2))

    assert first == {"type": "share", "node": "a", "share": None, "more": True}
    assert second == {"type": "share", "node": "a", "share": 0.75, "more": False}
