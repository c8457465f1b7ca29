"""Hash the user's classes and their objects.

Invariant: an object is hashed by its fields only if no base class has state in C that its fields do not show.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
import inspect
import types
import typing
from typing import Any

from pydantic import BaseModel

from nbflow.fingerprint.owners import name_in_package, owner_of
from nbflow.fingerprint.walk import Walk

_OPEN = frozenset({object, abc.ABC, typing.Generic, typing.Protocol, BaseModel})
"""Base classes of other packages whose objects have no state besides their fields."""
_CODE = (
    types.FunctionType, staticmethod, classmethod, property, functools.cached_property, functools.partialmethod,
)  # fmt: skip
_GENERATED = frozenset({"_abc_impl", "model_fields", "model_computed_fields", "__annotate_func__", "__annotate__"})
"""Members that base classes generate from other members, and Python 3.14's functions that evaluate annotations."""


def hash_class(cls: type, walk: Walk) -> None:
    """Hash a class of a package by its name and version, a class of the user by its members (later in the walk)."""
    packaged = name_in_package(cls)
    if packaged is not None:
        walk.add("held", packaged)
    else:
        walk.later(id(cls), cls, lambda: _hash_content(cls, walk))


def _hash_content(cls: type, walk: Walk) -> None:
    walk.add("class", cls.__qualname__)
    for base in (type(cls), *cls.__bases__):
        walk.visit(base, base.__name__)
    if issubclass(cls, enum.Enum):
        walk.visit({name: member._value_ for name, member in cls.__members__.items()}, "")
    elif issubclass(cls, BaseModel):
        _fields_of_model(cls, walk)
    elif dataclasses.is_dataclass(cls):
        _fields_of_dataclass(cls, walk)
    for name, member in sorted(vars(cls).items()):
        if _counts(cls, name, member):
            walk.add(name)
            walk.visit(member, name)


def _counts(cls: type, name: str, member: Any) -> bool:
    """Return True if a member of a class adds information: it is not generated, and not hashed in another form."""
    if name in _GENERATED:
        return False
    if isinstance(member, _CODE):
        return True
    if name.startswith("__") and name.endswith("__"):
        return False
    if issubclass(cls, enum.Enum) and (name in cls.__members__ or name.startswith("_")):
        return False
    return not (inspect.isdatadescriptor(member) and owner_of(type(member).__module__) == "python")


def _fields_of_model(cls: type[BaseModel], walk: Walk) -> None:
    for name, field in cls.model_fields.items():
        walk.add(name)
        alias = field.validation_alias if isinstance(field.validation_alias, str) else field.alias
        walk.visit((field.annotation, field.is_required(), field.default_factory, alias, field.frozen), name)
        if not field.is_required():
            walk.visit(field.default if field.default_factory is None else None, name)
        for constraint in field.metadata:
            # Pydantic's constraints are of private classes whose repr has all of their data.
            text = repr(constraint)
            walk.visit(constraint if " at 0x" in text else text, name)


def _fields_of_dataclass(cls: type, walk: Walk) -> None:
    for field in dataclasses.fields(cls):
        walk.add(field.name, str((field.init, field.repr, field.compare, field.hash, field.kw_only)))
        for part in (field.default, field.default_factory):
            walk.visit(None if part is dataclasses.MISSING else (part,), field.name)


def is_known_by_fields(kind: type) -> bool:
    """Return True if the fields of the class's objects are their whole state."""
    if dataclasses.is_dataclass(kind) or issubclass(kind, enum.Enum):
        return True
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return True
    return all(base in _OPEN or owner_of(base.__module__) is None for base in kind.__mro__)


def hash_object(value: Any, walk: Walk) -> None:
    """Hash an object by its class and its fields."""
    kind = type(value)
    walk.visit(kind, kind.__name__)
    if isinstance(value, enum.Enum):
        walk.visit((value._name_, value._value_), "")
    elif isinstance(value, tuple):
        walk.visit(tuple(value), "")
    else:
        walk.visit(_field_values(value), "")


def _field_values(value: Any) -> dict[str, Any]:
    kind = type(value)
    values = {
        name: item
        for name, item in getattr(value, "__dict__", {}).items()
        if not isinstance(inspect.getattr_static(kind, name, None), functools.cached_property)
    }
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{base.__name__.lstrip('_')}{name}"
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                values[name] = getattr(value, name)
    return values
