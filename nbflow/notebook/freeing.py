"""Freeing the page's copies of widgets.

Rule: with a widget goes all that it is made of: what stands in it, and how it is laid out and styled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipywidgets import Widget  # type: ignore[import-untyped]


def free(widget: Any) -> None:
    """Close a widget and all that it is made of, in the kernel and on the page."""
    found: dict[int, Any] = {}
    work = [widget]
    while work:
        one = work.pop()
        if id(one) not in found:
            found[id(one)] = one
            work += _parts(one)
    for one in found.values():
        one.close()


def _parts(widget: Any) -> Iterator[Any]:
    for name in widget.keys:
        value = getattr(widget, name)
        yield from (one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, Widget))
