"""Errors of values that cannot be stored, and of stored values that cannot be read.

A codec raises `Refused` with a reason alone. The packer and the unpacker know the path to the value, and put it before
the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbflow.errors import StoreError
from nbflow.state import Unstored as Unstored


class Unstorable(StoreError):  # noqa: N818 - an adjective: it describes the value
    """A value has no stored form; `reason` names the path to the part without one, its type, and what to do."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Refused(Exception):  # noqa: N818 - internal: it becomes an Unstorable or a StoreError once the path is known
    """A part of a value cannot be packed or unpacked; the reason starts with a verb, as `is a generator, which ...`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Said(str):
    """A step of a path that is shown verbatim, such as `.name`; other steps are indices and keys."""

    __slots__ = ()


Step = str | int


def place(path: Sequence[Step], *, top: str = "it") -> str:
    """Return a path for people, as `['rows'][3].name`, without the middle of a long one; `top` for an empty path."""
    if len(path) > 8:
        return f"{place(path[:4])}…{place(path[-3:])}"
    return "".join(map(_step, path)) or top


def _step(step: Step) -> str:
    if isinstance(step, Said):
        return step[:60]
    return f"[{step}]" if isinstance(step, int) else f"[{short(step)}]"


def short(text: str, most: int = 60) -> str:
    """Return a text in quotes, truncated to `most` characters."""
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def a(kind: type) -> str:
    """Return the name of a type with its article: `a generator`, `an Order`."""
    return f"{'an' if kind.__name__[:1] in 'aeiouAEIO' else 'a'} {kind.__name__[:80]}"
