"""Which values take so long to copy or compare that it is done off the event loop (SEMANTICS rule 22).

The limits stand for about a millisecond: 2 000 parts of any kind, 10 000 entries of flat containers, 1 MB of an array.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from itertools import islice
from typing import Any

from nbflow.values.atoms import ATOMS
from nbflow.values.kinds import Kind, attributes, kind_of
from nbflow.values.rows import are_flat, entries_of

MOST_PARTS = 2_000
"""Parts that are copied one by one."""
MOST_ENTRIES = 10_000
"""Entries of flat containers, which are copied at once."""
MOST_BYTES = 1 << 20


def is_heavy(value: Any) -> bool:
    """Return whether copying a value may take more than about a millisecond; looks at few of its parts."""
    left, waiting = MOST_PARTS, [value]
    while waiting:
        part = waiting.pop()
        cls = type(part)
        if cls in ATOMS:
            continue
        flat = _flat_entries(part, cls)
        if flat is not None:
            left -= 1 + flat * MOST_PARTS // MOST_ENTRIES
            if left < 0:
                return True
            continue
        kind = kind_of(cls)
        if kind.sort == "codec" or (kind.sort == "library" and _copies_much(part, kind)):
            return True
        if kind.sort in ("immutable", "handle", "library"):
            continue
        parts = _parts(part, cls, kind)
        left -= len(parts) + 1
        if left < 0:
            return True
        waiting.extend(inner for inner in parts if type(inner) not in ATOMS)
    return False


def is_heavy_to_take(value: Any, held: Any) -> bool:
    """Return whether taking a value over from a tool may take more than about a millisecond.

    `held` is the engine's own value that the tool was given in its place, with which it is compared first.
    """
    cls = type(value)
    if cls in ATOMS:
        return False
    kind = kind_of(cls)
    if kind.sort != "library" or kind.library is None:
        return is_heavy(value)
    if _bytes_of(value) <= MOST_BYTES:
        return False
    if type(held) is cls and not kind.library.is_shared(value, held):
        return True
    return not kind.library.shares(value)


def _flat_entries(value: Any, cls: type) -> int | None:
    """Return how many entries a flat list or dict, or a list of flat dicts, has; None for any other value."""
    if cls is not dict and cls is not list:
        return None
    parts = value.values() if cls is dict else value
    types = set(map(type, parts)) if len(value) <= MOST_ENTRIES else set()
    if types == {dict}:
        rows = list(parts)
        return entries_of(rows) if are_flat(rows) else None
    return len(value) if types <= ATOMS else None


def _copies_much(value: Any, kind: Kind) -> bool:
    """Return whether an array, a frame or a picture is large, and its copy repeats its data."""
    return _bytes_of(value) > MOST_BYTES and not (kind.library is not None and kind.library.shares(value))


def _parts(value: Any, cls: type, kind: Kind) -> list[Any]:
    base: Any = kind.base
    found = [] if cls is base else list(attributes(value, kind.slots).values())
    if base is None:
        return found
    if base.__len__(value) > MOST_PARTS:
        return [None] * (MOST_PARTS + 1)
    return [*found, *(dict.values(value) if base is dict else base.__iter__(value))]


def _bytes_of(value: Any) -> int:
    """Return how many bytes an array has, or about how many a frame or a picture has."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    shape = getattr(value, "shape", None) or getattr(value, "size", None) or (MOST_BYTES,)
    total = 8
    for length in shape if isinstance(shape, tuple) else (MOST_BYTES,):
        total *= length if isinstance(length, int) else 1
    return total


SAMPLED = 200
"""Parts of one container that are looked at; the others are taken to be like them."""
MOST_SIZED = 20_000
_PART = 64


def size_of(values: Iterable[object], *, scale: int = 1) -> int:
    """Return about how many bytes some values take, each counted once; a handle counts for almost nothing.

    At most MOST_SIZED parts are looked at, and of a long container SAMPLED.

    Args:
        values: The values.
        scale: How many times each of the values stands for others like it.
    """
    total, left, seen = 0.0, MOST_SIZED, set[int]()
    waiting: list[tuple[Any, float]] = [(value, float(scale)) for value in values]
    while waiting and left:
        part, times = waiting.pop()
        left -= 1
        if id(part) in seen:
            continue
        seen.add(id(part))
        inner, share, own = _sized(part)
        if own > MOST_BYTES:
            times = 1.0  # a large value is rare, and is not taken to stand for others
        total += own * times
        waiting.extend((one, times * share) for one in inner)
    return int(total)


def _sized(part: Any) -> tuple[list[Any], float, int]:
    """Return some parts of a value, for how many others each of them stands, and the bytes of the value itself."""
    cls = type(part)
    if cls in ATOMS:
        return [], 1.0, sys.getsizeof(part)
    kind = kind_of(cls)
    if kind.sort == "library":
        return [], 1.0, _bytes_of(part)
    if kind.sort == "immutable":
        return [], 1.0, _bytes_of_immutable(part)
    if kind.sort in ("handle", "codec"):
        return [], 1.0, _PART
    own, base = list(attributes(part, kind.slots).values()), kind.base
    if base is None:
        return own, 1.0, _PART
    count: int = base.__len__(part)  # type: ignore[attr-defined]  # all of these have a length
    if base in (bytearray, array):
        return own, 1.0, 8 * count
    parts = dict.values(part) if base is dict else base.__iter__(part)  # type: ignore[attr-defined]
    return [*own, *islice(parts, SAMPLED)], max(1.0, count / SAMPLED), 16 * count + _PART


def _bytes_of_immutable(part: Any) -> int:
    """Return how many bytes a text of a class of one's own has, or a table of Arrow."""
    if isinstance(part, str | bytes):
        return sys.getsizeof(part)
    size = getattr(part, "nbytes", None)
    return size if isinstance(size, int) else _PART
