"""Copies of values (SEMANTICS rule 9): `own` copies a value, `copy_sharing` reuses the unchanged parts of an older one.

A copy has the structure and the types of its original, with aliases and cycles. It shares with the original only
immutable values and handles. No copy calls `__init__` or `__deepcopy__` of a user's class.

The walk copies each mutable object once and records the copy under the id of the original, so that an alias or a cycle
finds the copy again. The order in which an object is created depends on its type:

    dict, list, set, object    an empty copy first, which is recorded and then filled with the copies of the parts
    tuple, frozenset           after its parts, because it cannot be filled; if a cycle leads back to it, the walk
                               enters it a second time, and the copy made there is the one that remains

`Copying.copy_of` keeps its own stack of frames, one per object whose parts are being copied, so nesting is limited by
memory alone. `Copying.plain` uses recursion for the first 100 levels of dicts and lists, which is twice as fast.
"""

from __future__ import annotations

import functools
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from nbflow.errors import ExecutionError
from nbflow.values.atoms import ATOMS
from nbflow.values.equality import same
from nbflow.values.kinds import Kind, attributes, holds_handle, is_ordered, kind_of
from nbflow.values.rows import are_distinct, are_rows, copies_of, same_rows

_PENDING: Any = object()
"""Returned in place of a copy whose parts are still being copied."""
_UNKNOWN: Any = object()
"""Returned for a value that has not been copied yet."""
_MISSING: Any = object()
"""The counterpart of a part that the older value does not have."""
_CHANGED = "another thread changed the value while it was copied"
_DEEPEST_RECURSION = 100
"""The number of levels of dicts and lists that are copied by recursion."""
_CONTAINERS = frozenset({dict, list})


class ValueChangedError(ExecutionError):
    """Another thread changed a container while it was copied."""


def own(value: Any) -> Any:
    """Return a copy of a value that shares only immutable values and handles with it.

    Raises:
        ValueChangedError: Another thread changed a container while it was copied.
    """
    kind = type(value)
    if kind in ATOMS:
        return value
    try:
        if kind is dict:
            if ATOMS.issuperset(map(type, value.values())):
                return value.copy()
            return Copying().plain(value, kind, 0)
        if kind is list:
            if ATOMS.issuperset(map(type, value)):
                return value.copy()
            if are_rows(value):
                return copies_of(value)
            return Copying().plain(value, kind, 0)
        return Copying().copy_of(value)
    except RuntimeError as error:
        if "changed size during iteration" not in str(error) and "mutated during iteration" not in str(error):
            raise
        raise ValueChangedError(_CHANGED) from error


class Owned(dict[str, Any]):
    """A state that no other code refers to, such as the body of a request; the engine takes it without a copy."""


def pure(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls `function` with copies of its arguments, and returns a copy of its result."""

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        return own(function(*map(own, values)))

    return call


def copy_sharing(value: Any, older: Any) -> Any:
    """Return a copy of a value, like `own`, that reuses the parts of an older value that have not changed.

    If a loop adds one message per round to a list of n messages, each round then copies one message in place of n.

    The walk visits both values side by side. A part that is the same as its counterpart, the part under the same key or
    index of the older value, is replaced by that counterpart. Any other part is copied.

    A part of the older value is used once at most, together with all parts inside it. Otherwise two parts that are
    separate objects in `value` would become one object, and the next tool that changes one would change both.

    Args:
        value: The new value, which is not the same as `older`.
        older: A value that never changes.
    """
    if type(value) not in _CONTAINERS or type(value) is not type(older):
        return Copying().copy_of(value)
    return _SharingCopy().part(value, older, 0)


class _Frame:
    """A container or an object whose parts are being copied: `todo` yields the parts, `done` has the copies so far.

    The parts are the contents of the container, `count` of them, followed by the attributes called `names`.
    """

    __slots__ = ("count", "done", "keys", "kind", "names", "shell", "source", "todo")

    def __init__(self, source: Any, kind: Kind, keys: list[Any] | None, parts: list[Any], names: list[str]) -> None:
        self.source, self.kind, self.keys, self.names = source, kind, keys, names
        self.count = len(parts) - len(names)
        self.todo: Iterator[Any] = iter(parts)
        self.done: list[Any] = []
        self.shell: Any = None


class Copying:
    """One walk through a value: `_copies` has the copies made so far, by the ids of their originals."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}
        self._originals: list[Any] = []
        """References to the originals, because Python may give the id of a freed object to a new one."""
        self._without_handle: set[int] = set()
        """The ids of records that are known to hold no handle."""

    def plain(self, value: Any, cls: type, depth: int) -> Any:
        """Copy a dict or list by recursion; `value` must not have been copied yet."""
        copy: Any = cls()
        self.remember(value, copy)
        if self._fill_with_rows(copy, value, cls):
            return copy
        if cls is dict:
            for key, part in value.items():
                copy[key] = part if type(part) in ATOMS else self._part(part, depth)
            return copy
        for part in tuple(value):
            copy.append(part if type(part) in ATOMS else self._part(part, depth))
        if len(copy) != len(value):
            raise ValueChangedError(_CHANGED)
        return copy

    def _fill_with_rows(self, copy: Any, value: Any, cls: type) -> bool:
        """Fill the copy of a container of rows in a third of the time; return False for other containers."""
        parts = list(value.values()) if cls is dict else list(value)
        if not are_rows(parts) or self.knows_any(parts):
            return False
        rows = copies_of(parts)
        if len(parts) != len(value):
            raise ValueChangedError(_CHANGED)
        self.remember_all(parts, rows)
        if cls is dict:
            copy.update(zip(value, rows, strict=True))
        else:
            copy.extend(rows)
        return True

    def _part(self, part: Any, depth: int) -> Any:
        copy = self._copies.get(id(part), _UNKNOWN)
        if copy is not _UNKNOWN:
            return copy
        cls = type(part)
        if cls is dict or cls is list:
            if depth < _DEEPEST_RECURSION:
                return self.plain(part, cls, depth + 1)
        elif cls is tuple and ATOMS.issuperset(map(type, part)):
            return part
        return self.copy_of(part)

    def copy_of(self, value: Any) -> Any:
        """Copy a value, or a part of the value that is being copied, without recursion."""
        stack: list[_Frame] = []
        copy = self._enter(value, stack)
        while stack:
            frame = stack[-1]
            done = frame.done
            for part in frame.todo:
                copy = part if type(part) in ATOMS else self._enter(part, stack)
                if copy is _PENDING:
                    break
                done.append(copy)
            else:
                stack.pop()
                copy = self._finish(frame)
                if stack:
                    stack[-1].done.append(copy)
        return copy

    def _enter(self, value: Any, stack: list[_Frame]) -> Any:
        """Return the copy of a value; if its parts must be copied first, push a frame and return `_PENDING`."""
        copy = self._copies.get(id(value), _UNKNOWN)
        if copy is not _UNKNOWN:
            return copy
        cls = type(value)
        if cls is tuple and ATOMS.issuperset(map(type, value)):
            return value
        kind = kind_of(cls)
        if kind.sort in ("immutable", "handle"):
            return value
        if kind.sort == "library" or kind.sort == "codec":
            functions = kind.library or kind.codec
            assert functions is not None  # noqa: S101 - as the sort says
            return self.remember(value, functions.copy(value, self.copy_of))
        checked = self._without_handle
        if kind.sort == "record" and id(value) not in checked and holds_handle(value, kind, checked):
            return value  # a record that directly holds a handle is a handle
        frame = _frame(value, kind)
        frame.shell = _shell(value, kind)
        if frame.shell is not None:
            self.remember(value, frame.shell)
        stack.append(frame)
        return _PENDING

    def known(self, value: Any) -> Any:
        """Return the existing copy of a value, or `_UNKNOWN`."""
        return self._copies.get(id(value), _UNKNOWN)

    def knows_any(self, values: list[Any]) -> bool:
        """Return whether at least one of the values has been copied."""
        return not self._copies.keys().isdisjoint(map(id, values))

    def remember(self, value: Any, copy: Any) -> Any:
        """Record the copy of a value, which the walk uses when it meets the value again, and return it."""
        self._copies[id(value)] = copy
        self._originals.append(value)
        return copy

    def remember_all(self, values: list[Any], copies: list[Any]) -> None:
        """Record the copies of several values."""
        self._copies.update(zip(map(id, values), copies, strict=True))
        self._originals.extend(values)

    def _finish(self, frame: _Frame) -> Any:
        """Return the copy of an object whose parts have all been copied."""
        source, kind, done = frame.source, frame.kind, frame.done
        contents, extra = (done[: frame.count], done[frame.count :]) if frame.names else (done, done[:0])
        if kind.base is not None and kind.base not in (bytearray, array) and len(source) != frame.count:
            raise ValueChangedError(_CHANGED)
        copy = frame.shell
        if copy is None:
            known = self._copies.get(id(source), _UNKNOWN)
            if known is not _UNKNOWN:
                return known  # a cycle led back to this tuple, and its copy was created there
            copy = self.remember(source, _sealed(source, kind, contents, changed=bool(extra)))
        else:
            _fill(copy, kind, frame.keys, contents)
        if copy is not source:
            _set_attributes(copy, kind.slots, frame.names, extra)
        return copy


def _frame(value: Any, kind: Kind) -> _Frame:
    """Return the frame of an object, with the list of its parts."""
    base: Any = kind.base
    keys: list[Any] | None = None
    parts: list[Any] = []
    if base is dict:
        pairs = list(dict.items(value))
        keys, parts = [key for key, _ in pairs], [part for _, part in pairs]
    elif base is not None and base not in (bytearray, array):
        parts = list(base.__iter__(value))
    if type(value) is base:
        return _Frame(value, kind, keys, parts, [])
    found = attributes(value, kind.slots)
    return _Frame(value, kind, keys, [*parts, *found.values()], list(found))


def _shell(value: Any, kind: Kind) -> Any:
    """Return an empty copy of the same type; None for a tuple or frozenset, which cannot be filled later."""
    base: Any = kind.base
    cls = type(value)
    if base in (tuple, frozenset):
        return None
    if base is None:
        return (SimpleNamespace if issubclass(cls, SimpleNamespace) else object).__new__(cls)
    if base is deque:
        shell = deque.__new__(cls)
        deque.__init__(shell, (), value.maxlen)
        return shell
    if base is array:
        return array.__new__(cls, value.typecode, array.tobytes(value))
    if is_ordered(cls):
        return OrderedDict.__new__(cls)
    shell = base.__new__(cls)
    if base is bytearray:
        shell[:] = bytes(value)
    return shell


def _fill(copy: Any, kind: Kind, keys: list[Any] | None, contents: list[Any]) -> None:
    """Add the copied contents to an empty copy of a mutable container."""
    base: Any = kind.base
    if base is dict and keys is not None:
        if is_ordered(type(copy)):
            for key, part in zip(keys, contents, strict=True):
                OrderedDict.__setitem__(copy, key, part)
        else:
            dict.update(copy, zip(keys, contents, strict=True))
    elif base in (list, deque):
        base.extend(copy, contents)
    elif base is set:
        set.update(copy, contents)


def _sealed(source: Any, kind: Kind, contents: list[Any], *, changed: bool) -> Any:
    """Return a tuple or frozenset of copied parts; the source itself if none of its parts needed a copy."""
    base: Any = kind.base  # tuple or frozenset
    parts = list(base.__iter__(source))
    if not changed and all(map(_is, parts, contents)):
        return source
    return base.__new__(type(source), contents)


def _is(one: Any, other: Any) -> bool:
    return one is other


def _set_attributes(copy: Any, slots: tuple[str, ...], names: list[str], values: list[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        if name in slots:
            object.__setattr__(copy, name, value)  # works for frozen classes too
        else:
            copy.__dict__[name] = value  # works even if a property has the same name


class _SharingCopy:
    """One walk of `copy_sharing`; `_shared` has the ids of the older value's parts that the copy uses."""

    def __init__(self) -> None:
        self._copying = Copying()
        self._shared: set[int] = set()

    def part(self, value: Any, older: Any, depth: int) -> Any:
        """Return the counterpart `older` of a part if both are the same, else a copy of the part."""
        cls = type(value)
        if cls in ATOMS:
            return value
        known = self._copying.known(value)
        if known is not _UNKNOWN:
            return known
        if cls is not type(older) or id(older) in self._shared or depth >= _DEEPEST_RECURSION:
            return self._copying.copy_of(value)
        if cls in _CONTAINERS:
            return self._container(value, older, cls, depth)
        if _is_flat_record(value, cls) and same(value, older):
            return self._share(value, older)
        return self._copying.copy_of(value)

    def _container(self, value: Any, older: Any, cls: type, depth: int) -> Any:
        """Copy a dict or list part by part; return the older one if the copy has the same contents."""
        copy = self._copying.remember(value, cls())  # recorded before it is filled, for cycles
        if cls is dict:
            for key, part in list(value.items()):
                copy[key] = self.part(part, older.get(key, _MISSING) if type(key) is str else _MISSING, depth + 1)
        else:
            first = self._rows(value, older)
            copy.extend(first)
            for index, part in enumerate(value[len(first) :], len(first)):
                copy.append(self.part(part, older[index] if index < len(older) else _MISSING, depth + 1))
        return self._share(value, older) if _has_same_contents(copy, older, cls) else copy

    def _rows(self, value: list[Any], older: list[Any]) -> list[Any]:
        """Return all rows of the older list if the new list starts with the same rows, else an empty list."""
        first = value[: len(older)]
        if not _are_shareable(first, older) or not are_distinct(first):
            return []
        if self._copying.knows_any(first) or not self._shared.isdisjoint(map(id, older)):
            return []
        self._copying.remember_all(first, older)
        self._shared.update(map(id, older))
        return older

    def _share(self, value: Any, older: Any) -> Any:
        self._shared.add(id(older))
        return self._copying.remember(value, older)


def _are_shareable(first: list[Any], older: list[Any]) -> bool:
    """Return whether two lists hold the same rows, and the older list holds no row twice."""
    return len(first) == len(older) and same_rows(first, older) is True and are_distinct(older)


def _has_same_contents(copy: Any, older: Any, cls: type) -> bool:
    """Return whether a copy and an older container hold the same objects or atoms, in the same order."""
    if len(copy) != len(older):
        return False
    mine, theirs = copy, older
    if cls is dict:
        if not all(type(one) is str is type(other) and one == other for one, other in zip(copy, older, strict=True)):
            return False
        mine, theirs = copy.values(), older.values()
    return all(
        one is other or (type(one) in ATOMS and same(one, other)) for one, other in zip(mine, theirs, strict=True)
    )


def _is_flat_record(value: Any, cls: type) -> bool:
    """Return whether a value is a record whose fields are immutable, such as a message of a dataclass."""
    kind = kind_of(cls)
    return kind.sort == "record" and ATOMS.issuperset(map(type, attributes(value, kind.slots).values()))
