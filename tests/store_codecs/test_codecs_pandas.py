"""Frames, series, indices and scalars of pandas."""

from __future__ import annotations

import hashlib
import io
import zoneinfo
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs, Unstorable
from nbflow.store.rows import Blob

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

COLUMNS = {
    "int8": pd.Series([1, -2], dtype="int8"),
    "float": pd.Series([np.nan, -0.0]),
    "float16": pd.Series([1.5, np.inf], dtype="float16"),
    "bool": pd.Series([True, False]),
    "uint64": pd.Series([2**64 - 1, 0], dtype="uint64"),
    "Int64": pd.Series([1, None], dtype="Int64"),
    "boolean": pd.Series([True, None], dtype="boolean"),
    "Float32": pd.Series([1.5, None], dtype="Float32"),
    "texts": pd.Series(["a", None], dtype=object),
    "texts and NaN": pd.Series(["a", np.nan], dtype=object),
    "surrogates": pd.Series(["\ud800", "\0"], dtype=object),
    "mixed": pd.Series([1, "1"], dtype=object),
    "nested": pd.Series([{"a": (1, 2)}, [1, {2}]], dtype=object),
    "all None": pd.Series([None, None], dtype=object),
    "str": pd.Series(["a", None], dtype="str"),
    "string": pd.Series(["a", None], dtype="string"),
    "string[python]": pd.Series(["a", None], dtype="string[python]"),
    "string[pyarrow]": pd.Series(["a", None], dtype="string[pyarrow]"),
    "s": pd.Series(["2024-01-01", None], dtype="datetime64[s]"),
    "ns": pd.Series(["2024-01-01T00:00:00.000000001", None], dtype="datetime64[ns]"),
    "zone": pd.Series(["2024-10-27T00:30", None], dtype="datetime64[us, Europe/Berlin]"),
    "UTC": pd.Series(["2024-10-27T00:30", None], dtype="datetime64[ms, UTC]"),
    "offset": pd.Series(["2024-10-27T00:30", None]).astype(pd.DatetimeTZDtype("us", timezone(timedelta(hours=-3)))),
    "timedelta": pd.Series([1, None], dtype="timedelta64[ns]"),
    "category": pd.Series(["u", None], dtype="category"),
    "ordered": pd.Series(pd.Categorical([2, 1], categories=[3, 2, 1], ordered=True)),
    "category of moments": pd.Series(pd.Categorical(pd.to_datetime(["2024-01-01", None]))),
    "category of none": pd.Series([None, None], dtype="category"),
    "category of bins": pd.Series(pd.cut([1, 9], [0, 2, 9])),
    "period": pd.Series(pd.PeriodIndex(["2024-01", None], freq="M")),
    "interval": pd.Series(pd.IntervalIndex.from_tuples([(0, 1), None], closed="both")),
    "arrow": pd.Series([1, None], dtype=pd.ArrowDtype(pa.int64())),
    "arrow list": pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int8()))),
    "arrow decimal": pd.Series([1, None], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
}
INDICES = [
    pd.RangeIndex(3, 9, 2, name="r"),
    pd.Index([1, 2, 3], name=("a", 1)),
    pd.Index(["x", "y", "z"]),
    pd.Index(["x", 1, None], dtype=object),
    pd.Index([], dtype=object),
    pd.Index([1.5, np.nan, 2]),
    pd.Index([True, False, True]),
    pd.date_range("2024-03-30", periods=3, freq="D", tz="Europe/Berlin", name="when"),
    pd.DatetimeIndex(["2024-01-01", "2024-01-05", None]),
    pd.timedelta_range("1h", periods=3, freq="30min"),
    pd.period_range("2024", periods=3, freq="Q"),
    pd.interval_range(0, 3),
    pd.CategoricalIndex(["u", "v", "u"], ordered=True),
    pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None]),
    pd.MultiIndex.from_tuples([("a", None), (None, 2)]),
    pd.MultiIndex.from_arrays([[], []], names=["x", "y"]),
]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_series_comes_back_exactly(shelf: Any, name: str) -> None:
    series = COLUMNS[name].rename(name)

    found = shelf.trip([series])[0]

    pd.testing.assert_series_equal(found, series, check_exact=True)
    assert found.dtype == series.dtype
    assert list(map(type, found.array)) == list(map(type, series.array))
    assert found.to_list() == series.to_list() or series.isna().any()


def test_a_column_that_came_back_can_be_written_to(shelf: Any) -> None:
    found = shelf.trip(pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5]}))

    found.loc[0, "a"] = 9
    found["b"].to_numpy(copy=False)

    assert found["a"].to_list() == [9, 2]


@pytest.mark.parametrize("index", INDICES, ids=lambda index: f"{type(index).__name__} {index.names}")
def test_an_index_comes_back_exactly(shelf: Any, index: Any) -> None:
    found = shelf.trip({"i": index})["i"]

    pd.testing.assert_index_equal(found, index, exact=True)
    assert type(found) is type(index)
    assert getattr(found, "freq", None) == getattr(index, "freq", None)


@pytest.mark.parametrize("index", INDICES, ids=lambda index: f"{type(index).__name__} {index.names}")
def test_a_frame_comes_back_with_its_index_and_columns(shelf: Any, index: Any) -> None:
    frame = pd.DataFrame(np.ones((len(index), len(index))), index=index, columns=index)

    pd.testing.assert_frame_equal(shelf.trip(frame), frame, check_exact=True, check_index_type=True)


def test_a_frame_of_all_kinds_of_columns_comes_back(shelf: Any) -> None:
    frame = pd.DataFrame(COLUMNS)

    found = shelf.trip(frame)

    pd.testing.assert_frame_equal(found, frame, check_exact=True)
    assert found.dtypes.equals(frame.dtypes)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame(columns=["a", 1, None, ("t", 2)]),
        pd.DataFrame([[1, 2, 3]], columns=pd.Index(["a", "a", "ä\ud800"], dtype=object)),
        pd.DataFrame({"a": [1]}).rename_axis(columns="named"),
        pd.DataFrame({"a": range(10)})[3:5],
        pd.DataFrame({"a": [1, 2]}).T,
    ],
    ids=range(7),
)
def test_a_frame_of_an_odd_shape_or_name_comes_back(shelf: Any, frame: Any) -> None:
    pd.testing.assert_frame_equal(shelf.trip([frame])[0], frame, check_exact=True, check_column_type=True)


def test_arrays_and_frames_in_cells_come_back(shelf: Any) -> None:
    frame = pd.DataFrame({"vector": [np.arange(3), np.arange(2.0)], "frame": [pd.DataFrame({"a": [1]}), None]})

    found = shelf.trip(frame)

    assert found["vector"][1].tolist() == [0.0, 1.0]
    assert found["frame"][0].equals(frame["frame"][0])
    assert len(shelf.blobs) == 1


def test_attributes_and_flags_come_back(shelf: Any) -> None:
    frame = pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False)
    frame.attrs["source"] = ("a", 1)

    found = shelf.trip(frame)

    assert found.attrs == {"source": ("a", 1)}
    assert not found.flags.allows_duplicate_labels


@pytest.mark.parametrize(
    "scalar",
    [
        pd.Timestamp("2024-01-01T00:00:00.000000001"),
        pd.Timestamp("2024-10-27T00:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timestamp("2024-10-27T01:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timestamp("2024-07-01", tz=zoneinfo.ZoneInfo("Europe/Berlin")),
        pd.Timestamp("2024-01-01").as_unit("s"),
        pd.Timestamp("2024-10-27T02:30").replace(fold=1),
        pd.Timedelta("1ns"),
        pd.Timedelta(days=-3).as_unit("s"),
        pd.NaT,
        pd.NA,
    ],
    ids=repr,
)
def test_a_scalar_comes_back_in_its_unit_and_zone(shelf: Any, scalar: Any) -> None:
    found = shelf.trip([scalar])[0]

    assert repr(found) == repr(scalar)
    assert type(found) is type(scalar)
    assert getattr(found, "unit", None) == getattr(scalar, "unit", None)
    assert getattr(found, "fold", None) == getattr(scalar, "fold", None)


def test_a_frame_is_one_arrow_stream(shelf: Any) -> None:
    shelf.put(pd.DataFrame({"a": [1], "b": ["x"]}))

    assert shelf.only_blob().codec == "arrow.pandas"
    assert pa.ipc.open_stream(shelf.only_blob().data).read_all().select(["a", "b"]).to_pydict() == {
        "a": [1],
        "b": ["x"],
    }


def test_equal_frames_are_one_blob(shelf: Any) -> None:
    shelf.put([pd.DataFrame(COLUMNS), pd.DataFrame(COLUMNS).copy()])

    assert shelf.only_blob()


class Sales(pd.DataFrame):  # type: ignore[misc]
    pass


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (pd.DataFrame({"a": [1], "c": [1j]}), "['c'] is a column of complex128, which Arrow cannot say exactly"),
        (pd.Series(pd.arrays.SparseArray([0, 1]), name="s"), "['s'] is a column of Sparse[int64, 0], which Arrow"),
        (pd.Series([1, 2], dtype=">i4", name="b"), "['b'] is a column of >i4"),
        ({"df": pd.DataFrame({"a": [1, object()]})}, "['df']['a'][1] is an object, which has no stored form"),
        (Sales({"a": [1]}), "it is a Sales, which has no stored form; a DataFrame, Series or Index of pandas has one"),
        (pd.DataFrame({"a": [1]}).groupby("a"), "it is a DataFrameGroupBy, which has no stored form"),
        (pd.Series([None], dtype=pd.ArrowDtype(pa.null()), name="n"), "it has the column 'n' of Arrow's type null"),
        (
            pd.Series([1], index=pd.DatetimeIndex(["2024-01-01"], freq=pd.offsets.CustomBusinessDay(weekmask="Mon"))),
            "it has an index with the step C, whose name does not say all of it",
        ),
    ],
    ids=lambda part: str(part)[:20],
)
def test_what_arrow_cannot_say_is_refused(shelf: Any, value: Any, reason: str) -> None:
    with pytest.raises(Unstorable) as refused:
        shelf.put(value)

    assert refused.value.reason.startswith(reason)


@dataclass
class Point:
    x: int


def test_cells_of_known_classes_come_back_and_others_are_noted(shelf: Any) -> None:
    text = shelf.put(pd.Series([Point(1)]))
    assert shelf.get(text)[0] == {"x": 1}
    assert "is not known here" in shelf.notes[0]

    shelf.codecs.register_type(Point)
    assert shelf.get(text)[0] == Point(1)


def load(data: bytes) -> Any:
    blob = Blob(hashlib.sha256(b"arrow.pandas\0" + data).hexdigest(), "arrow.pandas", data)
    return Codecs().unpack(f'{{"$":"blob","hash":"{blob.hash}"}}', lambda _: blob)


def stream(meta: str | None, options: Any = None, **columns: Any) -> bytes:
    table = pa.table(columns).replace_schema_metadata({"nbflow": meta} if meta else None)
    written = io.BytesIO()
    with pa.ipc.new_stream(written, table.schema, options=options) as writer:
        writer.write_table(table)
    return written.getvalue()


INTS = pa.array([1, 2, 3])
SERIES = '{"kind":"series","index":{"range":[0,3,1],"names":[null]},"name":null,"specs":[%s]}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "torn or altered"),
        (b"\x80\x05K\x01." * 9, "torn or altered"),
        (stream(None, a=INTS), "cannot be read"),
        (stream("[", a=INTS), "is not the JSON that was written"),
        (stream("[" * 10_000, a=INTS), "is nested deeper"),
        (stream("{}", a=INTS), "has 'specs' of type NoneType"),
        (stream(SERIES % "", a=INTS), "cannot be read"),
        (stream(SERIES % '{"form":"eval"}', a=INTS), "has a column of the form 'eval'"),
        (stream(SERIES % '{"form":"plain","type":"object"}', a=INTS), "of a type that is never written so"),
        (stream(SERIES % '{"form":"plain","type":"int8"}', a=INTS), "has a column of int64, where int8 was written"),
        (stream(SERIES % '{"form":"masked","type":"eval"}', a=INTS), "of a type that is never written so"),
        (stream(SERIES % '{"form":"cells"}', a=pa.array(["[", "1", "1"])), "is not the JSON that was written"),
        (stream(SERIES % '{"form":"plain","type":"int64"}', a=pa.array([1])), "cannot be read"),
        (stream(SERIES % '{"form":"categories","ordered":true}', a=INTS), "cannot be read"),
        (stream(None, a=pa.nulls(10**8)), "says more rows than its data could hold"),
        (stream(None, a=pa.nulls(10)), "of Arrow's type null, which is not stored"),
        (
            stream(None, a=pa.RunEndEncodedArray.from_arrays(pa.array([10**6], pa.int32()), pa.array([1]))),
            "of Arrow's type run_end_encoded",
        ),
        (
            stream(None, pa.ipc.IpcWriteOptions(compression="zstd"), a=pa.array(np.zeros(10**6))),
            "is compressed, which is never written",
        ),
    ],
    ids=range(18),
)
def test_a_hostile_stream_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        load(data)


def test_metadata_of_pandas_in_a_stream_is_never_read() -> None:
    data = stream(SERIES % '{"form":"plain","type":"int64"}', a=INTS)
    hostile = pa.ipc.open_stream(data).schema.with_metadata(
        {"nbflow": SERIES % '{"form":"plain","type":"int64"}', "pandas": "__import__('os')"}
    )
    written = io.BytesIO()
    with pa.ipc.new_stream(written, hostile) as writer:
        writer.write_table(pa.table({"a": INTS}, schema=hostile))

    assert load(written.getvalue()).to_list() == [1, 2, 3]


FRAME = Codecs().pack(pd.DataFrame({name: COLUMNS[name] for name in COLUMNS if "arrow" not in name}))
WRITTEN = next(blob.data for blob in FRAME.blobs)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(WRITTEN) - 1), st.binary(min_size=1, max_size=8))
def test_a_stream_altered_anywhere_gives_a_frame_or_a_store_error(at: int, other: bytes) -> None:
    try:
        load(WRITTEN[:at] + other + WRITTEN[at + len(other) :])
    except StoreError as error:
        assert str(error)  # noqa: PT017 - it may also be read
