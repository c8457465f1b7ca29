"""The values that conditions may work on: operations on them run no code of a user's class, and end.

Conditions are evaluated on the event loop, where the special method of a user's class may loop, sleep, or return a
wrong size. So each class is examined once: special methods are allowed from extension types, the standard library, the
libraries of arrays, frames and models, and from `dataclass` and `attrs`, whose generated methods compare fields.

Values that Python compares part by part are walked first, each shared part once. Python compares a shared part as often
as it occurs: 24 lists, each of which contains the next one twice, make 16 million comparisons. The walk computes the
number of parts that Python would compare, and the operation is refused if that is far above the number in memory.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Collection, ItemsView, Iterable, KeysView, ValuesView
from datetime import datetime, time
from types import FunctionType, MappingProxyType, MemberDescriptorType, SimpleNamespace
from typing import Any
from weakref import CallableProxyType, ProxyType, ReferenceType, WeakKeyDictionary

from nbflow.conditions.limits import MAX_ELEMENTS, Refused

ABSENT = object()
ATOMS = frozenset({int, float, bool, str, bytes, type(None), complex})
_BUILT_IN = ATOMS | {list, tuple, dict, set, frozenset, range}  # looked up no further, as they are most
_SEQUENCES = (list, tuple, set, frozenset, deque)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_REFERENCES = (ProxyType, CallableProxyType, ReferenceType)
_OF_ANYTHING = frozenset({KeysView, ValuesView, ItemsView})  # views in Python, of a mapping of any class
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made at run time, by a class statement or an extension
_LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow"})
_MODULES = sys.stdlib_module_names | _LIBRARIES | {"attr", "dateutil", "nbflow", "pydantic", "pytz"}


def _named(names: str) -> frozenset[str]:
    return frozenset(f"__{name}__" for name in names.split())


TRUTH = _named("bool len")
COMPARED = _named("eq ne lt le gt ge hash class getattribute getattr array array_ufunc array_function")
_SIGNS = "add sub mul truediv floordiv mod pow lshift rshift and or xor"
ANY = (
    TRUTH
    | COMPARED
    | _named("length_hint iter contains getitem missing index int float complex abs neg pos invert round")
    | _named(_SIGNS)
    | _named(" ".join(f"r{sign}" for sign in _SIGNS.split()))
)
_own: WeakKeyDictionary[type, frozenset[str]] = WeakKeyDictionary()


def own_methods(kind: type) -> frozenset[str]:
    """Return the names of the special methods that user classes define for a type."""
    known = _own.get(kind)
    if known is None:
        known = _own[kind] = frozenset(_find_own(kind))
    return known


def _find_own(kind: type) -> Iterable[str]:
    if issubclass(kind, _REFERENCES):  # which call those of what they refer to
        yield from ANY
    found: set[str] = set()
    for base in kind.__mro__:
        names = (ANY & base.__dict__.keys()) - found
        found |= names
        if not _is_known(base):
            yield from (name for name in names if not _is_generated(base, base.__dict__[name]))


def _is_known(base: type) -> bool:
    """Return whether a class is an extension type, or the object of that name in a trusted module."""
    if not base.__flags__ & _HEAP_TYPE:
        return True
    module = base.__module__
    if base in _OF_ANYTHING or not isinstance(module, str) or module.partition(".")[0] not in _MODULES:
        return False
    at: Any = sys.modules.get(module)
    for name in base.__qualname__.split("."):
        at = getattr(at, name, None)
    return at is base


def _is_generated(base: type, method: object) -> bool:
    """Return whether `dataclass`, `attrs` or the class statement made a method."""
    if method is None:  # `__hash__` of a class that has `__eq__`
        return True
    if not isinstance(method, FunctionType):
        return False
    file = method.__code__.co_filename
    return ("__dataclass_params__" in base.__dict__ and file == "<string>") or (
        "__attrs_attrs__" in base.__dict__ and file.startswith("<attrs generated")
    )


def check(who: str, *values: object, methods: frozenset[str] = ANY) -> None:
    """Refuse values whose user classes define methods that an operation or a function would call."""
    check_types(who, values, methods=methods)


def check_types(who: str, values: Iterable[object], *, methods: frozenset[str] = ANY) -> None:
    """Refuse values of which `check` refuses one; their parts are not examined."""
    kinds = set(map(type, values))
    for kind in () if kinds <= _BUILT_IN else kinds - _BUILT_IN:
        if own := own_methods(kind) & methods:
            raise Refused(
                f"{who} would call {min(own)} of {kind.__name__}, and a condition runs no code of a class; "
                "register a predicate for it"
            )


def check_parts(who: str, *values: object, methods: frozenset[str] = COMPARED) -> None:
    """Refuse values with parts that `check` refuses, or with so many shared parts that a comparison would not end.

    Of several values, the smallest bounds the comparison.
    """
    bounded = [
        _Walk(who, methods).is_bounded(value) for value in values
    ]  # all of them, because each may contain a refused part
    if not any(bounded):
        raise Refused(
            f"{who} would look at more than {MAX_ELEMENTS} parts of {type(values[0]).__name__}, which are the same "
            "few over and over; register a predicate for it"
        )


def check_cells(who: str, value: object) -> None:
    """Refuse an array, series or frame that contains objects which `check` refuses."""
    check_types(who, _cells(value), methods=COMPARED)


class _Walk:
    """One walk through a value that visits each part once."""

    def __init__(self, who: str, methods: frozenset[str]) -> None:
        self._who, self._methods = who, methods
        self._sizes: dict[int, int] = {}
        self._parts = 0
        self._visited: list[Collection[object]] = []  # references, so that no id is reused

    def is_bounded(self, value: object) -> bool:
        """Return whether Python, which compares shared parts repeatedly, compares about as many parts as there are.

        Raises:
            Refused: A part has a user class that defines special methods.
        """
        check(self._who, value, methods=self._methods)
        path: list[tuple[object, list[object], list[object]]] = []
        self._enter(value, path)
        while path:
            holder, parts, left = path[-1]
            if left:
                self._enter(left.pop(), path)
                continue
            path.pop()
            total = 1 + sum(self._sizes.get(id(part), 1) for part in parts)
            self._sizes[id(holder)] = min(total, sys.maxsize)
        return self._sizes[id(value)] <= self._parts + MAX_ELEMENTS

    def _enter(self, value: object, path: list[tuple[object, list[object], list[object]]]) -> None:
        if id(value) in self._sizes:
            return
        parts = _parts(value)
        check_types(self._who, parts, methods=self._methods)
        self._visited.append(parts)
        self._parts += 1 + len(parts)
        self._sizes[id(value)] = 1 + len(parts)  # until its parts are known; permanent if it contains itself
        deep = [part for part in parts if type(part) not in ATOMS]
        if deep:
            path.append((value, parts, deep))


def _parts(value: object) -> list[object]:
    """Return the parts of a value that Python compares; an empty list for a value without parts."""
    kind = type(value)
    if issubclass(kind, dict):
        return [*dict.keys(value), *dict.values(value)]  # type: ignore[arg-type]  # mypy does not narrow by the type
    for base in _SEQUENCES:
        if issubclass(kind, base):
            return list(base.__iter__(value))  # type: ignore[arg-type]
    if kind in _VIEWS:
        return [*value]  # type: ignore[misc]
    if kind is MappingProxyType:
        return list(gc.get_referents(value))
    if issubclass(kind, (datetime, time)):
        zone = (datetime if issubclass(kind, datetime) else time).tzinfo.__get__(value)
        if zone is not None and not _is_known(type(zone)):
            raise Refused(f"a time in a {type(zone).__name__} is not compared here; register a predicate for it")
        return []
    if issubclass(kind, SimpleNamespace):
        return _attributes(value)
    if issubclass(kind, slice):
        return [value.start, value.stop, value.step]  # type: ignore[attr-defined]
    if kind.__eq__ is object.__eq__ or not kind.__flags__ & _HEAP_TYPE or _is_library(kind):
        return _cells(value)
    return _attributes(value)


def _is_library(kind: type) -> bool:
    return any(base.__module__.partition(".")[0] in _LIBRARIES for base in kind.__mro__)


def _cells(value: object) -> list[object]:
    """Return the objects in an array, series or frame of NumPy or pandas."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return list(value.flat) if value.dtype.hasobject else []
    if pandas is not None and isinstance(value, (pandas.Series, pandas.Index)):
        return list(value.to_numpy()) if value.dtype == object else []
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return [cell for _, column in value.items() if column.dtype == object for cell in column.to_numpy()]
    return []


def _attributes(value: object) -> list[object]:
    """Return the values in the dict and the slots of an instance, without calling a method of its class."""
    found = list(_dict_of(value).values())
    for base in type(value).__mro__:
        slots = [slot for slot in base.__dict__.values() if isinstance(slot, MemberDescriptorType)]
        found += [part for slot in slots if (part := _of_slot(slot, value)) is not ABSENT]
    return found


def stored(owner: object, name: str) -> Any:
    """Return a field of an instance from its dict, its slots, or its class for a plain default."""
    values = _dict_of(owner)
    if name in values:
        return values[name]
    for base in type(owner).__mro__:
        found = base.__dict__.get(name, ABSENT)
        if isinstance(found, MemberDescriptorType):
            return _of_slot(found, owner)
        if found is not ABSENT:
            return ABSENT if hasattr(type(found), "__get__") else found
    return ABSENT


def _dict_of(owner: object) -> dict[str, Any]:
    try:
        return object.__getattribute__(owner, "__dict__")  # type: ignore[no-any-return]
    except AttributeError:
        return {}


def _of_slot(slot: MemberDescriptorType, owner: object) -> Any:
    try:
        return slot.__get__(owner)
    except AttributeError:  # never set
        return ABSENT
