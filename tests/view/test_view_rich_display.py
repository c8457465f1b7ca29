"""Values looked at closely: tables, images, trees and text, bounded and never trusted."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from nbflow.state import Unstored
from nbflow.view.values.preview import FULL
from nbflow.view.values.rich_display import brief, rich

MOST = 3_000_000


def picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size)


def encoded(kind: str, size: tuple[int, int]) -> bytes:
    held = io.BytesIO()
    picture(size).save(held, kind)
    return held.getvalue()


def decoded(seen: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(seen["data"])))


# -- tables -----------------------------------------------------------------------------------------------------------

FRAME = {"name": ["a", None, "<b>"], "n": [1, 2, 3]}


@pytest.mark.parametrize(
    ("held", "columns", "rows"),
    [
        (pd.DataFrame(FRAME), ["", "name", "n"], [["0", "a", "1"], ["1", None, "2"], ["2", "<b>", "3"]]),
        (pl.DataFrame(FRAME), ["name", "n"], [["a", "1"], [None, "2"], ["<b>", "3"]]),
        (pa.table(FRAME), ["name", "n"], [["a", "1"], [None, "2"], ["<b>", "3"]]),
        (np.array([[1, 2], [3, 4]]), ["", "0", "1"], [["0", "1", "2"], ["1", "3", "4"]]),
        ([{"a": 1}, {"a": 2, "b": None}], ["", "a", "b"], [["0", "1", None], ["1", "2", None]]),
        (pd.Series([1, 2], name="s"), ["", "s"], [["0", "1"], ["1", "2"]]),
    ],
    ids=["pandas", "polars", "arrow", "numpy", "records", "series"],
)
def test_what_has_rows_and_columns_is_a_table(held: Any, columns: list[str], rows: list[list[str | None]]) -> None:
    seen = rich(held)

    assert (seen["kind"], seen["columns"], seen["rows"]) == ("table", columns, rows)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, m: pd.DataFrame(np.zeros((n, m))),
        lambda n, m: pl.DataFrame(np.zeros((n, m))),
        lambda n, m: pa.table({str(i): np.zeros(n) for i in range(m)}),
        lambda n, m: np.zeros((n, m)),
        lambda n, m: [dict.fromkeys(map(str, range(m)), 0)] * n,
    ],
    ids=["pandas", "polars", "arrow", "numpy", "records"],
)
def test_a_table_is_paged(make: Any) -> None:
    seen = rich(make(130, 30), 100)

    assert (seen["from"], seen["shape"], len(seen["rows"])) == (100, [130, 30], 30)
    assert {len(row) for row in seen["rows"]} == {20 + seen["index"]}
    assert rich(make(130, 30), 10**9)["rows"] == []


def test_a_frame_may_name_its_columns_twice_and_its_rows_by_pairs() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"], index=pd.MultiIndex.from_tuples([("x", 1)]))

    assert rich(frame)["rows"] == [["('x', 1)", "1", "2"]]


def test_a_missing_value_is_none_in_every_form() -> None:
    frame = pd.DataFrame({"a": [pd.NA], "b": [pd.NaT], "c": [float("nan")], "d": [None]})

    assert rich(frame)["rows"][0][1:] == [None] * 4


@pytest.mark.parametrize("held", [[{"a": [1]}], [{"a": 1}, 2], [{1: 2}], [{}], []])
def test_a_list_that_is_not_of_flat_dicts_is_no_table(held: Any) -> None:
    assert rich(held)["kind"] != "table"


def test_no_more_of_gigabytes_is_looked_at_than_is_shown() -> None:
    array = np.lib.stride_tricks.as_strided(np.zeros(1), (10**9, 10**3), (0, 0))  # a copy of it would need 8 TB
    frame = pd.DataFrame(np.broadcast_to(np.zeros(1), (10**7, 3)), copy=False)

    for held in (array, frame, [0] * 10**7):
        assert len(json.dumps([rich(held), brief(held)])) < 100_000


# -- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LA", "I"])
def test_a_picture_of_any_mode_is_an_image(mode: str) -> None:
    seen = rich(picture((40, 30), mode))

    assert (seen["kind"], seen["width"], seen["height"]) == ("image", 40, 30)
    assert decoded(seen).size == (40, 30)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "F"])
def test_a_large_picture_is_made_smaller(mode: str) -> None:
    seen = rich(picture((5000, 1000), mode))

    assert (seen["width"], seen["height"]) == (5000, 1000)
    assert max(decoded(seen).size) <= 900


def test_a_noisy_picture_stays_within_its_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)

    assert len(rich(Image.fromarray(noise))["data"]) <= 2_700_000


def test_a_figure_is_an_image_within_the_bound() -> None:
    figure = Figure(figsize=(40, 10), dpi=300)
    figure.subplots().plot([1, 2])

    assert rich(figure)["width"] <= 900


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_bytes_of_an_image_are_an_image(kind: str) -> None:
    seen = rich(encoded(kind, (30, 20)))

    assert (seen["mime"], seen["width"], seen["height"]) == (f"image/{kind.lower()}", 30, 20)
    assert decoded(seen).size == (30, 20)


def test_bytes_that_promise_too_many_pixels_are_not_sent() -> None:
    bomb = bytearray(encoded("PNG", (30, 20)))
    bomb[16:24] = (10**9).to_bytes(4, "big") * 2

    assert rich(bytes(bomb))["kind"] == "text"


# -- trees ------------------------------------------------------------------------------------------------------------


@dataclass
class Point:
    x: int
    y: Any


def lines(node: list[Any]) -> Iterator[list[Any]]:
    yield node
    for child in node[2] or []:
        yield from lines(child)


def test_a_nested_value_is_a_tree() -> None:
    root = rich({"a": [1, {"b": "x" * 100}], "p": Point(1, [2])})["root"]

    assert root[:2] == ["", "dict, 2 items"]
    assert [(label, text) for label, text, *_ in lines(root)][1:4] == [
        ("a", "list, 2 items"),
        ("0", "1"),
        ("1", "dict, 1 item"),
    ]
    assert ("x", "1") in [(label, text) for label, text, *_ in lines(root)]


def test_a_value_inside_itself_is_named_and_not_entered() -> None:
    knot: dict[str, Any] = {"long": "x" * 100}
    knot["self"] = knot

    assert ["self", "contains itself", None, 0] in list(lines(rich(knot)["root"]))


def test_what_is_left_out_of_a_tree_is_counted() -> None:
    root = rich([list(range(1_000))] * 1_000)["root"]

    assert root[3] == 1_000 - len(root[2])
    assert len(list(lines(root))) <= 400


def test_a_value_that_could_not_be_stored_says_why() -> None:
    held = Unstored("a lock " * 50)

    assert rich(held)["text"].startswith("was not stored: a lock")
    assert brief(held)["type"] == "not stored"


def test_a_frame_in_a_row_is_described_by_its_columns() -> None:
    assert brief(pd.DataFrame(FRAME)) == {"type": "DataFrame", "size": "3 \u00d7 2", "text": "name, n"}


def test_a_short_value_is_text() -> None:
    assert rich([1, 2]) == {"kind": "text", "text": "[1, 2]"}


# -- values that are no help ------------------------------------------------------------------------------------------


class Hostile:
    """Fails at everything."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __len__(self) -> int:
        raise RuntimeError("len")


class Lies(dict[str, Any]):
    def items(self) -> Any:
        return iter(int, 1)


class PretendsToBeAFrame:
    __module__ = "pandas.core.frame"
    columns = "nonsense"


@pytest.mark.parametrize(
    "make",
    [
        Hostile,
        lambda: [Hostile()],
        lambda: {"k": Hostile()},
        lambda: Lies(a=1),
        PretendsToBeAFrame,
        lambda: "x" * 10**7,
        lambda: "<img src=x>\u202e\u200b" * 1000,
        lambda: b"\x89PNG\r\n\x1a\n",
        lambda: b"\xff\xd8\xff" * 9,
        lambda: 10**5000,
        lambda: {"\ud800": "\ud800" * 99},
        lambda: object,
        lambda: len,
        lambda: pd,
        lambda: np.float64(1),
        lambda: np.array(3),
        lambda: np.zeros((0, 4)),
        pd.DataFrame,
        pl.DataFrame,
        lambda: pa.table({}),
        lambda: picture((1, 1)).tobytes(),
    ],
)
def test_no_value_spoils_the_view(make: Any) -> None:
    held = make()
    for seen in (rich(held), brief(held)):
        text = json.dumps(seen)
        assert len(text) < MOST
        assert "\u202e" not in json.loads(text).get("text", "")


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3_000)
    | st.binary(max_size=200)
    | st.builds(Hostile)
)
nested = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=60), st.tuples(inner, inner), st.dictionaries(st.text(max_size=200), inner, max_size=30),
        st.builds(Point, st.just(1), inner),
    ),
    max_leaves=60,
)  # fmt: skip


@settings(max_examples=150)
@given(nested, st.integers(0, 10**12))
def test_a_view_of_any_value_is_bounded_and_never_raises(held: Any, start: int) -> None:
    seen = rich(held, start)

    assert len(json.dumps(seen)) < 400 * 1_400
    assert len(seen.get("text", "")) <= FULL
    small = brief(held)
    assert len(small["text"]) <= 100
    assert "\n" not in small["text"]


def test_no_library_is_loaded_for_a_look() -> None:
    code = "import sys; from nbflow.view.values.rich_display import rich; rich([{'a': 1}]); rich(b'x'); print({'pandas', 'numpy', 'PIL', 'matplotlib', 'polars', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
