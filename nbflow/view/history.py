"""What a view remembers of one node for whoever looks closer: its last visit, and the tail of what it printed.

Rule: bounded whatever the run does, but for references to what its journal keeps; values are kept as references too,
and turned into text only when someone looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.events import Event
from nbflow.view.outline import Line
from nbflow.view.plain import clean, line

if TYPE_CHECKING:
    from nbflow.engine.journal import Entry
    from nbflow.view.fold import Locate

PRINTED = 20_000
PICTURES, PICTURE_LETTERS = 20, 3_000_000
_ATTEMPTS, _CHUNK = 20, 4_000


@dataclass(slots=True)
class Attempt:
    """One try; `ms` is None while it runs. Seconds since the epoch for `started`."""

    number: int
    started: float
    status: str = "running"
    ms: float | None = None
    note: str = ""

    def end(self, status: str, ms: float, note: str = "") -> None:
        """Close the try."""
        self.status, self.ms, self.note = status, ms, note or self.note


@dataclass(slots=True)
class Printed:
    """The last 20 000 characters printed, and how many were dropped before them."""

    chunks: deque[str] = field(default_factory=deque)
    size: int = 0
    dropped: int = 0

    def add(self, text: str) -> None:
        """Append text; amortised time is that of the text's length."""
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
        """Return what is printed so far, to be added to by itself."""
        return Printed(self.chunks.copy(), self.size, self.dropped)

    def text(self) -> tuple[str, int]:
        """Return the text kept and the number of characters dropped."""
        joined = "".join(self.chunks)
        over = max(0, len(joined) - PRINTED)
        return clean(joined[over:]), self.dropped + over


@dataclass(slots=True)
class Route:
    """An edge that was taken, or evaluated and not taken, when the node last finished."""

    line: Line
    values: Mapping[str, Any] | None
    taken: bool


@dataclass(slots=True)
class History:
    """A node's last visit, what it printed and its last pictures.

    `error` is an event's error data; `took_us` adds up its visits but those in `passed`.
    """

    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_ATTEMPTS))
    input: Any = None
    output: Any = None
    printed: Printed = field(default_factory=Printed)
    pictures: deque[Event] = field(default_factory=lambda: deque(maxlen=PICTURES))
    error: Mapping[str, Any] | None = None
    routes: list[Route] = field(default_factory=list)
    took_us: int = 0
    passed: list[Entry] = field(default_factory=list)
    """The ends of visits that nobody saw, as they are in the journal."""
    started: float | None = None

    @property
    def total_ms(self) -> float:
        """How long all visits took together."""
        self._add_up()
        return self.took_us / 1e3

    def take_output(self, event: Event) -> None:
        """Take what a tool printed or drew."""
        if isinstance(event.data.get("picture"), Mapping):
            self.pictures.append(event)
        else:
            self.printed.add(str(event.data.get("text") or ""))

    def shown_pictures(self) -> list[dict[str, Any]]:
        """Return the last pictures, as many as may be sent at once, in the order in which they were drawn."""
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
        """Return a history that goes on by itself."""
        self._add_up()
        other = copy(self)
        other.attempts = deque(map(copy, self.attempts), self.attempts.maxlen)
        other.printed, other.routes, other.passed = self.printed.copy(), [*self.routes], []
        other.pictures = self.pictures.copy()
        return other

    def _add_up(self) -> None:
        self.took_us += sum(map(duration_us, self.passed))
        self.passed.clear()


def duration_us(end: Entry) -> int:
    """Return how long a visit took of whose end this is the entry, in microseconds, as its event says it."""
    seconds: float = end[1] - end[4]
    return round(seconds * 1e6)


def error_parts(data: Any) -> dict[str, Any]:
    """Return an event's error as `{"type", "message", "traceback", "where"}`, whatever form it came in."""
    parts = dict(data) if isinstance(data, Mapping) else {"message": data or ""}
    return {
        "type": line(parts.get("type") or "Error", 80),
        "message": clean(str(parts.get("message") or "")[:FULL_MESSAGE]),
        "traceback": clean(str(parts.get("traceback") or "")[-FULL_MESSAGE:]),
        "where": parts.get("where") if isinstance(parts.get("where"), Mapping) else None,
    }


def place_of(where: Mapping[str, Any] | None, locate: Locate | None) -> dict[str, Any]:
    """Return where an error arose as `{"label", "cell_id", "line"}`: its cell, else its file, else nothing."""
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
