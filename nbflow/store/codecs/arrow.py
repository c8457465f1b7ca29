"""Arrow streams: checks before a library reads one, tables and record batches, and frames split into columns.

A stream must not expand in reading: no compressed buffers, no columns longer than their bytes allow, no types that
libraries take for Python objects. Only what these checks need of the format is parsed:
https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format

A large frame is a stream with its small columns, and separate blobs for each large one. The blob of a column depends on
its rows alone, not on its name or the other columns. So a frame with one column changed, renamed or added shares all
other blobs with the frame that it was made from, and one with appended rows shares the full chunks.

The schema of a table is restored with its metadata; its division into chunks is not, because equal tables differ in it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbflow.store.codecs.errors import Refused, a, short
from nbflow.store.codecs.libraries import need

if TYPE_CHECKING:
    from nbflow.store.codecs.packer import Packer
    from nbflow.store.codecs.unpacker import Unpacker

_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_PER_BYTE = 64  # the most rows a byte: eight of booleans, and a margin for columns without data
_FREE = 10**6
_TEXTS = ("string", "large_string", "binary", "large_binary")
# Polars interprets columns of this type as pointers into its own process.
_NEVER = (b"POLARS_EXTENSION_TYPE", b"arrow.py_extension_type")


def check_stream(data: bytes) -> None:
    """Check that a stream is complete and does not expand in reading.

    Raises:
        Refused: The stream is torn, or could expand.
    """
    try:
        _check(data)
    except struct.error:
        raise Refused("is an Arrow stream that is torn or altered") from None


def check_types(schema: Any) -> None:
    """Check that columns have types whose data is in their bytes: no repeats, views, nulls or foreign extensions.

    Raises:
        Refused: A column, which is named, has another type.
    """
    types, waiting = need("pyarrow").types, [(field.name, field.type) for field in schema]
    while waiting:
        name, kind = waiting.pop()
        if types.is_dictionary(kind):
            waiting.append((name, kind.value_type))
        elif types.is_list(kind) or types.is_large_list(kind) or types.is_struct(kind):
            waiting.extend((name, kind.field(at).type) for at in range(kind.num_fields))
        elif types.is_null(kind) or not (types.is_primitive(kind) or str(kind) in _TEXTS or types.is_decimal(kind)):
            raise Refused(f"has the column {short(name)} of Arrow's type {str(kind)[:60]}, which is not stored")


def _check(data: bytes) -> None:
    most, at = max(_FREE, _PER_BYTE * len(data)), 0
    while True:
        mark, size = struct.unpack_from("<Ii", data, at)
        if mark != 0xFFFFFFFF or size < 0 or at + 8 + size > len(data):
            raise Refused("is an Arrow stream that is torn or altered")
        if size == 0:
            return
        message = data[at + 8 : at + 8 + size]
        body = _check_message(message, most)
        at += 8 + size + body
        if body < 0 or at > len(data):
            raise Refused("is an Arrow stream that is torn or altered")


def _check_message(message: bytes, most: int) -> int:
    """Check one message; return the size (bytes) of its body."""
    root = _FlatTable(message, struct.unpack_from("<I", message)[0])
    kind, header = root.number(1, "<B"), root.table(2)
    if header is None or kind not in (_SCHEMA, _DICTIONARY, _BATCH):
        raise Refused("is an Arrow stream with a message that is never written")
    if kind == _SCHEMA and any(name in message for name in _NEVER):
        raise Refused("is an Arrow stream with a type that is never written")
    batch = header.table(1) if kind == _DICTIONARY else header
    if kind != _SCHEMA and batch is not None:
        _check_batch(batch, most)
    return root.number(3, "<q")


def _check_batch(batch: _FlatTable, most: int) -> None:
    if batch.table(3) is not None:
        raise Refused("is an Arrow stream that is compressed, which is never written")
    if max([batch.number(0, "<q"), *batch.lengths(1)]) > most:
        raise Refused("is an Arrow stream that says more rows than its data could hold")


class _FlatTable:
    """A table of a flatbuffer: fields by number, each absent or at an offset."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - int(struct.unpack_from("<i", data, at)[0])
        if self._fields < 0:
            raise Refused("is an Arrow stream that is torn or altered")
        self._end = int(struct.unpack_from("<H", data, self._fields)[0])

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._end:
            return None
        offset = int(struct.unpack_from("<H", self._data, self._fields + slot)[0])
        return self._at + offset if offset else None

    def number(self, field: int, form: str) -> int:
        """Return an integer field, 0 where it is absent."""
        at = self._place(field)
        return 0 if at is None else int(struct.unpack_from(form, self._data, at)[0])

    def table(self, field: int) -> _FlatTable | None:
        """Return a table that a field refers to."""
        at = self._place(field)
        return None if at is None else _FlatTable(self._data, at + int(struct.unpack_from("<I", self._data, at)[0]))

    def lengths(self, field: int) -> list[int]:
        """Return the first of the two numbers of each item of a vector: in a batch, the lengths of its columns."""
        at = self._place(field)
        if at is None:
            return []
        at += int(struct.unpack_from("<I", self._data, at)[0])
        count = int(struct.unpack_from("<I", self._data, at)[0])
        if at + 4 + 16 * count > len(self._data):
            raise Refused("is an Arrow stream that is torn or altered")
        return [length for length, _ in struct.iter_unpack("<qq", self._data[at + 4 : at + 4 + 16 * count])]


COLUMN = "arrow.column"
"""The codec of a blob that holds rows of one column, as an Arrow stream. Only a frame's tree names one."""
LARGE_FRAME, LARGE_COLUMN = 2**20, 2**16
"""The sizes (bytes) from which a frame is split, and from which a column of such a frame is a separate blob."""
_CHUNK_ROWS, _LEAST_ROWS, _CHUNK_BYTES = 2**17, 2**10, 2**22

SplitColumns = Sequence[tuple[int, str, list[bytes]]]
"""Split columns: the position of each in its frame, its name there, and the streams of its chunks."""


def columns_to_split(sizes: Sequence[int], packer: Packer) -> list[int]:
    """Return the positions of the columns to store separately, given the bytes of each; none inside a blob."""
    if packer.is_inside or sum(sizes) < LARGE_FRAME:
        return []
    return [place for place, size in enumerate(sizes) if size >= LARGE_COLUMN]


def chunk_spans(rows: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the length of each chunk of a column, given its rows and bytes.

    The length of a chunk is a power of two and rarely changes with the content, so that equal rows are equal chunks.
    """
    most = _CHUNK_ROWS
    while most > _LEAST_ROWS and size * most > _CHUNK_BYTES * rows:
        most //= 2
    return ((start, min(most, rows - start)) for start in range(0, max(rows, 1), most))


def split_tree(head: dict[str, Any], codec: str, columns: Iterable[tuple[int, str, list[Any]]]) -> dict[str, Any]:
    """Return the tree of a frame: `head` refers to the stream of the small columns, each column to its chunks.

    The name of a column is empty if the head has it.
    """
    return {"$": "frame", "codec": codec, "head": head, "columns": [list(column) for column in columns]}


def dump_column_chunks(array: Any, packer: Packer) -> list[dict[str, Any]]:
    """Store an Arrow array, or a chunked one, as blobs; return the references to them."""
    arrow = need("pyarrow")
    # Each chunk of a dictionary column would contain the whole dictionary.
    whole = arrow.types.is_dictionary(array.type)
    spans = [(0, len(array))] if whole else chunk_spans(len(array), array.nbytes)
    return [packer.blob(COLUMN, _stream(arrow, array.slice(start, length))) for start, length in spans]


def _stream(arrow: Any, array: Any) -> bytes:
    schema = arrow.schema([("", array.type)])
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(arrow.RecordBatch.from_arrays([one_chunk(array)], schema=schema))
    data: bytes = sink.getvalue().to_pybytes()
    check_stream(data)
    return data


def load_column_chunks(streams: list[bytes]) -> Any:
    """Return the Arrow array of the chunks of a column.

    Raises:
        Refused: The streams are not chunks of one column.
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


def join_columns(columns: Sequence[Any], apart: Iterable[tuple[int, Any]]) -> list[Any]:
    """Return all columns of a frame in their order: the small ones, with the split ones at their positions."""
    whole = list(columns)
    for place, column in apart:
        if not 0 <= place <= len(whole):
            raise Refused(f"has a column at position {place}, which it does not have")
        whole.insert(place, column)
    return whole


def load_split_frame(node: dict[str, Any], unpacker: Unpacker, loads: Mapping[str, Any]) -> Any:
    """Return the frame of a tree by the loader of its codec."""
    codec = unpacker.want(node, "codec", str)
    if codec not in loads:
        raise Refused("is a frame of a codec that is never written so")
    apart = []
    for column in unpacker.want(node, "columns", list):
        place, name, refs = column
        if type(place) is not int or type(name) is not str or type(refs) is not list or not refs:
            raise Refused("has a column that is not the position, the name and the chunks that were written")
        apart.append((place, name, [unpacker.content(ref, COLUMN) for ref in refs]))
    return loads[codec](unpacker.content(unpacker.want(node, "head", dict), codec), unpacker, apart)


def arrow_stream(schema: Any, arrays: Sequence[Any]) -> bytes:
    """Return a stream of Arrow arrays of the same length."""
    arrow = need("pyarrow")
    target = io.BytesIO()
    with arrow.ipc.new_stream(target, schema) as writer:
        writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
    check_stream(target.getvalue())
    return target.getvalue()


_CODEC, _TABLE_LETTER, _BATCH_LETTER = "arrow.table", b"T", b"B"


def dump_table(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of a table or batch.

    Its head is a letter, which distinguishes the two, and two streams: the schema and the small columns.
    """
    arrow = need("pyarrow")
    if type(value) not in (arrow.Table, arrow.RecordBatch):
        raise Refused(f"is {a(type(value))} of pyarrow, which has no stored form; a Table or RecordBatch has one")
    check_types(value.schema)
    if not value.num_columns and value.num_rows:
        raise Refused("is a table of Arrow with rows and no columns, which a stream cannot say")
    columns = [one_chunk(column) for column in value.columns]
    apart = columns_to_split([column.nbytes for column in columns], packer)
    here = [place for place in range(len(columns)) if place not in set(apart)]
    fields = arrow.schema([value.schema.field(place) for place in here])
    schema = arrow_stream(value.schema, [column.slice(0, 0) for column in columns])
    small = arrow_stream(fields, [columns[place] for place in here])
    lead = _TABLE_LETTER if type(value) is arrow.Table else _BATCH_LETTER
    head = packer.blob(_CODEC, lead + len(schema).to_bytes(8, "big") + schema + small)
    if not apart:
        return head
    return split_tree(head, _CODEC, [(place, "", dump_column_chunks(columns[place], packer)) for place in apart])


def load_table(data: bytes, unpacker: Unpacker, apart: SplitColumns = ()) -> Any:
    """Return the table or batch of a blob and of its split columns."""
    lead, end = data[:1], 9 + int.from_bytes(data[1:9], "big")
    schema, small = _read_table(data[9:end]).schema, _read_table(data[end:])
    if lead not in (_TABLE_LETTER, _BATCH_LETTER):
        raise Refused("is neither a table nor a batch of Arrow")
    large = [(place, load_column_chunks(streams)) for place, _, streams in apart]
    columns = join_columns([one_chunk(column) for column in small.columns], large)
    table = need("pyarrow").Table.from_arrays(columns, schema=schema)
    table.validate(full=True)
    if lead == _TABLE_LETTER:
        return table
    return need("pyarrow").RecordBatch.from_arrays(columns, schema=schema)


def _read_table(data: bytes) -> Any:
    check_stream(data)
    with need("pyarrow").ipc.open_stream(data) as reader:
        check_types(reader.schema)
        table = reader.read_all()
    table.validate(full=True)
    return table
