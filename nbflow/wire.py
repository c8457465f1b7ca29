"""Events, results and values as plain data: what every wire and every `--json` says of them.

Rule: what JSON can say is said as it is, the rest as people read it: times in ISO 8601, sets and tuples as lists,
models and dataclasses as objects, bytes in hexadecimal digits, `NaN` and infinities as texts, numbers and arrays of
other libraries as numbers and lists, `{"unstored": why}` for what was lost with a killed process, `***` for secrets,
and all else as its `str`. The store's own form would come back exactly, but names values by their hashes and its reader
is nbflow; whoever needs the values themselves resumes or reads the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticSerializationError, to_json

from nbflow.errors import words
from nbflow.reducers import Unstored
from nbflow.secrets import MASK, are_known, covers, has_names, is_secret, mask

if TYPE_CHECKING:
    from nbflow.engine import ExecutionResult
    from nbflow.engine.result import ExecutionLog
    from nbflow.store.rows import RunRow

_PYDANTIC_MASK = "**********"
_LONGEST_INT = 10_000
"""Bits: with more than 4300 digits Python refuses to write it."""


def result_data(result: ExecutionResult, error: BaseException | None) -> dict[str, Any]:
    """Return a result's fields as plain data; `execution_time` is in seconds.

    `error` is what ended the run, or came of storing its end, so that one that completed may have one too.
    """
    return {
        "run_id": result.run_id,
        "status": result.status.value,
        "state": object_data(result.state),
        "logs": [log_data(row) for row in result.logs],
        "execution_time": result.execution_time,
        "error": None if error is None else words(error),
    }


def log_data(row: ExecutionLog) -> dict[str, Any]:
    """Return a log row's fields as plain data."""
    data = {field.name: getattr(row, field.name) for field in fields(row)}
    return {name: object_data(value) if isinstance(value, dict) else plain(value) for name, value in data.items()}


def object_data(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of keys as plain data."""
    # Value by value, so that one that cannot be said costs none of the others its form.
    return {str(key): MASK if covers(key, value) else plain(value) for key, value in values.items()}


def time_of(seconds: float | None) -> str | None:
    """Return a time (s since 1970) in ISO 8601, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def row_data(row: RunRow) -> dict[str, Any]:
    """Return a run as lists of runs tell it; times in ISO 8601, `execution_time` in seconds."""
    return {
        "run_id": row.id,
        "graph": row.graph,
        "version": row.version,
        "status": row.status,
        "started": time_of(row.started),
        "ended": time_of(row.ended),
        "execution_time": row.seconds,
        "nodes": row.nodes,
        "events": row.seq,
        "durability": row.durability,
        "error": _error(row),
        "origin": row.origin,
        "parent": row.parent,
        "parent_event": row.parent_seq,
        "owner": row.owner,
        "notebook": row.notebook,
    }


def _error(row: RunRow) -> Any:
    """Return the error as it was kept: of a node, its type and message; of a cancelled run, the reason."""
    try:
        return None if row.error is None else json.loads(row.error)
    except ValueError:
        return row.error


def plain(value: Any) -> Any:
    """Return a value as plain data; one that holds itself, or fails when it is read, as a text."""
    try:
        return _parts(value)
    except Exception:  # noqa: BLE001 - its own code may run here, and a result must not be lost by it
        return _text(value)


def _parts(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return mask(value)
        case _ if is_secret(value):
            return MASK
        case int() if value.bit_length() < _LONGEST_INT:
            return value
        case float() if isfinite(value):
            return value
        case Unstored():
            return {"unstored": value.why}
        case Enum():
            return _parts(value.value)
        case Mapping():
            return {str(key): _part(key, part) for key, part in value.items()}
        case list() | tuple() | Set():
            return [_parts(part) for part in value]
        case Iterator():
            return _text(value)  # reading a file or a generator would use it up
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: _part(field.name, getattr(value, field.name)) for field in fields(value)}
    try:
        data = json.loads(to_json(value, inf_nan_mode="strings", bytes_mode="hex", fallback=_foreign))
    except PydanticSerializationError:
        if not hasattr(type(value), "__pydantic_fields__"):
            raise
        # A model read back from a store may lack a secret, which its own serializer does not expect.
        return {name: _part(name, part) for name, part in value.__dict__.items()}
    return _masked(data) if are_known() or has_names() else data


def _part(key: Any, value: Any) -> Any:
    return MASK if covers(key, value) else _parts(value)


def _masked(data: Any) -> Any:
    """Return plain data that another library made, less its secrets."""
    if isinstance(data, str):
        return MASK if data == _PYDANTIC_MASK else mask(data)
    if isinstance(data, dict):
        return {mask(key): MASK if covers(key, part) else _masked(part) for key, part in data.items()}
    return list(map(_masked, data)) if isinstance(data, list) else data


def _foreign(value: Any) -> Any:
    # numpy's arrays and scalars, and what is made like them, without loading any library for it.
    listed = getattr(value, "tolist", None)
    return listed() if callable(listed) and not isinstance(value, type) else _text(value)


def _text(value: Any) -> str:
    try:
        return mask(str(value))
    except Exception as error:  # noqa: BLE001 - as above
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}: {words(error)}>"
