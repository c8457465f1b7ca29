"""The kind of a class: whether its instances are immutable, copied part by part, copied by a library, or handles.

The kind of a class is determined once. It depends on the class alone, but for records (dataclasses, attrs classes and
pydantic models), of which an instance that directly holds a handle is a handle itself.
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
"""Built-in containers; a subclass keeps its contents in its base and everything else in attributes."""
_OPEN = (UserDict, UserList, UserString, ChainMap, SimpleNamespace)
"""Classes of the standard library that keep their contents in attributes."""

Sort = Literal["immutable", "container", "object", "record", "library", "codec", "handle"]


@dataclass(frozen=True, slots=True)
class Kind:
    """How instances of a class are copied and compared.

    `base` is the built-in container whose contents an instance has, if it is one. `slots` are the names of the
    attributes that an instance keeps outside its `__dict__`. `library` holds the functions for a class of a library,
    `codec` the user's own functions.
    """

    sort: Sort
    base: type | None = None
    slots: tuple[str, ...] = ()
    library: libraries.Functions | None = None
    codec: libraries.Functions | None = None


IMMUTABLE = Kind("immutable")
HANDLE = Kind("handle")

_MOST_KINDS = 4096
"""Classes whose kind is remembered: a notebook that defines its classes again and again must not retain all of them."""
_kinds: dict[type, Kind] = {}
_codecs: dict[type, libraries.Functions] = {}
_types: set[type] = set()


def register_codec(cls: type, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
    """Copy instances of a class, and of its subclasses without a codec of their own, by dumping and loading them."""

    def copy(value: Any, _: Callable[[Any], Any]) -> Any:
        return load(dump(value))

    def same(one: Any, other: Any, _: Callable[[Any, Any], bool]) -> bool:
        return one is other or bytes(dump(one)) == bytes(dump(other))

    _codecs[cls] = libraries.Functions(copy, same)
    _kinds.clear()


def register_type(cls: type) -> None:
    """Copy instances of a class by their fields, those that directly hold a handle too."""
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
    """Return whether a value is copied where it crosses a boundary, unless all its parts are immutable."""
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
    # As in a store, a form of nbflow's own is nearer than the codec of a base class.
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
    """Return the names of the attributes in slots, as `object.__setattr__` takes them."""
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
    """Return an instance's attributes, those in slots and those in its `__dict__`, without calling its code."""
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
    """Return whether a record directly holds a handle, itself or through a record that it directly holds.

    The ids of records that do not are added to `known`.
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
    """Return whether a subclass of dict keeps its order itself, so that its own methods must fill it."""
    return issubclass(cls, OrderedDict)
