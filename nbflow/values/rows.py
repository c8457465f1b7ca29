"""Lists of rows: dicts of immutable values, each its own object, such as messages of a chat or records of a table.

Loops mostly run over such lists, so they are measured, copied and compared by a few calls of functions in C, which
take a fifth of the time of a walk through their parts. Short lists are left to the walk, which is as fast for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from operator import add, is_
from typing import Any, NamedTuple

from nbflow.values.atoms import ATOMS, EXACT

FEW = 8
"""Items of a list for which a look at all of them costs as much as one after the other."""
_STR = frozenset({str})


def are_rows(parts: list[Any]) -> bool:
    """Return whether parts are rows, and not few."""
    return len(parts) >= FEW and type(parts[0]) is dict and are_flat(parts) and are_distinct(parts)


def are_flat(parts: list[Any]) -> bool:
    """Return whether all parts are dicts of immutable values."""
    return set(map(type, parts)) <= {dict} and ATOMS.issuperset(map(type, values_of(parts)))


def are_distinct(parts: list[Any]) -> bool:
    """Return whether no object is among the parts twice."""
    return len(set(map(id, parts))) == len(parts)


def values_of(rows: Iterable[dict[Any, Any]]) -> Iterator[Any]:
    """Iterate over the values of all rows."""
    return chain.from_iterable(map(dict.values, rows))


def entries_of(rows: list[dict[Any, Any]]) -> int:
    """Return how many entries of a flat container take as long to copy as some rows."""
    return 4 * len(rows) + sum(map(len, rows))


def copies_of(rows: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Return a copy of a list of rows."""
    return list(map(dict.copy, rows))


def same_rows(one: list[Any], other: list[Any]) -> bool | None:
    """Compare two lists of one length at once where they hold dicts of the same objects, or of texts and integers.

    Returns None for other lists and for short ones.
    """
    if len(one) < FEW or type(one[0]) is not dict:
        return None
    if set(map(type, one)) != {dict} or set(map(type, other)) != {dict}:
        return None
    mine, theirs = _Flat.of(one), _Flat.of(other)
    types = set(map(type, mine.values))
    if types <= ATOMS and mine.is_identical(theirs):
        return True
    types |= set(map(type, theirs.values))
    if not types <= EXACT or not _STR.issuperset(map(type, mine.keys)) or not _STR.issuperset(map(type, theirs.keys)):
        return None
    if mine.keys != theirs.keys or one != other:
        return False
    # Of these types only integers and booleans have equal values.
    return not {int, bool} <= types or list(map(type, mine.values)) == list(map(type, theirs.values))


class _Flat(NamedTuple):
    """The contents of some rows: how many entries each has, then all keys and all values one after the other."""

    lengths: list[int]
    keys: list[Any]
    values: list[Any]

    @classmethod
    def of(cls, rows: list[dict[Any, Any]]) -> _Flat:
        """Return the contents of rows."""
        return cls(list(map(len, rows)), list(chain.from_iterable(rows)), list(values_of(rows)))

    def is_identical(self, other: _Flat) -> bool:
        """Return whether both have the same objects, as a row and its copy have."""
        return (
            self.lengths == other.lengths
            and all(map(is_, self.keys, other.keys))
            and all(map(is_, self.values, other.values))
        )

    def followed_by(self, more: list[dict[Any, Any]]) -> _Flat:
        """Return the contents of these rows and more."""
        return _Flat(*map(add, self, _Flat.of(more)))


class Rows:
    """A list of rows that never changes, for copies of it and of lists that begin with its rows."""

    __slots__ = ("_flat", "entries", "rows")

    def __init__(self, rows: list[dict[Any, Any]], entries: int, flat: _Flat | None = None) -> None:
        self.rows = rows
        self.entries = entries
        """How many entries of a flat container take as long to copy."""
        self._flat = flat

    @classmethod
    def of(cls, value: list[Any]) -> Rows | None:
        """Return a list as rows; None where it holds anything else, or few."""
        return cls(value, entries_of(value)) if are_rows(value) else None

    def copy(self) -> list[dict[Any, Any]]:
        """Return a copy of the list."""
        return copies_of(self.rows)

    def grown(self, value: list[Any]) -> Rows | None:
        """Return a copy of a list of the same rows and more, which shares the rows; None for any other list."""
        first, more = value[: len(self.rows)], value[len(self.rows) :]
        if set(map(type, first)) != {dict} or not are_flat(more) or not are_distinct(value):
            return None
        flat = self._flat or _Flat.of(self.rows)
        if not _Flat.of(first).is_identical(flat) and not same_rows(first, self.rows):
            return None
        self._flat = None  # the longer list is the one that is compared next
        return Rows([*self.rows, *copies_of(more)], self.entries + entries_of(more), flat.followed_by(more))
