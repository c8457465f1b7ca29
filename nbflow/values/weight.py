"""The cost of values: time to copy or compare them (SEMANTICS rule 22), and memory.

A value is heavy if a copy may take more than about a millisecond: it has more than 2 000 parts of any kind, more than
10 000 entries of flat containers, or an array of more than 1 MB. Heavy values are copied outside the event loop.
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
"""The number of parts that the walk copies in about a millisecond."""
MOST_ENTRIES = 10_000
"""The number of entries of flat containers, which are copied by one call, in about a millisecond."""
MOST_BYTES = 1 << 20
"""The size of an array or frame that is copied in about a millisecond."""


def is_heavy(value: Any) -> bool:
    """Return whether copying a value may take more than about a millisecond, after at most about 2 000 parts."""
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


def is_heavy_to_take(value: Any, older: Any) -> bool:
    """Return whether comparing and copying a value that a tool returned may take more than about a millisecond.

    `older` is the engine's own value under the same key, which the returned value is compared with first.
    """
    cls = type(value)
    if cls in ATOMS:
        return False
    kind = kind_of(cls)
    if kind.sort != "library" or kind.library is None:
        return is_heavy(value)
    if _bytes_of(value) <= MOST_BYTES:
        return False
    if type(older) is cls and not kind.library.is_shared(value, older):
        return True
    return not kind.library.shares(value)


def _flat_entries(value: Any, cls: type) -> int | None:
    """Return the number of entries of a flat list or dict, or of a list of flat dicts; None for any other value."""
    if cls is not dict and cls is not list:
        return None
    parts = value.values() if cls is dict else value
    types = set(map(type, parts)) if len(value) <= MOST_ENTRIES else set()
    if types == {dict}:
        rows = list(parts)
        return entries_of(rows) if are_flat(rows) else None
    return len(value) if types <= ATOMS else None


def _copies_much(value: Any, kind: Kind) -> bool:
    """Return whether an array, a frame or a picture is large, and a copy does not share its data."""
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
    """Return the number of bytes of an array, or an estimate for a frame or a picture."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    shape = getattr(value, "shape", None) or getattr(value, "size", None) or (MOST_BYTES,)
    total = 8
    for length in shape if isinstance(shape, tuple) else (MOST_BYTES,):
        total *= length if isinstance(length, int) else 1
    return total


SAMPLED = 200
"""The number of parts of one container that are measured; the others count as equally large."""
MOST_SIZED = 20_000
"""The number of parts that `size_of` measures in total."""
_PART = 64
"""The assumed size of an object in bytes, without its parts."""


def size_of(values: Iterable[object], *, scale: int = 1) -> int:
    """Return an estimate of the memory of some values in bytes, each object counted once.

    A handle counts as 64 bytes. At most MOST_SIZED parts are measured, and at most SAMPLED parts of one container.

    Args:
        values: The values, or a sample of them.
        scale: If `values` is a sample, the number of values that each of them represents.
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
            times = 1.0  # a large value is rare, so it represents no others
        total += own * times
        waiting.extend((one, times * share) for one in inner)
    return int(total)


def _sized(part: Any) -> tuple[list[Any], float, int]:
    """Return a sample of the parts of a value, the number of parts that each represents, and its own bytes."""
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
    """Return the number of bytes of an instance of a subclass of str or bytes, or of an Arrow table."""
    if isinstance(part, str | bytes):
        return sys.getsizeof(part)
    size = getattr(part, "nbytes", None)
    return size if isinstance(size, int) else _PART
