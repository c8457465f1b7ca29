"""Looks through an Arrow stream before a library reads it.

Rule: it must not say more than its bytes hold: no compressed buffers, no columns longer than could be, no types that
libraries take for Python objects. Of the format only what this needs is read.

https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
"""

from __future__ import annotations

import struct
from typing import Any

from nbflow.store.values.faults import Refused, short
from nbflow.store.values.needs import need

_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_PER_BYTE = 64  # rows to a byte: eight for truth values, and room for columns that hold nothing
_FREE = 10**6
_TEXTS = ("string", "large_string", "binary", "large_binary")
# Polars takes columns of this type for pointers into its own process.
_NEVER = (b"POLARS_EXTENSION_TYPE", b"arrow.py_extension_type")


def check_stream(data: bytes) -> None:
    """Refuse a stream that is torn, or that could grow in reading.

    Raises:
        Refused: With the reason.
    """
    try:
        _check(data)
    except struct.error:
        raise Refused("is an Arrow stream that is torn or altered") from None


def check_types(schema: Any) -> None:
    """Refuse columns of types that hold what is not in their bytes: repeats, views, nothing, another's extensions.

    Raises:
        Refused: Naming the column and its type.
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
    """Check one message; return how many bytes its body has."""
    root = _Table(message, struct.unpack_from("<I", message)[0])
    kind, header = root.number(1, "<B"), root.table(2)
    if header is None or kind not in (_SCHEMA, _DICTIONARY, _BATCH):
        raise Refused("is an Arrow stream with a message that is never written")
    if kind == _SCHEMA and any(name in message for name in _NEVER):
        raise Refused("is an Arrow stream with a type that is never written")
    batch = header.table(1) if kind == _DICTIONARY else header
    if kind != _SCHEMA and batch is not None:
        _check_batch(batch, most)
    return root.number(3, "<q")


def _check_batch(batch: _Table, most: int) -> None:
    if batch.table(3) is not None:
        raise Refused("is an Arrow stream that is compressed, which is never written")
    if max([batch.number(0, "<q"), *batch.lengths(1)]) > most:
        raise Refused("is an Arrow stream that says more rows than its data could hold")


class _Table:
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

    def table(self, field: int) -> _Table | None:
        """Return a table that a field refers to."""
        at = self._place(field)
        return None if at is None else _Table(self._data, at + int(struct.unpack_from("<I", self._data, at)[0]))

    def lengths(self, field: int) -> list[int]:
        """Return the first of the two numbers of each item of a vector: of a batch, its columns' lengths."""
        at = self._place(field)
        if at is None:
            return []
        at += int(struct.unpack_from("<I", self._data, at)[0])
        count = int(struct.unpack_from("<I", self._data, at)[0])
        if at + 4 + 16 * count > len(self._data):
            raise Refused("is an Arrow stream that is torn or altered")
        return [length for length, _ in struct.iter_unpack("<qq", self._data[at + 4 : at + 4 + 16 * count])]
