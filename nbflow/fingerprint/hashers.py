"""Hash one function, class or value, and everything that it refers to.

The hasher of a value is chosen by its exact type, then by whether the user defined its class. Any other value is left
to the caller's `pack`.

- A value of a built-in type is hashed by a table. Invariant: the hash covers the whole state of the value. A type with
  hidden state has no entry; neither have subclasses.
- A function is hashed by its code and by the objects that its names refer to; a function of an installed package by the
  package's version. If a package's function was created by the user's code, as the wrapper of a decorator is, its
  defaults and closure are hashed too.
- A class of the user is hashed by its members and bases, and an object of it by its fields, but only if no base class
  has state in C that the fields do not show.
"""

from __future__ import annotations

import _thread
import abc
import builtins
import dataclasses
import enum
import functools
import importlib
import inspect
import logging
import operator
import re
import types
import typing
from importlib.util import resolve_name
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from pydantic import BaseModel

from nbflow.fingerprint.packages import is_importable, name_in_package, owner_of
from nbflow.fingerprint.walk import LEAVES, Hasher, Pack, Reading, Unknown, Walk, constant, read_code

_MADE_BY_DATACLASS = "__create_fn__."


def hash_function(function: FunctionType, walk: Walk) -> None:
    """Hash a function of a package by its name and version, any other by its code (later in the walk)."""
    packaged = name_in_package(function)
    if packaged is not None:
        walk.add("held", packaged)
    elif function.__code__.co_qualname.startswith(_MADE_BY_DATACLASS):
        walk.add("made by dataclass")  # generated from the fields, which are hashed with its class
    else:
        walk.later(id(function), function, lambda: _hash_function_content(function, walk))


def hash_builtin(function: BuiltinFunctionType, walk: Walk) -> None:
    """Hash a function written in C, by its name in its package or by the object that it is bound to.

    Raises:
        Unknown: It is neither found under its name nor bound to an object.
    """
    packaged = name_in_package(function)
    if packaged is not None:
        walk.add("held", packaged)
        return
    bound = function.__self__
    if bound is None or isinstance(bound, ModuleType):
        raise walk.unknown(function)
    walk.add("bound", function.__name__)
    walk.visit(bound, "")


def hash_module(module: ModuleType, walk: Walk) -> None:
    """Hash a module that is used as a value, by its package's version.

    Raises:
        Unknown: The module is the user's own: it is not known which of its members are used.
    """
    owner = owner_of(module.__name__)
    if owner is None:
        raise Unknown(f"{walk.path()} passes a module as a value, so it is not known which of its members are used")
    walk.add("module", owner, module.__name__)


def _hash_function_content(function: FunctionType, walk: Walk) -> None:
    code, module = function.__code__, function.__globals__.get("__name__")
    reading, owner = read_code(code), owner_of(module)
    if owner is not None:
        walk.add("function", owner, str(module), code.co_qualname)
    else:
        walk.add("function", reading.text)
        _globals(function, reading, walk)
        _imports(function, reading, walk)
    walk.visit(function.__defaults__, "")
    walk.visit(function.__kwdefaults__, "")
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        _cell(name, cell, reading, walk)


def _cell(name: str, cell: Any, reading: Reading, walk: Walk) -> None:
    try:
        value = cell.cell_contents
    except ValueError:
        walk.add("empty")
    else:
        _named(name, value, reading.names, walk)


def _globals(function: FunctionType, reading: Reading, walk: Walk) -> None:
    for name in reading.reads:
        walk.add(name)
        if name in function.__globals__:
            _named(name, function.__globals__[name], reading.names, walk)
        else:
            walk.add("built in" if hasattr(builtins, name) else "absent")


def _named(name: str, value: Any, names: frozenset[str], walk: Walk) -> None:
    """Hash the object that a name refers to; of a module of the user only the members that the function may use."""
    if isinstance(value, ModuleType) and owner_of(value.__name__) is None:
        walk.later((id(value), names), value, lambda: _hash_members(value, names, walk))
        return
    walk.visit(value, name)
    if isinstance(value, FunctionType):
        for each in sorted(names & vars(value).keys()):
            walk.visit(vars(value)[each], f"{name}.{each}")


def _hash_members(module: ModuleType, names: frozenset[str], walk: Walk) -> None:
    # The code does not show whose attribute a name is, so every name that the function mentions counts.
    members = vars(module)
    for name in sorted(names & members.keys()):
        walk.add(name)
        _named(f"{module.__name__}.{name}", members[name], names, walk)


def _imports(function: FunctionType, reading: Reading, walk: Walk) -> None:
    package = function.__globals__.get("__package__")
    for name, level in reading.imports:
        whole = resolve_name("." * level + name, package) if level and package else name
        walk.add("import", whole)
        owner = owner_of(whole)
        if owner is not None:
            walk.add(owner)
        elif is_importable(whole):
            _named(whole, _imported(whole, walk), reading.names, walk)


def _imported(name: str, walk: Walk) -> ModuleType:
    try:
        return importlib.import_module(name)  # as a call of the function would
    except Exception as error:
        raise Unknown(f"{walk.path()} imports {name}, which raised {type(error).__name__}") from error


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
        walk.later(id(cls), cls, lambda: _hash_class_content(cls, walk))


def _hash_class_content(cls: type, walk: Walk) -> None:
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


def _sequence(value: Any, walk: Walk) -> None:
    walk.add(type(value).__name__)
    walk.visit_all(value)


def _mapping(value: Any, walk: Walk) -> None:
    walk.add("dict")
    walk.visit_all(value)
    for key, item in value.items():
        walk.visit(item, key if isinstance(key, str) else "")


def _set(value: Any, walk: Walk) -> None:
    # The order of a set differs between processes, so its items must be constants, whose texts can be sorted.
    if not set(map(type, value)) <= LEAVES:
        raise walk.unknown(value)
    walk.add(type(value).__name__, *sorted(map(constant, value)))


def _parts(*names: str) -> Hasher:
    """Return a hasher of values by the given attributes."""

    def hash_parts(value: Any, walk: Walk) -> None:
        walk.add(type(value).__name__)
        for name in names:
            walk.visit(getattr(value, name), "")

    return hash_parts


def _reduced(value: Any, walk: Walk) -> None:
    walk.visit(value.__reduce__(), "")


def _stateless(value: Any, walk: Walk) -> None:
    walk.add(type(value).__name__)


def _of_type(value: Any, walk: Walk) -> None:
    """Hash a member of a built-in class, such as `str.upper`."""
    walk.add(value.__name__)
    walk.visit(value.__objclass__, "")


def hash_hint(value: Any, walk: Walk) -> None:
    """Hash a generic type, such as `list[int]` or `int | None`."""
    walk.add(type(value).__name__)
    walk.visit(typing.get_origin(value), "")
    walk.visit_all(typing.get_args(value))


def hash_special(value: Any, walk: Walk) -> None:
    """Hash a special form without parts, such as `typing.ClassVar`."""
    text = repr(value)
    if " at 0x" in text:
        raise walk.unknown(value)
    walk.add(text)


HINTS = (types.GenericAlias, types.UnionType, type(typing.List[int]))  # noqa: UP006 - its type differs from that of list[int]

HASHERS: dict[type, Hasher] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    types.MappingProxyType: _mapping,
    set: _set,
    frozenset: _set,
    slice: _parts("start", "stop", "step"),
    types.SimpleNamespace: _parts("__dict__"),
    object: _stateless,
    # A lock protects other objects' state and a logger only writes: neither affects the result of a call.
    type(re.compile("")): _parts("pattern", "flags"),
    logging.Logger: _parts("name"),
    logging.RootLogger: _parts("name"),
    _thread.LockType: _stateless,
    _thread.RLock: _stateless,
    types.FunctionType: hash_function,
    types.BuiltinFunctionType: hash_builtin,
    types.MethodType: _parts("__func__", "__self__"),
    types.MethodWrapperType: _parts("__name__", "__self__"),
    types.MethodDescriptorType: _of_type,
    types.WrapperDescriptorType: _of_type,
    types.ClassMethodDescriptorType: _of_type,
    types.GetSetDescriptorType: _of_type,
    types.MemberDescriptorType: _of_type,
    types.ModuleType: hash_module,
    staticmethod: _parts("__func__"),
    classmethod: _parts("__func__"),
    property: _parts("fget", "fset", "fdel"),
    functools.cached_property: _parts("func"),
    functools.partial: _parts("func", "args", "keywords"),
    functools.partialmethod: _parts("func", "args", "keywords"),
    type(functools.lru_cache(len)): _parts("__wrapped__"),
    operator.itemgetter: _reduced,
    operator.attrgetter: _reduced,
    operator.methodcaller: _reduced,
    typing.TypeVar: _parts("__name__", "__bound__", "__constraints__"),
}


def fingerprint(thing: Any, *, name: str = "", pack: Pack = lambda value: None) -> str:
    """Return the fingerprint of a function or value: 64 hex digits, the same in every process.

    A function is hashed by its code, its defaults, its closure, and everything that it looks up as a global name or as
    an attribute of a module; a class of the user by its members and bases; an object of such a class by its class and
    fields; an object of an installed package by its name and the package's version. Names that are computed at run
    time (`getattr(module, name)`) are not seen.

    Args:
        thing: The function or value.
        name: The name for it in error messages.
        pack: Returns, for a value of any other type, a text that is unique among the values of that type, or None if
            it has none.

    Raises:
        Unknown: It uses an object whose state cannot be known.
    """
    walk = Walk(_hasher_of, pack)
    try:
        walk.visit(thing, name)
        return walk.end()
    except RecursionError:
        raise Unknown(f"{walk.path()} is nested too deeply to be hashed") from None


def _hasher_of(value: Any) -> Hasher | None:
    kind = type(value)
    if kind in HASHERS:
        return HASHERS[kind]
    if isinstance(value, HINTS):
        return hash_hint
    if isinstance(value, type):
        return hash_class
    if kind.__module__ == "typing":
        return hash_special
    return hash_object if is_known_by_fields(kind) else None
