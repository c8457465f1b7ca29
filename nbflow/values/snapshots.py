"""Copies of values that are read many times, from a snapshot made once.

A structural copy of a nested dict of 1 000 entries takes 0.4 times as long as `copy.deepcopy`, one that `marshal` reads
from a snapshot 0.1 times. `marshal` takes plain types alone and repeats their text, so all other values are copied by
structure. A snapshot never leaves the process.

A list of rows that a loop extends is a new list in each round. What is known of the last one holds for all of its rows
in the next one, so that only new rows are looked at.
"""

from __future__ import annotations

import marshal
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbflow.values.adoption import adopt
from nbflow.values.atoms import ATOMS
from nbflow.values.copies import own
from nbflow.values.rows import Compact, Rows
from nbflow.values.weight import MOST_ENTRIES, is_heavy

_PLAIN = frozenset({int, float, str, bool, type(None), bytes, complex, dict, list, tuple, set, frozenset})
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
_MOST = 16
"""Values remembered at a time, as each is retained for as long."""
_SMALL = 32
"""Entries of a flat container for which looking it up costs as much as copying it."""
_MOST_TEXT = 1 << 18
"""Characters and bytes that a snapshot may repeat; a structural copy shares them."""
_MOST_DATA = 100_000
"""Bytes that `marshal` reads in about a millisecond."""
_DEEPEST = 500
"""Nesting that `marshal` reads without a large stack."""


@dataclass(slots=True)
class _Known:
    """A value that was seen: whether copying it takes long, and what makes copies of it once it was asked for again."""

    value: Any
    is_heavy: bool | None = None
    is_copied: bool = False
    make: Callable[[], Any] | None = None
    rows: Rows | None = None

    @classmethod
    def of_rows(cls, rows: Rows) -> _Known:
        """Return what is known of a list of rows."""
        return cls(rows.rows, is_heavy=rows.entries > MOST_ENTRIES, make=rows.copy, rows=rows)


class Snapshots:
    """Copies of the engine's own values; those that are asked for again come from a snapshot. Safe to use in threads.

    A value is known by its identity, so it must never change.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self.has_grown = False
        """Whether any list of rows was extended, so that `compact` may find one."""

    def copy(self, value: Any) -> Any:
        """Return a copy of a value, as `own` does."""
        kind = type(value)
        if kind in ATOMS:
            return value
        if (kind is not dict and kind is not list) or (len(value) < _SMALL and _is_flat(value)):
            return own(value)
        known = self._find(value)
        if known.make is None:
            if not known.is_copied:
                known.is_copied = True
                return own(value)
            known.make, known.is_heavy = _maker(value, heavy=known.is_heavy)
        return known.make()

    def is_heavy(self, value: Any) -> bool:
        """Return whether the next copy of a value may take more than about a millisecond."""
        kind = type(value)
        if kind is not dict and kind is not list:
            return is_heavy(value)
        if len(value) < _SMALL and _is_flat(value):
            return False
        known = self._measured(value)
        return bool(known.is_heavy)

    def adopt(self, value: Any, held: Any) -> Any:
        """Return a copy of a value that shares with `held` the parts of both that are the same, as `adopt` does."""
        if type(value) is list is type(held) and len(value) > len(held):
            rows = self._measured(held).rows
            grown = None if rows is None else rows.grown(value)
            if grown is not None:
                self._remember(_Known.of_rows(grown))
                self.has_grown = True
                return grown.rows
        return adopt(value, held)

    def compact(self, values: Any) -> Any:
        """Return some of the engine's own values by key in the form that a log retains; `whole` returns them again.

        Anything but a dict with lists of rows is returned as it is.
        """
        if type(values) is not dict or list not in map(type, values.values()):
            return values
        lists = {
            key: known.rows.lineage
            for key, value in values.items()
            if type(value) is list and (known := self._known.get(id(value))) and known.value is value and known.rows
        }
        return Compact(values, lists) if lists else values

    def _find(self, value: Any) -> _Known:
        known = self._known.get(id(value))
        if known is None or known.value is not value:
            known = _Known(value)
            self._remember(known)
        return known

    def _measured(self, value: Any) -> _Known:
        """Return what is known of a value, and find out whether copying it takes long."""
        known = self._find(value)
        if known.is_heavy is None:
            rows = Rows.of(value) if type(value) is list and len(value) <= MOST_ENTRIES else None
            if rows is None:
                known.is_heavy = is_heavy(value)
            else:
                known = _Known.of_rows(rows)
                self._remember(known)
        return known

    def _remember(self, known: _Known) -> None:
        self._known[id(known.value)] = known
        while len(self._known) > _MOST:
            try:
                self._known.popitem(last=False)
            except KeyError:
                return  # another thread took the last one


def _is_flat(value: Any) -> bool:
    return ATOMS.issuperset(map(type, value.values() if type(value) is dict else value))


def _maker(value: Any, *, heavy: bool | None) -> tuple[Callable[[], Any], bool | None]:
    """Return what makes copies of a value, and whether one of them takes more than about a millisecond."""
    if _is_flat(value):
        copy: Callable[[], Any] = value.copy
        return copy, heavy
    if not _is_worth_a_snapshot(value):
        return lambda: own(value), heavy
    data = marshal.dumps(value)
    return lambda: marshal.loads(data), len(data) > _MOST_DATA  # noqa: S302 - what this process wrote a moment ago


def _is_worth_a_snapshot(value: Any) -> bool:
    """Return whether a value holds plain types alone, little text, and no deep nesting."""
    text, level = 0, [value]
    seen: set[int] = set()
    for _ in range(_DEEPEST):
        deeper: list[Any] = []
        for holder in level:
            for part in [*holder.keys(), *holder.values()] if type(holder) is dict else holder:
                kind = type(part)
                if kind not in _PLAIN:
                    return False
                if kind is str or kind is bytes:
                    text += len(part)
                elif kind in _CONTAINERS and id(part) not in seen:
                    seen.add(id(part))
                    deeper.append(part)
        if not deeper:
            return text <= _MOST_TEXT
        level = deeper
    return False
