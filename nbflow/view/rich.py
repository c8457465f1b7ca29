"""One value looked at closely: a frame as a table, an image as an image, what is nested as a tree, the rest as text.

Rule: no library is imported that the user has not loaded, no more is looked at than is shown, and what fails while it
is looked at becomes text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbflow.reducers import Unstored
from nbflow.view.images import image
from nbflow.view.plain import line
from nbflow.view.preview import FULL, render, short, size, type_of
from nbflow.view.tables import columns, table
from nbflow.view.tree import tree

_KINDS: tuple[Callable[[Any, int], dict[str, Any] | None], ...] = (table, image, tree)

_OPENED = ("[ ", "{ ", "( ")


def rich(obj: Any, start: int = 0) -> dict[str, Any]:
    """Return `{"kind": "table" | "image" | "tree" | "text", ...}`; of a table the rows from `start` on."""
    for look in () if type(obj) is Unstored else _KINDS:
        try:
            seen = look(obj, start)
        except Exception:  # noqa: BLE001, S112 - a value's own code may raise anything; as text it can still be shown
            continue
        if seen is not None:
            return seen
    return {"kind": "text", "text": render(obj, FULL)}


def brief(obj: Any, most: int = 100) -> dict[str, Any]:
    """Return a value's type, size and look on one line, for a row."""
    shown = _columns(obj) or short(obj, most)
    # What has several lines begins with a bracket alone.
    return {"type": type_of(obj), "size": size(obj), "text": shown[0] + shown[2:] if shown[:2] in _OPENED else shown}


def _columns(obj: Any) -> str | None:
    """Return the names of a frame's columns on one line."""
    try:
        names = columns(obj)
    except Exception:  # noqa: BLE001 - a value's own code may raise anything; as text it can still be shown
        return None
    return None if names is None else line(", ".join(names), 100)
