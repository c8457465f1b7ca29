"""Serve the log of a run in pages: its events and the text that its nodes printed, filtered.

A million printed lines stay in the kernel. A filter is applied to a bounded number of events per request and records
only the positions of matching rows, as pairs of integers; the text of a row is built when the page shows it.

Invariant: a request scans at most `_EVENTS` events or about `_LETTERS` characters of printed text.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbflow.events import Event, Kind
from nbflow.view.fold.condition_caption import with_values
from nbflow.view.fold.history import error_line, error_parts, place_of
from nbflow.view.fold.nodes import BECOMES
from nbflow.view.fold.run_view import Locate
from nbflow.view.recorded_run import RecordedRun
from nbflow.view.text import clean, duration, line
from nbflow.view.values.preview import FULL

# The rows of an event in the log: none, one or several.
#
# Invariant: a row depends on its event alone, so of a million rows only the visible ones are ever built. The text of a
# row is cut to `SHOWN` characters; the page can request the whole row.

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


# -- pages of the log --------------------------------------------------------------------------------------------------

MOST, PAGE = 400_000, 5_000
"""The most rows that can be scrolled to (the oldest are dropped), and the most rows in one answer."""
_EVENTS, _LETTERS = 10_000, 1_000_000
"""The events, and the characters of printed text, scanned for one answer: a few milliseconds of the event loop."""
_FILTERS, _DROP = 4, 10_000
_LEVELS = {"all": ("event", "output", "error"), "output": ("output",), "errors": ("error",)}


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects rows of the log.

    Attributes:
        node: The path of a node, to select its rows and those of the nodes inside it; None for all.
        level: `all`, `output` or `errors`.
        text: A text that the row or the node's path must contain, in lower case; empty for all.
    """

    node: str | None
    level: str
    text: str

    def may_match(self, event: Event) -> bool:
        """Return True if a row of the event may match, judged without its text."""
        if self.node is not None and not _is_of(event.node, self.node):
            return False
        return any(kind in _LEVELS[self.level] for kind in kinds(event))

    def parts(self, event: Event) -> range | list[int]:
        """Return the indexes of the matching rows of an event for which `may_match` is True."""
        allowed, of = _LEVELS[self.level], kinds(event)
        if not self.text and (len(of) == 1 or self.level == "all"):
            return range(count(event))
        named = self.text in (event.node or "").lower()
        if len(of) == 1:
            return [part for part, text in enumerate(texts(event)) if named or self.text in text.lower()]
        pairs = enumerate(zip(of, texts(event), strict=True))
        return [part for part, (kind, text) in pairs if kind in allowed and (named or self.text in text.lower())]


def _is_of(path: str | None, node: str) -> bool:
    return path is not None and path.startswith(node) and path[len(node) : len(node) + 1] in ("", "/", "[")


class Matches:
    """The positions of the rows that match a filter, among the first `seen` events.

    Row `i` is part `parts[i]` of the event at index `events[i]`.
    """

    def __init__(self, what: Filter) -> None:
        self.what, self.seen = what, 0
        self.events, self.parts = array("L"), array("L")

    def scan(self, events: Sequence[Event]) -> None:
        """Scan the next events, until `_LETTERS` characters of printed text are exceeded."""
        letters = 0
        for event in events:
            if self.what.may_match(event):
                parts = self.what.parts(event)
                self.events.extend([self.seen] * len(parts))
                self.parts.extend(parts)
            self.seen += 1
            letters += len(event.data.get("text") or "") if event.kind is Kind.NODE_OUTPUT else 0
            if letters > _LETTERS:
                return

    def upto(self, at: int) -> int:
        """Return the number of matching rows among the first `at` events."""
        return bisect_left(self.events, at)


class LogLines:
    """Answers the requests `log`, for a page of rows, and `line`, for the whole text of the row `part` of event `seq`.

    The fields of `log` are `count`, the number of rows; `first`, the index of the first one, or -1 for the last rows;
    `node`, `level` and `text` as in `Filter`; and `at`, the last event, or None for all. The answer repeats these and
    has:

    - `rows`, and `first`, the index of the first of them.
    - `total`, the number of matching rows found so far, and `dropped`, how many of the oldest cannot be shown.
    - `seen`, the number of events scanned, `of` the number of all events.
    """

    def __init__(self, run: RecordedRun, locate: Locate | None) -> None:
        self._run, self._locate = run, locate
        self._scanned: dict[Filter, Matches] = {}
        self._starts = Starts()
        self._split: tuple[int, list[str]] = (-1, [])

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the requested rows, or the whole text of one; None if the request is malformed."""
        match message:
            case {"type": "line", "seq": int(seq), "part": int(part)} if 0 < seq <= len(self._run.events):
                return self._whole(seq, part)
            case {"type": "log", "node": str() | None as node, "level": str(level), "text": str(text),
                  "at": int() | None as at, "first": int(first), "count": int(amount)} if level in _LEVELS:  # fmt: skip
                what = Filter(node, level, text.lower()[:SHOWN])
                answer = {"type": "log", "node": node, "level": level, "text": text, "at": at, "count": amount}
                return answer | self._rows(self._matches(what), at, first, max(0, min(amount, PAGE)))
        return None

    def _matches(self, what: Filter) -> Matches:
        matches = self._scanned.pop(what, None) or Matches(what)
        self._scanned[what] = matches  # moved to the end: the least recently used filter is evicted first
        for old in [*self._scanned][:-_FILTERS]:
            del self._scanned[old]
        events = self._run.events[matches.seen : matches.seen + _EVENTS]
        self._starts.learn(matches.seen, events)
        matches.scan(events)
        return matches

    def _rows(self, matches: Matches, at: int | None, first: int, amount: int) -> dict[str, Any]:
        of = len(self._run.events)
        total = matches.upto(of if at is None else at)
        dropped = -(-max(0, total - MOST) // _DROP) * _DROP
        begin = max(dropped, total - amount if first < 0 else first)
        rows = [self._row(matches.events[i], matches.parts[i]) for i in range(begin, min(total, begin + amount))]
        upto = of if at is None else min(at, of)
        counts = {"total": total, "dropped": dropped, "seen": min(matches.seen, upto), "of": upto}
        return {"first": begin, "rows": rows, **counts}

    def _row(self, index: int, part: int) -> dict[str, Any]:
        event = self._run.events[index]
        text, cut = shown(self._text(index, event, part), SHOWN)
        kind, status = look(event, part)
        return {
            "seq": event.seq,
            "part": part,
            "clock": self._starts.clock(index, event.time),
            "node": None if event.node is None else line(event.node, 200),
            "kind": kind,
            "status": status,
            "text": text,
            "cut": cut,
            "place": self._place(event) if kind == "error" else None,
        }

    # An event may hold a million printed lines whose rows are requested one after another: split it only once.
    def _text(self, index: int, event: Event, part: int) -> str:
        if event.kind is not Kind.NODE_OUTPUT:
            return texts(event)[part]
        if self._split[0] != index:
            self._split = (index, texts(event))
        return self._split[1][part]

    def _place(self, event: Event) -> dict[str, Any] | None:
        place = place_of(error_parts(event.data.get("error"))["where"], self._locate)
        return place if place["label"] else None

    def _whole(self, seq: int, part: int) -> dict[str, Any] | None:
        found = texts(self._run.events[seq - 1])
        if not 0 <= part < len(found):
            return None
        text, cut = shown(found[part], FULL)
        return {"type": "line", "seq": seq, "part": part, "text": text, "cut": cut}


class Starts:
    """Converts times of events to seconds of the run, in which the time between a stop and a resume does not count.

    Each resume moves the start of the clock by the time that the run was stopped.
    """

    def __init__(self) -> None:
        self._seen, self._last = 0, 0.0
        self._from: list[int] = [0]
        self._at: list[float] = [0.0]

    def learn(self, first: int, events: Sequence[Event]) -> None:
        """Scan the events from index `first` on; those seen before are skipped."""
        for event in events[max(0, self._seen - first) :]:
            if event.kind is Kind.EXECUTION_START:
                self._from, self._at = [0], [event.time]
            elif event.kind is Kind.EXECUTION_RESUMED:
                self._from.append(self._seen)
                self._at.append(self._at[-1] + event.time - self._last if self._at[-1] else event.time)
            self._seen, self._last = self._seen + 1, event.time

    def clock(self, index: int, time: float) -> float:
        """Return the time of the event at `index` in seconds of the run; `time` is in seconds since the epoch."""
        return max(0.0, time - self._at[bisect_left(self._from, index + 1) - 1])
