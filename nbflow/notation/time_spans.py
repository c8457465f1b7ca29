"""Spans and moments of time as people type them: `90m`, `30d`; `3h` ago, `2026-01-31`.

All functions are pure: the present time is an argument. All times are in seconds.
"""

from __future__ import annotations

import re
from datetime import datetime

from nbflow.errors import NbflowError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MOST_DIGITS = 18
_SPAN = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([smhdw])\s*", re.ASCII)


def parse_span(text: str) -> float:
    """Return a span such as `90m`, `12h`, `30d` or `1.5h` in seconds.

    Raises:
        NbflowError: It is none.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise NbflowError(f"{text[:40]!r} is no span of time; write a number and s, m, h, d or w, such as 90m or 30d")
    return float(found[1]) * _UNITS[found[2]]


def parse_place(text: str) -> int | str:
    """Return a position in a run: the number of an event (`17`), or a node as text (`score`, `score#3`).

    Raises:
        NbflowError: The number has more digits than that of any event.
    """
    if not text.isdecimal():
        return text
    if len(text) > _MOST_DIGITS:
        raise NbflowError(f"{text[:20]}… is the number of no event")
    return int(text)


def parse_since(text: str, *, now: float) -> float:
    """Return the moment that is a span ago (`2d`), or a date or time (`2026-01-31`, `2026-01-31T12:00`).

    A time without a zone is a local one.

    Args:
        text: The span, date or time as text.
        now: Seconds since 1970.

    Raises:
        NbflowError: The text is none of these.
    """
    if _SPAN.fullmatch(text):
        return now - parse_span(text)
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise NbflowError(
            f"{text[:40]!r} is neither a span of time nor a date; write 3h, 2d, 2026-01-31 or 2026-01-31T12:00"
        ) from None
