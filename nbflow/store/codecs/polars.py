"""Codecs of polars frames and series, as Arrow streams that polars writes and reads; large columns are separate blobs.

A written stream is read back at once. A frame whose columns or types differ then is refused.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from nbflow.store.codecs.arrow import (
    COLUMN,
    SplitColumns,
    check_stream,
    chunk_spans,
    columns_to_split,
    join_columns,
    split_tree,
)
from nbflow.store.codecs.errors import Refused, a
from nbflow.store.codecs.libraries import need

if TYPE_CHECKING:
    from nbflow.store.codecs.packer import Packer
    from nbflow.store.codecs.unpacker import Unpacker

_CODEC, _FRAME, _SERIES = "arrow.polars", b"F", b"S"


def dump_polars(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of a frame or series. Its blob is a letter, which distinguishes the two, and the stream."""
    polars = need("polars")
    if type(value) is polars.DataFrame:
        lead, frame = _FRAME, value
    elif type(value) is polars.Series:
        lead, frame = _SERIES, value.to_frame()
    else:
        raise Refused(f"is {a(type(value))} of polars, which has no stored form; a DataFrame or Series has one")
    columns = frame.get_columns()
    apart = columns_to_split([column.estimated_size() for column in columns], packer)
    small = (
        frame.select([column for place, column in enumerate(columns) if place not in set(apart)]) if apart else frame
    )
    head = packer.blob(_CODEC, lead + _checked(polars, small))
    if not apart:
        return head
    large = [(place, columns[place].name, _dump_column(polars, columns[place], packer)) for place in apart]
    return split_tree(head, _CODEC, large)


def _dump_column(polars: Any, column: Any, packer: Packer) -> list[dict[str, Any]]:
    dtype = column.dtype
    # Chunks of a column of any other type might each contain a dictionary.
    simple = dtype.is_numeric() or dtype.is_temporal() or dtype in (polars.Boolean, polars.String, polars.Binary)
    rows = len(column)
    spans = chunk_spans(rows, column.estimated_size()) if simple else [(0, rows)]
    frame = column.alias("").to_frame()
    return [packer.blob(COLUMN, _checked(polars, frame.slice(start, length))) for start, length in spans]


def _checked(polars: Any, frame: Any) -> bytes:
    data = _written(polars, frame)
    found = _read(polars, data)
    if found.schema != frame.schema or found.shape != frame.shape:
        raise Refused("is a frame or series of polars with columns that Arrow does not give back")
    return data


def _written(polars: Any, frame: Any) -> bytes:
    written = io.BytesIO()
    try:
        # The oldest layout has only the rows of a slice, so that equal frames have equal hashes.
        frame.write_ipc_stream(written, compression="uncompressed", compat_level=polars.CompatLevel.oldest())
    except (Exception, polars.exceptions.PanicException) as error:
        raise Refused(f"is a frame of polars that Arrow cannot say: {str(error)[:200]}") from error
    return written.getvalue()


def _read(polars: Any, data: bytes) -> Any:
    check_stream(data)
    try:
        return polars.read_ipc_stream(io.BytesIO(data))
    except polars.exceptions.PanicException as error:  # no subclass of Exception
        raise Refused(f"is a frame of polars that cannot be read: {str(error)[:200]}") from None


def load_polars(data: bytes, unpacker: Unpacker, apart: SplitColumns = ()) -> Any:
    """Return the frame or series of a blob and of its split columns."""
    polars = need("polars")
    lead, frame = data[:1], _read(polars, data[1:])
    if apart:
        large = [(place, _load_column(polars, streams).alias(name)) for place, name, streams in apart]
        frame = polars.DataFrame(join_columns(frame.get_columns(), large))
    if lead == _FRAME:
        return frame
    if lead != _SERIES or frame.width != 1:
        raise Refused("is neither a frame nor a series of polars")
    return frame.to_series()


def _load_column(polars: Any, streams: list[bytes]) -> Any:
    frames = [_read(polars, data) for data in streams]
    if any(frame.width != 1 for frame in frames):
        raise Refused("has a chunk of a column that is not one column")
    return polars.concat(frames).to_series()
