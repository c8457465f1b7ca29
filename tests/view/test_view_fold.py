"""The view of a run is a function of its events."""

from __future__ import annotations

from typing import Any

import pytest
from view_samples import ASKING, ERROR, PAIR, PULL, REVIEW, START, Story, graph

from nbflow.graph import GraphDefinition
from nbflow.view import RunView
from nbflow.view.text import standing


def fold(definition: GraphDefinition, story: Story, **options: Any) -> dict[str, Any]:
    view = RunView(definition, **options)
    view.apply(story.events)
    return view.snapshot(story.now)


def begun() -> Story:
    return Story()("execution_start", input={})


def test_a_graph_that_has_not_started_is_ready_and_all_its_nodes_are_pending() -> None:
    seen = fold(PAIR, Story())

    assert seen["run"]["status"] == "ready"
    assert standing(seen["nodes"]) == {"pending": 2}
    assert seen["run"]["started"] is None
    assert {edge["state"] for edge in seen["edges"].values()} == {"open"}


def test_a_node_runs_since_its_start_and_then_has_its_duration() -> None:
    story = begun()("node_start", "a", 2.0, attempt=1)
    running = fold(PAIR, story)["nodes"]["a"]
    ended = fold(PAIR, story("node_complete", "a", 1.5, output={}, duration_ms=1500.0))["nodes"]["a"]

    assert (running["status"], running["since"], running["runs"]) == ("running", START + 2.0, 1)
    assert (ended["status"], ended["since"], ended["ms"]) == ("completed", START + 2.0, 1500.0)


def test_a_retry_shows_the_try_to_come_and_when_it_is_due() -> None:
    story = begun()("node_start", "lint", attempt=1)("node_retry", "lint", 1.0, attempt=2, delay=4.0, error=ERROR)

    seen = fold(PULL, story)

    node = seen["nodes"]["lint"]
    assert (node["status"], node["attempt"], node["of"], node["error"]) == ("retrying", 2, 3, "KeyError")
    assert node["since"] == START + 5.0
    assert seen["run"]["retries"] == 1


def test_a_second_try_is_no_second_run() -> None:
    story = begun()("node_start", "lint", attempt=1)("node_retry", "lint", attempt=2, delay=0, error=ERROR)
    story("node_start", "lint", attempt=2)("node_complete", "lint", output={}, duration_ms=1.0)

    node = fold(PULL, story)["nodes"]["lint"]

    assert (node["runs"], node["attempt"], node["error"]) == (1, 2, None)


def test_waiting_shows_until_every_question_is_answered() -> None:
    story = begun()("node_start", "approve_fix", attempt=1)("node_waiting", "approve_fix", 3.0)
    waiting = fold(PULL, story)
    answered = fold(PULL, story("node_answered", "approve_fix", 5.0))

    assert waiting["run"]["status"] == "waiting"
    assert waiting["nodes"]["approve_fix"]["since"] == START + 3.0
    assert answered["nodes"]["approve_fix"]["status"] == "running"
    assert answered["run"]["status"] == "running"


def test_a_question_asked_inside_a_subgraph_shows_on_its_node() -> None:
    story = begun()("node_start", "security_scan", attempt=1)("node_waiting", "security_scan/review")

    assert fold(PULL, story)["nodes"]["security_scan"]["status"] == "waiting"


def test_items_of_a_map_are_counted_on_its_node() -> None:
    story = begun()("node_start", "review_files", attempt=1, input={"files": list(range(500))})
    for index in range(3):
        story("node_start", f"review_files[{index}]", attempt=1)
        story("node_complete", f"review_files[{index}]", output=1, duration_ms=1.0)
    story("node_error", "review_files[3]", error=ERROR, handled=True)
    story("node_complete", "review_files[4]/inner", output={}, duration_ms=1.0)

    node = fold(PULL, story)["nodes"]["review_files"]

    assert node["items"] == {"done": 4, "total": 500, "failed": 1}
    assert (node["status"], node["runs"]) == ("running", 1)


def test_a_subgraph_progresses_by_the_nodes_of_it_that_ended() -> None:
    inner = graph("scan", ["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("c", "d")])
    story = begun()("node_start", "security_scan", attempt=1)
    story.ran("security_scan/a").ran("security_scan/b").ran("security_scan/b")

    node = fold(PULL, story, subgraphs={"scan": inner})["nodes"]["security_scan"]

    assert node["progress"] == 0.5


def test_a_reported_progress_stays_between_nothing_and_all() -> None:
    story = begun()("node_start", "a", attempt=1)("node_progress", "a", progress=7.0, text="x\u0000y" * 100)

    node = fold(PAIR, story)["nodes"]["a"]

    assert node["progress"] == 1.0
    assert len(node["text"]) <= 80
    assert "\u0000" not in node["text"]


def test_what_was_never_reached_is_not_needed_once_the_run_is_complete() -> None:
    story = begun().ran("detect_issues").took("detect_issues", "suggest_improvements").ran("suggest_improvements")
    during = fold(REVIEW, story)
    after = fold(REVIEW, story("execution_complete", result={}))

    assert during["nodes"]["apply_fixes"]["status"] == "pending"
    assert after["nodes"]["apply_fixes"]["status"] == "skipped"
    assert after["edges"]["apply_fixes>detect_issues"]["state"] == "untaken"
    assert standing(after["nodes"]) == {"completed": 2, "skipped": 3}


def test_what_was_never_reached_stays_pending_when_the_run_failed() -> None:
    story = begun()("node_start", "a", attempt=1)("node_error", "a", error=ERROR, duration_ms=1.0, handled=False)

    seen = fold(PAIR, story("execution_error", error={"node": "a", **ERROR}))

    assert (seen["nodes"]["a"]["status"], seen["nodes"]["b"]["status"]) == ("failed", "pending")
    assert seen["run"]["error"]["text"] == "KeyError: 'severity'"
    assert (seen["run"]["error"]["node"], seen["run"]["error"]["label"]) == ("a", "4.py, line 8")


def test_an_error_is_named_by_its_notebook_cell_where_that_is_known() -> None:
    story = begun()("node_error", "a", error=ERROR)("execution_error", error=ERROR)
    place = {"label": "Cell [4], line 8", "cell_id": "c4"}

    error = fold(PAIR, story, locate=lambda file, line: place if (file, line) == ("/cells/4.py", 8) else None)

    assert {"label": "Cell [4], line 8", "cell_id": "c4", "line": 8}.items() <= error["run"]["error"].items()


def test_an_error_inside_a_subgraph_is_shown_on_its_node() -> None:
    seen = fold(PULL, begun()("execution_error", error={**ERROR, "node": "security_scan/deep"}))

    assert seen["run"]["error"]["node"] == "security_scan"


def test_a_cancelled_run_says_during_what() -> None:
    story = begun()("node_start", "a", attempt=1)("node_cancelled", "a", duration_ms=5.0)

    seen = fold(PAIR, story("execution_cancelled", wait=1.0, reason="by you"))

    assert seen["run"]["note"] == "by you during a"
    assert (seen["run"]["status"], seen["run"]["elapsed"]) == ("cancelled", 1.0)


def test_nothing_runs_after_the_end() -> None:
    story = begun()("node_start", "a", attempt=1)("execution_error", error=ERROR)

    assert fold(PAIR, story)["nodes"]["a"]["status"] == "cancelled"


def test_a_resumed_run_takes_up_what_had_failed() -> None:
    story = begun()("node_error", "a", error=ERROR)("execution_error", error=ERROR)("execution_resumed", None, 9.0)

    seen = fold(PAIR, story)

    assert (seen["run"]["status"], seen["run"]["error"], seen["run"]["elapsed"]) == ("running", None, None)
    assert (seen["nodes"]["a"]["status"], seen["nodes"]["a"]["error"]) == ("pending", None)


def test_an_edge_lives_while_the_node_it_led_to_runs() -> None:
    story = begun().ran("a").took("a", "b")
    taken = fold(PAIR, story)["edges"]["a>b"]["state"]
    live = fold(PAIR, story("node_start", "b", attempt=1))["edges"]["a>b"]["state"]
    after = fold(PAIR, story("node_complete", "b", output={}))["edges"]["a>b"]["state"]

    assert (taken, live, after) == ("taken", "live", "taken")


def test_a_decision_shows_the_condition_with_the_values_it_read() -> None:
    story = begun().ran("run_tests").left("run_tests", "fix_tests", "failed > 0", failed=0)

    edge = fold(PULL, story)["edges"]["run_tests>fix_tests"]

    assert edge["caption"] == {"parts": [["failed "], ["(0)", "v"], [" > 0"]], "result": "no"}
    assert edge["state"] == "untaken"


def test_a_node_shows_the_caption_of_its_last_decision_only() -> None:
    story = begun().ran("a")
    two = graph("two", ["a", "b", "c"], [("a", "b", {"condition": "x"}), ("a", "c", {"condition": "y"})])

    edges = fold(two, story.left("a", "b", "x", x=0).took("a", "c", "y", y=1))["edges"]

    assert edges["a>b"]["caption"] is None
    assert edges["a>c"]["caption"]["result"] == "yes"


def test_an_exclusive_choice_leaves_the_other_edges_untaken() -> None:
    edges = fold(ASKING, begun().ran("plan").took("plan", "approve", "risky", risky=True))["edges"]

    assert (edges["plan>approve"]["state"], edges["plan>act"]["state"]) == ("taken", "untaken")


def test_an_edge_once_taken_never_shows_as_untaken() -> None:
    story = begun().ran("run_tests").took("run_tests", "fix_tests", "failed > 0", failed=1)

    edge = fold(PULL, story.left("run_tests", "fix_tests", "failed > 0", failed=0))["edges"]["run_tests>fix_tests"]

    assert (edge["state"], edge["count"]) == ("taken", 1)


def test_labels_count_loops_and_decisions() -> None:
    story = begun()
    before = fold(PULL, story)["edges"]
    for failed in (7, 3, 1):
        story.ran("run_tests").took("run_tests", "fix_tests", "failed > 0", failed=failed)
        story.ran("fix_tests").took("fix_tests", "run_tests")
    after = fold(PULL, story)["edges"]

    assert (before["fix_tests>run_tests"]["label"], before["run_tests>fix_tests"]["label"]) == ("max 5", "yes")
    assert after["fix_tests>run_tests"]["label"] == "loop 3 of 5"
    assert after["run_tests>fix_tests"]["label"] == "yes \u00d73"
    assert after["run_tests>approve_fix"]["label"] == "no"


def test_a_loop_entered_again_counts_from_one() -> None:
    story = begun().took("fix_tests", "run_tests").took("fix_tests", "run_tests")
    story.took("classify", "run_tests").took("fix_tests", "run_tests")

    edge = fold(PULL, story)["edges"]["fix_tests>run_tests"]

    assert (edge["label"], edge["count"]) == ("loop 1 of 5", 3)


def test_a_join_shows_how_many_of_its_inputs_came() -> None:
    story = begun()
    none = fold(PULL, story)["nodes"]["merge_findings"]["inputs"]
    two = fold(PULL, story.took("lint", "merge_findings").took("security_scan", "merge_findings"))
    begins = fold(PULL, story("node_start", "merge_findings", attempt=1))

    assert (none, two["nodes"]["merge_findings"]["inputs"]) == ([0, 4], [2, 4])
    assert begins["nodes"]["merge_findings"]["inputs"] is None


@pytest.mark.parametrize("node", ["post_review", "run_tests", "quick_review"])
def test_where_only_one_input_can_come_there_is_no_join(node: str) -> None:
    assert fold(PULL, begun())["nodes"][node]["inputs"] is None


def test_the_two_ways_of_a_decision_do_not_join() -> None:
    either = graph("either", "abcd", [("a", "b", {"condition": "x"}), ("a", "c"), ("b", "d"), ("c", "d")])
    both = graph("both", "abcd", [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])

    assert fold(either, begun())["nodes"]["d"]["inputs"] is None
    assert fold(both, begun())["nodes"]["d"]["inputs"] == [0, 2]


def test_instances_side_by_side_run_until_the_last_ends() -> None:
    story = begun()("node_start", "b", attempt=1, firing=1)("node_start", "b", attempt=1, firing=2)
    story("node_complete", "b", output={}, firing=1)
    one = fold(PAIR, story)["nodes"]["b"]
    none = fold(PAIR, story("node_complete", "b", output={}, firing=2))["nodes"]["b"]

    assert (one["status"], none["status"], none["runs"]) == ("running", "completed", 2)


def test_a_pause_shows_and_passes() -> None:
    story = begun()("execution_paused")

    assert fold(PAIR, story)["run"]["status"] == "paused"
    assert fold(PAIR, story("execution_continued"))["run"]["status"] == "running"


def test_edges_that_join_the_same_nodes_have_numbered_keys() -> None:
    twice = graph("twice", "ab", [("a", "b", {"condition": "x"}), ("a", "b")])

    assert list(RunView(twice).snapshot(0.0)["edges"]) == ["a>b#1", "a>b#2"]


def test_keys_stay_different_where_ids_hold_the_arrow() -> None:
    odd = graph("odd", ["a", "a>b", "b>c", "c"], [("a", "b>c"), ("a>b", "c"), ("a", "c")])

    assert len(set(RunView(odd).snapshot(0.0)["edges"])) == 3


def test_events_of_unknown_nodes_are_passed_over() -> None:
    story = begun().ran("ghost").took("a", "ghost").ran("a")

    assert standing(fold(PAIR, story)["nodes"]) == {"completed": 1, "pending": 1}
