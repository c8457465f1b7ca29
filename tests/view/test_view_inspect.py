"""A node looked at closely, and values shown without being trusted."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from view_samples import ASKING, ERROR, PAIR, PULL, Story, wide

from nbflow.view import RunView, inspect
from nbflow.view.fold.condition_caption import caption_parts, with_values
from nbflow.view.fold.history import PICTURE_LETTERS, PRINTED
from nbflow.view.values.preview import FULL, render, value


class Raises:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class NotText:
    def __repr__(self) -> Any:
        return 7


class Lies(list[int]):
    def __len__(self) -> int:
        return 10**9


@dataclass
class Point:
    x: int
    y: Any


Pair = namedtuple("Pair", "left right")


class Plain:
    def __init__(self) -> None:
        self.size = 3
        self._hidden = 1


def looped() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


HARD = [
    Raises(), NotText(), Lies([1]), looped(), 10**100_000, "x" * 10**7, b"y" * 10**7, list(range(10**6)),
    [[0] * 10**5] * 10**5,
    {i: i for i in range(10**5)}, {"k" * 10**6: "v" * 10**6}, set(range(10**5)), np.zeros((10**4, 10**3)), float("nan"),
    pd.DataFrame({f"c{i}": range(10**4) for i in range(50)}), pd.Series(["z" * 10**5] * 100), object, len, Point, ...,
    "\ud800\x00\u202e", {"\x00": "\ud800"}, Point(1, Raises()), [Raises()], None, True, 1j, iter([]), {}, (), "", " ",
]  # fmt: skip


@pytest.mark.parametrize("hard", HARD, ids=lambda hard: type(hard).__name__)
def test_a_preview_never_fails_and_is_bounded(hard: Any) -> None:
    shown = value("key", hard)

    assert len(shown["full"]) <= FULL
    assert len(shown["preview"].splitlines()) <= 6
    assert len(shown["preview"]) < 3_000
    shown["full"].encode()


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        ("text as it is", "text as it is"),
        ("", "''"),
        ([1, "two"], "[1, 'two']"),
        ({"a": (1,)}, "{'a': (1,)}"),
        (Point(1, [2]), "Point(x=1, y=[2])"),
        (Pair(1, 2), "Pair(left=1, right=2)"),
        (Plain(), "Plain(size=3)"),
        (set(), "set()"),
        (None, "None"),
    ],
)
def test_values_are_shown_as_python_shows_them(held: Any, shown: str) -> None:
    assert render(held, 100) == shown


def test_a_repr_that_fails_is_said_to_have_failed() -> None:
    assert render(Raises(), 100) == "<Raises: its repr failed>"


def test_what_is_left_out_is_counted() -> None:
    assert "800 more" in render(list(range(1000)), FULL)


@pytest.mark.parametrize(
    ("held", "size"),
    [([1] * 500, "500 items"), ("x" * 84_000, "84 kB"), (np.zeros((3, 4)), "3 \u00d7 4"), ("short", None), (7, None)],
)
def test_sizes_are_shown_where_they_are_meaningful(held: Any, size: str | None) -> None:
    assert value("k", held)["size"] == size


def retried() -> RunView:
    story = Story()("execution_start")("node_start", "lint", attempt=1, input={"pr": [1]})
    story("node_output", "lint", text="first\n")("node_retry", "lint", 3.1, attempt=2, delay=2.0, error=ERROR)
    story("node_start", "lint", 2.0, attempt=2, input={"pr": [1]})("node_complete", "lint", 1.2, output={"ok": True})
    story.took("lint", "merge_findings")
    view = RunView(PULL)
    view.apply(story.events)
    return view


def test_attempts_are_listed_with_their_outcomes() -> None:
    seen = inspect(retried(), PULL, "lint")

    assert [(a["n"], a["status"], a["note"]) for a in seen["attempts"]] == [
        (1, "failed", "KeyError: 'severity'"),
        (2, "completed", "after 2 s back-off"),
    ]
    assert [round(a["ms"]) for a in seen["attempts"]] == [3100, 1200]
    assert (seen["of"], seen["visits"], seen["printed"]) == (3, 1, "first\n")


def test_an_error_is_shown_with_its_code_and_place() -> None:
    place = {"label": "Cell [4], line 8", "cell_id": "c"}

    error = inspect(retried(), PULL, "lint", locate=lambda file, line: place)["error"]

    assert (error["type"], error["message"]) == ("KeyError", "'severity'")
    assert (error["label"], error["cell_id"], error["line"]) == ("Cell [4], line 8", "c", 8)
    assert (error["hit"], error["code"][1]) == (8, [8, "b['severity']"])


def test_input_and_output_are_shown_by_key() -> None:
    seen = inspect(retried(), PULL, "lint")

    assert [(v["key"], v["preview"]) for v in seen["input"] + seen["output"]] == [("pr", "[1]"), ("ok", "True")]


def test_the_edges_that_a_node_took_are_listed_with_the_reason() -> None:
    story = Story().ran("run_tests").left("run_tests", "fix_tests", "failed > 0", failed=0)
    story.took("run_tests", "approve_fix")

    seen = inspect(story.events, PULL, "run_tests")

    assert seen["next"] == "approve_fix, because failed (0) > 0 is no"
    assert seen["conditions"] == [{"text": "failed > 0", "to": "fix_tests", "values": {"failed": "0"}, "result": "no"}]


def test_the_edges_of_a_node_are_listed_by_key_with_the_other_node() -> None:
    assert inspect([], PULL, "classify")["edges"]["in"] == [
        ["fetch_pr>classify", "fetch_pr"],
        ["load_rules>classify", "load_rules"],
    ]
    assert inspect([], ASKING, "observe")["edges"] == {
        "in": [["act>observe", "act"]],
        "out": [["observe>END", "END"], ["observe>plan", "plan"]],
        "more": 0,
    }


def test_of_very_many_edges_a_hundred_are_listed_and_the_rest_counted() -> None:
    told = inspect([], wide(402, 400), "node_0")["edges"]

    assert (len(told["out"]), told["more"]) == (100, 300)


def test_the_end_of_the_printed_text_is_retained_and_the_rest_counted() -> None:
    story = Story()("node_start", "a")
    for index in range(3_000):
        story("node_output", "a", text=f"line {index:06}\n")

    seen = inspect(story.events, PAIR, "a")

    assert len(seen["printed"]) == PRINTED
    assert seen["printed"].endswith("line 002999\n")
    assert seen["printed_dropped"] == 3_000 * 12 - PRINTED


def _picture(letters: int = 8, **fields: Any) -> dict[str, Any]:
    return {"mime": "image/png", "data": "A" * letters, "width": 4, "height": 3} | fields


def test_pictures_are_shown_in_their_order_and_are_no_printed_text() -> None:
    story = Story()("node_start", "a")
    story("node_output", "a", text="printed\n", stream="stdout")
    for width in (1, 2):
        story("node_output", "a", text="picture\n", stream="picture", picture=_picture(width=width))

    seen = inspect(story.events, PAIR, "a")

    assert [(one["width"], one["height"], one["mime"]) for one in seen["pictures"]] == [
        (1, 3, "image/png"),
        (2, 3, "image/png"),
    ]
    assert (seen["printed"], seen["pictures_of"]) == ("printed\n", 2)


def test_of_many_or_large_pictures_the_last_are_shown_and_the_rest_counted() -> None:
    story = Story()("node_start", "a")
    for width in range(1, 31):
        story("node_output", "a", text="", stream="picture", picture=_picture(PICTURE_LETTERS // 4, width=width))

    seen = inspect(story.events, PAIR, "a")

    assert [one["width"] for one in seen["pictures"]] == [27, 28, 29, 30]
    assert seen["pictures_of"] == 20


def test_what_is_no_png_is_not_shown_as_a_picture() -> None:
    story = Story()("node_start", "a")
    story("node_output", "a", text="", picture=_picture(mime="text/html"))
    story("node_output", "a", text="", picture={})

    assert inspect(story.events, PAIR, "a")["pictures"] == []


def test_an_unknown_node_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        inspect([], PAIR, "ghost")


@pytest.mark.parametrize(
    ("condition", "values", "shown"),
    [
        ("failed > 0", {"failed": 0}, "failed (0) > 0"),
        ("failed>0 and failed < n", {"failed": 3, "n": 9}, "failed (3)>0 and failed < n (9)"),
        ("'failed' in kinds", {"kinds": ["a"]}, "'failed' in kinds (['a'])"),
        ("report.failed == 1", {"report.failed": 1}, "report.failed (1) == 1"),
        ("report.failed == 1", {"failed": 5}, "report.failed == 1"),
        ('answer == "yes"', {"answer": "no"}, "answer ('no') == \"yes\""),
        ("n > (", {"n": 1}, "n > ("),
        ("x", None, "x"),
        ("n > 0", {"n": list(range(10**6))}, "n ([ 0, 1, 2, 3, 4…) > 0"),
    ],
)
def test_values_follow_the_first_mention_of_their_names(condition: str, values: Any, shown: str) -> None:
    assert with_values(condition, values) == shown


def test_a_long_caption_is_cut() -> None:
    parts = caption_parts("a" * 30 + " and " + "b" * 30, {"a" * 30: 1, "b" * 30: 2})

    assert sum(len(part[0]) for part in parts) <= 40
