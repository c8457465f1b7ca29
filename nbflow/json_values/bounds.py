"""How much of one value is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


class Room:
    """How many bytes of JSON may be written, of all values that share it; `short` is set once they do not suffice."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.short = False

    def take(self, size: int) -> bool:
        """Take some bytes; return whether they were there."""
        self.left -= size
        if self.left < 0:
            self.left, self.short = 0, True
        return not self.short

    def take_for(self, data: Any, least: int) -> bool:
        """Take what a text, or a list without containers, needs as JSON; it has at least `least` bytes."""
        if least > self.left:  # so that what is large is not written to be measured
            return self.take(least)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        return self.take(len(text) if text.isascii() else len(text.encode("utf-8", "replace")))


@dataclass(frozen=True, slots=True)
class Bounds:
    """From which size on a value is truncated; None is no bound.

    `cells` bounds a frame, series or array, of which a truncated one shows `rows` rows and `columns` columns. `size`
    bounds bytes, `letters` a text. `parts` bounds how many values a value contains, at every depth together, `room` how
    large the JSON is of all values that are written with these bounds.
    """

    cells: int | None = 10_000
    rows: int = 20
    columns: int = 100
    size: int | None = 1_000_000
    letters: int | None = None
    parts: int | None = None
    room: Room | None = None

    @property
    def is_short(self) -> bool:
        """Whether nothing more may be written, as the room did not suffice."""
        return self.room is not None and self.room.short


WHOLE = Bounds()
"""Truncates frames, arrays and bytes that are large, and nothing else."""
UNBOUNDED = Bounds(cells=None, size=None)
