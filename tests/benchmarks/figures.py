"""The table of what was measured.

Rule: a target stands beside its figure; an absolute figure stands beside what the bare mechanism takes in the same run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TIMES = "×"  # noqa: RUF001 - the sign is meant


@dataclass
class Figures:
    """Rows of text: what, measured, target, whether it was missed, and a note."""

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def at_most(self, what: str, measured: float, target: float, note: str = "", *, unit: str = TIMES) -> None:
        """Add a figure that is to be small."""
        self._add(what, f"{measured:.3g} {unit}", f"≤ {target:g} {unit}", note, missed=measured > target)

    def at_least(self, what: str, measured: float, target: float, note: str = "", *, unit: str = TIMES) -> None:
        """Add a figure that is to be large."""
        self._add(what, f"{measured:.0f} {unit}", f"≥ {target:g} {unit}", note, missed=measured < target)

    def tell(self, what: str, measured: str, note: str = "") -> None:
        """Add a figure that has no target."""
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
    """Return a time in microseconds, or milliseconds where it is long."""
    return f"{seconds * 1e6:.2f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def ratio(value: float) -> str:
    """Return how many times one thing is another."""
    return f"{value:.3g} {TIMES}"
