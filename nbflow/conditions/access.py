"""Reads keys, declared fields and elements of values from a state.

Rule: reading runs no code that a value brings with it but its own indexing: no property, no `__getattr__`, no method.
A key that is missing is a refusal that lists those there are; a defaultdict makes no value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from nbflow.conditions.limits import Refused
from nbflow.conditions.operations import is_array, type_name
from nbflow.conditions.trust import ABSENT, ANY, ATOMS, COMPARED, check, check_parts, check_types, stored
from nbflow.errors import did_you_mean, name_list
from nbflow.names import identifier


def missing(name: object, what: str, keys: Iterable[object]) -> Refused:
    """Return the refusal of a key that is not there, with those that are."""
    known = [str(key) if type(key) in ATOMS else f"a {type_name(key)}" for key in keys]
    near = did_you_mean(name, known) if type(name) is str else ""
    return Refused(f"{_shown(name)} is not in {what}, which has {name_list(known)}{near}")


def _shown(value: object) -> str:
    if type(value) not in ATOMS:
        return f"a {type_name(value)}"
    try:
        text = repr(value)
    except ValueError:  # an int with too many digits to print
        return f"a value of type {type_name(value)}"
    return text if len(text) <= 60 else text[:60] + "…"


def key(owner: Any, written: str, name: str = "") -> Any:
    """Return what `owner.name` means in a condition: a key of a dict, a declared field of a model or dataclass.

    Keys inside values are not normalised: the one as it is `written` comes first, then its normalised `name`, which is
    given where that is another.
    """
    kind, name = type(owner), name or written
    if kind is dict or issubclass(kind, Mapping):
        _check_mapping(owner)
        return _of_mapping(owner, written if written in owner else name)
    fields = _declared_fields(kind)
    if fields is None:
        raise Refused(f"{type_name(owner)} has no keys; a dot reads keys of dicts and declared fields, not attributes")
    if name not in fields:
        raise missing(name, f"this {type_name(owner)}", fields)
    value = stored(owner, name)
    if value is ABSENT:
        raise Refused(f"the field {name!r} of this {type_name(owner)} has no stored value")
    return value


def item(owner: Any, index: Any) -> Any:
    """Return `owner[index]` of a string, sequence, mapping, array, series or frame."""
    kind = type(owner)
    check("indexing", owner, index)
    if type(index) not in ATOMS:
        check_parts("indexing", index)
    if kind is dict or issubclass(kind, Mapping):
        _check_mapping(owner)
        return _of_mapping(owner, index)
    if issubclass(kind, Sequence):
        return owner[index]
    if is_array(owner) and isinstance(index, (int, str)) and not isinstance(index, bool):
        return owner[index]
    raise Refused(f"{type_name(owner)} is not indexed by {type_name(index)} here; register a predicate for it")


def state_item(state: Mapping[str, Any], index: Any) -> Any:
    """Return `state[index]` for an index that is known only now."""
    index = state_key(index)
    if index not in state:
        raise missing(index, "the state", state)
    return state[index]


def state_key(index: Any) -> Any:
    """Return a key of the state, which is normalised as all its keys are."""
    if type(index) not in ATOMS:
        check_parts("indexing", index)  # it is hashed
    return identifier(index) if isinstance(index, str) else index


def _check_mapping(owner: Mapping[Any, Any]) -> None:
    """See that to look a key up runs no code of a class."""
    if type(owner) is dict:
        check_types("indexing", owner, methods=COMPARED)
    else:
        check("indexing", owner)
        check_parts("indexing", owner, methods=ANY)  # such as a ChainMap, which calls the methods of its maps


def _of_mapping(owner: Mapping[Any, Any], name: Any) -> Any:
    if name not in owner:
        raise missing(name, f"this {type_name(owner)}", owner)
    return owner[name]


def _declared_fields(kind: type) -> list[str] | None:
    if issubclass(kind, BaseModel):
        return list(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return None
