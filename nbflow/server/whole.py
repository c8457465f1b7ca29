"""What a run came to, and its events: within a number of bytes, or as a whole in pieces.

Invariant: an outcome is taken on the loop, at once; it is written in a thread, where it takes its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.engine.result import ExecutionLog
from nbflow.events import Event, Status
from nbflow.json_values import Bounds, Room, own_data
from nbflow.json_values.pieces import enclosed, json_text, object_pieces, pieces
from nbflow.server.shown import whole_of, without_paths
from nbflow.session.serialization import VALUES, reached_data
from nbflow.store.archive import seconds_of

Entry = tuple[str, Iterator[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has come to; `time` is in seconds."""

    run_id: str
    status: Status
    state: Mapping[str, Any]
    logs: Sequence[ExecutionLog]
    time: float
    error: str | None

    @classmethod
    def of(cls, run: RunRecord) -> Outcome:
        """Return what a run has come to by now."""
        if result := run.result:
            return cls(run.id, run.status, result.state, result.logs, result.execution_time, result.error)
        time = run.execution_time if isinstance(run, Run) else seconds_of(run.events)
        return cls(run.id, run.status, dict(run.state), list(run.logs), time, None)

    def text(self, most: int) -> str:
        """Return it as JSON, of which values have about `most` bytes."""
        # So that a large state does not hide the log.
        bounds, log_bounds = Bounds(room=Room(most * 3 // 4)), Bounds(room=Room(most // 4))
        reached = reached_data(self.run_id, self.state, self.logs, bounds, log_bounds)
        told = {"run_id": self.run_id, "status": self.status.value, "result": reached, **self._end}
        if bounds.is_short or log_bounds.is_short:
            told |= {"truncated": True, "whole": whole_of(self.run_id)}
        return json_text(told)

    @property
    def _end(self) -> dict[str, Any]:
        return {"execution_time": self.time, "error": self.error}

    def pieces(self) -> Iterator[str]:
        """Give all of it as JSON, in pieces."""
        rows = enclosed("[]", (_object(_of_row(row)) for row in self.logs))
        reached = _object(iter([("state", object_pieces(self.state)), ("logs", rows)]))
        head = {"run_id": self.run_id, "status": self.status.value}
        return _object(iter([*_plain(head), ("result", reached), *_plain(self._end)]))


def event_pieces(event: Event, run_id: str) -> Iterator[str]:
    """Give all of an event as JSON, in pieces."""
    return _object(_of_event(event, run_id))


def _of_event(event: Event, run_id: str) -> Iterator[Entry]:
    for name, value in event.as_dict(run_id).items():
        if name in ("output", "answer"):
            yield name, pieces(value)
        elif name in VALUES and isinstance(value, Mapping):
            yield name, object_pieces(value)
        else:
            data = own_data(value)
            yield from _plain({name: without_paths(data) if name == "error" and isinstance(data, Mapping) else data})


def _of_row(row: ExecutionLog) -> Iterator[Entry]:
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name == "input":
            yield "input", object_pieces(value)
        elif field.name == "output":
            yield "output", pieces(value)
        else:
            yield from _plain({field.name: value.isoformat() if field.name == "timestamp" else own_data(value)})


def _plain(data: Mapping[str, Any]) -> Iterator[Entry]:
    return ((name, iter([json_text(value)])) for name, value in data.items())


def _object(entries: Iterator[Entry]) -> Iterator[str]:
    return enclosed("{}", (_entry(*entry) for entry in entries))


def _entry(name: str, value: Iterator[str]) -> Iterator[str]:
    yield json_text(name) + ":"
    yield from value
