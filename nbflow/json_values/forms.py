"""The forms of values: numbers, times and other scalars, collections, dataclasses and models."""

from __future__ import annotations

import base64
import builtins
import json
import types
from collections import UserList, deque
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import fields as dataclass_fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from nbflow.secrets import MASK, are_known, contains, mask
from nbflow.store.codecs.classes import Substitute
from nbflow.view.values.optional_types import is_a

if TYPE_CHECKING:
    from nbflow.json_values.writer import Form, Writer

_PREVIEW = 64  # bytes


def scalar(value: Any, writer: Writer) -> Any:
    """Return the form of a value that contains no others; None of any other value."""
    if isinstance(value, Iterator):
        return writer.instance(value)  # reading a file or a generator would consume it
    if is_a(value, "numpy", "generic"):
        return _of_numpy(value, writer)
    if (missing := _missing(value)) is not None:
        return {"type": "missing", "value": missing}
    match value:
        case complex():
            return {"type": "complex", "real": writer.value(value.real), "imag": writer.value(value.imag)}
        case bytes() | bytearray() | memoryview():
            return _bytes(value, writer)
        case datetime():
            return {"type": "datetime", "value": value.isoformat(), **_zone(value)}
        case date():
            return {"type": "date", "value": value.isoformat()}
        case time():
            return {"type": "time", "value": value.isoformat(), **_zone(value)}
        case timedelta():
            return {"type": "timedelta", "value": _span(value), "seconds": value.total_seconds()}
        case Decimal() | UUID() | PurePath():
            return {"type": _name(value), "value": mask(str(value))}
        case Fraction():
            parts = {"numerator": value.numerator, "denominator": value.denominator}
            return {"type": "fraction", **{name: writer.value(part) for name, part in parts.items()}}
    return _code(value, writer)


def _name(value: Decimal | UUID | PurePath) -> str:
    return "decimal" if isinstance(value, Decimal) else "uuid" if isinstance(value, UUID) else "path"


def digits(number: int) -> str:
    """Return the decimal digits of an integer; unlike `str`, Decimal does not limit their number."""
    return f"{Decimal(number):f}"


def name_of(number: float) -> str:
    """Return the JavaScript name of a float that is not finite."""
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def _bytes(value: bytes | bytearray | memoryview, writer: Writer) -> Form:
    data, most = bytes(value), writer.bounds.size
    if are_known() and contains(data.decode("utf-8", "replace")):
        return {"type": "bytes", "size": len(data), "data": MASK}
    form = {"type": "bytes", "size": len(data)}
    if (most is None or len(data) <= most) and writer.has_room(len(data) * 4 // 3):
        return {**form, "data": base64.b64encode(data).decode()}
    return writer.truncated(
        form, [len(data)], base64.b64encode(data[: _PREVIEW if most is None else min(most, _PREVIEW)]).decode()
    )


def _zone(value: datetime | time) -> Form:
    name = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "zone", None)
    return {"zone": name} if isinstance(name, str) else {}


def _span(value: timedelta) -> str:
    # pandas counts nanoseconds.
    written = getattr(value, "isoformat", None)
    return str(written() if written is not None else to_jsonable_python(value))


def _missing(value: Any) -> str | None:
    name = type(value).__name__
    if name in ("NaTType", "NAType") and type(value).__module__.startswith("pandas."):
        return name.removesuffix("Type")
    return None


def _of_numpy(value: Any, writer: Writer) -> Any:
    if value.dtype.kind in "mM":
        if value != value:
            return {"type": "missing", "value": "NaT"}
        if value.dtype.kind == "M":
            return {"type": "datetime", "value": str(value)}
        nanoseconds = int(value.astype("timedelta64[ns]").astype("int64"))
        return {"type": "timedelta", "value": f"PT{Decimal(nanoseconds) / 10**9:f}S", "seconds": nanoseconds / 1e9}
    plain = value.item()
    # A long double is not a Python number.
    return writer.instance(value) if is_a(plain, "numpy", "generic") else writer.value(plain)


def _code(value: Any, writer: Writer) -> Form | None:
    from nbflow.json_values.writer import class_name

    match value:
        case type():
            return {"type": "class", "name": class_name(value)}
        case types.FunctionType() | types.BuiltinFunctionType() | types.MethodType():
            module = getattr(value, "__module__", None) or builtins.__name__
            return {"type": "function", "name": f"{module}.{value.__qualname__}"}
        case BaseException():
            return {"type": "exception", "class": class_name(type(value)), "message": mask(str(value))}
    return None


Write = Callable[[Any, "Writer"], Any]


def form_of_container(value: Any) -> Write | None:
    """Return the function that writes a value that contains others; None for any other value."""
    if isinstance(value, range):
        return _range
    kind = type(value)
    if any(hasattr(kind, name) for name in _RECORDS) or isinstance(value, SimpleNamespace):
        return _record
    if kind is Substitute:
        return _substitute
    if isinstance(value, Mapping):
        return _mapping
    if isinstance(value, tuple):
        return _record if isinstance(getattr(kind, "_fields", None), tuple) else _list
    if isinstance(value, list):
        return _list
    return _collection if isinstance(value, Set | deque | UserList) else None


def is_container(value: Any) -> bool:
    """Return whether a value is of a class that contains others."""
    return form_of_container(value) is not None


def record_of(value: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return the type of the form, and the fields, of a value that has named fields; None of any other value."""
    return _fields(value) if form_of_container(value) is _record else None


_RECORDS = ("__pydantic_fields__", "__dataclass_fields__", "__attrs_attrs__")


def _mapping(value: Any, writer: Writer) -> Any:
    return writer.mapping(value)


def _list(value: Any, writer: Writer) -> Any:
    items = writer.items(value, indexed=True)
    return items if len(items) == len(value) else writer.truncated({"type": "list"}, [len(value)], items)


PLAIN: Mapping[type, Write] = {dict: _mapping, list: _list, tuple: _list}
"""The functions that write the most frequent classes, found by the class alone."""


def _range(value: Any, writer: Writer) -> Any:
    return {"type": "range", **{name: writer.value(getattr(value, name)) for name in ("start", "stop", "step")}}


def _record(value: Any, writer: Writer) -> Any:
    name, fields = _fields(value)
    return writer.fields(name, value, fields)


def _substitute(value: Substitute, writer: Writer) -> Any:
    """Return the form of a stored object whose class this process does not have."""
    form: dict[str, Any] = writer.fields(value.node["$"], value, value, flat=value.node["$"] == "enum")
    return form | {"class": value.cls}


def _fields(value: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the kind of a value that has named fields, and those that have a value."""
    kind = type(value)
    if hasattr(kind, "__pydantic_fields__"):
        shown = (name for name, field in kind.__pydantic_fields__.items() if not field.exclude)
        # A model read back from a store may lack a secret.
        return "model", {n: value.__dict__[n] for n in shown if n in value.__dict__} | (value.__pydantic_extra__ or {})
    if isinstance(value, SimpleNamespace):
        return "namespace", vars(value)
    if isinstance(value, tuple):
        return "namedtuple", dict(zip(kind._fields, value, strict=True))
    is_attrs = not hasattr(kind, "__dataclass_fields__")
    names = [field.name for field in (kind.__attrs_attrs__ if is_attrs else dataclass_fields(value))]
    return "attrs" if is_attrs else "dataclass", {n: getattr(value, n) for n in names if hasattr(value, n)}


def _collection(value: Any, writer: Writer) -> Any:
    from nbflow.json_values.writer import FORM, class_name

    writer.has_room(FORM)
    if isinstance(value, Set):
        name, items = "frozenset" if isinstance(value, frozenset) else "set", writer.items(value, indexed=False)
        items.sort(key=_in_order)
    else:
        name, items = "sequence", writer.items(value, indexed=True)
    form = {"type": name, "class": class_name(type(value))}
    return {**form, "items": items} if len(items) == len(value) else writer.truncated(form, [len(value)], items)


def _in_order(written: Any) -> tuple[bool, float, str]:
    """Return the sort key of an item of a set, whose own order differs from process to process."""
    is_number = type(written) in (int, float)
    return not is_number, written if is_number else 0, json.dumps(written, sort_keys=True)
