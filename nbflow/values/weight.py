"""Which values take so long to copy or compare that it is done off the event loop (SEMANTICS rule 22)."""

from __future__ import annotations

from typing import Any

from nbflow.values.atoms import ATOMS
from nbflow.values.kinds import attributes, kind_of

MOST_PARTS = 2_000
"""Parts that are copied on the loop: about a millisecond."""
MOST_BYTES = 1 << 20


def is_heavy(value: Any) -> bool:
    """Return whether copying or comparing a value may take more than about a millisecond; looks at few of its parts."""
    if type(value) is dict and ATOMS.issuperset(map(type, value.values())):
        return len(value) > MOST_PARTS
    left, waiting = MOST_PARTS, [value]
    while waiting:
        part = waiting.pop()
        cls = type(part)
        if cls in ATOMS:
            continue
        kind = kind_of(cls)
        if kind.sort in ("library", "codec"):
            if kind.sort == "codec" or _bytes_of(part) > MOST_BYTES:
                return True
            continue
        if kind.sort in ("immutable", "handle"):
            continue
        parts = _parts(part, cls, kind.base, kind.slots)
        left -= len(parts) + 1
        if left < 0:
            return True
        waiting.extend(inner for inner in parts if type(inner) not in ATOMS)
    return False


def _parts(value: Any, cls: type, base: type | None, slots: tuple[str, ...]) -> list[Any]:
    found = [] if cls is base else list(attributes(value, slots).values())
    if base is None:
        return found
    length = base.__len__(value)  # type: ignore[attr-defined]  # all of these have a length
    if length > MOST_PARTS:
        return [None] * (MOST_PARTS + 1)
    return [*found, *(dict.values(value) if base is dict else base.__iter__(value))]  # type: ignore[attr-defined]


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
