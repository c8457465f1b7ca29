"""Lists of rows: a row is a dict of immutable values, such as a message of a chat or a record of a table.

Most loops carry such a list from round to round, so rows have their own code: a few calls of functions in C handle all
rows of a list at once, in a fifth of the time of a walk through the parts. For fewer than 8 rows the walk is as fast.

A list counts as rows if it holds at least 8 dicts, if all their values are immutable, and if no dict is in the list
twice. It can then be copied row by row without a look for aliases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import is_, itemgetter
from typing import Any, NamedTuple

from nbflow.values.atoms import ATOMS, EXACT

_MIN_ROWS = 8
"""The number of items from which handling all of them at once is faster than one after the other."""
_STR = frozenset({str})


def are_rows(parts: list[Any]) -> bool:
    """Return whether parts are at least 8 distinct rows."""
    return len(parts) >= _MIN_ROWS and type(parts[0]) is dict and are_flat(parts) and are_distinct(parts)


def are_flat(parts: list[Any]) -> bool:
    """Return whether all parts are dicts of immutable values."""
    return set(map(type, parts)) <= {dict} and ATOMS.issuperset(map(type, values_of(parts)))


def are_distinct(parts: list[Any]) -> bool:
    """Return whether all parts are different objects."""
    return len(set(map(id, parts))) == len(parts)


def values_of(rows: Iterable[dict[Any, Any]]) -> Iterator[Any]:
    """Iterate over the values of all rows."""
    return chain.from_iterable(map(dict.values, rows))


def entries_of(rows: list[dict[Any, Any]]) -> int:
    """Return the cost of copying rows, as the number of entries of one flat dict that takes the same time to copy."""
    return 4 * len(rows) + sum(map(len, rows))


def copies_of(rows: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Return a copy of a list of rows."""
    return list(map(dict.copy, rows))


def same_rows(one: list[Any], other: list[Any]) -> bool | None:
    """Compare two lists of equal length if they hold dicts of identical objects, or dicts of strings and integers.

    Return None for any other lists, and for lists of fewer than 8 items; the caller then compares part by part.
    """
    if len(one) < _MIN_ROWS or type(one[0]) is not dict:
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
    # `==` has found equal values. Among the exact types only integers and booleans have equal values of two types.
    return not {int, bool} <= types or list(map(type, mine.values)) == list(map(type, theirs.values))


class _Flat(NamedTuple):
    """The contents of some rows: the number of entries of each row, then all keys and all values in one list each."""

    lengths: list[int]
    keys: list[Any]
    values: list[Any]

    @classmethod
    def of(cls, rows: list[dict[Any, Any]]) -> _Flat:
        """Return the contents of rows."""
        return cls(list(map(len, rows)), list(chain.from_iterable(rows)), list(values_of(rows)))

    def is_identical(self, other: _Flat) -> bool:
        """Return whether both hold the same objects, as a row and its copy do."""
        return (
            self.lengths == other.lengths
            and all(map(is_, self.keys, other.keys))
            and all(map(is_, self.values, other.values))
        )


class _Column(NamedTuple):
    """The values under one key: the positions of the rows that have the key, and the value of each."""

    positions: list[int]
    values: list[Any]


class _Columns:
    """The contents of rows by key, which compare the rows with other rows by a few calls per key.

    `dict.values` creates a view and an iterator for each row, which takes three times as long as a lookup of its keys.
    Other rows have the same objects under the same keys in the same order if and only if

    1. the keys of all rows, one after the other, are the same objects, and
    2. each row has the same object under each key as its counterpart.

    Because of 2 no row lacks a key, and because of 1 the total number of keys is equal, so no row has an additional
    key. The keys of each row therefore start at the same index in both sequences, and 1 implies the same order in each
    row.
    """

    def __init__(self) -> None:
        self._count = 0
        self._keys: list[str] = []
        self._columns: dict[str, _Column] = {}

    @classmethod
    def of(cls, rows: list[dict[Any, Any]]) -> _Columns | None:
        """Return the contents of rows; None if a key is not a string, or if there are more keys than rows."""
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

    def match(self, rows: list[dict[Any, Any]]) -> bool:
        """Return whether as many other rows have the same objects under the same keys in the same order."""
        keys = list(chain.from_iterable(rows))
        if len(keys) != len(self._keys) or not all(map(is_, keys, self._keys)):
            return False
        try:
            return all(self._matches(rows, key) for key in self._columns)
        except KeyError:
            return False

    def _matches(self, rows: list[dict[Any, Any]], key: str) -> bool:
        positions, values = self._columns[key]
        with_key = rows if len(positions) == len(rows) else map(rows.__getitem__, positions)
        return all(map(is_, map(itemgetter(key), with_key), values))


class Lineage:
    """A series of lists, each of which starts with all rows of the one before; `longest` is the last of them."""

    __slots__ = ("longest",)

    def __init__(self, longest: list[dict[Any, Any]]) -> None:
        self.longest = longest


class Rows:
    """A list of rows that never changes, with the facts that make copies and longer lists cheap.

    A loop that appends to a list creates a longer list in each round:

        round 1   [a, b]            Rows  ─┐
        round 2   [a, b, c]         Rows  ─┼─ one Lineage; `longest` is the list of round 3
        round 3   [a, b, c, d]      Rows  ─┘

    The facts about the rows of one round hold for the same rows in the next round, so `extended` examines only the
    contents of old rows (have they changed?) and everything about new rows.
    """

    __slots__ = ("_columns", "_extendable", "entries", "lineage", "rows")

    def __init__(self, rows: list[dict[Any, Any]], entries: int, lineage: Lineage | None = None) -> None:
        self.rows = rows
        self.entries = entries
        """The cost of a copy, as `entries_of` defines it."""
        self.lineage = lineage or Lineage(rows)
        # These two lists have one item or none. A thread takes the item with `pop`, so no other thread uses it.
        self._extendable = [self.lineage]
        """The lineage, until a longer list is added to it."""
        self._columns: list[_Columns] = []
        """The contents by key, once a longer list has been compared with this one."""

    @classmethod
    def of(cls, value: list[Any]) -> Rows | None:
        """Return a list as rows, or None if it is not a list of at least 8 distinct rows."""
        return cls(value, entries_of(value)) if are_rows(value) else None

    def copy(self) -> list[dict[Any, Any]]:
        """Return a copy of the list."""
        return copies_of(self.rows)

    def extended(self, value: list[Any], received: list[Any] | None = None) -> Rows | None:
        """Return a copy of a list that starts with the same rows, and share these; return None for any other list.

        Args:
            value: A list that a tool returned.
            received: The rows of the copy of this list that the tool received, if they are known. They are known to be
                distinct dicts, so if `value` starts with these objects, only their contents are examined.
        """
        first, more = value[: len(self.rows)], value[len(self.rows) :]
        if not are_flat(more) or not _are_distinct_dicts(first, more, received):
            return None
        columns = self._take_columns()
        if not (columns and columns.match(first)) and not same_rows(first, self.rows):
            self._columns = [columns] if columns else []
            return None
        copies = copies_of(more)
        rows = [*self.rows, *copies]
        longer = Rows(rows, self.entries + entries_of(more), self._extend_lineage(rows))
        if columns and _STR.issuperset(map(type, chain.from_iterable(more))):
            columns.extend(copies)
            longer._columns = [columns]  # the next comparison is one with the longer list
        return longer

    def _take_columns(self) -> _Columns | None:
        try:
            return self._columns.pop()
        except IndexError:
            return _Columns.of(self.rows)

    def _extend_lineage(self, rows: list[dict[Any, Any]]) -> Lineage | None:
        """Add a longer list to the lineage; return None if another list was added before, which starts a new one."""
        try:
            lineage = self._extendable.pop()
        except IndexError:
            return None
        lineage.longest = rows
        return lineage


def _are_distinct_dicts(first: list[Any], more: list[Any], received: list[Any] | None) -> bool:
    """Return whether all items are dicts and different objects."""
    if received is None or len(received) != len(first) or not all(map(is_, first, received)):
        return set(map(type, first)) == {dict} and are_distinct([*first, *more])
    ids = set(map(id, more))
    return len(ids) == len(more) and ids.isdisjoint(map(id, first))


class Compact:
    """Values by key as an event log retains them: in place of a list of rows, its lineage and its length.

    A loop that appends a message in each of 10 000 rounds would otherwise leave 10 000 lists with 50 million references
    in total. As all lists of a lineage start with the same rows, the longest one contains all others.
    """

    __slots__ = ("_lists", "_values")

    def __init__(self, values: Mapping[str, Any], lists: Mapping[str, Lineage]) -> None:
        self._lists = {key: (lineage, len(values[key])) for key, lineage in lists.items()}
        self._values = {key: None if key in lists else value for key, value in values.items()}

    def expanded(self) -> dict[str, Any]:
        """Return the values, with the lists."""
        values = dict(self._values)
        for key, (lineage, length) in self._lists.items():
            longest = lineage.longest
            values[key] = longest if len(longest) == length else longest[:length]
        return values

    def retained(self) -> list[Any]:
        """Return the values that this object retains in memory; of each lineage that is the longest list."""
        return [*self._values.values(), *(lineage.longest for lineage, _ in self._lists.values())]


def expanded(values: Any) -> Any:
    """Return the values of a log entry, which may be `Compact`, in their ordinary form."""
    return values.expanded() if type(values) is Compact else values
