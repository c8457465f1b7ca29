"""Show the effect of a step on one key as a short diff: removed, added and unchanged lines.

Invariant: values are compared by their rendered text, never by their own `==`, which may run arbitrary code. Every text
is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import unified_diff
from itertools import islice
from typing import Any

from nbflow.reducers import MISSING
from nbflow.secrets import MASK, covers, mask
from nbflow.view.plain import clean
from nbflow.view.preview import render, short
from nbflow.view.steps import ADDED, SET

Line = list[str]
"""A sign, `-`, `+` or a space, and the text."""

_LINES, _WIDTH = 12, 300
_SHOWN, _KEYS, _LONG = 6, 8, 80
_DIFFED, _DIFFED_LINES = 20_000, 400


def difference(mark: int, before: Any, after: Any, update: Any) -> tuple[str, list[Line]]:
    """Return a note, such as `13 added`, and a diff of at most about a dozen lines.

    Args:
        mark: SET, CHANGED or ADDED, by which the step wrote the key.
        before: The value before the step, or MISSING.
        after: The value after it, or MISSING.
        update: The update that the node returned; a reducer combines it with the value before.
    """
    if mark == ADDED and before is not MISSING:
        return _added(before, after, update)
    if mark == SET or before is MISSING:
        return "set", _all("+", after)
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > _LONG:
        return "changed", _texts(before, after)
    if isinstance(before, dict) and isinstance(after, dict):
        return "changed", _dicts(before, after)
    return "changed", [*_all("-", before, _SHOWN), *_all("+", after, _SHOWN)]


def _all(sign: str, obj: Any, most: int = _LINES) -> list[Line]:
    """Return the first lines of a rendered value, and a line that counts the rest."""
    shown = render(obj, most * _WIDTH).split("\n")
    return [[sign, text[:_WIDTH]] for text in shown[:most]] + _more(len(shown) - most, "lines")


def _more(count: int, what: str = "") -> list[Line]:
    return [[" ", f"{_grouped(count)} more {what}".rstrip()]] if count > 0 else []


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _added(before: Any, after: Any, update: Any) -> tuple[str, list[Line]]:
    if isinstance(after, list | tuple) and isinstance(before, list | tuple):
        items = after[len(before) :]
        unchanged = [[" ", f"{_grouped(len(before))} unchanged"]] if before else []
        shown = [["+", short(item, _WIDTH)] for item in items[:_SHOWN]]
        return f"{len(items)} added", [*unchanged, *shown, *_more(len(items) - _SHOWN)]
    if isinstance(before, dict) and isinstance(update, dict):
        return f"{len(update)} added", _pairs("+", update.items(), len(update))
    return "added to", [*_all("-", before, _SHOWN), *_all("+", after, _SHOWN)]


def _pairs(sign: str, pairs: Iterable[tuple[Any, Any]], count: int) -> list[Line]:
    shown = [[sign, f"{short(key, 60)}: {_value(key, value)}"] for key, value in islice(pairs, _KEYS)]
    return shown + _more(count - _KEYS, "keys")


def _dicts(before: dict[Any, Any], after: dict[Any, Any]) -> list[Line]:
    """Return the entries that differ, among the first 1 000 keys."""
    lines: list[Line] = []
    for key in islice({**before, **after}, 1_000):
        old, new = (_value(key, values[key]) if key in values else None for values in (before, after))
        if old == new:
            continue
        lines += [[sign, f"{short(key, 60)}: {text}"] for sign, text in (("-", old), ("+", new)) if text is not None]
        if len(lines) > _LINES:
            break
    return lines[:_LINES] or [[" ", "looks the same"]]


def _value(key: Any, value: Any) -> str:
    return MASK if covers(key, value) else short(value, _WIDTH - 64)


def _texts(before: str, after: str) -> list[Line]:
    """Return the lines that differ, each with one line of context."""
    before, after = mask(before), mask(after)
    old, new = (clean(str.__getitem__(text, slice(0, _DIFFED))).split("\n")[:_DIFFED_LINES] for text in (before, after))
    diff = [text for text in unified_diff(old, new, n=1, lineterm="") if not text.startswith(("---", "+++"))]
    lines = [[" ", "\u2026"] if text.startswith("@@") else [text[0], text[1 : _WIDTH + 1]] for text in diff]
    if lines and lines[0][1] == "\u2026":
        del lines[0]
    return lines[:_LINES] + _more(len(lines) - _LINES, "lines") or [[" ", "the same as far as it is shown"]]
