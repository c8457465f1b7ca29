"""Classes that are stored by their fields: dataclasses, attrs classes, enums, named tuples; models by their own module.

Rule: an object comes back holding what it held; it was made once, so neither `__init__` nor `__new__` runs again. What
cannot be rebuilt comes back as a dict of its fields, and a note says why.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from nbflow.store.values.classes import name_of, sort_of
from nbflow.store.values.faults import Refused, short
from nbflow.store.values.fields import Substitute, given_up, known_class, refuse_more, stored_fields, unknown
from nbflow.store.values.models import dump_model, load_model
from nbflow.store.values.needs import need

if TYPE_CHECKING:
    from nbflow.store.values.forms import Load
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker


def dump_structure(value: Any, kind: type, packer: Packer) -> dict[str, Any] | None:
    """Return the tagged fields of a value, None where its class is not of a sort that is stored so."""
    if kind is Substitute:
        whole: dict[str, Any] = value.node
        return whole
    sort = sort_of(kind)
    if sort is None:
        return None
    return {"$": sort, "c": name_of(kind), **_DUMPS[sort](value, kind, packer)}


def _dump_enum(value: enum.Enum, kind: type, packer: Packer) -> dict[str, Any]:
    parts: dict[str, Any] = {"n": value._name_}
    depth = len(packer.path)
    try:
        parts["v"] = packer.inside().tree(value._value_)
    except Refused:  # the name is enough, where the class is known
        del packer.path[depth:]
    return parts


def _dump_named(value: Any, kind: type, packer: Packer) -> dict[str, Any]:
    names = kind._fields  # type: ignore[attr-defined]  # what makes it a named tuple
    refuse_more(value, kind, (), base=tuple)
    return {"f": packer.fields(dict(zip(names, value, strict=True)), lead=".")}


def _dump_dataclass(value: Any, kind: type, packer: Packer) -> dict[str, Any]:
    return _dump_fields(value, kind, dataclasses.fields(value), packer)


def _dump_attrs(value: Any, kind: Any, packer: Packer) -> dict[str, Any]:
    return _dump_fields(value, kind, kind.__attrs_attrs__, packer)


def _dump_fields(value: Any, kind: type, declared: Iterable[Any], packer: Packer) -> dict[str, Any]:
    names = [each.name for each in declared]
    refuse_more(value, kind, names)
    return {"f": packer.fields({name: getattr(value, name) for name in names}, lead=".")}


def _load_enum(node: dict[str, Any], unpacker: Unpacker) -> Any:
    parts = {"name": node.get("n"), "value": unpacker.value(node.get("v"))}
    cls = known_class(node, "enum", unpacker)
    if cls is None:
        return unknown(parts, node, unpacker)
    try:
        # A combination of flags has a value but no member of its own.
        return cls(parts["value"]) if issubclass(cls, enum.Flag) else cls.__members__[parts["name"]]
    except (KeyError, TypeError, ValueError):
        return given_up(parts, node, unpacker, f"has no member {short(str(parts['name']))} now")


def _load_named(node: dict[str, Any], unpacker: Unpacker) -> Any:
    fields = stored_fields(node, "f", unpacker)
    cls = known_class(node, "namedtuple", unpacker)
    if cls is None:
        return unknown(fields, node, unpacker)
    if list(fields) != list(cls._fields):
        return given_up(fields, node, unpacker, "has other fields now")
    return tuple.__new__(cls, fields.values())


def _load_dataclass(node: dict[str, Any], unpacker: Unpacker) -> Any:
    return _load_fields(node, "dataclass", dataclasses.fields, _default_of_field, unpacker)


def _load_attrs(node: dict[str, Any], unpacker: Unpacker) -> Any:
    return _load_fields(node, "attrs", attrgetter("__attrs_attrs__"), _default_of_attribute, unpacker)


def _load_fields(
    node: dict[str, Any], sort: str, fields_of: Callable[[Any], Iterable[Any]],
    default_of: Callable[[Any], tuple[Any, ...]], unpacker: Unpacker,
) -> Any:  # fmt: skip
    """Return an object of a class that declares its fields; the substitute where the class is not there or has others.

    `default_of` returns a field's default, alone in a tuple, and an empty tuple where there is none.
    """
    stored = stored_fields(node, "f", unpacker)
    cls = known_class(node, sort, unpacker)
    if cls is None:
        return unknown(stored, node, unpacker)
    fields, declared = dict(stored), {each.name: each for each in fields_of(cls)}
    for name, each in declared.items():
        if name not in fields and (default := default_of(each)):
            fields[name] = default[0]
    if fields.keys() != declared.keys():
        other = sorted(fields.keys() ^ declared.keys())[0]
        return given_up(stored, node, unpacker, f"has other fields now, among them {short(other)}")
    value: Any = object.__new__(cls)
    for name, item in fields.items():
        object.__setattr__(value, name, item)  # a frozen one has no other way
    return value


def _default_of_field(field: dataclasses.Field[Any]) -> tuple[Any, ...]:
    if field.default is not dataclasses.MISSING:
        return (field.default,)
    return () if field.default_factory is dataclasses.MISSING else (field.default_factory(),)


def _default_of_attribute(attribute: Any) -> tuple[Any, ...]:
    """As of a field; a default that needs the object is none."""
    attr, default = need("attr"), attribute.default
    if not isinstance(default, attr.Factory):
        return () if default is attr.NOTHING else (default,)
    return () if default.takes_self else (default.factory(),)


_DUMPS: dict[str, Any] = {
    "enum": _dump_enum,
    "model": dump_model,
    "dataclass": _dump_dataclass,
    "attrs": _dump_attrs,
    "namedtuple": _dump_named,
}

STRUCTURE_LOADERS: dict[str, Load] = {
    "enum": _load_enum,
    "model": load_model,
    "dataclass": _load_dataclass,
    "attrs": _load_attrs,
    "namedtuple": _load_named,
}
