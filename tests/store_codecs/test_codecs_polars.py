"""Frames and series of polars."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs, Unstorable
from nbflow.store.rows import Blob

pl = pytest.importorskip("polars")

FRAMES = [
    pl.DataFrame(),
    pl.DataFrame({"a": []}),
    pl.DataFrame({"a": [1, None], "b": ["x", None], "": [True, False]}),
    pl.DataFrame({"f": [float("nan"), None]}, schema={"f": pl.Float32}),
    pl.DataFrame({"t": [datetime.datetime(2024, 1, 1)]}).with_columns(z=pl.col("t").dt.replace_time_zone("Asia/Tokyo")),
    pl.DataFrame({"d": [datetime.date(2024, 1, 1)], "u": [datetime.timedelta(1)], "h": [datetime.time(3)]}),
    pl.DataFrame({"c": pl.Series(["u", "v", None], dtype=pl.Categorical)}),
    pl.DataFrame({"e": pl.Series(["u", "v"], dtype=pl.Enum(["v", "u", "w"]))}),
    pl.DataFrame({"m": [decimal.Decimal("1.50")], "s": [{"x": 1, "y": [1, 2]}], "b": [b"\0"]}),
    pl.DataFrame({"l": [[[1], []], None], "n": [None, None]}),
    pl.DataFrame({"a": [[1, 2], [3, 4]]}, schema={"a": pl.Array(pl.Int8, 2)}),
    pl.DataFrame({"a": list(range(100))}).slice(90, 5),
    pl.concat([pl.DataFrame({"a": ["x"]}), pl.DataFrame({"a": ["y"]})], rechunk=False),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(frame.schema)[8:48])
def test_a_frame_comes_back_equal_with_its_types(shelf: Any, frame: Any) -> None:
    found = shelf.trip([frame])[0]

    assert found.schema == frame.schema
    assert found.equals(frame)


def test_a_series_comes_back_as_a_series(shelf: Any) -> None:
    series = pl.Series("s", [1, None], dtype=pl.Int16)

    found = shelf.trip({"s": series})["s"]

    assert (type(found), found.name, found.dtype, found.to_list()) == (pl.Series, "s", pl.Int16, [1, None])


def test_a_frame_is_one_arrow_stream(shelf: Any) -> None:
    shelf.put(pl.DataFrame({"a": [1]}))

    assert shelf.only_blob().codec == "arrow.polars"
    assert pl.read_ipc_stream(io.BytesIO(shelf.only_blob().data[1:])).to_dicts() == [{"a": 1}]


def test_a_slice_is_stored_as_what_it_shows(shelf: Any) -> None:
    whole = pl.DataFrame({"a": ["word" * 9] * 10_000})

    shelf.put(whole.head(2))

    assert len(shelf.only_blob().data) < 2000


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (pl.DataFrame({"a": [object()]}), "it is a "),
        (pl.LazyFrame({"a": [1]}), "it is a LazyFrame of polars, which has no stored form"),
        (pl.col("a"), "it is an Expr of polars"),
    ],
    ids=["objects", "lazy", "expression"],
)
def test_what_has_no_form_is_refused(shelf: Any, value: Any, reason: str) -> None:
    with pytest.raises(Unstorable) as refused:
        shelf.put(value)

    assert refused.value.reason.startswith(reason)


def stream(**options: Any) -> bytes:
    written = io.BytesIO()
    pl.DataFrame({"a": ["word"] * 1000, "b": list(range(1000))}).write_ipc_stream(written, **options)
    return written.getvalue()


def load(data: bytes) -> Any:
    blob = Blob(hashlib.sha256(b"arrow.polars\0" + data).hexdigest(), "arrow.polars", data)
    return Codecs().unpack(f'{{"$":"blob","hash":"{blob.hash}"}}', lambda _: blob)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "torn or altered"),
        (b"Fnothing of the kind", "torn or altered"),
        (b"F" + stream(compression="zstd"), "is compressed, which is never written"),
        (b"X" + stream(), "is neither a frame nor a series"),
        (b"S" + stream(), "is neither a frame nor a series"),
        (b"F" + stream()[:-300], "torn or altered"),
    ],
    ids=range(6),
)
def test_a_hostile_stream_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        load(data)


def test_a_stream_that_says_more_rows_than_it_holds_is_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    written, table = io.BytesIO(), pa.table({"n": pa.nulls(10**8)})
    with pa.ipc.new_stream(written, table.schema) as writer:
        writer.write_table(table)

    with pytest.raises(StoreError, match="says more rows than its data could hold"):
        load(b"F" + written.getvalue())


def test_a_column_that_is_a_pointer_into_the_process_is_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    field = pa.field(
        "a",
        pa.binary(16),
        metadata={"ARROW:extension:name": "POLARS_EXTENSION_TYPE", "ARROW:extension:metadata": "1;2"},
    )
    written = io.BytesIO()
    with pa.ipc.new_stream(written, pa.schema([field])) as writer:
        writer.write_table(pa.table([pa.array([b"0" * 16], pa.binary(16))], schema=pa.schema([field])))

    with pytest.raises(StoreError, match="with a type that is never written"):
        load(b"F" + written.getvalue())


PLAIN = b"F" + stream(compat_level=pl.CompatLevel.oldest())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(PLAIN) - 1), st.binary(min_size=1, max_size=8))
def test_a_stream_altered_anywhere_gives_a_frame_or_a_store_error(at: int, other: bytes) -> None:
    try:
        load(PLAIN[:at] + other + PLAIN[at + len(other) :])
    except StoreError as error:
        assert str(error)  # noqa: PT017 - it may also be read
