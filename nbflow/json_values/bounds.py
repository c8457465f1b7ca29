"""How much of one value is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """From which size on a value is truncated; None is no bound.

    `cells` bounds a frame, series or array, of which a truncated one shows `rows` rows and `columns` columns. `size`
    bounds bytes, `letters` a text. `parts` bounds how many values a value contains, at every depth together.
    """

    cells: int | None = 10_000
    rows: int = 20
    columns: int = 100
    size: int | None = 1_000_000
    letters: int | None = None
    parts: int | None = None


WHOLE = Bounds()
"""Truncates frames, arrays and bytes that are large, and nothing else."""
UNBOUNDED = Bounds(cells=None, size=None)
