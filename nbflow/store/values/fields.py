"""What the sorts of classes that are stored by their fields have in common.

Rule: nothing that an object holds beyond its fields is lost in silence.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbflow.store.values.classes import sort_of
from nbflow.store.values.faults import Refused, a, short
from nbflow.values.atoms import ATOMS
from nbflow.values.kinds import attributes, kind_of

if TYPE_CHECKING:
    from nbflow.store.values.unpacking import Unpacker

_WORDS = {
    "model": "model", "dataclass": "dataclass", "attrs": "attrs class", "enum": "enum", "namedtuple": "named tuple",
}  # fmt: skip


def refuse_more(value: Any, kind: type, names: Iterable[str], *, base: type = object) -> None:
    """Refuse a value that holds more than its fields: what a builtin base holds, or attributes set beside them."""
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
    """Return values by the name of their field."""
    return unpacker.fields(unpacker.want(node, key, dict), lead=".")


class Substitute(dict[str, Any]):
    """The fields of an object that cannot be rebuilt here, as a dict.

    `cls` is the name that its class is stored under, `is_known` whether there is such a class, `why` says what is
    wrong, and `node` is the stored form: what is stored again of a substitute is the object.
    """

    __slots__ = ("cls", "is_known", "node", "why")

    def __init__(self, fields: dict[str, Any], cls: str, why: str, node: dict[str, Any], *, is_known: bool) -> None:
        super().__init__(fields)
        self.cls, self.why, self.node, self.is_known = cls, why, node, is_known


def substitutes_in(value: Any) -> Iterator[Substitute]:
    """Give the substitutes that a value is or holds: in containers, records, and columns of objects."""
    waiting, seen = [value], {id(value)}
    while waiting:
        part = waiting.pop()
        if type(part) is Substitute:
            yield part
            continue
        for inner in _parts(part):
            if type(inner) not in ATOMS and id(inner) not in seen:
                seen.add(id(inner))
                waiting.append(inner)


def _parts(value: Any) -> Iterable[Any]:
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
    """Return the objects in the cells of an array or a frame, at most once by column."""
    if getattr(value, "ndim", 0) == 2 and hasattr(value, "items"):
        return [column for _, column in value.items() if getattr(column.dtype, "kind", "") == "O"]
    if getattr(getattr(value, "dtype", None), "kind", "") != "O":
        return []
    return list(value.flat) if hasattr(value, "flat") else list(value)


def known_class(node: dict[str, Any], sort: str, unpacker: Unpacker) -> Any:
    """Return the class to rebuild; None where the session does not know it as one of this sort."""
    cls = unpacker.classes.known(unpacker.want(node, "c", str))
    return cls if cls is not None and sort_of(cls) == sort else None


def unknown(fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker) -> Substitute:
    """Return the substitute for an object of a class that the session does not know, with a note of how it will."""
    name = node["c"]
    module, _, bare = name[:400].rpartition(".")
    cure = f"nbflow.register_type({bare[:80]}) makes it known"
    if module.partition(".")[0] == "__main__":
        cure = f"it is known once the cell that defines {bare[:80]} has run"
    why = "is not known here"
    unpacker.note(f"{_WORDS[node['$']]} {short(name, 200)} {why}; its fields came back as a dict; {cure}")
    return _substitute(fields, node, unpacker, why, is_known=False)


def given_up(fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker, why: str) -> Substitute:
    """Return the substitute for an object whose class is known and does not fit it, with a note of why."""
    unpacker.note(f"{_WORDS[node['$']]} {short(node['c'], 200)} {why}; the stored fields came back as a dict")
    return _substitute(fields, node, unpacker, why, is_known=True)


def _substitute(
    fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker, why: str, *, is_known: bool
) -> Substitute:  # fmt: skip
    unpacker.degraded = True
    told = f"{_WORDS[node['$']]} {short(node['c'], 200)} {why}"
    return Substitute(fields, node["c"], told, node, is_known=is_known)
