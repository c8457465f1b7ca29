"""The parts of a map or subgraph: the status of each, failed ones first, at most one screen of them."""

from __future__ import annotations

from typing import Any

from view_samples import ERROR, PULL, Story, graph

from nbflow.view import RunView, inspect
from nbflow.view.fold.nodes import ROWS, NodeParts

SCAN = graph(
    "scan", ["secrets", {"node_id": "deep", "graph": "deep"}, "report"], [("secrets", "deep"), ("deep", "report")]
)
OUTER = graph("outer", [{"node_id": "scan", "graph": "scan"}], [])


def inside(story: Story, node: str = "scan", definition: Any = OUTER) -> Any:
    view = RunView(definition, subgraphs={"scan": SCAN})
    view.apply(story.events)
    return inspect(view, definition, node)["inside"]


def scanning() -> Story:
    return Story()("execution_start", input={})("node_start", "scan", attempt=1)


def mapping(count: int = 4) -> Story:
    return Story()("node_start", "review_files", attempt=1, input={"files": list(range(count))})


def test_the_nodes_of_a_subgraph_are_listed_by_path_active_ones_first() -> None:
    story = scanning().ran("scan/secrets")("node_start", "scan/deep", attempt=1)(
        "node_start", "scan/deep/probe", attempt=1
    )

    assert inside(story) == {
        "rows": [["deep", "running", None], ["deep/probe", "running", None], ["secrets", "completed", None], ["report", "pending", None]],
        "more": 0,
    }  # fmt: skip


def test_failed_parts_come_first_with_their_errors() -> None:
    story = scanning()("node_start", "scan/secrets", attempt=1)("node_start", "scan/deep", attempt=1)

    rows = inside(story("node_error", "scan/deep", error=ERROR))["rows"]

    assert rows[:2] == [["deep", "failed", "KeyError: 'severity'"], ["secrets", "running", None]]


def test_a_node_that_runs_again_is_no_longer_over() -> None:
    story = scanning().ran("scan/secrets")("node_start", "scan/secrets", attempt=1)

    assert inside(story)["rows"][0] == ["secrets", "running", None]


def test_a_part_that_is_tried_again_or_asks_a_person_says_so() -> None:
    story = mapping()("node_start", "review_files[0]", attempt=1)("node_start", "review_files[1]", attempt=1)
    story("node_retry", "review_files[0]", attempt=2, delay=1.0, error=ERROR)("node_waiting", "review_files[1]")

    assert inside(story, "review_files", PULL)["rows"] == [["0", "retrying", None], ["1", "waiting", None]]


def test_failed_items_are_listed_before_the_others() -> None:
    story = mapping().ran("review_files[0]")("node_start", "review_files[2]", attempt=1)
    story("node_start", "review_files[1]", attempt=1)("node_error", "review_files[1]", error=ERROR)

    rows = inside(story, "review_files", PULL)["rows"]

    assert rows == [["1", "failed", "KeyError: 'severity'"], ["2", "running", None], ["0", "completed", None]]


def test_what_ran_when_the_run_was_cancelled_was_cancelled() -> None:
    story = mapping()("node_start", "review_files[0]", attempt=1)("execution_cancelled")

    assert inside(story, "review_files", PULL)["rows"] == [["0", "cancelled", None]]


def test_a_new_visit_discards_the_parts_and_an_unstarted_node_has_none() -> None:
    again = mapping().ran("review_files[0]")("node_complete", "review_files", output=[], duration_ms=1.0)

    assert inside(again("node_start", "review_files", attempt=1, input={"files": []}), "review_files", PULL) is None
    assert inside(Story()) is None
    assert inside(mapping(), "lint", PULL) is None


def test_of_ten_thousand_items_one_screen_is_listed_and_the_rest_counted() -> None:
    story = mapping(10_000)
    for index in range(10_000):
        story("node_start", f"review_files[{index}]", attempt=1)("node_complete", f"review_files[{index}]", output=1)

    told = inside(story("node_start", "review_files[10000]", attempt=1), "review_files", PULL)

    assert (len(told["rows"]), told["more"]) == (ROWS, 10_001 - ROWS)
    assert told["rows"][0] == ["10000", "running", None]


def test_a_hundred_thousand_items_are_folded() -> None:
    parts = NodeParts()
    places = [f"[{index}]" for index in range(100_000)]

    for place in places:
        parts.item(place, "running", "")
        parts.item(place, "completed", "")

    assert (len(parts.done), parts.total) == (len(places), len(places))


def test_the_items_of_a_nested_map_are_not_retained() -> None:
    story = scanning()("node_start", "scan/deep", attempt=1)
    for index in range(1_000):
        story("node_start", f"scan/deep[{index}]", attempt=1)

    assert [row[0] for row in inside(story)["rows"]] == ["deep", "secrets", "report"]
