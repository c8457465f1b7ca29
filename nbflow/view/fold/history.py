"""The details of one node that the inspector shows: its last firing, its printed text and its pictures.

Invariant: the memory is bounded for a run of any length. Values and log entries are references to objects that the
event log retains anyway; values become text only when the inspector asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.events import Event
from nbflow.view.outline import Line
from nbflow.view.text import clean, line

if TYPE_CHECKING:
    from nbflow.event_log import CompletionRecord
    from nbflow.view.fold.run_view import Locate

PRINTED = 20_000
PICTURES, PICTURE_LETTERS = 20, 3_000_000
_ATTEMPTS, _CHUNK = 20, 4_000


@dataclass(slots=True)
class Attempt:
    """One attempt of a firing. `started` is in seconds since the epoch; `ms`, its duration, is None while it runs."""

    number: int
    started: float
    status: str = "running"
    ms: float | None = None
    note: str = ""

    def end(self, status: str, ms: float, note: str = "") -> None:
        """Set the final status and the duration; an empty note leaves the earlier one."""
        self.status, self.ms, self.note = status, ms, note or self.note


@dataclass(slots=True)
class Printed:
    """The last 20 000 characters that a node printed, and the number of characters dropped before them."""

    chunks: deque[str] = field(default_factory=deque)
    size: int = 0
    dropped: int = 0

    def add(self, text: str) -> None:
        """Append text, in amortised time linear in its length."""
        self.chunks.append(text)
        self.size += len(text)
        while self.size > PRINTED and self.size - len(self.chunks[0]) >= PRINTED:
            self._drop(len(self.chunks.popleft()))
        if self.size > PRINTED + _CHUNK or len(self.chunks) > _CHUNK:
            joined = "".join(self.chunks)
            self.chunks = deque([joined[-PRINTED:]])
            self._drop(max(0, len(joined) - PRINTED))

    def _drop(self, count: int) -> None:
        self.size -= count
        self.dropped += count

    def copy(self) -> Printed:
        """Return an independent copy."""
        return Printed(self.chunks.copy(), self.size, self.dropped)

    def text(self) -> tuple[str, int]:
        """Return the retained text and the number of characters dropped before it."""
        joined = "".join(self.chunks)
        over = max(0, len(joined) - PRINTED)
        return clean(joined[over:]), self.dropped + over


@dataclass(slots=True)
class Route:
    """The evaluation of an edge when its node last ended, with the values that its condition read."""

    line: Line
    values: Mapping[str, Any] | None
    taken: bool


@dataclass(slots=True)
class History:
    """A node's last firing, its printed text and its last pictures.

    `error` is the error data of an event. `took_us` is the duration of all firings in microseconds, except those in
    `uncounted`.
    """

    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_ATTEMPTS))
    input: Any = None
    output: Any = None
    printed: Printed = field(default_factory=Printed)
    pictures: deque[Event] = field(default_factory=lambda: deque(maxlen=PICTURES))
    error: Mapping[str, Any] | None = None
    routes: list[Route] = field(default_factory=list)
    took_us: int = 0
    uncounted: list[CompletionRecord] = field(default_factory=list)
    """Log records of ends whose durations are not in `took_us` yet; adding them up waits until somebody asks."""
    started: float | None = None

    @property
    def total_ms(self) -> float:
        """The duration of all firings together, in milliseconds."""
        self._add_durations()
        return self.took_us / 1e3

    def take_output(self, event: Event) -> None:
        """Add the text or picture of an output event."""
        if isinstance(event.data.get("picture"), Mapping):
            self.pictures.append(event)
        else:
            self.printed.add(str(event.data.get("text") or ""))

    def shown_pictures(self) -> list[dict[str, Any]]:
        """Return the last pictures, oldest first, up to 3 million characters of data together (`PICTURE_LETTERS`)."""
        shown: list[dict[str, Any]] = []
        letters = 0
        for event in reversed(self.pictures):
            picture = event.data["picture"]
            data, mime = str(picture.get("data") or ""), picture.get("mime")
            letters += len(data)
            if letters > PICTURE_LETTERS:
                break
            size = {side: int(picture.get(side) or 0) for side in ("width", "height")}
            if mime == "image/png":
                shown.append(
                    {"kind": "image", "seq": event.seq, "node": event.node, "mime": mime, "data": data, **size}
                )
        return shown[::-1]

    def copy(self) -> History:
        """Return an independent copy."""
        self._add_durations()
        other = copy(self)
        other.attempts = deque(map(copy, self.attempts), self.attempts.maxlen)
        other.printed, other.routes, other.uncounted = self.printed.copy(), [*self.routes], []
        other.pictures = self.pictures.copy()
        return other

    def _add_durations(self) -> None:
        self.took_us += sum(map(duration_us, self.uncounted))
        self.uncounted.clear()


def duration_us(end: CompletionRecord) -> int:
    """Return the duration of a firing in microseconds, from the log record of its end, as its event reports it."""
    return round((end.time - end.started) * 1e6)


def error_parts(data: Any) -> dict[str, Any]:
    """Return an event's error as `{"type", "message", "traceback", "where"}`.

    Args:
        data: The event's `error`: a mapping with any of these fields, or a message.
    """
    parts = dict(data) if isinstance(data, Mapping) else {"message": data or ""}
    return {
        "type": line(parts.get("type") or "Error", 80),
        "message": clean(str(parts.get("message") or "")[:FULL_MESSAGE]),
        "traceback": clean(str(parts.get("traceback") or "")[-FULL_MESSAGE:]),
        "where": parts.get("where") if isinstance(parts.get("where"), Mapping) else None,
    }


def place_of(where: Mapping[str, Any] | None, locate: Locate | None) -> dict[str, Any]:
    """Return the source location of an error as `{"label", "cell_id", "line"}`.

    `label` names the notebook cell if `locate` finds one, else the file; all are None without a file.
    """
    if where is None or not where.get("file"):
        return {"label": None, "cell_id": None, "line": None}
    file, number = str(where["file"]), int(where.get("line") or 0)
    cell = locate(file, number) if locate else None
    if cell:
        return {"label": line(cell.get("label") or "", 80), "cell_id": cell.get("cell_id"), "line": number}
    name = file.replace("\\", "/").rpartition("/")[2]
    return {"label": line(f"{name}, line {number}", 80), "cell_id": None, "line": number}


FULL_MESSAGE = 20_000


def error_line(data: Any) -> str:
    """Return an event's error on one line, `KeyError: 'severity'`."""
    parts = error_parts(data)
    return line(f"{parts['type']}: {parts['message']}" if parts["message"] else parts["type"], 200)
