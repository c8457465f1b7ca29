"""Positions in a text: tokens, and faults at an offset.

Inside this package a fault has only an offset. Its line and column are counted when it becomes an error for the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from nbflow.errors import NotationError

MAX_BYTES = 1_000_000
MAX_DEPTH = 50  # of a value's brackets
LINE_END = re.compile(r"\r\n?|\n")


class Token(NamedTuple):
    """A piece of the text: the terminal of the grammar, the text as written, and its offset."""

    type: str
    text: str
    start: int


class Fault(Exception):  # noqa: N818 - it becomes a NotationError as soon as the text is known
    """A fault at an offset of a text; `earlier` is the offset of the part that it repeats."""

    def __init__(self, problem: str, at: int, *, earlier: int | None = None) -> None:
        self.problem, self.at, self.earlier = problem, at, earlier
        super().__init__(problem)


def line_of(text: str, at: int) -> int:
    """Return the line, from 1, of an offset."""
    return 1 + sum(1 for _ in LINE_END.finditer(text, 0, at))


@contextmanager
def reading(text: str) -> Iterator[None]:
    """Turn a fault inside the block into a NotationError that shows its place in `text`.

    Raises:
        NotationError: A fault was raised inside, or the text is over 1 MB.
    """
    try:
        if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise Fault("the text is over 1 MB, the most that is read", 0)
        yield
    except Fault as fault:
        raise _located(text, fault) from None


def _located(text: str, fault: Fault) -> NotationError:
    line = line_of(text, fault.at)
    start = max((end.end() for end in LINE_END.finditer(text, 0, fault.at)), default=0)
    end = LINE_END.search(text, fault.at)
    shown = text[start : end.start() if end else len(text)]
    problem = fault.problem
    if fault.earlier is not None:
        first = line_of(text, fault.earlier)
        problem += f", {f'both on line {line}' if first == line else f'on lines {first} and {line}'}; keep one"
    return NotationError(problem, line=line, column=fault.at - start + 1, source_line=shown)
