"""What the sorts of classes that are stored by their fields have in common.

Rule: nothing that an object holds beyond its fields is lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbflow.store.values.classes import sort_of
from nbflow.store.values.faults import Refused, a, short

if TYPE_CHECKING:
    from nbflow.store.values.unpacking import Unpacker

_WORDS = {"model": "model", "dataclass": "dataclass", "enum": "enum", "namedtuple": "named tuple"}


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


def known_class(node: dict[str, Any], sort: str, unpacker: Unpacker) -> Any:
    """Return the class to rebuild; None, with a note, where the session does not know it as one of this sort."""
    name = unpacker.want(node, "c", str)
    cls = unpacker.classes.known(name)
    if cls is not None and sort_of(cls) == sort:
        return cls
    bare = name.rpartition(".")[2][:80]
    unpacker.degraded = True
    unpacker.note(
        f"{_WORDS[sort]} {short(name, 200)} is not known here; its fields came back as a dict; "
        f"nbflow.register_type({bare}) makes it known"
    )
    return None


def given_up(fields: dict[str, Any], node: dict[str, Any], unpacker: Unpacker, why: str) -> dict[str, Any]:
    """Return the fields as they are, with a note of why they are no object of their class."""
    unpacker.degraded = True
    unpacker.note(f"{_WORDS[node['$']]} {short(node['c'], 200)} {why}; the stored fields came back as a dict")
    return fields
