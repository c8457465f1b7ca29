"""Convert a nested value to a tree of short lines.

Invariant: a tree has at most 400 lines, 8 levels, and 100 items in one node. A value that contains itself is marked as
such and not followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from nbflow.secrets import Redacted, covered, covers, is_secret
from nbflow.view.plain import line
from nbflow.view.preview import fields_of, render, short
from nbflow.view.words import counted

_LINES, _DEEP, _ITEMS, _WIDTH, _ONE_LINE = 400, 8, 100, 160, 80


def tree(obj: Any, start: int = 0) -> dict[str, Any] | None:
    """Return `{"kind": "tree", "root": node}`, or None for a value that has no parts or fits on one line.

    A node is `[label, text, children or None, number of children left out]`.
    """
    if next(_inside(obj), None) is None or len(render(obj, 2 * _ONE_LINE)) <= _ONE_LINE:
        return None
    return {"kind": "tree", "root": _Builder().node("", obj, 0)}


def _inside(obj: Any) -> Iterator[tuple[str, Any]]:
    """Return an iterator over the parts of a value with their labels."""
    if isinstance(obj, Mapping):
        return ((_label(key), Redacted(key) if covers(key, value) else value) for key, value in obj.items())
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return iter(covered(dict(zip(map(str, obj._fields), obj, strict=False))).items())
    if isinstance(obj, list | tuple | set | frozenset):
        return ((str(at), value) for at, value in enumerate(obj))
    return iter(covered({} if is_secret(obj) else fields_of(obj) or {}).items())


def _label(key: Any) -> str:
    return line(key, 60) if isinstance(key, str) else short(key, 60)


def _count(obj: Any) -> int:
    return len(obj) if isinstance(obj, Mapping | list | tuple | set | frozenset) else len(fields_of(obj) or {})


class _Builder:
    """Builds the nodes of one tree; `_above` are the ids of the values around the current one."""

    def __init__(self) -> None:
        self._left = _LINES
        self._above: list[int] = []

    def node(self, label: str, obj: Any, deep: int) -> list[Any]:
        self._left -= 1
        if id(obj) in self._above:
            return [label, "contains itself", None, 0]
        children: list[list[Any]] = []
        if deep < _DEEP:
            self._above.append(id(obj))
            children = [self.node(line(name, 60), part, deep + 1) for name, part in self._some(obj)]
            self._above.pop()
        if not children:
            return [label, short(obj, _WIDTH), None, 0]
        return [label, _head(obj), children, max(0, _count(obj) - len(children))]

    def _some(self, obj: Any) -> Iterator[tuple[str, Any]]:
        """Yield the parts of a value until the tree has its most lines."""
        for part in islice(_inside(obj), _ITEMS):
            if self._left <= 0:
                return
            yield part


def _head(obj: Any) -> str:
    return f"{line(type(obj).__name__, 60)}, {counted(_count(obj), 'item')}"
