"""Lists of rows: dicts of immutable values, each its own object, such as messages of a chat or records of a table.

Loops mostly run over such lists, so they are measured, copied and compared by a few calls of functions in C, which
take a fifth of the time of a walk through their parts. Short lists are left to the walk, which is as fast for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import is_, itemgetter
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


class _Column(NamedTuple):
    """The values under one key: the positions of the rows that have it, and the value of each."""

    positions: list[int]
    values: list[Any]


class _Columns:
    """The contents of rows by key, which tells in a few calls whether other rows have the same objects.

    `dict.values` creates a view and an iterator for each row, which takes three times as long as to look its keys up.
    Rows have the same objects under the same keys in the same order exactly if

    1. the keys of all rows, one after the other, are the same objects, and
    2. each row has the same object under each key that its counterpart has.

    By 2 no row lacks a key, and by 1 the number of keys is the same in all, so no row has one more; then 1 says that
    the order within each row is the same too.
    """

    def __init__(self) -> None:
        self._count = 0
        self._keys: list[str] = []
        self._columns: dict[str, _Column] = {}

    @classmethod
    def of(cls, rows: list[dict[Any, Any]]) -> _Columns | None:
        """Return the contents of rows; None where a key is no text, or most keys are in few of the rows."""
        if not _STR.issuperset(map(type, chain.from_iterable(rows))):
            return None
        if len(set().union(*rows)) > len(rows):
            return None
        columns = cls()
        columns.extend(rows)
        return columns

    def extend(self, rows: list[dict[Any, Any]]) -> None:
        """Add rows at the end."""
        for position, row in enumerate(rows, self._count):
            self._keys.extend(row)
            for key, value in row.items():
                column = self._columns.get(key)
                if column is None:
                    column = self._columns[key] = _Column([], [])
                column.positions.append(position)
                column.values.append(value)
        self._count += len(rows)

    def are_in(self, rows: list[dict[Any, Any]]) -> bool:
        """Return whether other rows, as many as these, have the same objects under the same keys in the same order."""
        keys = list(chain.from_iterable(rows))
        if len(keys) != len(self._keys) or not all(map(is_, keys, self._keys)):
            return False
        try:
            return all(self._is_in(rows, key) for key in self._columns)
        except KeyError:
            return False

    def _is_in(self, rows: list[dict[Any, Any]], key: str) -> bool:
        positions, values = self._columns[key]
        have = rows if len(positions) == len(rows) else map(rows.__getitem__, positions)
        return all(map(is_, map(itemgetter(key), have), values))


class Lineage:
    """Lists of which each begins with all rows of the one before; `longest` is the last one, with the rows of all."""

    __slots__ = ("longest",)

    def __init__(self, longest: list[dict[Any, Any]]) -> None:
        self.longest = longest


class Rows:
    """A list of rows that never changes, for copies of it and of lists that begin with its rows."""

    __slots__ = ("_columns", "_heirs", "entries", "lineage", "rows")

    def __init__(self, rows: list[dict[Any, Any]], entries: int, lineage: Lineage | None = None) -> None:
        self.rows = rows
        self.entries = entries
        """How many entries of a flat container take as long to copy."""
        self.lineage = lineage or Lineage(rows)
        self._heirs = [self.lineage]
        """The lineage until a list has extended it: `pop` gives it to one of several threads."""
        self._columns: list[_Columns] = []
        """The contents by key, once a list has been compared: `pop` gives them to one of several threads."""

    @classmethod
    def of(cls, value: list[Any]) -> Rows | None:
        """Return a list as rows; None where it holds anything else, or few."""
        return cls(value, entries_of(value)) if are_rows(value) else None

    def copy(self) -> list[dict[Any, Any]]:
        """Return a copy of the list."""
        return copies_of(self.rows)

    def grown(self, value: list[Any], given: list[Any] | None = None) -> Rows | None:
        """Return a copy of a list of the same rows and more, which shares the rows; None for any other list.

        `given` are the rows of the copy that a tool received: known to be distinct dicts, so where the list begins with
        these objects, it is only asked whether their contents have changed.
        """
        first, more = value[: len(self.rows)], value[len(self.rows) :]
        if not are_flat(more) or not _are_distinct_dicts(first, more, given):
            return None
        columns = self._taken_columns()
        if not (columns and columns.are_in(first)) and not same_rows(first, self.rows):
            self._columns = [columns] if columns else []
            return None
        copies = copies_of(more)
        rows = [*self.rows, *copies]
        grown = Rows(rows, self.entries + entries_of(more), self._extended(rows))
        if columns and _STR.issuperset(map(type, chain.from_iterable(more))):
            columns.extend(copies)
            grown._columns = [columns]  # the longer list is the one that is compared next
        return grown

    def _taken_columns(self) -> _Columns | None:
        try:
            return self._columns.pop()
        except IndexError:
            return _Columns.of(self.rows)

    def _extended(self, rows: list[dict[Any, Any]]) -> Lineage | None:
        """Make a longer list the last one of the lineage; return None where another list has extended it before."""
        try:
            lineage = self._heirs.pop()
        except IndexError:
            return None
        lineage.longest = rows
        return lineage


def _are_distinct_dicts(first: list[Any], more: list[Any], given: list[Any] | None) -> bool:
    """Return whether all items are dicts, and none is among them twice."""
    if given is None or len(given) != len(first) or not all(map(is_, first, given)):
        return set(map(type, first)) == {dict} and are_distinct([*first, *more])
    ids = set(map(id, more))
    return len(ids) == len(more) and ids.isdisjoint(map(id, first))


class Compact:
    """Values by key for a log, without the lists of rows among them: of each its lineage and its length.

    A loop that appends a message in each of 10 000 rounds would otherwise leave lists of 50 million references.
    """

    __slots__ = ("_lists", "_values")

    def __init__(self, values: Mapping[str, Any], lists: Mapping[str, Lineage]) -> None:
        self._lists = {key: (lineage, len(values[key])) for key, lineage in lists.items()}
        self._values = {key: None if key in lists else value for key, value in values.items()}

    def whole(self) -> dict[str, Any]:
        """Return the values with the lists."""
        values = dict(self._values)
        for key, (lineage, length) in self._lists.items():
            longest = lineage.longest
            values[key] = longest if len(longest) == length else longest[:length]
        return values

    def retained(self) -> list[Any]:
        """Return the values that this retains: of lists of one lineage the longest alone."""
        return [*self._values.values(), *(lineage.longest for lineage, _ in self._lists.values())]


def whole(values: Any) -> Any:
    """Return the values of a log entry, whether compact or not."""
    return values.whole() if type(values) is Compact else values
