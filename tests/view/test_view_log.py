"""The log of a run as a page asks for it: filtered in the kernel, a page at a time."""

from __future__ import annotations

from typing import Any

import pytest
from test_view_lookups import FixedRun
from view_samples import ERROR, Story

from nbflow.events import Event, Kind
from nbflow.live_view.lookups import Lookups
from nbflow.view.panels.log import MOST, PAGE
from nbflow.view.values.preview import FULL


def asked(questions: Lookups, **more: Any) -> dict[str, Any]:
    """Ask until the kernel has looked through everything."""
    message = {"type": "log", "node": None, "level": "all", "text": "", "at": None, "first": -1, "count": 50} | more
    while True:
        answer = questions.answer(message)
        assert answer is not None
        if answer["seen"] == answer["of"]:
            return answer


def said(story: Story, **more: Any) -> list[tuple[str | None, str]]:
    return [(row["node"], row["text"]) for row in asked(Lookups(FixedRun(story.events)), **more)["rows"]]


def checked() -> Story:
    story = Story()("execution_start")("node_start", "lint", 1.0, attempt=1)
    story("node_output", "lint", text="one\ntwo\n")("node_output", "lint[3]/deep", text="three")
    story("node_retry", "lint", 3.0, attempt=2, delay=2.0, error=ERROR)("node_start", "lint", 2.0, attempt=2)
    story("node_progress", "lint", progress=0.5, text="half")("node_progress", "lint", progress=0.6)
    story("node_complete", "lint", 1.0, duration_ms=1000.0).took("lint", "merge_findings")
    return story.left("classify", "lint", "n > 3", n=2)("execution_complete")


def test_each_event_says_what_it_means() -> None:
    assert said(checked()) == [
        (None, "run started"),
        ("lint", "started"),
        ("lint", "one"),
        ("lint", "two"),
        ("lint[3]/deep", "three"),
        ("lint", "KeyError: 'severity'"),
        ("lint", "try 2 in 2.0 s"),
        ("lint", "try 2"),
        ("lint", "50 % half"),
        ("lint", "finished in 1.0 s"),
        ("classify", "not on to lint: n (2) > 3 is no"),
        (None, "run completed"),
    ]


@pytest.mark.parametrize(
    ("asks", "texts"),
    [
        ({"level": "output"}, ["one", "two", "three", "50 % half"]),
        ({"level": "errors"}, ["KeyError: 'severity'"]),
        ({"text": "TWO"}, ["two"]),
        ({"text": "deep"}, ["three"]),
        ({"node": "classify"}, ["not on to lint: n (2) > 3 is no"]),
        ({"node": "lint[3]"}, ["three"]),
        ({"node": "lin"}, []),
        ({"node": "lint", "level": "errors", "text": "severity"}, ["KeyError: 'severity'"]),
        ({"at": 2}, ["run started", "started"]),
        ({"at": 0}, []),
        ({"first": 2, "count": 2}, ["one", "two"]),
        ({"count": 1}, ["run completed"]),
    ],
)
def test_rows_are_filtered_by_node_level_text_and_moment(asks: dict[str, Any], texts: list[str]) -> None:
    assert [text for _, text in said(checked(), **asks)] == texts


def test_a_row_of_an_error_says_where_it_arose() -> None:
    place = {"label": "Cell [4], line 8", "cell_id": "c4"}
    questions = Lookups(FixedRun(checked().events), locate=lambda file, line: place)

    rows = asked(questions, level="errors")["rows"]

    assert rows[0]["place"] == {"label": "Cell [4], line 8", "cell_id": "c4", "line": 8}
    assert (rows[0]["kind"], rows[0]["status"], rows[0]["clock"]) == ("error", "failed", 4.0)


def test_what_a_carriage_return_has_overwritten_is_not_shown() -> None:
    story = Story()("node_output", "lint", text="\r10 %\r50 %\r100 %\nnext\r\n")

    assert [text for _, text in said(story)] == ["100 %", "next"]


def test_a_running_run_is_answered_from_the_last_position() -> None:
    told = FixedRun(checked().events[:3])
    questions = Lookups(told)
    assert asked(questions)["total"] == 4

    told.events = checked().events

    assert asked(questions)["total"] == 12


def test_the_time_in_which_a_run_did_not_run_does_not_count() -> None:
    story = Story()("execution_start")("node_start", "lint", 5.0)("execution_resumed", None, 1000.0)
    story("node_start", "lint", 2.0)

    rows = asked(Lookups(FixedRun(story.events)))["rows"]

    assert [row["clock"] for row in rows] == [0.0, 5.0, 5.0, 7.0]


@pytest.mark.slow
def test_a_million_lines_are_counted_and_of_the_oldest_it_is_said_that_they_are_dropped() -> None:
    events = [Event(Kind.NODE_OUTPUT, seq, 1.0, "lint", {"text": f"line {seq}\n"}) for seq in range(1, MOST + 100_001)]
    questions = Lookups(FixedRun(events))

    answer = asked(questions, first=0, count=10**9)

    assert (answer["total"], answer["dropped"]) == (MOST + 100_000, 100_000)
    assert len(answer["rows"]) == PAGE
    assert answer["rows"][0]["text"] == "line 100001"
    assert asked(questions, text="line 7777")["total"] == 11


def test_one_long_line_is_bounded_and_its_whole_too() -> None:
    questions = Lookups(FixedRun(Story()("node_output", "lint", text="x" * 1_000_000).events))
    row = asked(questions)["rows"][0]

    whole = questions.answer({"type": "line", "seq": row["seq"], "part": row["part"]})

    assert (len(row["text"]), row["cut"]) == (400, 999_600)
    assert whole is not None
    assert (len(whole["text"]), whole["cut"]) == (FULL, 1_000_000 - FULL)


def test_of_many_filters_the_last_used_are_remembered() -> None:
    questions = Lookups(FixedRun(checked().events))
    for letter in "abcdefgh":
        asked(questions, text=letter)

    assert len(questions._answering.popitem()[1]._scanned) == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "log"}, {"type": "line", "seq": 0, "part": 0}, {"type": "line", "seq": 1, "part": 9},
        {"type": "line", "seq": 10**9, "part": 0},
        {"type": "log", "node": 3, "level": "all", "text": "", "at": None, "first": -1, "count": 50},
        {"type": "log", "node": None, "level": "constructor", "text": "", "at": None, "first": -1, "count": 50},
    ],
)  # fmt: skip
def test_a_malformed_question_is_passed_over(message: Any) -> None:
    assert Lookups(FixedRun(checked().events)).answer(message) is None
