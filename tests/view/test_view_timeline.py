"""The timeline of a run: its pieces, and the answers to a page that requests them."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_view_patches import events
from view_samples import ERROR, PULL, Story, graph

from nbflow import ToolRegistry, WorkflowEngine
from nbflow.events import Event
from nbflow.graph import GraphDefinition
from nbflow.live_view.lookups import Lookups
from nbflow.view.panels.lanes import ROWS, TRACK
from nbflow.view.panels.timeline import AT_ONCE, PIECES, Timeline

FIELDS = ("id", "lane", "row", "kind", "begin", "end", "seq", "end_seq", "visit", "attempt", "count")
SCAN = graph("scan", ["look", "tell"], [("look", "tell")])
ONE = graph("one", ["a"], [])
TWO = graph("two", ["a", "b"], [("a", "b")])
LOOP = graph("loop", ["a", "b"], [("a", "b"), ("b", "a", {"max_iterations": 10**6})])


class Page:
    """The timeline of a page that sends requests until it is complete."""

    def __init__(self, shape: GraphDefinition, listed: list[Event], **subgraphs: GraphDefinition) -> None:
        self.timeline = Timeline(SimpleNamespace(graph=shape, subgraphs=subgraphs, events=listed))
        self.seq, self.answers = 0, 0
        self.lanes: dict[int, str] = {}
        self.held: dict[int, dict[str, Any]] = {}
        self.last: dict[str, Any] = {}
        self.ask()

    def ask(self) -> Page:
        while True:
            answer = json.loads(json.dumps(self.timeline.answer({"type": "spans", "after": self.seq})))
            self.answers += 1
            self._take(answer)
            if not answer["more"]:
                return self

    def _take(self, answer: dict[str, Any]) -> None:
        self.seq = answer["seq"]
        self.last |= answer
        self.lanes |= {number: path for number, path, *_ in answer.get("lanes", ())}
        for lane, row in answer.get("forget", ()):
            self.held = {key: one for key, one in self.held.items() if (one["lane"], one["row"]) != (lane, row)}
        for told in answer.get("pieces", ()):
            self.held[told[0]] = dict(zip(FIELDS, told, strict=True))

    def of(self, path: str) -> list[tuple[Any, ...]]:
        """Return the kind, start and end of each piece of a lane, in order."""
        number = next(number for number, known in self.lanes.items() if known == path)
        own = sorted(
            (one for one in self.held.values() if one["lane"] == number), key=lambda one: (one["begin"], one["id"])
        )
        return [(one["kind"], one["begin"], one["end"]) for one in own]


def test_a_try_that_fails_the_wait_after_it_and_the_next_try_are_three_pieces() -> None:
    story = Story()("execution_start")("node_start", "a", attempt=1)
    story("node_retry", "a", 2, attempt=2, delay=3, error=ERROR)("node_start", "a", 3, attempt=2)(
        "node_complete", "a", 1
    )

    assert Page(ONE, story.events).of("a") == [("failed", 0, 2), ("backoff", 2, 5), ("completed", 5, 6)]


def test_from_its_last_input_to_its_start_a_node_is_queued() -> None:
    story = Story()("execution_start").ran("a", 1).took("a", "b")("node_start", "b", 4, attempt=1)

    assert Page(TWO, story.events).of("b") == [("queued", 1, 5), ("running", 5, None)]


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("node_complete", {}, "completed"),
        ("node_complete", {"cached": True}, "cached"),
        ("node_error", {"error": ERROR, "handled": True}, "failed"),
        ("node_cancelled", {}, "cancelled"),
        ("node_skipped", {"output": 1}, "skipped"),
    ],
)
def test_a_try_shows_what_became_of_it(kind: str, data: dict[str, Any], shown: str) -> None:
    story = Story()("execution_start")("node_start", "a", attempt=1)(kind, "a", 1, **data)

    assert Page(ONE, story.events).of("a") == [(shown, 0, 1)]


def test_waiting_for_a_person_lies_within_the_attempt() -> None:
    story = Story()("execution_start")("node_start", "a", attempt=1)("node_waiting", "a", 1)("node_answered", "a", 5)
    story("node_complete", "a", 2)

    assert Page(ONE, story.events).of("a") == [("completed", 0, 8), ("waiting", 1, 6)]


def test_a_question_inside_a_subgraph_shows_in_the_lane_around_it_too() -> None:
    shape = graph("outer", [{"node_id": "s", "graph": "scan"}], [])
    story = Story()("execution_start")("node_start", "s", attempt=1)("node_start", "s/look", attempt=1, scope="s#1/")
    story("node_waiting", "s/look", 2)

    page = Page(shape, story.events, scan=SCAN)

    assert page.of("s") == [("running", 0, None), ("waiting", 2, None)]
    assert page.of("s/look") == [("running", 0, None), ("waiting", 2, None)]


def test_the_lanes_of_a_subgraph_come_when_something_happens_in_it() -> None:
    shape = graph("outer", ["a", {"node_id": "s", "graph": "scan"}], [("a", "s")])
    story = Story()("execution_start").ran("a", 1).took("a", "s")
    page = Page(shape, story.events, scan=SCAN)
    assert list(page.lanes.values()) == ["a", "s"]

    story("node_start", "s", attempt=1)("node_start", "s/look", attempt=1, scope="s#2/")

    assert list(page.ask().lanes.values()) == ["a", "s", "s/look", "s/tell"]


def test_items_of_a_map_share_as_many_rows_as_ran_at_once() -> None:
    shape = graph("mapping", [{"node_id": "m", "tool": "m", "map": "items"}], [])
    story = Story()("execution_start")("node_start", "m", attempt=1, firing=1)
    for item in (0, 1):
        story("node_start", f"m[{item}]", attempt=1, firing=1, item=item)
    for item in (2, 3, 4):
        story("node_complete", f"m[{item - 2}]", 1, firing=1, item=item - 2)
        story("node_start", f"m[{item}]", attempt=1, firing=1, item=item)

    rows = [(one["row"], one["visit"]) for one in Page(shape, story.events).held.values()]

    assert sorted(rows) == [(0, 1), (1, 0), (1, 2), (1, 4), (2, 1), (2, 3)]


def test_a_map_of_very_many_items_at_once_has_a_bounded_number_of_rows() -> None:
    shape = graph("mapping", [{"node_id": "m", "tool": "m", "map": "items"}], [])
    story = Story()("execution_start")("node_start", "m", attempt=1, firing=1)
    for item in range(1_000):
        story("node_start", f"m[{item}]", 0.001, attempt=1, firing=1, item=item)

    rows = {one["row"] for one in Page(shape, story.events).held.values()}

    assert rows == set(range(ROWS + 1))


def test_every_visit_has_its_number_and_the_events_of_its_start_and_end() -> None:
    story = Story()("execution_start")
    for _ in range(2):
        story.ran("a", 1).took("a", "b").ran("b", 1).took("b", "a")

    held = Page(LOOP, story.events).held.values()

    assert [(one["visit"], one["seq"], one["end_seq"]) for one in held if one["lane"] == 0] == [(1, 2, 3), (2, 8, 9)]


def test_the_time_between_a_stop_and_a_resume_does_not_count() -> None:
    story = Story()("execution_start")("node_start", "a", attempt=1, firing=1)("node_output", "a", 2)
    story("execution_resumed", None, 3600)("node_start", "a", attempt=2, firing=1)("node_complete", "a", 1, firing=1)

    page = Page(ONE, story.events)

    assert page.of("a") == [("cancelled", 0, 2), ("completed", 2, 3)]
    assert page.last["resumes"] == [[2, 3600, 4]]


def test_a_pause_lasts_until_the_run_continues() -> None:
    story = Story()("execution_start")("execution_paused", None, 1)("execution_continued", None, 4)(
        "execution_paused", None, 1
    )

    assert Page(ONE, story.events).last["pauses"] == [[1, 5], [6, None]]


def test_a_node_that_a_choice_skipped_has_the_condition_until_it_runs() -> None:
    story = Story()("execution_start").ran("a", 1).left("a", "b", "x > 1", x=0)
    page = Page(TWO, story.events)
    assert page.last["left"] == [[1, 1, 4, "x (0) > 1"]]

    story.took("a", "b").ran("b", 1)

    assert page.ask().last["left"] == [[1]]


def test_an_answer_has_only_the_changes() -> None:
    story = Story()("execution_start").ran("a", 1).took("a", "b")("node_start", "b", attempt=1)
    timeline = Timeline(SimpleNamespace(graph=TWO, subgraphs={}, events=story.events))
    first = timeline.answer({"type": "spans", "after": 0}) or {}
    story("node_complete", "b", 1)

    second = timeline.answer({"type": "spans", "after": first["seq"]}) or {}

    assert [len(answer["pieces"]) for answer in (first, second)] == [2, 1]
    assert second["lanes"] == []
    assert "path" not in (timeline.answer({"type": "spans", "after": second["seq"]}) or {})


@pytest.mark.parametrize("after", [None, -1, "1", True, 1.5])
def test_a_question_that_is_none_has_no_answer(after: Any) -> None:
    assert (
        Lookups(SimpleNamespace(graph=ONE, subgraphs={}, events=[])).answer({"type": "spans", "after": after}) is None
    )


def test_an_endless_loop_has_few_pieces_which_count_every_visit() -> None:
    story = Story()("execution_start")
    for _ in range(4_000):
        story.ran("a", 0.25).took("a", "b").ran("b", 0.25).took("b", "a")

    page = Page(LOOP, story.events)

    assert len(page.held) <= 2 * TRACK
    assert sum(one["count"] for one in page.held.values()) == 8_000
    assert page.last["merged"]


def test_a_failure_among_visits_drawn_as_one_stays_seen() -> None:
    story = Story()("execution_start")
    for i in range(TRACK + 50):
        story("node_start", "a", attempt=1)
        story("node_error", "a", 0.1, error=ERROR, handled=True) if i == 7 else story("node_complete", "a", 0.1)

    assert "failed" in {kind for kind, *_ in Page(ONE, story.events).of("a")}


def test_an_answer_folds_and_returns_a_bounded_number_of_pieces() -> None:
    story = Story()("execution_start")
    names = [f"n{i}" for i in range(3 * AT_ONCE)]
    for name in names:
        story.ran(name, 0.01)

    page = Page(graph("wide", names, []), story.events)

    assert page.answers >= 6
    assert sum(one["kind"] == "completed" for one in page.held.values()) == len(names) > 2 * PIECES


@given(events(), st.integers(1, 9))
def test_a_page_that_asks_often_knows_what_one_that_asks_once_does(listed: list[Event], step: int) -> None:
    seen: list[Event] = []
    often = Page(PULL, seen, scan=SCAN)
    for start in range(0, len(listed), step):
        seen += listed[start : start + step]
        often.ask()

    once = Page(PULL, listed, scan=SCAN)

    assert often.held == once.held
    assert often.lanes == once.lanes
    assert often.last["path"] == once.last["path"]


@given(events())
def test_no_piece_ends_before_its_start_and_none_is_open_after_the_run(listed: list[Event]) -> None:
    page = Page(PULL, listed, scan=SCAN)

    assert all(one["end"] is None or one["end"] >= one["begin"] for one in page.held.values())
    if page.last["ended"] and listed[-1].kind.value in ("execution_complete", "execution_error", "execution_cancelled"):
        assert all(one["end"] is not None for one in page.held.values())


async def _stamped(x: int = 0) -> dict[str, int]:
    return {"x": x + 1}


def test_a_real_run_answers_through_its_questions() -> None:
    registry = ToolRegistry()
    registry.register("work", _stamped)
    inner = graph("scan", ["look", "tell"], [("look", "tell")])
    shape = graph("outer", ["a", {"node_id": "s", "graph": "scan"}, "z"], [("a", "s"), ("s", "z")])
    engine = WorkflowEngine(registry, graphs={"scan": inner})

    async def ran() -> Any:
        run = engine.start(shape, {})
        await run
        return run

    run = asyncio.run(ran())

    answer = Lookups(run).answer({"type": "spans", "after": 0}) or {}

    assert [path for _, path, *_ in answer["lanes"]] == ["a", "s", "z", "s/look", "s/tell"]
    assert {one[3] for one in answer["pieces"]} <= {"completed", "queued"}
    assert [hop[0] for hop in answer["path"]["hops"]] == [0, 1, 2]
    assert answer["ended"]
