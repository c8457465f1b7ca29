"""Convert results, events and rows of runs to JSON data, for all commands, routes and sockets.

Values of users have the forms of `json_values`; all other fields are documented with the commands and in the OpenAPI
document. Functions that take `bounds` truncate larger values, and add the expression for the complete value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbflow.errors import words
from nbflow.graph.params import without_secrets
from nbflow.json_values import WHOLE, Bounds, object_data, own_data, plain
from nbflow.secrets import MASK, mask

if TYPE_CHECKING:
    from nbflow.engine import ExecutionResult
    from nbflow.engine.result import ExecutionLog
    from nbflow.events import Event
    from nbflow.graph import GraphDefinition
    from nbflow.store.rows import RunRow

__all__ = [
    "VALUES", "definition_data", "event_data", "log_data", "object_data", "plain", "reached_data", "result_data",
    "row_data", "time_of",
]  # fmt: skip

VALUES = frozenset({"input", "values", "result", "edited"})
"""Fields of events that hold values of users by key; `output` and `answer` are one value each."""


def result_data(result: ExecutionResult, error: BaseException | None, bounds: Bounds = WHOLE) -> dict[str, Any]:
    """Return a result's fields as JSON data; `execution_time` is in seconds.

    `error` is the error that ended the run or that occurred when its end was stored, so a completed run may have one.
    """
    return {
        "run_id": result.run_id,
        "status": result.status.value,
        **reached_data(result.run_id, result.state, result.logs, bounds),
        "execution_time": result.execution_time,
        "error": None if error is None else words(error),
    }


def reached_data(
    run_id: str, state: Mapping[str, Any], logs: Sequence[ExecutionLog], bounds: Bounds = WHOLE,
    log_bounds: Bounds | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the state and the log of a run as JSON data; rows of the log for which there is no room are left out."""
    log_bounds = log_bounds or bounds
    whole = _run(run_id)
    rows = []
    written = object_data(state, f"{whole}.state", bounds)
    for at, row in enumerate(logs):
        if log_bounds.is_short:
            break
        rows.append(log_data(row, f"{whole}.logs[{at}]", log_bounds))
    return {"state": written, "logs": rows}


def log_data(row: ExecutionLog, whole: str | None = None, bounds: Bounds = WHOLE) -> dict[str, Any]:
    """Return a log row's fields as JSON data; `whole` is an expression for the row."""
    data = {field.name: getattr(row, field.name) for field in fields(row)}
    where = "" if whole is None else whole
    return data | {
        "input": object_data(row.input, whole and f"{where}.input", bounds),
        "output": plain(row.output, whole and f"{where}.output", bounds),
        "error": None if row.error is None else mask(row.error),
        "timestamp": row.timestamp.isoformat(),
    }


def event_data(event: Event, run_id: str, bounds: Bounds = WHOLE) -> dict[str, Any]:
    """Return an event as JSON data, in the form that commands, routes and sockets send."""
    data = {}
    for name, value in event.as_dict(run_id).items():
        where = f"{_run(run_id)}.events[{event.seq - 1}].data[{name!r}]"
        if name in ("output", "answer"):
            data[name] = plain(value, where, bounds)
        elif name in VALUES and isinstance(value, Mapping):
            data[name] = object_data(value, where, bounds)
        else:
            data[name] = own_data(value)
    return data


def _run(run_id: str) -> str:
    return f"nbflow.session.read({run_id!r})"


def definition_data(graph: GraphDefinition) -> Any:
    """Return a graph in the JSON form that the commands and the server take, without its secrets."""
    return own_data(without_secrets(graph, MASK).model_dump(exclude_unset=True, by_alias=True))


def time_of(seconds: float | None) -> str | None:
    """Return a time (s since 1970) in ISO 8601, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def row_data(row: RunRow) -> dict[str, Any]:
    """Return a row of the list of runs as JSON data; times in ISO 8601, `execution_time` in seconds."""
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
    """Return the stored error: the type and message of a node's error, or the reason of a cancelled run."""
    try:
        return None if row.error is None else json.loads(row.error)
    except ValueError:
        return row.error
