"""The forms of values that contain others: collections, dataclasses, models."""

from __future__ import annotations

import json
from collections import UserList, deque
from collections.abc import Callable, Mapping, Set
from dataclasses import fields as dataclass_fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbflow.store.codecs.classes import Substitute

if TYPE_CHECKING:
    from nbflow.json_values.writer import Writer

Write = Callable[[Any, "Writer"], Any]


def form_of_container(value: Any) -> Write | None:
    """Return what writes a value that contains others; None of any other value."""
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


_RECORDS = ("__pydantic_fields__", "__dataclass_fields__", "__attrs_attrs__")


def _mapping(value: Any, writer: Writer) -> Any:
    return writer.mapping(value)


def _list(value: Any, writer: Writer) -> Any:
    items = writer.items(value, indexed=True)
    return items if len(items) == len(value) else writer.truncated({"type": "list"}, [len(value)], items)


PLAIN: Mapping[type, Write] = {dict: _mapping, list: _list, tuple: _list}
"""What writes the most frequent classes, which is found without a look at what a value may be."""


def _range(value: Any, writer: Writer) -> Any:
    return {"type": "range", **{name: writer.value(getattr(value, name)) for name in ("start", "stop", "step")}}


def _record(value: Any, writer: Writer) -> Any:
    name, fields = _fields(value)
    return writer.fields(name, value, fields)


def _substitute(value: Substitute, writer: Writer) -> Any:
    """Return the form of the stored object, whose class is not known in this process."""
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
    """Return what orders the items of a set, whose own order differs from process to process."""
    is_number = type(written) in (int, float)
    return not is_number, written if is_number else 0, json.dumps(written, sort_keys=True)
