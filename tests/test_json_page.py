"""The examples of docs/json.md are the JSON that nbflow writes."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nbflow.json_values import Bounds, plain

PAGE = (Path(__file__).parent.parent / "docs" / "json.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([^`]+\(.*?)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
LEVELS = {"names": ["city", "year"], "values": [["Bern", 2025], ["Bern", 2026]]}


def value_of(expression: str) -> Any:
    names = {"numpy": pytest.importorskip("numpy"), "pandas": pytest.importorskip("pandas"), "Counter": Counter}
    return eval(expression, names)


def frame() -> Any:
    pandas = pytest.importorskip("pandas")
    index = pandas.MultiIndex.from_tuples([("Bern", 2025), ("Bern", 2026)], names=["city", "year"])
    return pandas.DataFrame({"n": [1, 2]}, index=index)


@pytest.mark.parametrize(("expression", "text"), ROWS, ids=[expression for expression, _ in ROWS])
def test_each_value_of_the_table_has_the_form_in_its_row(expression: str, text: str) -> None:
    assert plain(value_of(expression)) == json.loads(text)


def test_the_table_lists_scalars_mappings_and_indexes() -> None:
    assert len(ROWS) >= 18
    assert {expression.partition("(")[0] for expression, _ in ROWS} >= {
        "numpy.int64",
        "Counter",
        "pandas.MultiIndex.from_tuples",
    }


def test_the_example_of_an_index_of_two_levels_is_the_json_written() -> None:
    text = json.dumps(LEVELS)
    assert text in PAGE
    assert plain(frame())["index"] == LEVELS


def test_an_index_is_written_unless_it_is_an_unnamed_range_from_0() -> None:
    pandas = pytest.importorskip("pandas")

    assert "index" not in plain(pandas.DataFrame({"n": [1, 2]}))
    assert plain(pandas.Series([1], index=pandas.RangeIndex(1, name="r")))["index"] == {"names": ["r"], "values": [0]}
    assert plain(pandas.Series([1], index=["a"]))["index"] == {"names": [None], "values": ["a"]}


def test_the_index_of_a_truncated_frame_is_cut_to_the_preview() -> None:
    form = plain(frame(), bounds=Bounds(rows=1, cells=1))

    assert form["truncated"]
    assert form["index"]["values"] == [["Bern", 2025]]


def test_the_name_of_a_column_of_two_levels_is_a_list_and_that_of_the_axis_is_left_out() -> None:
    pandas = pytest.importorskip("pandas")
    levels = pandas.MultiIndex.from_tuples([("a", "x"), ("a", "y")])

    form = plain(pandas.DataFrame([[1, 2]], columns=levels))
    assert [column["name"] for column in form["schema"]] == [["a", "x"], ["a", "y"]]
    assert form["records"] == [[1, 2]]
    assert "columns" not in plain(pandas.DataFrame([[1]], columns=pandas.Index(["n"], name="axis")))
