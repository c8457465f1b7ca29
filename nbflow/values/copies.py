"""Copies of values, as SEMANTICS rule 9 defines them.

A copy has the structure and the types of its original, with aliases and cycles, and shares what is immutable and what
is a handle. It calls neither `__init__` nor `__deepcopy__` of a user's class. The walk keeps its own stack, so that
nesting is limited by memory alone.
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
from nbflow.values.kinds import Kind, attributes, holds_handle, is_ordered, kind_of
from nbflow.values.rows import are_rows, copies_of

_PENDING: Any = object()
"""Stands for a copy whose parts are still being copied."""
UNKNOWN: Any = object()
_CHANGED = "another thread changed the value while it was copied"
DEEPEST_RECURSION = 100
"""Levels of dicts and lists that are copied by recursion, which is twice as fast as a stack of one's own."""


class ValueChangedError(ExecutionError):
    """Another thread changed a container while it was copied."""


def own(value: Any) -> Any:
    """Return a copy of a value that shares nothing mutable with it but handles.

    Raises:
        ValueChangedError: Another thread changed a container meanwhile.
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


def pure(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls another with copies of its arguments, and returns a copy of its value."""

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        return own(function(*map(own, values)))

    return call


class _Frame:
    """A container or an object whose parts are being copied: `done` grows as `todo` is gone through."""

    __slots__ = ("count", "done", "keys", "kind", "names", "shell", "source", "todo")

    def __init__(self, source: Any, kind: Kind, keys: list[Any] | None, parts: list[Any], names: list[str]) -> None:
        self.source, self.kind, self.keys, self.names = source, kind, keys, names
        self.count = len(parts) - len(names)
        self.todo: Iterator[Any] = iter(parts)
        self.done: list[Any] = []
        self.shell: Any = None


class Copying:
    """One walk through a value: `_copies` are the copies made so far, by the ids of their originals."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}
        self._originals: list[Any] = []
        """Retained, as the id of an object that is gone may become another's."""
        self._whole: set[int] = set()

    def plain(self, value: Any, cls: type, depth: int) -> Any:
        """Return the copy of a dict or list whose copy has not been made: the fast way, by recursion."""
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
        """Fill the copy of a container of rows at once, in a third of the time; return whether it is one."""
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
        copy = self._copies.get(id(part), UNKNOWN)
        if copy is not UNKNOWN:
            return copy
        cls = type(part)
        if cls is dict or cls is list:
            if depth < DEEPEST_RECURSION:
                return self.plain(part, cls, depth + 1)
        elif cls is tuple and ATOMS.issuperset(map(type, part)):
            return part
        return self.copy_of(part)

    def copy_of(self, value: Any) -> Any:
        """Return the copy of a value, which may be part of one that is being copied; without recursion."""
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
        """Return the copy of a value, or push a frame for its parts and return `_PENDING`."""
        copy = self._copies.get(id(value), UNKNOWN)
        if copy is not UNKNOWN:
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
        if kind.sort == "record" and id(value) not in self._whole and holds_handle(value, kind, self._whole):
            return value
        frame = _frame(value, kind)
        frame.shell = _shell(value, kind)
        if frame.shell is not None:
            self.remember(value, frame.shell)
        stack.append(frame)
        return _PENDING

    def known(self, value: Any) -> Any:
        """Return the copy that was made of a value; `UNKNOWN` where none was."""
        return self._copies.get(id(value), UNKNOWN)

    def knows_any(self, values: list[Any]) -> bool:
        """Return whether a copy was made of any of several values."""
        return not self._copies.keys().isdisjoint(map(id, values))

    def remember(self, value: Any, copy: Any) -> Any:
        """Note the copy of a value, for where the walk meets the value again, and return the copy."""
        self._copies[id(value)] = copy
        self._originals.append(value)
        return copy

    def remember_all(self, values: list[Any], copies: list[Any]) -> None:
        """Note the copies of several values."""
        self._copies.update(zip(map(id, values), copies, strict=True))
        self._originals.extend(values)

    def _finish(self, frame: _Frame) -> Any:
        source, kind, done = frame.source, frame.kind, frame.done
        contents, extra = (done[: frame.count], done[frame.count :]) if frame.names else (done, done[:0])
        if kind.base is not None and kind.base not in (bytearray, array) and len(source) != frame.count:
            raise ValueChangedError(_CHANGED)
        copy = frame.shell
        if copy is None:
            known = self._copies.get(id(source), UNKNOWN)
            if known is not UNKNOWN:
                return known  # a cycle led back to it, and its copy was made there
            copy = self.remember(source, _sealed(source, kind, contents, changed=bool(extra)))
        else:
            _fill(copy, kind, frame.keys, contents)
        if copy is not source:
            _set_attributes(copy, kind.slots, frame.names, extra)
        return copy


def _frame(value: Any, kind: Kind) -> _Frame:
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
    """Return an empty copy to be filled; None for what is made of its parts at once."""
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
    """Return a tuple or frozenset of copied parts; the source itself where no part of it needed a copy."""
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
            object.__setattr__(copy, name, value)  # a frozen class has no other way
        else:
            copy.__dict__[name] = value  # whatever property hides it
