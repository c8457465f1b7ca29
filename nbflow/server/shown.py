"""Events and results as they leave the server.

Rule: one event form, as everywhere; a traceback stays here, and of a place in a file only the file's name goes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from nbflow.events import Event
from nbflow.json_values import WHOLE, Bounds, Room
from nbflow.json_values.pieces import json_text
from nbflow.session import serialization


def event_data(event: Event, run_id: str, bounds: Bounds = WHOLE) -> dict[str, Any]:
    """Return an event as JSON data; one that is larger than the room of its bounds names the route to the whole."""
    told = serialization.event_data(event, run_id, bounds)
    if isinstance(error := told.get("error"), Mapping):
        told["error"] = without_paths(error)
    return told | {"truncated": True, "whole": whole_of(run_id, event.seq)} if bounds.is_short else told


def whole_of(run_id: str, seq: int | None = None) -> str:
    """Return the path of the route that sends a result, or the event of a number, whatever its size."""
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
    """Return events as JSON texts: one at least, and no more once they have `most` bytes; each has as many at most."""
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
