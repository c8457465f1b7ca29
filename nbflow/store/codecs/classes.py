"""Objects of classes that are stored by their fields: dataclasses, attrs classes, enums, named tuples, pydantic models.

A stored class name is only a key for a lookup: the classes of a session are those in its `__main__`, in the annotations
of its tools, and those that it registered. Neither `__init__` nor `__new__` runs again, because the object was created
once. No validator of a model runs on values that were valid at the time: validators take raw input, and may not accept
their own result, or not at another time; only if the fields of a model have changed is it validated again. An object
that cannot be rebuilt is restored as a dict of its fields, and a note says why.

No content of an object beside its fields is lost silently: such an object is refused.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import re
import sys
import typing
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from nbflow.errors import StoreError, words
from nbflow.store.codecs.errors import Refused, a, short
from nbflow.store.codecs.libraries import need
from nbflow.values.atoms import ATOMS
from nbflow.values.kinds import attributes, kind_of

if TYPE_CHECKING:
    from nbflow.store.codecs.builtin import Load
    from nbflow.store.codecs.packer import Packer
    from nbflow.store.codecs.unpacker import Unpacker

_JSON_TYPES = (str, int, float, bool, type(None), list, dict)


def name_of(cls: type) -> str:
    """Return the stored name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def sort_of(cls: Any) -> str | None:
    """Return the tag of a class that is stored by its fields; None for any other class."""
    if not isinstance(cls, type):
        return None
    if issubclass(cls, enum.Enum):
        return "enum"
    if issubclass(cls, BaseModel):
        return "model"
    if dataclasses.is_dataclass(cls):
        return "dataclass"
    if "__attrs_attrs__" in vars(cls):
        return "attrs"
    return "namedtuple" if issubclass(cls, tuple) and hasattr(cls, "_fields") else None


@dataclass(frozen=True, slots=True)
class UserCodec:
    """A codec that a user registered for a class; both functions are the user's code."""

    name: str
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]

    def bytes_of(self, value: Any) -> bytes:
        """Return the stored form of a value."""
        try:
            data = self.dump(value)
        except Exception as error:
            raise Refused(f"is for the codec {self.name!r}, whose dump raised {_error_text(error)}") from error
        if not isinstance(data, bytes | bytearray | memoryview):
            raise Refused(f"is for the codec {self.name!r}, whose dump gave {type(data).__name__}, not bytes")
        return bytes(data)

    def value_of(self, data: bytes) -> Any:
        """Return the value of a stored form."""
        try:
            return self.load(data)
        except Exception as error:
            raise Refused(f"is for the codec {self.name!r}, whose load raised {_error_text(error)}") from error


def _error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {words(error)[:200]}"


def _of_main(name: str) -> type | None:
    """Return the class that `__main__`, the user's notebook or script, defines under a stored name.

    The lookup reads dicts only: it imports nothing, runs no attribute hook, and skips classes that `__main__` imported
    from another module.
    """
    module, _, path = name.partition(".")
    found: Any = sys.modules.get("__main__") if module == "__main__" else None
    for part in path.split("."):
        found = vars(found).get(part) if isinstance(found, type | ModuleType) else None
    return found if isinstance(found, type) and sort_of(found) and name_of(found) == name else None


class Classes:
    """The classes and codecs of a session. Of two classes with one name, it has the newer."""

    def __init__(self) -> None:
        self._codecs: dict[type, UserCodec] = {}
        self._codec_names: dict[str, UserCodec] = {}
        self._known: dict[str, type] = {}

    def register_codec(self, cls: type, dump: Callable[[Any], bytes], load: Callable[[bytes], Any]) -> None:
        """Register a codec for a class, and for its subclasses without a nearer codec."""
        if not isinstance(cls, type) or cls in _JSON_TYPES:
            raise StoreError(f"{cls!r} cannot have a codec: it is no class, or one that JSON represents itself")
        codec = UserCodec(f"user:{name_of(cls)}", dump, load)
        self._codecs[cls] = self._codec_names[codec.name] = codec

    def has_codec(self, kind: type) -> bool:
        """Return whether a codec is registered for exactly this class."""
        return kind in self._codecs

    def codec_of(self, kind: type) -> UserCodec | None:
        """Return the codec of a class or of its nearest base with one."""
        if not self._codecs:
            return None
        return next((self._codecs[base] for base in kind.__mro__ if base in self._codecs), None)

    def codec_named(self, name: str) -> UserCodec:
        """Return the codec with a stored name.

        Raises:
            Refused: The codec is not registered here.
        """
        codec = self._codec_names.get(name)
        if codec is None:
            cls = name.removeprefix("user:")
            raise Refused(
                f"was stored by the codec of {short(cls, 200)}, which is not registered here; "
                f"nbflow.register_codec({cls.rpartition('.')[2][:80]}, dump, load) registers it"
            )
        return codec

    def known(self, name: str) -> type | None:
        """Return the class for a stored name: the current one of `__main__`, else a registered one."""
        return _of_main(name) or self._known.get(name)

    def know(self, annotation: Any) -> None:
        """Register the classes in an annotation, also within generics, unions and `Annotated`, and those of fields."""
        waiting: list[Any] = [annotation]
        seen: dict[int, Any] = {}  # with the object itself, because the id of a freed object may be reused
        while waiting:
            hint = waiting.pop()
            if id(hint) in seen:
                continue
            seen[id(hint)] = hint
            waiting.extend(typing.get_args(hint))
            waiting.extend(_inner_annotations(hint))
            if sort_of(hint) is not None:
                self._known[name_of(hint)] = hint


def _inner_annotations(hint: Any) -> list[Any]:
    """Return the annotations of a class's fields, the target of an alias, or the bound of a type variable."""
    if isinstance(hint, type):
        if issubclass(hint, BaseModel):
            return [field.annotation for field in hint.model_fields.values()]
        has_fields = sort_of(hint) in ("dataclass", "attrs", "namedtuple") or typing.is_typeddict(hint)
        return list(_hints(hint).values()) if has_fields else []
    return [part for name in ("__value__", "__bound__", "__supertype__") if (part := getattr(hint, name, None))]


def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001 - a user's annotation may contain a name that is not defined (yet)
        return {}


_WORDS = {
    "model": "model", "dataclass": "dataclass", "attrs": "attrs class", "enum": "enum", "namedtuple": "named tuple",
}  # fmt: skip


def refuse_more(value: Any, kind: type, names: Iterable[str], *, base: type = object) -> None:
    """Refuse a value with content beside its fields: that of a builtin base, or further attributes."""
    builtin = next((b for b in kind.__mro__ if b.__module__ == "builtins" and b not in (object, base)), None)
    if builtin is not None:
        raise Refused(
            f"is {a(kind)}, whose base {builtin.__name__} holds more than its fields; "
            "register one with nbflow.register_codec"
        )
    held = getattr(value, "__dict__", {}).keys() - set(names)
    more = sorted(name for name in held if not isinstance(getattr(kind, name, None), cached_property))
    if more:
        raise Refused(
            f"is {a(kind)} with the attribute {short(more[0])} that is none of its fields; "
            "register one with nbflow.register_codec"
        )


def stored_fields(node: dict[str, Any], key: str, unpacker: Unpacker) -> dict[str, Any]:
    """Return the stored values by field name."""
    return unpacker.fields(unpacker.want(node, key, dict), lead=".")


class Substitute(dict[str, Any]):
    """The fields of an object that cannot be rebuilt here, as a dict.

    `cls` is the stored name of its class, `is_known` whether such a class is known, and `why` the reason. `node` is the
    stored form of the object, which is stored again when the substitute is.
    """

    __slots__ = ("cls", "is_known", "node", "why")

    def __init__(self, fields: dict[str, Any], cls: str, why: str, node: dict[str, Any], *, is_known: bool) -> None:
        super().__init__(fields)
        self.cls, self.why, self.node, self.is_known = cls, why, node, is_known


def substitutes_in(value: Any) -> Iterator[Substitute]:
    """Yield the substitutes within a value: in containers, records, and columns of objects."""
    waiting, seen = [value], {id(value)}
    while waiting:
        part = waiting.pop()
        if type(part) is Substitute:
            yield part
            continue
        for inner in _inner_values(part):
            if type(inner) not in ATOMS and id(inner) not in seen:
                seen.add(id(inner))
                waiting.append(inner)


def _inner_values(value: Any) -> Iterable[Any]:
    kind = kind_of(type(value))
    if kind.sort == "library":
        return _cells(value)
    if kind.sort not in ("container", "object", "record"):
        return ()
    base: Any = kind.base
    parts = list(attributes(value, kind.slots).values())
    if base is dict:
        return [*parts, *dict.keys(value), *dict.values(value)]
    return parts if base in (None, bytearray, array) else [*parts, *base.__iter__(value)]


def _cells(value: Any) -> list[Any]:
    """Return the object columns of a frame, or the objects in the cells of an array."""
    if getattr(value, "ndim", 0) == 2 and hasattr(value, "items"):
        return [column for _, column in value.items() if getattr(column.dtype, "kind", "") == "O"]
    if getattr(getattr(value, "dtype", None), "kind", "") != "O":
        return []
    return list(value.flat) if hasattr(value, "flat") else list(value)


def known_class(node: dict[str, Any], sort: str, unpacker: Unpacker) -> Any:
    """Return the class of a stored object; None if the session has no class of that name and kind."""
    cls = unpacker.classes.known(unpacker.want(node, "c", str))
    return cls if cls is not None and sort_of(cls) == sort else None


def unknown(fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker) -> Substitute:
    """Return the substitute for an object of an unknown class; the note says how to register the class."""
    name = node["c"]
    module, _, bare = name[:400].rpartition(".")
    cure = f"nbflow.register_type({bare[:80]}) makes it known"
    if module.partition(".")[0] == "__main__":
        cure = f"it is known once the cell that defines {bare[:80]} has run"
    why = "is not known here"
    unpacker.note(f"{_WORDS[node['$']]} {short(name, 200)} {why}; its fields were restored as a dict; {cure}")
    return _substitute(fields, node, unpacker, why, is_known=False)


def given_up(fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker, why: str) -> Substitute:
    """Return the substitute for an object whose class has changed; the note says how."""
    unpacker.note(f"{_WORDS[node['$']]} {short(node['c'], 200)} {why}; the stored fields were restored as a dict")
    return _substitute(fields, node, unpacker, why, is_known=True)


def _substitute(
    fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker, why: str, *, is_known: bool
) -> Substitute:  # fmt: skip
    unpacker.degraded = True
    told = f"{_WORDS[node['$']]} {short(node['c'], 200)} {why}"
    return Substitute(fields, node["c"], told, node, is_known=is_known)


def dump_structure(value: Any, kind: type, packer: Packer) -> dict[str, Any] | None:
    """Return the tree of an object that is stored by its fields; None for an object of any other class."""
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
    except Refused:  # the name is sufficient if the class is known
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
        # A combination of flags has a value but is not a member.
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
    """Return an object of a class that declares its fields; a substitute if the class is unknown or has changed.

    `default_of` returns a tuple with the default of a field, empty without one.
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
        object.__setattr__(value, name, item)  # frozen classes block plain assignment
    return value


def _default_of_field(field: dataclasses.Field[Any]) -> tuple[Any, ...]:
    if field.default is not dataclasses.MISSING:
        return (field.default,)
    return () if field.default_factory is dataclasses.MISSING else (field.default_factory(),)


def _default_of_attribute(attribute: Any) -> tuple[Any, ...]:
    """Return a tuple with the default of an attribute, empty without one; a default that needs the object is none."""
    attr, default = need("attr"), attribute.default
    if not isinstance(default, attr.Factory):
        return () if default is attr.NOTHING else (default,)
    return () if default.takes_self else (default.factory(),)


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def dump_model(value: BaseModel, kind: type[BaseModel], packer: Packer) -> dict[str, Any]:
    """Return the parts of a model: its fields, which of them were set, and its extra and private attributes."""
    names = list(kind.model_fields)
    refuse_more(value, kind, names)
    held = value.__dict__
    parts: dict[str, Any] = {"f": packer.fields({name: held[name] for name in names if name in held}, lead=".")}
    parts["shape"] = _shape(kind)
    if value.model_fields_set != {*names, *(value.__pydantic_extra__ or ())}:
        parts["set"] = sorted(value.model_fields_set)
    if value.__pydantic_extra__ is not None:
        parts["extra"] = packer.fields(value.__pydantic_extra__, lead=".")
    if value.__pydantic_private__ is not None:
        parts["private"] = packer.fields(value.__pydantic_private__, lead=".")
    return parts


@lru_cache(maxsize=256)
def _shape(kind: type[BaseModel]) -> str:
    """Return a hash (8 hex digits) of the fields of a model, which changes with them."""
    told = "\n".join(f"{name}: {field.annotation!r}" for name, field in kind.model_fields.items())
    return hashlib.sha256(_ADDRESS.sub("", told).encode("utf-8", "replace")).hexdigest()[:8]


def load_model(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return a stored model, or a substitute with its fields."""
    fields = stored_fields(node, "f", unpacker)
    extra = stored_fields(node, "extra", unpacker) if "extra" in node else None
    private = stored_fields(node, "private", unpacker) if "private" in node else None
    cls = known_class(node, "model", unpacker)
    if cls is None:
        return unknown({**fields, **(extra or {})}, node, unpacker)
    if node.get("shape") != _shape(cls) or fields.keys() != cls.model_fields.keys():
        return _validated(cls, {**fields, **(extra or {})}, node, unpacker)
    given = unpacker.items(unpacker.want(node, "set", list)) if "set" in node else {*fields, *(extra or ())}
    value = cls.__new__(cls)
    state = {
        "__dict__": fields,
        "__pydantic_extra__": extra,
        "__pydantic_fields_set__": set(given),
        "__pydantic_private__": private,
    }
    BaseModel.__setstate__(value, state)
    return value


def _validated(cls: type[BaseModel], fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker) -> Any:
    aliases = {name: field.validation_alias for name, field in cls.model_fields.items()}
    given = {alias if isinstance(alias := aliases.get(name), str) else name: value for name, value in fields.items()}
    try:
        return cls.model_validate(fields.get("root") if cls.__pydantic_root_model__ else given)
    except Exception as error:  # noqa: BLE001 - the validators of a model are the user's code
        why = " ".join(words(error).split())[:200]
        return given_up(fields, node, unpacker, f"has other fields now and does not take the stored ones: {why}")


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
