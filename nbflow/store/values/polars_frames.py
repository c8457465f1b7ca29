"""Frames and series of polars as Arrow streams, which it writes and reads by itself.

Rule: what is written is read back at once and must say the same columns and types; what does not is refused.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from nbflow.store.values.arrow_stream import check_stream
from nbflow.store.values.faults import Refused, a
from nbflow.store.values.needs import need

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

_FRAME, _SERIES = b"F", b"S"


def dump(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of a frame or series, whose data is a blob: a letter for which it is, and the stream."""
    polars = need("polars")
    if type(value) is polars.DataFrame:
        lead, frame = _FRAME, value
    elif type(value) is polars.Series:
        lead, frame = _SERIES, value.to_frame()
    else:
        raise Refused(f"is {a(type(value))} of polars, which has no stored form; a DataFrame or Series has one")
    data = _written(polars, frame)
    found = _read(polars, data)
    if found.schema != frame.schema or found.shape != frame.shape:
        raise Refused(f"is {a(type(value))} of polars with columns that Arrow does not give back")
    return packer.blob("arrow.polars", lead + data)


def _written(polars: Any, frame: Any) -> bytes:
    written = io.BytesIO()
    try:
        # The oldest layout holds just the rows of a slice, so equal frames have one hash.
        frame.write_ipc_stream(written, compression="uncompressed", compat_level=polars.CompatLevel.oldest())
    except (Exception, polars.exceptions.PanicException) as error:
        raise Refused(f"is a frame of polars that Arrow cannot say: {str(error)[:200]}") from error
    return written.getvalue()


def _read(polars: Any, data: bytes) -> Any:
    check_stream(data)
    try:
        return polars.read_ipc_stream(io.BytesIO(data))
    except polars.exceptions.PanicException as error:  # which is no Exception
        raise Refused(f"is a frame of polars that cannot be read: {str(error)[:200]}") from None


def load(data: bytes, unpacker: Unpacker) -> Any:
    """Return the frame or series of a blob."""
    lead, frame = data[:1], _read(need("polars"), data[1:])
    if lead == _FRAME:
        return frame
    if lead != _SERIES or frame.width != 1:
        raise Refused("is neither a frame nor a series of polars")
    return frame.to_series()
