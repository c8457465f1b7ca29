"""The table of measured figures.

Invariant: a figure is shown with its target, and an absolute figure with the figure of the bare mechanism in the same run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TIMES = "×"  # noqa: RUF001 - the sign is meant


@dataclass
class Figures:
    """Rows of text: the subject, the figure, the target, `missed` or nothing, and a note."""

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def at_most(self, what: str, measured: float, target: float, note: str = "", *, unit: str = TIMES) -> None:
        """Add a figure with an upper bound as its target."""
        self._add(what, f"{measured:.3g} {unit}", f"≤ {target:g} {unit}", note, missed=measured > target)

    def at_least(self, what: str, measured: float, target: float, note: str = "", *, unit: str = TIMES) -> None:
        """Add a figure with a lower bound as its target."""
        self._add(what, f"{measured:.0f} {unit}", f"≥ {target:g} {unit}", note, missed=measured < target)

    def add(self, what: str, measured: str, note: str = "") -> None:
        """Add a figure without a target."""
        self._add(what, measured, "", note, missed=False)

    def _add(self, what: str, measured: str, target: str, note: str, *, missed: bool) -> None:
        self.rows.append((what, measured, target, "missed" if missed else "", note))

    def table(self) -> str:
        """Return the rows in columns."""
        rows = [("figure", "measured", "target", "", "in this run"), *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        sides = ("<", ">", ">", "<")
        lines = []
        for row in rows:
            cells = [f"{text:{side}{width}}" for text, side, width in zip(row, sides, widths, strict=False)]
            lines.append("  ".join([*cells, row[4]]).rstrip())
        return "\n".join(lines)


def micro(seconds: float) -> str:
    """Return a time as text in microseconds, or in milliseconds from 1 ms on."""
    return f"{seconds * 1e6:.2f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def ratio(value: float) -> str:
    """Return a ratio as text."""
    return f"{value:.3g} {TIMES}"
