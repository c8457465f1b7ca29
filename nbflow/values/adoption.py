"""Copies that share with an older value what did not change.

A list of messages that grows by one a round would otherwise be stored anew in each round, all of its messages with it.
Both values are walked side by side. A part that is the same as the one in its place in the older value is replaced by
that one, which never changes; any other part is copied.

A part is shared at most once, and once for each of its parts: two parts that were separate in the new value and became
one would change together in the next tool that gets a copy.
"""

from __future__ import annotations

from typing import Any

from nbflow.values.atoms import ATOMS
from nbflow.values.copies import DEEPEST_RECURSION, UNKNOWN, Copying
from nbflow.values.equality import same
from nbflow.values.kinds import attributes, kind_of
from nbflow.values.rows import are_distinct, same_rows

_CONTAINERS = frozenset({dict, list})
_NOTHING: Any = object()


def adopt(value: Any, held: Any) -> Any:
    """Return a copy of a value, as `own` does, that shares with `held` the parts of both that are the same.

    Args:
        value: A value that is not the same as `held`.
        held: A value that never changes.
    """
    if type(value) not in _CONTAINERS or type(value) is not type(held):
        return Copying().copy_of(value)
    return _Adoption().part(value, held, 0)


def _are_shareable(first: list[Any], held: list[Any]) -> bool:
    """Return whether the first items of a list are the same rows as all of an older list, in which none is twice."""
    return len(first) == len(held) and same_rows(first, held) is True and are_distinct(held)


class _Adoption:
    """One walk through a value and an older one: `_shared` are the ids of the older one's parts that are shared."""

    def __init__(self) -> None:
        self._copying = Copying()
        self._shared: set[int] = set()

    def part(self, value: Any, held: Any, depth: int) -> Any:
        """Return the copy of a part, or the part of the older value in the same place where both are the same."""
        cls = type(value)
        if cls in ATOMS:
            return value
        known = self._copying.known(value)
        if known is not UNKNOWN:
            return known
        if cls is not type(held) or id(held) in self._shared or depth >= DEEPEST_RECURSION:
            return self._copying.copy_of(value)
        if cls in _CONTAINERS:
            return self._container(value, held, cls, depth)
        if _is_flat_record(value, cls) and same(value, held):
            return self._share(value, held)
        return self._copying.copy_of(value)

    def _container(self, value: Any, held: Any, cls: type, depth: int) -> Any:
        copy = self._copying.remember(value, cls())  # for a part that leads back to it
        if cls is dict:
            for key, part in list(value.items()):
                copy[key] = self.part(part, held.get(key, _NOTHING) if type(key) is str else _NOTHING, depth + 1)
        else:
            first = self._rows(value, held)
            copy.extend(first)
            for place, part in enumerate(value[len(first) :], len(first)):
                copy.append(self.part(part, held[place] if place < len(held) else _NOTHING, depth + 1))
        return self._share(value, held) if _holds_the_same(copy, held, cls) else copy

    def _rows(self, value: list[Any], held: list[Any]) -> list[Any]:
        """Return the rows with which the older list begins where the new one begins with the same, else nothing."""
        first = value[: len(held)]
        if not _are_shareable(first, held) or not are_distinct(first):
            return []
        if self._copying.knows_any(first) or not self._shared.isdisjoint(map(id, held)):
            return []
        self._copying.remember_all(first, held)
        self._shared.update(map(id, held))
        return held

    def _share(self, value: Any, held: Any) -> Any:
        self._shared.add(id(held))
        return self._copying.remember(value, held)


def _holds_the_same(copy: Any, held: Any, cls: type) -> bool:
    """Return whether a copy holds just what the older value holds, in the same order."""
    if len(copy) != len(held):
        return False
    mine, theirs = copy, held
    if cls is dict:
        if not all(type(one) is str is type(other) and one == other for one, other in zip(copy, held, strict=True)):
            return False
        mine, theirs = copy.values(), held.values()
    return all(
        one is other or (type(one) in ATOMS and same(one, other)) for one, other in zip(mine, theirs, strict=True)
    )


def _is_flat_record(value: Any, cls: type) -> bool:
    """Return whether a value is a record, such as a message of a dataclass, whose fields are immutable."""
    kind = kind_of(cls)
    return kind.sort == "record" and ATOMS.issuperset(map(type, attributes(value, kind.slots).values()))
