"""The scalars of pandas, which rows of frames are full of.

Rule: a moment is kept in its own unit, so that none is cut short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.store.values.faults import Refused
from nbflow.store.values.needs import need

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

_UNITS = ("s", "ms", "us", "ns")


def dump_scalar(value: Any, packer: Packer) -> dict[str, Any] | None:
    """Return the tree of a Timestamp, Timedelta, NaT or NA, None for anything else."""
    pandas = need("pandas")
    if value is pandas.NaT:
        return {"$": "pd.NaT"}
    if value is pandas.NA:
        return {"$": "pd.NA"}
    if type(value) is pandas.Timedelta:
        return {"$": "pd.Timedelta", "v": int(value.asm8.astype("int64")), "u": value.unit}
    if type(value) is pandas.Timestamp:
        return {"$": "pd.Timestamp", "v": int(value.asm8.astype("int64")), "u": value.unit, **_zone(value, packer)}
    return None


def _zone(value: Any, packer: Packer) -> dict[str, Any]:
    if value.tzinfo is None:
        return {"fold": 1} if value.fold else {}
    name = zone_name(value.tzinfo)
    return {"tz": name}


def zone_name(zone: Any) -> str:
    """Return the name by which pandas finds a time zone again, of pytz too.

    Raises:
        Refused: It has none.
    """
    pandas = need("pandas")
    name = str(zone)
    try:
        found = pandas.DatetimeTZDtype("ns", name) == pandas.DatetimeTZDtype("ns", zone)
    except Exception as error:
        raise Refused(f"has the time zone {name[:60]}, which pandas does not find by its name") from error
    if not found:
        raise Refused(f"has the time zone {name[:60]}, which pandas does not find by its name")
    return name


def load_timestamp(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return a Timestamp."""
    pandas, numpy = need("pandas"), need("numpy")
    moment = pandas.Timestamp(numpy.datetime64(unpacker.want(node, "v", int), _unit(node)))
    if "tz" in node:
        return moment.tz_localize("UTC").tz_convert(unpacker.want(node, "tz", str))
    return moment.replace(fold=1) if "fold" in node else moment


def load_timedelta(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return a Timedelta."""
    pandas, numpy = need("pandas"), need("numpy")
    return pandas.Timedelta(numpy.timedelta64(unpacker.want(node, "v", int), _unit(node)))


def load_nat(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return NaT."""
    return need("pandas").NaT


def load_na(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return NA."""
    return need("pandas").NA


def _unit(node: dict[str, Any]) -> str:
    unit = node.get("u")
    if unit not in _UNITS:
        raise Refused("has a unit of time that is never written")
    return str(unit)
