"""Values as JSON: each has one form that a program can distinguish from ordinary data, and every loss is marked."""

from __future__ import annotations

import array
import enum
import fractions
import json
import types
from collections import ChainMap, Counter, UserList, deque, namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import dropwhile, takewhile
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow import json_values
from nbflow.json_values import TYPES, WHOLE, Bounds, object_data, own_data, plain
from nbflow.state import Unstored


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: int
    later: Any = field(default=None, repr=False)


@attrs.define
class Pair:
    one: Any


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    day: date
    hidden: int = pydantic.Field(default=0, exclude=True)


class Thing:
    def __repr__(self) -> str:
        return "a thing"


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("not today")


class Text(str):
    def __str__(self) -> str:
        return "not what it is"


Named = namedtuple("Named", "a b")

HERE = __name__
RED = {"type": "enum", "class": f"{HERE}.Colour", "name": "RED", "value": "red"}
NAN = {"type": "float", "value": "NaN"}
ONE_DAY = {"type": "date", "value": "2026-01-31"}

FORMS: dict[str, tuple[Any, Any]] = {
    "the largest exact integer": (2**53 - 1, 2**53 - 1),
    "an integer beyond": (-(2**53), {"type": "int", "value": "-9007199254740992"}),
    "an integer that str refuses": (10**5000, {"type": "int", "value": "1" + "0" * 5000}),
    "NaN": (float("nan"), NAN),
    "infinity": (-float("inf"), {"type": "float", "value": "-Infinity"}),
    "complex": (complex(1, float("nan")), {"type": "complex", "real": 1.0, "imag": NAN}),
    "a bytearray": (bytearray(b"\xff"), {"type": "bytes", "size": 1, "data": "/w=="}),
    "a memoryview": (memoryview(b"ab"), {"type": "bytes", "size": 2, "data": "YWI="}),
    "a date": (date(2026, 1, 31), ONE_DAY),
    "a time": (time(1, 2), {"type": "time", "value": "01:02:00"}),
    "a zone": (
        datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        {"type": "datetime", "value": "2026-07-01T00:00:00+02:00", "zone": "Europe/Berlin"},
    ),
    "an offset": (
        datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=1))),
        {"type": "datetime", "value": "2026-07-01T00:00:00+01:00"},
    ),
    "a span": (timedelta(seconds=1.5), {"type": "timedelta", "value": "PT1.5S", "seconds": 1.5}),
    "a Decimal": (Decimal("NaN"), {"type": "decimal", "value": "NaN"}),
    "a fraction": (fractions.Fraction(1, 3), {"type": "fraction", "numerator": 1, "denominator": 3}),
    "a path": (PurePosixPath("a/b"), {"type": "path", "value": "a/b"}),
    "a UUID": (UUID(int=1), {"type": "uuid", "value": "00000000-0000-0000-0000-000000000001"}),
    "a text enum": (Colour.RED, RED),
    "an int enum": (Level.LOW, {"type": "enum", "class": f"{HERE}.Level", "name": "LOW", "value": 1}),
    "flags": (
        Access.READ | Access.WRITE,
        {"type": "enum", "class": f"{HERE}.Access", "name": "READ|WRITE", "value": 3},
    ),
    "a subclass of str": (Text("what it is"), "what it is"),
    "a set": ({2, "a", 10}, {"type": "set", "class": "builtins.set", "items": [2, 10, "a"]}),
    "keys of a dict": ({"a": 1}.keys(), {"type": "set", "class": "builtins.dict_keys", "items": ["a"]}),
    "a frozenset": (frozenset({1}), {"type": "frozenset", "class": "builtins.frozenset", "items": [1]}),
    "a deque": (deque([1]), {"type": "sequence", "class": "collections.deque", "items": [1]}),
    "a UserList": (UserList([1]), {"type": "sequence", "class": "collections.UserList", "items": [1]}),
    "a range": (range(1, 9, 2), {"type": "range", "start": 1, "stop": 9, "step": 2}),
    "a dataclass": (
        Point(1, {1}),
        {
            "type": "dataclass",
            "class": f"{HERE}.Point",
            "fields": {"x": 1, "later": {"type": "set", "class": "builtins.set", "items": [1]}},
        },
    ),
    "an attrs class": (Pair(None), {"type": "attrs", "class": f"{HERE}.Pair", "fields": {"one": None}}),
    "a model": (
        Model(day=date(2026, 1, 31), more=Decimal(1)),  # type: ignore[call-arg]  # extra fields are allowed
        {"type": "model", "class": f"{HERE}.Model", "fields": {"day": ONE_DAY, "more": plain(Decimal(1))}},
    ),
    "a named tuple": (Named(1, 2), {"type": "namedtuple", "class": f"{HERE}.Named", "fields": {"a": 1, "b": 2}}),
    "a namespace": (
        types.SimpleNamespace(a=1),
        {"type": "namespace", "class": "types.SimpleNamespace", "fields": {"a": 1}},
    ),
    "a Counter": (Counter("aa"), {"a": 2}),
    "a ChainMap": (ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
    "a class": (Thing, {"type": "class", "name": f"{HERE}.Thing"}),
    "a builtin": (len, {"type": "function", "name": "builtins.len"}),
    "an exception": (ValueError("no"), {"type": "exception", "class": "builtins.ValueError", "message": "no"}),
    "an object": ([Thing()], [{"type": "instance", "class": f"{HERE}.Thing", "text": "a thing"}]),
    "an object that fails": (
        Broken(),
        {"type": "instance", "class": f"{HERE}.Broken", "text": None, "error": "RuntimeError: not today"},
    ),
    "a lost value": (Unstored("it is a lock"), {"type": "unstored", "reason": "it is a lock"}),
    "NumPy's integer": (np.uint64(2**64 - 1), {"type": "int", "value": str(2**64 - 1)}),
    "NumPy's bool": (np.bool_(True), True),
    "NumPy's float": (np.float32("nan"), NAN),
    "NumPy's time": (
        np.datetime64("2026-01-01T00:00:00.000000001"),
        {"type": "datetime", "value": "2026-01-01T00:00:00.000000001"},
    ),
    "NumPy's span": (np.timedelta64(1500, "ms"), {"type": "timedelta", "value": "PT1.5S", "seconds": 1.5}),
    "no time": (np.datetime64("NaT"), {"type": "missing", "value": "NaT"}),
    "pandas' NaT": (pd.NaT, {"type": "missing", "value": "NaT"}),
    "pandas' NA": (pd.NA, {"type": "missing", "value": "NA"}),
    "pandas' moment": (pd.Timestamp("2026-01-31T00:00:00.000000001"), {
        "type": "datetime", "value": "2026-01-31T00:00:00.000000001",
    }),
    "an array without axes": (
        np.array(5), {"type": "ndarray", "class": "numpy.ndarray", "dtype": "int64", "shape": [], "values": 5},
    ),
    "an array of times": (
        np.array(["2026-01-31", "NaT"], "M8[D]"),
        {
            "type": "ndarray", "class": "numpy.ndarray", "dtype": "datetime64[D]", "shape": [2],
            "values": [{"type": "datetime", "value": "2026-01-31"}, {"type": "missing", "value": "NaT"}],
        },
    ),
    "an array of objects": (
        np.array([Colour.RED, None], object),
        {"type": "ndarray", "class": "numpy.ndarray", "dtype": "object", "shape": [2], "values": [RED, None]},
    ),
    "Python's array": (
        array.array("i", [1, 2]),
        {"type": "ndarray", "class": "array.array", "dtype": "i", "shape": [2], "values": [1, 2]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_each_kind_of_value_has_its_form(name: str) -> None:
    value, form = FORMS[name]

    written = plain(value)

    assert written == form
    assert json.loads(json.dumps(written, allow_nan=False)) == form


def test_the_documentation_lists_each_form() -> None:
    assert json_values.__doc__ is not None
    assert {name for name in TYPES if f"`{name}`" not in json_values.__doc__} == set()


FRAMES = {
    "pandas": pd.DataFrame({"n": [1, 2], "x": [0.5, None], "day": pd.to_datetime(["2026-01-31", None])}),
    "polars": pl.DataFrame({"n": [1, 2], "x": [0.5, None], "day": [datetime(2026, 1, 31), None]}),
    "pyarrow": pa.table({"n": [1, 2], "x": [0.5, None], "day": [datetime(2026, 1, 31), None]}),
}


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_is_its_records_with_the_schema(library: str) -> None:
    form = plain(FRAMES[library])

    assert (form["type"], form["shape"]) == ("frame", [2, 3])
    assert form["class"] in ("pandas.DataFrame", "polars.DataFrame", "pyarrow.Table")
    assert [column["name"] for column in form["schema"]] == ["n", "x", "day"]
    assert form["records"] == [
        {"n": 1, "x": 0.5, "day": {"type": "datetime", "value": "2026-01-31T00:00:00"}},
        {"n": 2, "x": None, "day": None},
    ]


@pytest.mark.parametrize(
    "series", [pd.Series([1, 2], name="n"), pl.Series("n", [1, 2]), pa.chunked_array([[1, 2]]), pd.Index([1, 2])]
)
def test_a_series_is_its_values_with_the_schema(series: Any) -> None:
    form = plain(series)

    assert (form["type"], form["shape"], form["records"]) == ("series", [2], [1, 2])
    assert form["schema"][0]["dtype"].lower() == "int64"


def test_an_index_with_information_is_part_of_the_frame() -> None:
    form = plain(pd.DataFrame({"n": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None])))

    assert form["index"] == {"names": ["k", None], "values": [["a", 1], ["b", 2]]}
    assert "index" not in plain(pd.DataFrame({"n": [1]}))


def test_columns_whose_names_would_clash_are_lists_in_the_order_of_the_schema() -> None:
    form = plain(pd.DataFrame([[1, 2]], columns=[1, "1"]))

    assert [column["name"] for column in form["schema"]] == [1, "1"]
    assert form["records"] == [[1, 2]]


@pytest.mark.parametrize("frame", [
    pd.DataFrame(np.zeros((300, 200))), pl.DataFrame(np.zeros((300, 200))), pa.table({"a": np.zeros(60_000)}),
    pd.Series(np.zeros(60_000)), np.zeros((300, 200)), pd.DataFrame(index=range(20_000)),
])  # fmt: skip
def test_a_large_value_has_its_shape_a_preview_and_the_expression_of_the_whole(frame: Any) -> None:
    form = object_data({"it's": [frame]}, "run.state")["it's"][0]

    assert form["truncated"] is True
    assert form["shape"] == list(getattr(frame, "shape", (60_000, 1)))
    assert form["whole"] == """run.state["it's"][0]"""
    assert not {"records", "values"} & form.keys()
    assert len(form["preview"]) == WHOLE.rows
    assert len(json.dumps(form)) < 100_000


def test_the_bounds_apply_to_texts_bytes_and_every_part_of_a_value() -> None:
    bounds = Bounds(size=4, letters=4, parts=3)

    written = plain({"text": "abcdef", "bytes": b"abcdef", "list": [1, 2, 3]}, "it", bounds)

    assert written["text"] == {
        "type": "str", "shape": [6], "preview": "abcd", "truncated": True, "whole": "it['text']",
    }  # fmt: skip
    assert written["bytes"]["shape"] == [6]
    assert written["list"] == {
        "type": "list", "shape": [3], "preview": [], "truncated": True, "whole": "it['list']",
    }  # fmt: skip
    assert plain(dict.fromkeys("abcdef"), "it", bounds)["preview"] == [["a", None], ["b", None], ["c", None]]


def test_a_part_without_an_expression_names_that_of_the_value_around_it() -> None:
    form = plain({("a", 1): np.zeros(20_000)}, "run.state['x']")

    assert form["items"][0][1]["whole"] == "run.state['x']"


@pytest.mark.parametrize("keys", [(1, "1"), (True, "True"), (None, "None"), (1.5, "1.5"), ((1, 2), "(1, 2)")])
def test_keys_that_would_be_equal_as_texts_stay_distinct(keys: tuple[Any, Any]) -> None:
    form = plain(dict.fromkeys(keys, 0))

    assert form == {"type": "dict", "items": [[plain(keys[0]), 0], [keys[1], 0]]}


def test_a_dict_that_looks_like_a_form_is_not_mistaken_for_one() -> None:
    assert plain({"type": "set", "items": [1]}) == {"type": "dict", "items": [["type", "set"], ["items", [1]]]}
    assert plain([{"type": "bug"}, {"type": "object"}]) == [{"type": "bug"}, {"type": "object"}]
    assert plain(pd.DataFrame({"type": ["set"]}))["records"] == [{"type": "dict", "items": [["type", "set"]]}]
    assert own_data({"type": "set", "items": [1]}) == {"type": "set", "items": [1]}


def test_a_value_that_contains_itself_is_written_in_finite_size() -> None:
    ring: dict[str, Any] = {"list": []}
    ring["list"].append(ring)
    twice = [1]

    assert plain(ring) == {"list": [{"type": "cycle", "levels": 2}]}
    assert plain([twice, twice]) == [[1], [1]]


def test_a_value_nested_too_deeply_is_truncated() -> None:
    deep: Any = "the end"
    for _ in range(100_000):
        deep = [deep]

    text = json.dumps(plain(deep, "it"))

    assert '"truncated": true' in text
    assert '"whole": "it[0][0]' in text


def test_secrets_are_masked_in_every_part_of_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_SECRET_KEYS", "password")
    values = [
        {"password": "hunter2hunter2"}, pd.DataFrame({"password": ["hunter2hunter2"]}), {1: {"password": "hunter2"}},
        pydantic.SecretStr("hunter2hunter2"), pd.Series(["hunter2hunter2"], name="password"),
        types.SimpleNamespace(password="hunter2hunter2"),
    ]  # fmt: skip

    text = json.dumps([plain(value) for value in values])

    assert "hunter2" not in text
    assert text.count("***") == len(values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_plain_json_is_unchanged(value: Any) -> None:
    assert plain(value) == value


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.dates()
    | st.complex_numbers() | st.sampled_from([*Access, Colour.RED, *sorted(TYPES)]),
    lambda inner: st.lists(inner) | st.tuples(inner, inner)
    | st.dictionaries(st.sampled_from(["type", "items", "value"]) | st.integers() | st.booleans() | st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(ANY)
def test_values_that_differ_have_forms_that_differ(value: Any) -> None:
    """A reader that knows only the documented forms restores the value."""
    assert repr(read(json.loads(json.dumps(plain(value), allow_nan=False)))) == repr(listed(value))


def listed(value: Any) -> Any:
    """Return a value with lists in place of tuples, which JSON lacks, and with the signs of zeros and NaN as read."""
    if isinstance(value, list | tuple):
        return [*map(listed, value)]
    if isinstance(value, dict):
        return {key: listed(part) for key, part in value.items()}
    return value


READERS: dict[str, Any] = {
    "int": lambda form: int(form["value"]),
    "float": lambda form: float(form["value"]),
    "complex": lambda form: complex(read(form["real"]), read(form["imag"])),
    "bytes": lambda form: __import__("base64").b64decode(form["data"]),
    "date": lambda form: date.fromisoformat(form["value"]),
    "decimal": lambda form: Decimal(form["value"]),
    "enum": lambda form: {"Colour": Colour, "Access": Access}[form["class"].rpartition(".")[2]](form["value"]),
    "dict": lambda form: {read(key): read(part) for key, part in form["items"]},
}


def read(data: Any) -> Any:
    if isinstance(data, list):
        return [*map(read, data)]
    if isinstance(data, dict):
        is_form = isinstance(data.get("type"), str) and data["type"] in TYPES
        return READERS[data["type"]](data) if is_form else {key: read(part) for key, part in data.items()}
    return data


def test_the_page_of_the_documentation_has_the_table_of_the_package() -> None:
    text = (Path(__file__).parent.parent / "docs" / "json.md").read_text("utf-8")

    assert json_values.__doc__ is not None
    assert first_table(text) == first_table(json_values.__doc__) != []


def first_table(text: str) -> list[str]:
    """Return the rows of the first table of a page."""
    after = dropwhile(lambda line: not line.startswith("|"), text.splitlines())
    return list(takewhile(lambda line: line.startswith("|"), after))
