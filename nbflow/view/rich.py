"""Render one value in its natural form: a frame as a table, an image as an image, a nested value as a tree, else text.

Invariant: no library is imported that the user has not loaded, and no more of the value is read than is shown. A value
that cannot be rendered in its form is rendered as text.
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
    """Return `{"kind": "table" | "image" | "tree" | "text", ...}`; a table starts at row `start`."""
    for look in () if type(obj) is Unstored else _KINDS:
        try:
            seen = look(obj, start)
        except Exception:  # noqa: BLE001, S112 - a value's own code may raise anything; text is the fallback
            continue
        if seen is not None:
            return seen
    return {"kind": "text", "text": render(obj, FULL)}


def brief(obj: Any, most: int = 100) -> dict[str, Any]:
    """Return `{"type", "size", "text"}` of a value, the text on one line, for a row of a list."""
    shown = _columns(obj) or short(obj, most)
    # A value of several lines, put on one, starts with a bracket and a space.
    return {"type": type_of(obj), "size": size(obj), "text": shown[0] + shown[2:] if shown[:2] in _OPENED else shown}


def _columns(obj: Any) -> str | None:
    """Return the names of a frame's columns on one line."""
    try:
        names = columns(obj)
    except Exception:  # noqa: BLE001 - a value's own code may raise anything; text is the fallback
        return None
    return None if names is None else line(", ".join(names), 100)
