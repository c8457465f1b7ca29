"""Hash values of Python's built-in types and of some types of its standard library, by a table.

Invariant: the hash covers the whole state of a value. A type with hidden state has no entry; neither have subclasses.
"""

from __future__ import annotations

import _thread
import functools
import logging
import operator
import re
import types
import typing
from typing import Any

from nbflow.fingerprint.code import constant
from nbflow.fingerprint.functions import hash_builtin, hash_function, hash_module
from nbflow.fingerprint.walk import LEAVES, Hasher, Walk


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
