"""Codecs of the types of Python's standard library, one row a type.

A form applies to exactly its type, and represents everything that distinguishes two values; a value that it cannot
represent is refused. A time zone is a fixed offset or a name of the time zone database.
"""

from __future__ import annotations

import base64
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from nbflow.store.codecs.errors import Refused, a, short
from nbflow.store.codecs.json_text import encode

if TYPE_CHECKING:
    from nbflow.store.codecs.packer import Packer
    from nbflow.store.codecs.unpacker import Unpacker

Dump = Callable[[Any, "Packer"], dict[str, Any]]
Load = Callable[[dict[str, Any], "Unpacker"], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a type: `dump` returns the parts of a tagged object, `load` the value of one."""

    tag: str
    dump: Dump
    load: Load


def _text_form(tag: str, dump: Callable[[Any], str], load: Callable[[str], Any]) -> Form:
    return Form(tag, lambda value, _: {"v": dump(value)}, lambda node, unpacker: load(unpacker.want(node, "v", str)))


def _items_form(tag: str, load: Callable[[list[Any]], Any]) -> Form:
    return Form(
        tag,
        lambda value, packer: {"v": packer.items(value)},
        lambda node, unpacker: load(unpacker.items(unpacker.want(node, "v", list))),
    )


def _set_form(tag: str, kind: type) -> Form:
    # Sorted by text: the order of a set differs between processes, and equal content must have one hash.
    return Form(
        tag,
        lambda value, packer: {"v": sorted(packer.items(value, "{item}"), key=encode)},
        lambda node, unpacker: unpacker.hashed(kind, unpacker.items(unpacker.want(node, "v", list), "{item}")),
    )


def _dict_form(tag: str, load: Callable[[list[tuple[Any, Any]]], Any]) -> Form:
    return Form(
        tag,
        lambda value, packer: {"v": packer.pairs(value)},
        lambda node, unpacker: unpacker.hashed(load, unpacker.pairs(unpacker.want(node, "v", list))),
    )


def _float(text: str) -> float:
    return {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}[text]


def _counter(pairs: list[tuple[Any, Any]]) -> Counter[Any]:
    counter: Counter[Any] = Counter()
    dict.update(counter, pairs)  # Counter's own update would add
    return counter


def _load_ints(count: int, make: Callable[..., Any]) -> Load:
    def load(node: dict[str, Any], unpacker: Unpacker) -> Any:
        numbers = unpacker.items(unpacker.want(node, "v", list))
        if len(numbers) != count or any(type(number) is not int for number in numbers):
            raise Refused(f"does not have the {count} integers that were written")
        return make(*numbers)

    return load


def _dump_complex(value: complex, _: Packer) -> dict[str, Any]:
    return {"v": [repr(value.real), repr(value.imag)]}


def _load_complex(node: dict[str, Any], unpacker: Unpacker) -> complex:
    real, imag = unpacker.want(node, "v", list)
    return complex(float(real), float(imag))


def _dump_deque(value: deque[Any], packer: Packer) -> dict[str, Any]:
    return {"v": packer.items(value), "max": value.maxlen}


def _load_deque(node: dict[str, Any], unpacker: Unpacker) -> deque[Any]:
    most = node.get("max")
    if most is not None:
        most = unpacker.want(node, "max", int)
    return deque(unpacker.items(unpacker.want(node, "v", list)), most)


_FACTORIES: dict[str, Any] = {kind.__name__: kind for kind in (list, dict, set, tuple, int, float, str, bool)}


def _dump_defaultdict(value: defaultdict[Any, Any], packer: Packer) -> dict[str, Any]:
    factory: Any = value.default_factory
    if factory is not None and _FACTORIES.get(getattr(factory, "__name__", "")) is not factory:
        raise Refused("is a defaultdict whose factory is a function, which has no stored form; dict(...) has one")
    return {"v": packer.pairs(value), "f": factory and factory.__name__}


def _load_defaultdict(node: dict[str, Any], unpacker: Unpacker) -> Any:
    name = node.get("f")
    factory = None if name is None else _FACTORIES[unpacker.want(node, "f", str)]
    pairs = unpacker.pairs(unpacker.want(node, "v", list))
    return unpacker.hashed(lambda items: defaultdict(factory, items), pairs)


def _path_form(tag: str, kind: type, here: type = Path) -> Form:
    def load(node: dict[str, Any], unpacker: Unpacker) -> Any:
        text = unpacker.want(node, "v", str)
        if here is Path or isinstance(Path(), here):
            return kind(text)
        unpacker.note(f"the path {short(text)} is of another operating system; it was restored as a {kind.__name__}")
        return kind(text)

    return Form(tag, lambda value, _: {"v": str(value)}, load)


def _fraction(numerator: str, denominator: str) -> Fraction:
    return Fraction(int(numerator, 16), int(denominator, 16))


def _load_fraction(node: dict[str, Any], unpacker: Unpacker) -> Fraction:
    numerator, denominator = unpacker.want(node, "v", list)
    return _fraction(numerator, denominator)


def _own_path(kind: type, pure: type) -> type:
    return kind if isinstance(Path(), kind) else pure


def dump_zone(value: ZoneInfo, _: Packer) -> dict[str, Any]:
    """Return the key of a zone."""
    if value.key is None:
        raise Refused("is a ZoneInfo without a key, made from a file, which has no stored form")
    return {"v": value.key}


def dump_offset(value: timezone, packer: Packer) -> dict[str, Any]:
    """Return the parts of an offset, and its name if it has a custom one; empty for UTC."""
    if value is UTC:
        return {}
    name = value.tzname(None)
    parts = {"v": packer.tree(value.utcoffset(None))}
    return parts if name == timezone(value.utcoffset(None)).tzname(None) else {**parts, "name": name}


def load_offset(node: dict[str, Any], unpacker: Unpacker) -> timezone:
    """Return an offset."""
    if "v" not in node:
        return UTC
    offset = unpacker.value(node["v"])
    return timezone(offset, unpacker.want(node, "name", str)) if "name" in node else timezone(offset)


def dump_moment(value: datetime | time, packer: Packer) -> dict[str, Any]:
    """Return the parts of a datetime or time; its zone is a separate value."""
    parts: dict[str, Any] = {"v": value.replace(tzinfo=None).isoformat()}
    if value.tzinfo is not None:
        if type(value.tzinfo) not in (timezone, ZoneInfo):
            zone = type(value.tzinfo)
            raise Refused(
                f"is {a(type(value))} with the time zone of {zone.__module__}.{zone.__name__}, which has no stored "
                "form; datetime.timezone and zoneinfo.ZoneInfo have one"
            )
        parts["tz"] = packer.tree(value.tzinfo)
    if value.fold:
        parts["fold"] = 1
    return parts


def load_moment(kind: type[datetime] | type[time]) -> Callable[[dict[str, Any], Unpacker], Any]:
    """Return the loader of datetimes or of times."""

    def load(node: dict[str, Any], unpacker: Unpacker) -> Any:
        value = kind.fromisoformat(unpacker.want(node, "v", str))
        zone = unpacker.value(node["tz"]) if "tz" in node else None
        return value.replace(tzinfo=zone, fold=unpacker.want(node, "fold", int) if "fold" in node else 0)

    return load


FORMS: dict[type, Form] = {
    bytes: _text_form("bytes", lambda v: base64.b64encode(v).decode(), lambda t: base64.b64decode(t, validate=True)),
    bytearray: _text_form(
        "bytearray",
        lambda v: base64.b64encode(v).decode(),
        lambda t: bytearray(base64.b64decode(t, validate=True)),
    ),
    complex: Form("complex", _dump_complex, _load_complex),
    tuple: _items_form("tuple", tuple),
    set: _set_form("set", set),
    frozenset: _set_form("frozenset", frozenset),
    deque: Form("deque", _dump_deque, _load_deque),
    OrderedDict: _dict_form("OrderedDict", OrderedDict),
    Counter: _dict_form("Counter", _counter),
    defaultdict: Form("defaultdict", _dump_defaultdict, _load_defaultdict),
    range: Form("range", lambda v, p: {"v": p.items([v.start, v.stop, v.step])}, _load_ints(3, range)),
    date: _text_form("date", date.isoformat, date.fromisoformat),
    datetime: Form("datetime", dump_moment, load_moment(datetime)),
    time: Form("time", dump_moment, load_moment(time)),
    timedelta: Form("timedelta", lambda v, _: {"v": [v.days, v.seconds, v.microseconds]}, _load_ints(3, timedelta)),
    timezone: Form("timezone", dump_offset, load_offset),
    ZoneInfo: Form("zone", dump_zone, lambda node, unpacker: ZoneInfo(unpacker.want(node, "v", str))),
    Decimal: _text_form("decimal", str, Decimal),
    Fraction: Form("fraction", lambda v, _: {"v": [hex(v.numerator), hex(v.denominator)]}, _load_fraction),
    UUID: _text_form("uuid", lambda v: v.hex, UUID),
    PurePosixPath: _path_form("PurePosixPath", PurePosixPath),
    PureWindowsPath: _path_form("PureWindowsPath", PureWindowsPath),
    PosixPath: _path_form("PosixPath", _own_path(PosixPath, PurePosixPath), PosixPath),
    WindowsPath: _path_form("WindowsPath", _own_path(WindowsPath, PureWindowsPath), WindowsPath),
}

_PLAIN = (
    _text_form("int", hex, lambda text: int(text, 16)),
    _text_form("float", repr, _float),
    _dict_form("dict", dict),
)

LOADERS: Mapping[str, Load] = {form.tag: form.load for form in (*FORMS.values(), *_PLAIN)}
