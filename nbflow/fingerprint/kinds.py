"""What tells values of the types that Python comes with: one row a type, exactly of that type.

Invariant: a row says all that tells one value from another; a type whose values hold more than can be seen has no row.
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
from nbflow.fingerprint.functions import tell_builtin, tell_function, tell_module
from nbflow.fingerprint.walk import LEAVES, Tell, Walk


def _sequence(value: Any, walk: Walk) -> None:
    walk.say(type(value).__name__)
    walk.visit_all(value)


def _mapping(value: Any, walk: Walk) -> None:
    walk.say("dict")
    walk.visit_all(value)
    for key, item in value.items():
        walk.visit(item, key if isinstance(key, str) else "")


def _set(value: Any, walk: Walk) -> None:
    # The order of a set differs from process to process, so its items must be such as have one of their own.
    if not set(map(type, value)) <= LEAVES:
        raise walk.unknown(value)
    walk.say(type(value).__name__, *sorted(map(constant, value)))


def _parts(*names: str) -> Tell:
    """Return what tells a value by some of its attributes."""

    def tell(value: Any, walk: Walk) -> None:
        walk.say(type(value).__name__)
        for name in names:
            walk.visit(getattr(value, name), "")

    return tell


def _reduced(value: Any, walk: Walk) -> None:
    walk.visit(value.__reduce__(), "")


def _stateless(value: Any, walk: Walk) -> None:
    walk.say(type(value).__name__)


def _of_type(value: Any, walk: Walk) -> None:
    """Tell what `str.upper` and the like are."""
    walk.say(value.__name__)
    walk.visit(value.__objclass__, "")


def tell_hint(value: Any, walk: Walk) -> None:
    """Say what `list[int]`, `int | None` and the like are."""
    walk.say(type(value).__name__)
    walk.visit(typing.get_origin(value), "")
    walk.visit_all(typing.get_args(value))


def tell_special(value: Any, walk: Walk) -> None:
    """Say what `typing.ClassVar` and the like are: they have no parts."""
    text = repr(value)
    if " at 0x" in text:
        raise walk.unknown(value)
    walk.say(text)


HINTS = (types.GenericAlias, types.UnionType, type(typing.List[int]))  # noqa: UP006 - its type is another than that of list[int]

TELLERS: dict[type, Tell] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    types.MappingProxyType: _mapping,
    set: _set,
    frozenset: _set,
    slice: _parts("start", "stop", "step"),
    types.SimpleNamespace: _parts("__dict__"),
    object: _stateless,
    # A lock guards what others hold, a logger is a way out: neither changes what comes of a call.
    type(re.compile("")): _parts("pattern", "flags"),
    logging.Logger: _parts("name"),
    logging.RootLogger: _parts("name"),
    _thread.LockType: _stateless,
    _thread.RLock: _stateless,
    types.FunctionType: tell_function,
    types.BuiltinFunctionType: tell_builtin,
    types.MethodType: _parts("__func__", "__self__"),
    types.MethodWrapperType: _parts("__name__", "__self__"),
    types.MethodDescriptorType: _of_type,
    types.WrapperDescriptorType: _of_type,
    types.ClassMethodDescriptorType: _of_type,
    types.GetSetDescriptorType: _of_type,
    types.MemberDescriptorType: _of_type,
    types.ModuleType: tell_module,
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
