"""Write a value as small pieces of JSON text, so that a response is never in memory as a whole.

Invariant: the pieces of a value together are the JSON of `plain` with `UNBOUNDED`. A list, dict or record that occurs
many times in a value (`x = [x, x]`) is written as often as it occurs, a piece at a time. Any other collection is
written as a whole, and truncated beyond `MOST_AT_ONCE` bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from nbflow.json_values.forms import is_container, record_of
from nbflow.json_values.writer import DEEPEST, TYPES, UNBOUNDED, Room, class_name, plain
from nbflow.secrets import MASK, covers, mask

_SMALL = 10_000  # bytes up to which a value is written at once; a larger value tests each of its parts again
_PIECE = 200_000
MOST_AT_ONCE = 20_000_000
"""Bytes beyond which a collection is truncated that is neither a list, tuple or dict nor a record."""


def pieces(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the JSON of a value in pieces."""
    room = Room(_SMALL)
    data = plain(value, None, replace(UNBOUNDED, room=room))
    if not room.short:
        yield json_text(data)
    elif isinstance(value, str):
        yield from _text(mask(str.__str__(value)))
    elif type(value) in (list, tuple) and depth < DEEPEST:
        yield from enclosed("[]", (pieces(part, depth + 1) for part in value))
    elif type(value) is dict and depth < DEEPEST and _is_object(value):
        yield from object_pieces(value, depth + 1)
    elif depth < DEEPEST and (record := _record(value)) is not None:
        yield from _record_pieces(*record, depth + 1)
    elif is_container(value):  # such as a deque that contains another deque many times
        yield json_text(plain(value, None, replace(UNBOUNDED, room=Room(MOST_AT_ONCE))))
    else:  # a value whose form takes no more than a few times the memory of the value
        yield json_text(plain(value, None, UNBOUNDED))


def _record(value: Any) -> tuple[str, str, Mapping[str, Any]] | None:
    """Return the form's type, the class and the fields of a dataclass, a model and the like; None of other values."""
    try:
        named = record_of(value)
    except Exception:  # noqa: BLE001 - a property may raise anything; `plain` writes what it raised
        return None
    return None if named is None else (named[0], class_name(type(value)), named[1])


def _record_pieces(type_: str, class_: str, fields: Mapping[str, Any], depth: int) -> Iterator[str]:
    yield f'{{"type":{json_text(type_)},"class":{json_text(class_)},"fields":'
    yield from object_pieces(fields, depth)
    yield "}"


def object_pieces(values: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield the JSON of values by key, such as a state, in pieces."""
    return enclosed("{}", (_entry(key, value, depth) for key, value in values.items()))


def json_text(data: Any) -> str:
    """Return JSON data as text; half a surrogate pair, which tools may return, becomes a question mark."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _entry(key: str, value: Any, depth: int) -> Iterator[str]:
    yield json_text(mask(str.__str__(key))) + ":"
    yield from ([json_text(MASK)] if covers(key, value) else pieces(value, depth))


def enclosed(ends: str, parts: Iterator[Iterator[str]]) -> Iterator[str]:
    """Yield the JSON of an array or object whose parts are iterators of pieces; small pieces are joined."""
    waiting, size, comma = [ends[0]], 1, ""
    for part in parts:
        waiting.append(comma)
        comma = ","
        for piece in part:
            waiting.append(piece)
            size += len(piece)
            if size > _PIECE:
                yield "".join(waiting)
                waiting, size = [], 0
    yield "".join([*waiting, ends[1]])


def _text(text: str) -> Iterator[str]:
    yield '"'
    for start in range(0, len(text), _PIECE):
        yield json_text(text[start : start + _PIECE])[1:-1]
    yield '"'


def _is_object(value: dict[Any, Any]) -> bool:
    """Return whether a dict is written as an object, not as pairs."""
    keys = {mask(str.__str__(key)) for key in value if isinstance(key, str) and not isinstance(key, Enum)}
    kind = value.get("type")
    return len(keys) == len(value) and not (isinstance(kind, str) and mask(str.__str__(kind)) in TYPES)
