"""What is said of a value that cannot be stored, and of a stored one that cannot be read.

Rule: the parts raise `Refused` with a reason alone; who walks the value knows the place and puts it before the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbflow.errors import StoreError
from nbflow.state import Unstored as Unstored


class Unstorable(StoreError):  # noqa: N818 - it says what the value is; `reason` is shown as it stands
    """A value has no stored form; `reason` names the place inside it, what is there, and what to do."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Refused(Exception):  # noqa: N818 - it becomes an Unstorable or a StoreError as soon as its place is known
    """Something is not as it must be; the reason begins with a verb, as `is a generator, which ...`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Said(str):
    """A step of a place that is shown as it stands, such as `.name`; other steps are indices and keys."""

    __slots__ = ()


Step = str | int


def place(path: Sequence[Step], *, top: str = "it") -> str:
    """Return where a path leads, as `['rows'][3].name`, the middle of a long one left out; `top` for an empty one."""
    if len(path) > 8:
        return f"{place(path[:4])}…{place(path[-3:])}"
    return "".join(map(_step, path)) or top


def _step(step: Step) -> str:
    if isinstance(step, Said):
        return step[:60]
    return f"[{step}]" if isinstance(step, int) else f"[{short(step)}]"


def short(text: str, most: int = 60) -> str:
    """Return a text in quotes, its end left out where it is long."""
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def a(kind: type) -> str:
    """Return the name of a type with its article: `a generator`, `an Order`."""
    return f"{'an' if kind.__name__[:1] in 'aeiouAEIO' else 'a'} {kind.__name__[:80]}"
