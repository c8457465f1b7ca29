"""Pydantic models, with what they hold beside their fields: extra ones, private attributes, and which were set.

Rule: no validator runs over what was valid when it was made: it takes raw input, and need not take what it made of it,
nor take it at another time. Only where a model's fields are others now is it validated anew.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from nbflow.errors import words
from nbflow.store.values.fields import given_up, known_class, refuse_more, stored_fields, unknown

if TYPE_CHECKING:
    from nbflow.store.values.packing import Packer
    from nbflow.store.values.unpacking import Unpacker

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def dump_model(value: BaseModel, kind: type[BaseModel], packer: Packer) -> dict[str, Any]:
    """Return the fields of a model, which of them were not set, and what else it holds."""
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
    """Return what tells whether a model's fields are the same now: 8 hex digits."""
    told = "\n".join(f"{name}: {field.annotation!r}" for name, field in kind.model_fields.items())
    return hashlib.sha256(_ADDRESS.sub("", told).encode("utf-8", "replace")).hexdigest()[:8]


def load_model(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return a model holding what it held, or its fields."""
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
    except Exception as error:  # noqa: BLE001 - a model's validators are the user's own code
        why = " ".join(words(error).split())[:200]
        return given_up(fields, node, unpacker, f"has other fields now and does not take the stored ones: {why}")
