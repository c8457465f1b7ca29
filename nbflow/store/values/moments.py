"""Times and their zones.

Rule: a zone is a fixed offset or a name of the time zone database; one of another library may be neither.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from nbflow.store.values.faults import Refused, a

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker


def dump_zone(value: ZoneInfo, _: Packer) -> dict[str, Any]:
    """Return a zone by its key."""
    if value.key is None:
        raise Refused("is a ZoneInfo without a key, made from a file, which has no stored form")
    return {"v": value.key}


def dump_offset(value: timezone, packer: Packer) -> dict[str, Any]:
    """Return an offset, with a name of its own; nothing for UTC."""
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
    """Return a datetime or time, with its zone as a value of its own."""
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
    """Return what loads a datetime, or a time."""

    def load(node: dict[str, Any], unpacker: Unpacker) -> Any:
        value = kind.fromisoformat(unpacker.want(node, "v", str))
        zone = unpacker.value(node["tz"]) if "tz" in node else None
        return value.replace(tzinfo=zone, fold=unpacker.want(node, "fold", int) if "fold" in node else 0)

    return load
