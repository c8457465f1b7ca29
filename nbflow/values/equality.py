"""Comparison of two values (SEMANTICS rule 9).

Two values are the same if they have the same type and the same parts in the same order. NaN is the same as NaN, 0.0
differs from -0.0, and a handle is the same as itself only. No `__eq__` of a user's class is called. In doubt two values
differ: an update that changes nothing does less harm than a lost one.

The comparison assumes that a pair of objects that it has met before is the same. Thus it ends for cycles, and it takes
linear time for a value that refers to the same part many times. The assumption is safe: if the pair differs anywhere,
the first visit finds that, and the whole comparison returns False.

Dicts, lists and tuples are compared by recursion for the first 100 levels, everything else with an explicit stack.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from datetime import datetime, time, timezone
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from nbflow.secrets import is_secret_type, revealed
from nbflow.values.atoms import ATOMS, EXACT
from nbflow.values.kinds import attributes, kind_of
from nbflow.values.rows import same_rows

_PLAIN = frozenset({dict, list, tuple})
_DEEPEST_RECURSION = 100
_BY_REPR_BASES = (int, float, complex, str, bytes)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same."""
    if type(one) in EXACT:
        return type(one) is type(other) and bool(one == other)
    return one is other or _Comparison().same(one, other)


class _Comparison:
    """One walk through two values."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        """The ids of pairs that `holds` has met."""
        self._pairs: dict[int, int] = {}
        """For the id of a dict, list or tuple that `_plain` has met, the id of the object it was compared with last."""

    def same(self, one: Any, other: Any) -> bool:
        """Return whether two values are the same."""
        return self._same_parts(one, other, 0)

    def holds(self, one: Any, other: Any) -> bool:
        """Return whether two values are the same, without recursion; also called for parts of these values."""
        stack = [(one, other)]
        while stack:
            if not self._alike(*stack.pop(), stack):
                return False
        return True

    def _alike(self, one: Any, other: Any, stack: list[tuple[Any, Any]]) -> bool:
        """Compare two values without their parts, and push the pairs of parts on the stack."""
        if one is other:
            return True
        cls = type(one)
        if cls is not type(other):
            return False
        if cls in EXACT:
            return bool(one == other)
        if cls in ATOMS:
            return _same_atoms(one, other)
        kind = kind_of(cls)
        if kind.sort == "immutable":
            return _same_immutables(one, other)
        if kind.sort == "handle":
            return False
        if kind.sort in ("library", "codec"):
            functions = kind.library or kind.codec
            assert functions is not None  # noqa: S101 - as the sort says
            return functions.same(one, other, self.holds)
        pair = (id(one), id(other))
        if pair not in self._seen:
            self._seen.add(pair)
            return self._contents(one, other, kind.base, kind.slots, stack)
        return True

    def _plain(self, one: Any, other: Any, cls: type, depth: int) -> bool:
        """Compare two dicts, lists or tuples by recursion; `holds` compares the levels below the 100th."""
        if len(one) != len(other):
            return False
        self._pairs[id(one)] = id(other)
        if cls is list and (result := same_rows(one, other)) is not None:
            return result
        mine, theirs = one, other
        if cls is dict:
            for key, other_key in zip(one, other, strict=True):
                if key is not other_key and not self._is_same_key(key, other_key):
                    return False
            mine, theirs = one.values(), other.values()
        for left, right in zip(mine, theirs, strict=True):
            if left is not right:
                kind = type(left)
                if kind is not type(right):
                    return False
                if left != right if kind in EXACT else not self._same_parts(left, right, depth):
                    return False
        return True

    def _same_parts(self, one: Any, other: Any, depth: int) -> bool:
        if one is other:
            return True
        cls = type(one)
        if cls is not type(other):
            return False
        if cls in EXACT:
            return bool(one == other)
        if cls in _PLAIN and depth < _DEEPEST_RECURSION:
            return self._pairs.get(id(one)) == id(other) or self._plain(one, other, cls, depth + 1)
        return self.holds(one, other)

    def _is_same_key(self, one: Any, other: Any) -> bool:
        return one is other or (one == other if type(one) is str is type(other) else self.holds(one, other))

    def _contents(
        self, one: Any, other: Any, base: type | None, slots: tuple[str, ...], stack: list[tuple[Any, Any]]
    ) -> bool:
        if type(one) is not base:
            mine, theirs = attributes(one, slots), attributes(other, slots)
            if list(mine) != list(theirs):
                return False
            stack.extend(zip(mine.values(), theirs.values(), strict=True))
        if base is None:
            return True
        if base in (bytearray, array):
            return _same_buffers(one, other)
        if len(one) != len(other) or (base is deque and one.maxlen != other.maxlen):
            return False
        if base in (set, frozenset):
            return self._same_sets(one, other, base)
        if base is dict:
            return _push(list(one), list(other), stack) and _push(
                list(dict.values(one)), list(dict.values(other)), stack
            )
        return _push(list(base.__iter__(one)), list(base.__iter__(other)), stack)  # type: ignore[attr-defined]

    def _same_sets(self, one: Any, other: Any, base: type) -> bool:
        """Compare sets of exact types by their hashes, and all others in their order of iteration."""
        mine, theirs = list(base.__iter__(one)), list(base.__iter__(other))  # type: ignore[attr-defined]
        if EXACT.issuperset(map(type, mine)) and EXACT.issuperset(map(type, theirs)):
            # 1, 1.0 and True are one element of a set and of three types.
            typed = ({(type(part), part) for part in parts} for parts in (mine, theirs))
            return next(typed) == next(typed)
        return all(map(self.holds, mine, theirs))


def _push(mine: list[Any], theirs: list[Any], stack: list[tuple[Any, Any]]) -> bool:
    """Compare parts of exact types at once; push the pairs of all others."""
    if len(mine) != len(theirs):
        return False
    types = set(map(type, mine))
    if types <= EXACT:
        return list(map(type, mine)) == list(map(type, theirs)) and mine == theirs
    stack.extend(zip(mine, theirs, strict=True))
    return True


def _same_buffers(one: Any, other: Any) -> bool:
    codes = getattr(one, "typecode", None), getattr(other, "typecode", None)
    return codes[0] == codes[1] and bytes(memoryview(one)) == bytes(memoryview(other))


def _same_floats(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other and math.copysign(1.0, one) == math.copysign(1.0, other)


def _same_atoms(one: Any, other: Any) -> bool:
    cls = type(one)
    if cls is float:
        return _same_floats(one, other)
    if cls is complex:
        return _same_floats(one.real, other.real) and _same_floats(one.imag, other.imag)
    if cls in (datetime, time) and not isinstance(one.tzinfo, timezone | ZoneInfo | None):
        return one.tzinfo is other.tzinfo and repr(one.replace(tzinfo=None)) == repr(other.replace(tzinfo=None))
    if isinstance(one, type) or callable(one):
        return False
    # `repr` includes the exponent of a decimal and the fold of a time, which `==` ignores.
    return repr(one) == repr(other)


def _same_immutables(one: Any, other: Any) -> bool:
    """Compare two instances of a subclass of an immutable type by the `repr` of that type."""
    if isinstance(one, Enum | type):
        return False
    if is_secret_type(type(one)):
        mine, theirs = revealed(one), revealed(other)
        return type(mine) is type(theirs) and type(mine) in (str, bytes) and bool(mine == theirs)
    base = next((base for base in _BY_REPR_BASES if isinstance(one, base)), None)
    if base is None or getattr(one, "__dict__", None) or getattr(other, "__dict__", None):
        return False
    return base.__repr__(one) == base.__repr__(other)
