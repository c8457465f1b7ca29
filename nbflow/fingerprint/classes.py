"""What tells a class of the user's own, and the objects of one.

Invariant: an object is known by its fields only where no base keeps more in C than can be seen.
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

from nbflow.fingerprint.owners import held_by_package, owner_of
from nbflow.fingerprint.walk import Walk

_OPEN = frozenset({object, abc.ABC, typing.Generic, typing.Protocol, BaseModel})
"""Bases from elsewhere whose objects hold nothing but their fields."""
_CODE = (
    types.FunctionType, staticmethod, classmethod, property, functools.cached_property, functools.partialmethod,
)  # fmt: skip
_MADE = frozenset({"_abc_impl", "model_fields", "model_computed_fields", "__annotate_func__", "__annotate__"})
"""Members that bases make of the others, and the function that evaluates annotations since Python 3.14."""


def tell_class(cls: type, walk: Walk) -> None:
    """Say what a class is: by its package, or by its members, later."""
    held = held_by_package(cls)
    if held is not None:
        walk.say("held", held)
    else:
        walk.later(id(cls), cls, lambda: _go_into(cls, walk))


def _go_into(cls: type, walk: Walk) -> None:
    walk.say("class", cls.__qualname__)
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
            walk.say(name)
            walk.visit(member, name)


def _counts(cls: type, name: str, member: Any) -> bool:
    """Return whether a member tells something that is not told otherwise, or made of the rest."""
    if name in _MADE:
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
        walk.say(name)
        alias = field.validation_alias if isinstance(field.validation_alias, str) else field.alias
        walk.visit((field.annotation, field.is_required(), field.default_factory, alias, field.frozen), name)
        if not field.is_required():
            walk.visit(field.default if field.default_factory is None else None, name)
        for constraint in field.metadata:
            # Pydantic's own are of classes that nobody else is to know, and say all in their words.
            words = repr(constraint)
            walk.visit(constraint if " at 0x" in words else words, name)


def _fields_of_dataclass(cls: type, walk: Walk) -> None:
    for field in dataclasses.fields(cls):
        walk.say(field.name, str((field.init, field.repr, field.compare, field.hash, field.kw_only)))
        for part in (field.default, field.default_factory):
            walk.visit(None if part is dataclasses.MISSING else (part,), field.name)


def tells_by_fields(kind: type) -> bool:
    """Return whether all that an object of the class holds is seen in its fields."""
    if dataclasses.is_dataclass(kind) or issubclass(kind, enum.Enum):
        return True
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return True
    return all(base in _OPEN or owner_of(base.__module__) is None for base in kind.__mro__)


def tell_object(value: Any, walk: Walk) -> None:
    """Say an object's class and what it holds."""
    kind = type(value)
    walk.visit(kind, kind.__name__)
    if isinstance(value, enum.Enum):
        walk.visit((value._name_, value._value_), "")
    elif isinstance(value, tuple):
        walk.visit(tuple(value), "")
    else:
        walk.visit(_held(value), "")


def _held(value: Any) -> dict[str, Any]:
    kind = type(value)
    held = {
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
                held[name] = getattr(value, name)
    return held
