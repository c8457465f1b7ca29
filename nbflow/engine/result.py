"""The result of a run, and its log with one row per attempt.

Invariant: both are derived from the events; nothing is stored twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from nbflow.events import Event, Kind, Status
from nbflow.secrets import masked_repr
from nbflow.tables import Records, Table
from nbflow.values import own


@dataclass(slots=True)
class ExecutionLog:
    """One attempt of a node.

    `node_id` is the path of the node, `firing` the number of the start within its run or subgraph run, `scope` the path
    of subgraph runs. `timestamp` is the start (UTC, aware); `duration_ms` is None while the attempt runs. `cached` says
    that the output comes from the cache, `overlaps` that a thread of an earlier attempt still ran at the start.
    """

    node_id: str
    status: Literal["started", "completed", "failed", "cancelled"]
    input: dict[str, Any]
    output: Any
    error: str | None
    attempt: int
    timestamp: datetime
    duration_ms: float | None
    firing: int
    scope: str = ""
    cached: bool = False
    overlaps: bool = False

    def __repr__(self) -> str:
        return masked_repr(self)


class Logs(Records[ExecutionLog]):
    """Log rows: a list that shows as a table."""

    kind = ExecutionLog

    def table(self) -> Table:
        """Return the node, number, status, duration (ms) and error of each attempt."""
        return Table(("node", "attempt", "status", "ms", "error"), map(_told, self))


def _told(row: ExecutionLog) -> tuple[str, ...]:
    took = "" if row.duration_ms is None else f"{row.duration_ms:.1f}"
    status = "cached" if row.cached else row.status
    overlaps = "started although the thread of an earlier attempt still ran" if row.overlaps else ""
    return row.node_id, str(row.attempt), status, took, "; ".join(filter(None, (row.error, overlaps)))


@dataclass(frozen=True)
class ExecutionResult:
    """The result of a run; times in seconds."""

    run_id: str
    status: Status
    _state: dict[str, Any] = field(repr=False)
    execution_time: float
    error: str | None = None
    _events: Iterable[Event] = field(default=(), repr=False, compare=False)

    @cached_property
    def state(self) -> dict[str, Any]:
        """A copy of the final state; if the run failed, of its state at that time."""
        state: dict[str, Any] = own(self._state)
        return state

    def __repr__(self) -> str:
        return masked_repr(self)

    @cached_property
    def logs(self) -> Logs:
        """One row per attempt at a node, in the order of the starts."""
        return logs_of(self._events)


Key = tuple[str, int, int | None]
"""The key of a firing, or of an item of it, within a run: scope, firing, item."""


def key_of(event: Event) -> Key:
    """Return the key of the firing or item that an event of an attempt belongs to."""
    data = event.data
    return data.get("scope", ""), data["firing"], data.get("item")


_STATUS: dict[Kind, Literal["completed", "failed", "cancelled"]] = {
    Kind.NODE_COMPLETE: "completed",
    Kind.NODE_SKIPPED: "completed",
    Kind.NODE_ERROR: "failed",
    Kind.NODE_RETRY: "failed",
    Kind.NODE_CANCELLED: "cancelled",
}


def count_completed(events: Iterable[Event]) -> int:
    """Return the number of completed firings; items of maps do not count."""
    return sum(event.kind is Kind.NODE_COMPLETE and "item" not in event.data for event in events)


def logs_of(events: Iterable[Event]) -> Logs:
    """Return one row per attempt, in the order of the starts; the row of a map follows those of its items."""
    rows: dict[tuple[Key, int], ExecutionLog] = {}
    live: dict[Key, int] = {}
    maps: set[Key] = set()
    for event in events:
        if event.kind is Kind.NODE_START:
            key = key_of(event)
            live[key] = event.data["attempt"]
            rows[key, live[key]] = _begun(event)
            if key[2] is not None:
                maps.add((key[0], key[1], None))
        elif event.kind in _STATUS:
            key = key_of(event)
            at = (key, live.pop(key, 0))
            if at in rows:
                _close(rows[at], event)
            if key in maps and at in rows:
                rows[at] = rows.pop(at)
        elif event.kind is Kind.NODE_OUTPUT and event.data.get("overlaps"):
            key = key_of(event)
            if key in live:
                rows[key, live[key]].overlaps = True
        elif event.kind in (Kind.EXECUTION_RESUMED, Kind.EXECUTION_CANCELLED):
            for key, attempt in live.items():
                row = rows[key, attempt]
                row.status, row.error = "cancelled", "its process ended before the attempt did"
            live.clear()
    return Logs(rows.values())


def _begun(event: Event) -> ExecutionLog:
    data, stamp = event.data, datetime.fromtimestamp(event.time, UTC)
    scope, firing, _ = key_of(event)
    return ExecutionLog(
        event.node or "", "started", data["input"], None, None, data["attempt"], stamp, None, firing, scope
    )


def _close(row: ExecutionLog, event: Event) -> None:
    data = event.data
    row.status = _STATUS[event.kind]
    row.duration_ms = data.get("duration_ms")
    if event.kind in (Kind.NODE_COMPLETE, Kind.NODE_SKIPPED):
        row.output, row.cached = data["output"], data.get("cached", False)
    elif data.get("thread_runs_on"):
        row.error = "its thread cannot be stopped and still runs"
    elif error := data.get("error"):
        inner = error.get("node", row.node_id)
        where = f" (in {inner})" if inner not in (None, row.node_id) else ""
        row.error = f"{error['type']}: {error['message']}{where}"


def cause_of(ending: Event) -> str | None:
    """Return the cause of a failure or cancellation as JSON: node, type and message of an error, or the reason."""
    error = ending.data.get("error")
    if not error:
        reason = ending.data.get("reason")
        return json.dumps(reason) if reason else None
    told = {key: error.get(key) for key in ("node", "type", "message")}
    return json.dumps(told | {key: error[key] for key in ("errors",) if key in error})
