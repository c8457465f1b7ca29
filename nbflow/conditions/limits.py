"""The bounds of the condition language, and the exception that its parts raise.

Invariant: the length of a condition and the size of the state bound its cost; a number in either does not.
"""

from __future__ import annotations

MAX_LENGTH = 10_000  # characters of text
MAX_TOKENS = 1_000
MAX_DEPTH = 50  # nested brackets, nested operators, links of a comparison
MAX_BITS = 10_000  # of an int that *, ** or << makes, or that // and % take
MAX_ELEMENTS = 1_000_000  # characters and elements that + and * make in one evaluation; what sum() walks of a range
MAX_DIGITS = 300  # of round(): a float has no more


class Refused(Exception):  # noqa: N818 - it becomes a ConditionError as soon as the source is known
    """A condition is refused: the problem, and the column (from 0) if it is known."""

    def __init__(self, problem: str, column: int | None = None) -> None:
        self.problem, self.column = problem, column
        super().__init__(problem)
