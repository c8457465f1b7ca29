"""JSON responses: events and results within a size limit, or complete results in pieces.

An error is sent without its traceback, and paths of files are reduced to the file's name. A result is taken from the
run on the event loop, at once, and encoded in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, fields
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.engine.result import ExecutionLog
from nbflow.events import Event, Status
from nbflow.json_values import WHOLE, Bounds, Room, own_data
from nbflow.json_values.pieces import enclosed, json_text, object_pieces, pieces
from nbflow.server.slow_clients import leave
from nbflow.session import serialization
from nbflow.session.serialization import VALUES, reached_data
from nbflow.store.archive import seconds_of


def event_data(event: Event, run_id: str, bounds: Bounds = WHOLE) -> dict[str, Any]:
    """Return an event as JSON data; if it exceeds its bounds, it has the path of the route to the complete event."""
    told = serialization.event_data(event, run_id, bounds)
    if isinstance(error := told.get("error"), Mapping):
        told["error"] = without_paths(error)
    return told | {"truncated": True, "whole": whole_of(run_id, event.seq)} if bounds.is_short else told


def whole_of(run_id: str, seq: int | None = None) -> str:
    """Return the path of the route that sends a complete result, or the complete event `seq`."""
    return f"/executions/{run_id}/whole" + ("" if seq is None else f"?event={seq}")


def without_paths(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error without its traceback, and with its file's name alone."""
    told = {key: value for key, value in error.items() if key != "traceback"}
    if isinstance(where := told.get("where"), Mapping):
        told["where"] = {**where, "file": name_of(str(where.get("file") or ""))}
    return told


def name_of(path: str) -> str:
    """Return a file's name alone."""
    return path.replace("\\", "/").rpartition("/")[2]


def event_texts(events: Sequence[Event], run_id: str, most: int) -> list[str]:
    """Return events as JSON texts: at least one, and no more once they have `most` bytes, which also bounds each."""
    texts: list[str] = []
    size = 0
    for event in events:
        texts.append(json_text(event_data(event, run_id, Bounds(room=Room(most)))))
        size += len(texts[-1])
        if size >= most:
            break
    return texts


def sent(data: Any, status: int = 200) -> Response:
    """Return the response with JSON data."""
    return json_response(json_text(data), status)


def json_response(text: str, status: int = 200) -> Response:
    """Return the response with a JSON text."""
    return Response(text, status, media_type="application/json")


Entry = tuple[str, Iterator[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state, log and status of a run; `time` is in seconds."""

    run_id: str
    status: Status
    state: Mapping[str, Any]
    logs: Sequence[ExecutionLog]
    time: float
    error: str | None

    @classmethod
    def of(cls, run: RunRecord) -> Outcome:
        """Return the current outcome of a run."""
        if result := run.result:
            return cls(run.id, run.status, result.state, result.logs, result.execution_time, result.error)
        time = run.execution_time if isinstance(run, Run) else seconds_of(run.events)
        return cls(run.id, run.status, dict(run.state), list(run.logs), time, None)

    def text(self, most: int) -> str:
        """Return the outcome as JSON, with about `most` bytes of values."""
        # The log has its own part, so that a large state does not push it out.
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
        """Yield the complete outcome as JSON, in pieces."""
        rows = enclosed("[]", (_object(_of_row(row)) for row in self.logs))
        reached = _object(iter([("state", object_pieces(self.state)), ("logs", rows)]))
        head = {"run_id": self.run_id, "status": self.status.value}
        return _object(iter([*_plain(head), ("result", reached), *_plain(self._end)]))


def event_pieces(event: Event, run_id: str) -> Iterator[str]:
    """Yield a complete event as JSON, in pieces."""
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


class Stream(StreamingResponse):
    """A response of a generator's texts; a client that does not read for `silence` seconds is disconnected.

    `place` is closed when the response ends.
    """

    def __init__(self, texts: AsyncGenerator[str], place: ExitStack, *, media_type: str, silence: float) -> None:
        super().__init__(texts, media_type=media_type)
        self._texts, self._place, self._silence = texts, place, silence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; `place` is closed even if the client disconnects first."""

        async def sending(message: Message) -> None:
            async with asyncio.timeout(self._silence):
                await send(message)

        with self._place:
            try:
                await super().__call__(scope, receive, sending)
            except TimeoutError:
                leave(scope)

    async def stream_response(self, send: Send) -> None:
        """Send the texts, then close the generator."""
        async with aclosing(self._texts):
            await super().stream_response(send)


async def in_thread(texts: Iterator[str]) -> AsyncGenerator[str]:
    """Yield the texts of an iterator, each computed in a thread when it is needed."""
    while (text := await asyncio.to_thread(next, texts, None)) is not None:
        yield text
