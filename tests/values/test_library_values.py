"""Copies and comparisons of arrays, frames and pictures: SEMANTICS rule 9."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from nbflow.values import own, same

FRAMES: dict[str, Any] = {
    "plain": lambda: pd.DataFrame({"a": [1, 2], "b": [0.5, float("nan")], "c": ["x", None]}),
    "objects": lambda: pd.DataFrame({"a": [[1], {"x": 2}], "b": [1, 2]}),
    "index": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
    "levels": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)])),
    "duplicate": lambda: pd.DataFrame([[1, 2.5], [3, 4.5]], columns=["a", "a"]),
    "category": lambda: pd.DataFrame({"a": pd.Categorical(["x", "y"], ordered=True)}),
    "times": lambda: pd.DataFrame({"a": pd.date_range("2026-01-01", periods=2, tz="Europe/Berlin")}),
    "nullable": lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array(["x", None], "string")}),
    "empty": lambda: pd.DataFrame(),
    "series": lambda: pd.Series([1.0, 2.0], name="s"),
    "object series": lambda: pd.Series([[1], [2]]),
    "range": lambda: pd.RangeIndex(3),
    "polars": lambda: pl.DataFrame({"a": [1.0, float("nan"), None], "b": [[1], None, [2, 3]], "c": ["x", "y", "z"]}),
    "polars objects": lambda: pl.DataFrame({"a": pl.Series([{1}, {2}], dtype=pl.Object)}),
    "polars series": lambda: pl.Series("s", [1, 2]),
    "array": lambda: np.arange(6.0).reshape(2, 3),
    "strided": lambda: np.arange(12).reshape(3, 4).T[::2],
    "nan": lambda: np.array([np.nan, -0.0]),
    "object array": lambda: np.array([[1], {"x": 2}, None], dtype=object),
    "structured": lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "text array": lambda: np.array(["ab", "c"]),
    "masked": lambda: np.ma.array([1, 2], mask=[False, True]),
    "scalar": lambda: np.float64("nan"),
    "picture": lambda: Image.new("RGB", (3, 2), "red"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_copy_is_the_same_and_so_is_an_equal_value_built_separately(name: str) -> None:
    value = FRAMES[name]()

    copy = own(value)

    assert type(copy) is type(value)
    assert same(copy, value)
    if name not in ("object array", "polars objects"):
        assert same(FRAMES[name](), value)


def _set_cell(frame: Any) -> None:
    frame.iloc[0, 0] = 9


CHANGES: list[tuple[str, Any]] = [
    ("plain", _set_cell),
    ("plain", lambda f: f.insert(0, "new", 1)),
    ("plain", lambda f: f.drop(columns="a", inplace=True)),
    ("plain", lambda f: f.rename(columns={"a": "z"}, inplace=True)),
    ("plain", lambda f: setattr(f, "index", ["p", "q"])),
    ("plain", lambda f: f.attrs.update(unit="m")),
    ("plain", lambda f: f.sort_values("a", ascending=False, inplace=True)),
    ("plain", lambda f: f.__setitem__("b", f["b"].astype("float32"))),
    ("index", lambda f: setattr(f.index, "name", "other")),
    ("objects", lambda f: f.loc[0, "a"].append(5)),
    ("object series", lambda s: s[0].append(5)),
    ("series", lambda s: s.__setitem__(0, 5.0)),
    ("category", lambda f: f.__setitem__("a", f["a"].cat.rename_categories({"x": "z"}))),
    ("polars", lambda f: f.insert_column(0, pl.Series("new", [1, 2, 3]))),
    ("polars", lambda f: f.__setitem__((0, "a"), 5.0)),
    ("polars objects", lambda f: f["a"][0].add(5)),
    ("object array", lambda a: a[0].append(5)),
    ("masked", lambda a: a.mask.__setitem__(0, True)),
    ("picture", lambda p: p.putpixel((0, 0), (1, 2, 3))),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=lambda part: part if isinstance(part, str) else "")
def test_a_change_in_place_stays_in_the_copy_and_is_seen(name: str, change: Any) -> None:
    value, untouched = FRAMES[name](), FRAMES[name]()
    copy = own(value)
    if name == "masked":
        copy = copy.copy()

    change(copy)

    assert not same(copy, value)
    if name != "polars objects":
        assert same(value, untouched)


def test_an_array_that_can_change_is_copied_and_an_immutable_one_is_shared() -> None:
    mine = np.arange(3)

    taken = own(mine)
    given = own(taken)
    mine[0] = 9

    assert taken.tolist() == given.tolist() == [0, 1, 2]
    assert np.shares_memory(taken, given)
    with pytest.raises(ValueError, match="read-only"):
        given[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        given.flags.writeable = True


def test_a_read_only_view_of_an_array_that_can_change_is_copied() -> None:
    mine = np.arange(3)
    view = mine.view()
    view.flags.writeable = False

    taken = own(view)
    mine[0] = 9

    assert taken.tolist() == [0, 1, 2]


def test_a_memory_map_is_never_copied(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "data", dtype="u1", mode="w+", shape=(8,))

    assert own(mapped) is mapped
    assert same(mapped, mapped)


def test_arrow_and_lazy_frames_are_not_copied() -> None:
    for value in (pa.table({"a": [1]}), pa.array([1]), pl.LazyFrame({"a": [1]})):
        assert own(value) is value


def test_bits_decide_in_arrays_and_columns() -> None:
    for make in (np.array, pd.Series, lambda cells: pl.Series("s", cells), lambda cells: pd.DataFrame({"a": cells})):
        assert same(make([0.0, float("nan")]), make([0.0, float("nan")]))
        assert not same(make([0.0]), make([-0.0]))
    assert not same(np.array([1], "i4"), np.array([1], "i8"))
    assert not same(np.array([[1, 2]]), np.array([1, 2]))
