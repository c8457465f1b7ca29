"""The kind of a class: immutable, copied part by part, copied by functions of a library or a codec, or a handle.

The kind of a class is determined once and depends on the class alone, with one exception: an instance of a record class
(a dataclass, an attrs class or a pydantic model) that directly holds a handle is itself a handle.
"""

from __future__ import annotations

from array import array
from collections import ChainMap, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID

from nbflow.secrets import is_secret_type
from nbflow.values import libraries
from nbflow.values.atoms import ATOMS

_IMMUTABLE_BASES = (
    int, float, complex, str, bytes, Enum, type, date, time, timedelta, tzinfo, Decimal, Fraction, UUID, PurePath
)  # fmt: skip
_BASES: tuple[type, ...] = (dict, list, set, frozenset, tuple, deque, bytearray, array)
"""Built-in containers. A subclass has its contents in the base class and everything else in attributes."""
_OPEN = (UserDict, UserList, UserString, ChainMap, SimpleNamespace)
"""Classes of the standard library that have their contents in attributes."""

Sort = Literal["immutable", "container", "object", "record", "library", "codec", "handle"]


@dataclass(frozen=True, slots=True)
class Kind:
    """The way to copy and compare instances of a class.

    `base` is the built-in container that the class is or derives from, if any. `slots` are the names of the attributes
    outside the `__dict__` of an instance. `library` has the functions for a class of a library such as NumPy, `codec`
    those of a user's codec.
    """

    sort: Sort
    base: type | None = None
    slots: tuple[str, ...] = ()
    library: libraries.Functions | None = None
    codec: libraries.Functions | None = None


IMMUTABLE = Kind("immutable")
HANDLE = Kind("handle")

_MOST_KINDS = 4096
"""The number of remembered kinds. A notebook may define its classes again and again, and all of them stay in memory."""
_kinds: dict[type, Kind] = {}
_codecs: dict[type, libraries.Functions] = {}
_types: set[type] = set()


def register_codec(cls: type, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
    """Copy instances of a class, and of subclasses that have no other codec, by dumping and loading them."""

    def copy(value: Any, _: Callable[[Any], Any]) -> Any:
        return load(dump(value))

    def same(one: Any, other: Any, _: Callable[[Any, Any], bool]) -> bool:
        return one is other or bytes(dump(one)) == bytes(dump(other))

    _codecs[cls] = libraries.Functions(copy, same)
    _kinds.clear()


def register_type(cls: type) -> None:
    """Copy instances of a class field by field, even if they directly hold a handle."""
    _types.add(cls)
    _kinds.clear()


def kind_of(cls: type) -> Kind:
    """Return the kind of a class."""
    kind = _kinds.get(cls)
    if kind is None:
        if len(_kinds) >= _MOST_KINDS:
            _kinds.clear()
        kind = _kinds[cls] = _determine(cls)
    return kind


def is_mutable(value: Any) -> bool:
    """Return whether the class of a value is one whose instances are copied between engine and tool."""
    return kind_of(type(value)).sort not in ("immutable", "handle")


def _determine(cls: type) -> Kind:
    if cls in ATOMS:
        return IMMUTABLE
    if cls in _codecs:
        return Kind("codec", codec=_codecs[cls])
    functions = libraries.functions_of(cls)
    if functions is not None:
        return IMMUTABLE if functions is libraries.IMMUTABLE else Kind("library", library=functions)
    if issubclass(cls, _IMMUTABLE_BASES) or is_secret_type(cls):
        return IMMUTABLE
    base = next((base for base in _BASES if issubclass(cls, base)), None)
    if base is not None:
        return Kind("container", base, _slots(cls))
    # The codec of a base class comes after the classes that nbflow knows, as in the store.
    codec = next((_codecs[base] for base in cls.__mro__ if base in _codecs), None) if _codecs else None
    if codec is not None:
        return Kind("codec", codec=codec)
    if issubclass(cls, _OPEN) or cls in _types:
        return Kind("object", None, _slots(cls))
    return Kind("record", None, _slots(cls)) if _is_record(cls) else HANDLE


def _is_record(cls: type) -> bool:
    names = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__")
    return any(hasattr(cls, name) for name in names) and not issubclass(cls, BaseException)


def _slots(cls: type) -> tuple[str, ...]:
    """Return the names of the attributes in slots, in the mangled form that `object.__setattr__` needs."""
    names: list[str] = []
    for owner in reversed(cls.__mro__):
        own = owner.__dict__.get("__slots__", ())
        for name in (own,) if isinstance(own, str) else own:
            if name in ("__dict__", "__weakref__"):
                continue
            mangled = name.startswith("__") and not name.endswith("__")
            names.append(f"_{owner.__name__.lstrip('_')}{name}" if mangled else name)
    if issubclass(cls, defaultdict):
        names.append("default_factory")  # an attribute of the C type
    return tuple(names)


def attributes(value: Any, slots: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes of an instance, from slots and `__dict__`, without calling code of its class."""
    found: dict[str, Any] = {}
    for name in slots:
        try:
            found[name] = object.__getattribute__(value, name)
        except AttributeError:
            continue
    with suppress(AttributeError):
        found.update(object.__getattribute__(value, "__dict__"))
    return found


def holds_handle(value: Any, kind: Kind, known: set[int]) -> bool:
    """Return whether a field of a record is a handle, or a record of which this holds.

    If not, add the ids of the examined records to `known`, which are skipped the next time.
    """
    waiting, seen = [(value, kind)], {id(value)}
    while waiting:
        record, its_kind = waiting.pop()
        for part in attributes(record, its_kind.slots).values():
            part_type = type(part)
            if part_type in ATOMS or id(part) in seen or id(part) in known:
                continue
            part_kind = kind_of(part_type)
            if part_kind.sort == "handle":
                return True
            if part_kind.sort == "record":
                seen.add(id(part))
                waiting.append((part, part_kind))
    known |= seen
    return False


def is_ordered(cls: type) -> bool:
    """Return whether a dict class maintains its order separately, so that only its own methods may add keys."""
    return issubclass(cls, OrderedDict)
