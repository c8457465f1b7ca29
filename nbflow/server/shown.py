"""Events and results as they leave the server.

Rule: one event form, as everywhere; a traceback stays here, and of a place in a file only the file's name goes out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from nbflow import wire
from nbflow.events import Event


def event_data(event: Event, run_id: str) -> dict[str, Any]:
    """Return an event in its form on the wire, as plain data."""
    told = wire.event_data(event, run_id)
    if isinstance(error := told.get("error"), Mapping):
        told["error"] = without_paths(error)
    return told


def without_paths(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error without its traceback, and with its file's name alone."""
    told = {key: value for key, value in error.items() if key != "traceback"}
    if isinstance(where := told.get("where"), Mapping):
        told["where"] = {**where, "file": name_of(str(where.get("file") or ""))}
    return told


def name_of(path: str) -> str:
    """Return a file's name alone."""
    return path.replace("\\", "/").rpartition("/")[2]


def text_of(data: Any) -> str:
    """Return plain data as JSON; half a surrogate pair, as tools may return it, is a question mark."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def sent(data: Any, status: int = 200) -> Response:
    """Return the answer that plain data is."""
    return Response(text_of(data), status, media_type="application/json")
