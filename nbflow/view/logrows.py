"""The rows of an event in the log: none, one or several.

Invariant: a row depends on its event alone, so of a million rows only the visible ones are ever built. The text of a
row is cut to `SHOWN` characters; the page can request the whole row.
"""

from __future__ import annotations

from collections.abc import Callable

from nbflow.events import Event, Kind
from nbflow.view.caption import with_values
from nbflow.view.history import error_line, error_parts
from nbflow.view.nodes import BECOMES
from nbflow.view.plain import clean, line
from nbflow.view.preview import FULL
from nbflow.view.words import duration

SHOWN = 400
"""The most characters of a row that are sent without a request for the whole row."""


def count(event: Event) -> int:
    """Return the number of rows of an event."""
    match event.kind:
        case Kind.NODE_OUTPUT:
            return _printed(event).count("\n") + 1
        case Kind.NODE_RETRY:
            return 2
        case Kind.NODE_PROGRESS:
            return 1 if event.data.get("text") else 0
        case Kind.EDGE_TAKEN | Kind.EDGE_UNTAKEN:
            return 1 if event.data.get("condition") else 0
    return 1


def kinds(event: Event) -> tuple[str, ...]:
    """Return the kind of each row of an event: `output`, `event` or `error`; for printed text one for all rows."""
    match event.kind:
        case Kind.NODE_OUTPUT | Kind.NODE_PROGRESS:
            return ("output",)
        case Kind.NODE_RETRY:
            return ("error", "event")
        case Kind.NODE_ERROR | Kind.EXECUTION_ERROR:
            return ("error",)
    return ("event",)


def texts(event: Event) -> list[str]:
    """Return the whole text of each row of an event, for searching; `shown` cuts and cleans it for display."""
    match event.kind:
        case Kind.NODE_OUTPUT:
            return _printed(event).split("\n")
        case Kind.NODE_RETRY:
            delay = event.data.get("delay") or 0.0
            return [_error(event), f"try {event.data.get('attempt') or 2} in {duration(delay * 1000)}"]
    text = _TEXTS.get(event.kind)
    return [] if text is None else [text(event)]


def shown(text: str, most: int) -> tuple[str, int]:
    """Return a row's text for display, and the number of characters cut off.

    Text before a carriage return is dropped, as a terminal would overwrite it.
    """
    last = text.rstrip("\r").rpartition("\r")[2] if "\r" in text else text
    return clean(last[:most]), max(0, len(last) - most)


def look(event: Event, part: int) -> tuple[str, str | None]:
    """Return the kind of a row and the status whose icon it shows; the status is None for printed text."""
    if event.kind is Kind.NODE_RETRY:
        return kinds(event)[part], "retrying" if part else "failed"
    return kinds(event)[0], _STATUS.get(event.kind)


def _printed(event: Event) -> str:
    return str(event.data.get("text") or "").removesuffix("\n")


def _error(event: Event) -> str:
    error = event.data.get("error")
    parts = error_parts(error)
    return error_line(error) if len(parts["message"]) < SHOWN else f"{parts['type']}: {parts['message'][:FULL]}"


def _started(event: Event) -> str:
    attempt = event.data.get("attempt") or 1
    return "started" if attempt == 1 else f"try {attempt}"


def _completed(event: Event) -> str:
    if event.data.get("cached"):
        return "taken from the cache"
    took = event.data.get("duration_ms")
    return "finished" if took is None else f"finished in {duration(float(took))}"


def _cancelled(event: Event) -> str:
    took = event.data.get("duration_ms")
    return "cancelled" if took is None else f"cancelled after {duration(float(took))}"


def _waits(event: Event) -> str:
    question = line(event.data.get("question") or "", SHOWN)
    return f"waiting for you: {question}" if question else "waiting for you"


def _routed(event: Event) -> str:
    why = with_values(str(event.data.get("condition") or ""), event.data.get("values"))
    taken = event.kind is Kind.EDGE_TAKEN
    return f"{'on to' if taken else 'not on to'} {line(event.data.get('to'), 80)}: {why} is {'yes' if taken else 'no'}"


def _reported(event: Event) -> str:
    part = event.data.get("progress")
    done = "" if part is None else f"{int(float(part) * 100)} % "
    return done + line(event.data.get("text") or "", SHOWN)


def _ended(event: Event) -> str:
    reason = line(event.data.get("reason") or "", SHOWN)
    return f"run cancelled: {reason}" if reason else "run cancelled"


_TEXTS: dict[Kind, Callable[[Event], str]] = {
    Kind.EXECUTION_START: lambda _: "run started",
    Kind.EXECUTION_PAUSED: lambda _: "run paused",
    Kind.EXECUTION_CONTINUED: lambda _: "run continued",
    Kind.EXECUTION_RESUMED: lambda _: "run resumed",
    Kind.EXECUTION_COMPLETE: lambda _: "run completed",
    Kind.EXECUTION_ERROR: lambda event: f"run failed: {_error(event)}",
    Kind.EXECUTION_CANCELLED: _ended,
    Kind.NODE_START: _started,
    Kind.NODE_PROGRESS: _reported,
    Kind.NODE_COMPLETE: _completed,
    Kind.NODE_ERROR: _error,
    Kind.NODE_CANCELLED: _cancelled,
    Kind.NODE_SKIPPED: lambda _: "skipped",
    Kind.NODE_WAITING: _waits,
    Kind.NODE_ANSWERED: lambda _: "answered",
    Kind.EDGE_TAKEN: _routed,
    Kind.EDGE_UNTAKEN: _routed,
}
_STATUS = {
    **BECOMES,
    Kind.EXECUTION_START: "running",
    Kind.EXECUTION_PAUSED: "paused",
    Kind.EXECUTION_CONTINUED: "running",
    Kind.EXECUTION_RESUMED: "running",
    Kind.EXECUTION_COMPLETE: "completed",
    Kind.EXECUTION_ERROR: "failed",
    Kind.EXECUTION_CANCELLED: "cancelled",
    Kind.NODE_WAITING: "waiting",
    Kind.NODE_ANSWERED: "running",
}
