"""Large frames, stored column by column: a stream with the small columns, and each large column in blobs of its own.

Rule: a blob of a column depends on nothing but its rows: neither its name nor the columns beside it. So a frame with
one column changed, renamed or added shares all other blobs with the frame it was made from, and one with rows appended
shares the full chunks.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbflow.store.values.arrow_stream import check_stream, check_types
from nbflow.store.values.faults import Refused
from nbflow.store.values.needs import need

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

COLUMN = "arrow.column"
"""The codec of a blob that holds rows of one column, as an Arrow stream. Only a frame's tree names one."""
LARGE_FRAME, LARGE_COLUMN = 2**20, 2**16
"""From how many bytes on a frame is split, and a column of such a frame stored apart."""
_CHUNK_ROWS, _LEAST_ROWS, _CHUNK_BYTES = 2**17, 2**10, 2**22

Apart = Sequence[tuple[int, str, list[bytes]]]
"""Columns stored apart: the place of each in its frame, its name there, and the streams of its chunks."""


def chosen(sizes: Sequence[int], packer: Packer) -> list[int]:
    """Return the places of the columns to store apart, given the bytes of each; none inside a blob."""
    if packer.is_inside or sum(sizes) < LARGE_FRAME:
        return []
    return [place for place, size in enumerate(sizes) if size >= LARGE_COLUMN]


def chunks(rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Give the start and the length of each chunk of a column with so many rows and bytes.

    The length of a chunk is a power of two and rarely changes with the content, so that equal rows are equal chunks.
    """
    most = _CHUNK_ROWS
    while most > _LEAST_ROWS and size * most > _CHUNK_BYTES * rows:
        most //= 2
    return ((start, min(most, rows - start)) for start in range(0, max(rows, 1), most))


def tree_of(head: dict[str, Any], codec: str, columns: Iterable[tuple[int, str, list[Any]]]) -> dict[str, Any]:
    """Return the tree of a frame: `head` refers to the stream of the small columns, each column to its chunks.

    The name of a column is empty where the head has it.
    """
    return {"$": "frame", "codec": codec, "head": head, "columns": [list(column) for column in columns]}


def dump_arrow(array: Any, packer: Packer) -> list[dict[str, Any]]:
    """Store an Arrow array, or a chunked one, as blobs; return what refers to them."""
    arrow = need("pyarrow")
    # Each chunk of a dictionary column would have all of the dictionary.
    whole = arrow.types.is_dictionary(array.type)
    spans = [(0, len(array))] if whole else chunks(len(array), array.nbytes)
    return [packer.blob(COLUMN, _stream(arrow, array.slice(start, length))) for start, length in spans]


def _stream(arrow: Any, array: Any) -> bytes:
    schema = arrow.schema([("", array.type)])
    written = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(written, schema) as writer:
        writer.write_batch(arrow.RecordBatch.from_arrays([one_chunk(array)], schema=schema))
    data: bytes = written.getvalue().to_pybytes()
    check_stream(data)
    return data


def load_arrow(streams: list[bytes]) -> Any:
    """Return the Arrow array of the chunks of a column.

    Raises:
        Refused: They are no such chunks.
    """
    arrow, found = need("pyarrow"), []
    for data in streams:
        check_stream(data)
        with arrow.ipc.open_stream(data) as reader:
            check_types(reader.schema)
            table = reader.read_all()
        table.validate(full=True)  # an offset out of bounds would be followed into other memory
        if table.num_columns != 1:
            raise Refused(f"has a chunk of a column with {table.num_columns} columns")
        found += table.column(0).chunks
    return one_chunk(arrow.chunked_array(found))


def one_chunk(column: Any) -> Any:
    """Return a column as one array."""
    if not hasattr(column, "num_chunks"):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return combined.chunk(0) if hasattr(combined, "num_chunks") else combined


def placed(columns: Sequence[Any], apart: Iterable[tuple[int, Any]]) -> list[Any]:
    """Return all columns of a frame in their order: the small ones, with those that were apart at their places."""
    whole = list(columns)
    for place, column in apart:
        if not 0 <= place <= len(whole):
            raise Refused(f"has a column at place {place}, which it does not have")
        whole.insert(place, column)
    return whole


def load(node: dict[str, Any], unpacker: Unpacker, loads: Mapping[str, Any]) -> Any:
    """Return the frame of a tree, by the function that `loads` has for its codec."""
    codec = unpacker.want(node, "codec", str)
    if codec not in loads:
        raise Refused("is a frame of a codec that is never written so")
    apart = []
    for column in unpacker.want(node, "columns", list):
        place, name, refs = column
        if type(place) is not int or type(name) is not str or type(refs) is not list or not refs:
            raise Refused("has a column that is not the place, the name and the chunks that were written")
        apart.append((place, name, [unpacker.content(ref, COLUMN) for ref in refs]))
    return loads[codec](unpacker.content(unpacker.want(node, "head", dict), codec), unpacker, apart)


def written(schema: Any, arrays: Sequence[Any]) -> bytes:
    """Return a stream of Arrow arrays that are equally long."""
    arrow = need("pyarrow")
    target = io.BytesIO()
    with arrow.ipc.new_stream(target, schema) as writer:
        writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
    check_stream(target.getvalue())
    return target.getvalue()
