"""Large frames: their columns are separate blobs, shared with the frames that they were made from."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from test_codecs_pandas import COLUMNS, INDICES

from nbflow.errors import StoreError
from nbflow.store.codecs import arrow
from nbflow.store.codecs.packer import blob_of
from nbflow.store.rows import Blob

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

ROWS = 300_000
MB = 2**20


@pytest.fixture
def all_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every column be stored apart, in chunks of two rows."""
    monkeypatch.setattr(arrow, "LARGE_FRAME", 0)
    monkeypatch.setattr(arrow, "LARGE_COLUMN", 0)
    monkeypatch.setattr(arrow, "_CHUNK_ROWS", 2)


def large(kind: str) -> Any:
    columns = {f"c{n}": np.arange(ROWS) * (n + 1.5) for n in range(4)} | {"text": [f"t{n % 7}" for n in range(ROWS)]}
    return {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[kind](columns)


def changed(frame: Any, kind: str, edit: str) -> Any:
    new = np.arange(ROWS) / 3
    match kind, edit:
        case "pandas", "add":
            return frame.assign(new=new)
        case "polars", "add":
            return frame.with_columns(pl.Series("new", new))
        case "arrow", "add":
            return frame.append_column("new", pa.array(new))
        case "pandas", "replace":
            return frame.assign(c1=new)
        case "polars", "replace":
            return frame.with_columns(pl.Series("c1", new))
        case "arrow", "replace":
            return frame.set_column(1, "c1", pa.array(new))
        case "pandas", "rename":
            return frame.rename(columns={"c0": "other"})
        case "polars", "rename":
            return frame.rename({"c0": "other"})
        case "arrow", "rename":
            return frame.rename_columns(["other", *frame.column_names[1:]])
        case _, "reorder":
            return frame[["text", "c3", "c0"]] if kind != "arrow" else frame.select(["text", "c3", "c0"])
    raise AssertionError(edit)


def same(found: Any, frame: Any) -> bool:
    if isinstance(frame, pd.DataFrame):
        pd.testing.assert_frame_equal(found, frame, check_exact=True, check_freq=True)
        return True
    return bool(found.equals(frame)) and found.schema == frame.schema


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize(("edit", "columns"), [("add", 1), ("replace", 1), ("rename", 0), ("reorder", 0)])
def test_only_columns_that_changed_are_stored_again(shelf: Any, kind: str, edit: str, columns: int) -> None:
    frame = large(kind)
    shelf.put(frame)
    before = set(shelf.blobs)

    text = shelf.put(changed(frame, kind, edit))

    more = sum(len(blob.data) for name, blob in shelf.blobs.items() if name not in before)
    assert columns * 8 * ROWS <= more < columns * 8 * ROWS + 64_000
    assert same(shelf.get(text), changed(frame, kind, edit))


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_a_frame_with_rows_appended_shares_the_other_chunks(shelf: Any, kind: str) -> None:
    frame = large(kind)
    shelf.put(frame)
    before = set(shelf.blobs)
    rows = frame[:100] if kind != "arrow" else frame.slice(0, 100)
    join = {"pandas": partial(pd.concat, ignore_index=True), "polars": pl.concat, "arrow": pa.concat_tables}[kind]
    longer = join([frame, rows])

    text = shelf.put(longer)

    more = sum(len(blob.data) for name, blob in shelf.blobs.items() if name not in before)
    assert more < 2.5 * MB  # of 11: the last chunk of each column
    assert same(shelf.get(text), longer)


def test_a_large_frame_inside_a_container_comes_back_and_its_blobs_are_found(shelf: Any) -> None:
    frame = large("pandas")

    text = shelf.put({"a": [frame, {"b": frame.assign(c0=1)}]})

    named = shelf.codecs.refs(text)
    named |= {ref for name in list(named) for ref in shelf.codecs.refs_of(shelf.blobs[name])}
    assert named == set(shelf.blobs)
    assert same(shelf.get(text)["a"][1]["b"], frame.assign(c0=1))


@pytest.mark.parametrize("name", COLUMNS)
def test_each_type_of_column_comes_back_from_chunks(shelf: Any, all_apart: None, name: str) -> None:
    frame = pd.DataFrame({"x": pd.concat([COLUMNS[name]] * 3, ignore_index=True)})

    found = shelf.trip({"df": frame})["df"]

    assert len(shelf.blobs) > 1
    pd.testing.assert_frame_equal(found, frame, check_exact=True)
    assert found.dtypes.equals(frame.dtypes)


@pytest.mark.parametrize("index", INDICES, ids=lambda index: type(index).__name__)
def test_each_index_duplicate_names_attributes_and_flags_come_back_from_chunks(
    shelf: Any, all_apart: None, index: Any
) -> None:
    frame = pd.DataFrame(np.arange(len(index) * 3).reshape(-1, 3), index=index, columns=["a", "a", 7])
    frame.attrs["source"] = ("a", 1)

    found = shelf.trip(frame)

    pd.testing.assert_frame_equal(found, frame, check_exact=True, check_freq=True)
    assert found.attrs == frame.attrs
    assert [type(one) for one in found.index[:2]] == [type(one) for one in frame.index[:2]]


@pytest.mark.parametrize(
    "value", [pd.Series([1.5, 2, 3], name=("a", 1)), pd.Index(["x", "y", "z"], name="n")], ids=type
)
def test_a_series_and_an_index_come_back_from_chunks(shelf: Any, all_apart: None, value: Any) -> None:
    found = shelf.trip(value)

    assert type(found) is type(value)
    assert found.equals(value)
    assert found.name == value.name


POLARS = pl.DataFrame(
    {
        "int": [1, None, 3],
        "text": ["a", None, "c"],
        "list": [[1], [], None],
        "struct": [{"x": 1}, {"x": 2}, {"x": None}],
        "category": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        "enum": pl.Series(["u", "v", "u"], dtype=pl.Enum(["u", "v"])),
        "moment": pl.Series([1, 2, None]).cast(pl.Datetime("ms", "Europe/Berlin")),
        "null": [None, None, None],
        "bool": [True, None, False],
        "decimal": pl.Series(["1.5", None, "2.5"]).cast(pl.Decimal(9, 2)),
    }
)


@pytest.mark.parametrize(
    "value", [POLARS, POLARS[:0], *POLARS.get_columns(), POLARS[["int"]][1:]], ids=lambda v: str(v)[:0]
)
def test_each_type_of_polars_comes_back_from_chunks(shelf: Any, all_apart: None, value: Any) -> None:
    found = shelf.trip(value)

    assert type(found) is type(value)
    assert found.equals(value, null_equal=True)
    assert (
        (found.name, found.dtype) == (value.name, value.dtype) if isinstance(value, pl.Series) else same(found, value)
    )


SCHEMA = pa.schema(
    [
        pa.field("a", pa.int64(), nullable=False, metadata={"unit": "m"}),
        pa.field("b", pa.dictionary(pa.int8(), pa.string())),
        pa.field("a", pa.list_(pa.timestamp("ns", "UTC"))),
    ],
    metadata={"from": "here"},
)
TABLE = pa.table(
    [[1, 2, 3], pa.array(["u", None, "u"]).dictionary_encode().cast(SCHEMA.field(1).type), [[1], None, []]], SCHEMA
)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "value", [TABLE, TABLE.slice(1, 1), TABLE.slice(0, 0), pa.concat_tables([TABLE, TABLE]), pa.table({})], ids=range(5)
)
def test_a_table_of_arrow_comes_back_with_its_schema(
    shelf: Any, request: pytest.FixtureRequest, apart: bool, value: Any
) -> None:
    if apart:
        request.getfixturevalue("all_apart")

    found = shelf.trip([value])[0]

    assert found.equals(value, check_metadata=True)
    assert type(found) is pa.Table


def test_a_record_batch_comes_back_as_one(shelf: Any) -> None:
    batch = TABLE.to_batches()[0]

    assert shelf.trip(batch).equals(batch, check_metadata=True)


def test_a_frame_inside_a_cell_is_in_the_blob_of_its_column(shelf: Any) -> None:
    frame = pd.DataFrame({"frames": [large("pandas"), None]})

    found = shelf.trip(frame)

    assert sorted(blob.codec for blob in shelf.blobs.values()) == [arrow.COLUMN, "arrow.pandas"]
    assert same(found["frames"][0], frame["frames"][0])


def broken(shelf: Any, tree: Any, *blobs: Blob) -> str:
    shelf.blobs |= {blob.hash: blob for blob in blobs}
    with pytest.raises(StoreError) as refused:
        shelf.get(json.dumps(tree))
    return str(refused.value).removeprefix("a stored value cannot be read: it ")


def test_a_tree_that_was_not_written_so_is_refused(shelf: Any) -> None:
    tree = json.loads(shelf.blobs[shelf.codecs.refs(shelf.put(large("pandas"))).pop()].data)
    place, name, refs = tree["columns"][0]
    two = blob_of(
        arrow.COLUMN, arrow.arrow_stream(pa.schema([("a", pa.int8()), ("b", pa.int8())]), [pa.array([1])] * 2)
    )
    double = {"$": "blob", "hash": two.hash}
    torn = blob_of(arrow.COLUMN, shelf.blobs[refs[0]["hash"]].data[:1000])

    def with_column(*column: Any) -> Any:
        return tree | {"columns": [list(column), *tree["columns"][1:]]}

    assert "is a frame of a codec that is never written so" in broken(shelf, tree | {"codec": "png"})
    assert "of the codec 'arrow.pandas' as one of 'arrow.polars'" in broken(shelf, tree | {"codec": "arrow.polars"})
    assert "'arrow.column'" in broken(shelf, with_column(place, name, [tree["head"]]))
    assert "is not the position, the name and the chunks" in broken(shelf, with_column("0", name, refs))
    assert "has a column at position -1" in broken(shelf, with_column(-1, name, refs))
    assert "with 2 columns" in broken(shelf, with_column(place, name, [double]), two)
    assert "torn" in broken(shelf, with_column(place, name, [{"$": "blob", "hash": torn.hash}]), torn)
    assert broken(shelf, with_column(place, name, refs[1:]))  # fewer rows than the others
    assert "cannot be read" in broken(shelf, tree | {"columns": [7]})
    assert broken(shelf, tree | {"columns": tree["columns"][1:]})


def test_many_frames_in_one_state_may_share_columns_and_one_column_named_without_end_is_refused(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbflow.store.codecs.unpacker._MOST_REPEATED", 4 * MB)
    frame = large("pandas")

    assert len(shelf.trip([frame.assign(c0=n) for n in range(10)])) == 10
    with pytest.raises(StoreError, match="so often that it would not fit in memory"):
        shelf.trip([frame] * 60)
