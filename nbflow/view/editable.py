"""Convert a state to JSON texts that a person can edit.

Invariant: a value is editable only if its text, unedited, parses back to an equal value in Python and in JavaScript.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from nbflow.secrets import contains, covers
from nbflow.view.plain import line

_KEYS, _TEXT, _TEXTS = 200, 20_000, 200_000
_NAME = 100
_EXACT = 2**53  # JavaScript represents every integer up to this one exactly
_HALVES = re.compile("[\ud800-\udfff]")


def editable(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return `{"key", "type", "json", "why"}` for the first 200 keys: the JSON text, or why there is none."""
    rows, left = [], _TEXTS
    for key, value in islice(state.items(), _KEYS):
        text, why = _text(key, value, min(left, _TEXT))
        left -= len(text or "")
        rows.append({"key": line(key, _NAME), "type": line(type(value).__name__, 60), "json": text, "why": why})
    return rows


def _text(key: str, value: Any, most: int) -> tuple[str | None, str | None]:
    if line(key, _NAME) != key:
        return None, "its name cannot be typed"
    if covers(key, value) or contains(value):
        return None, "is a secret"
    if not is_json(value):
        return None, "is no plain JSON"
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return (text, None) if len(text) <= most else (None, "is too long to be edited here")


def is_json(obj: Any, left: int = 20_000) -> bool:
    """Return True if a value survives JSON and JavaScript unchanged; False also if it has more than `left` parts."""
    stack = [obj]
    while stack:
        value = stack.pop()
        left -= 1 + (len(value) if type(value) in (dict, list) else 0)
        if left < 0:
            return False
        if type(value) is dict:
            if not all(type(name) is str for name in value):
                return False
            stack += [*value, *value.values()]
        elif type(value) is list:
            stack += value
        elif not _is_plain(value):
            return False
    return True


def _is_plain(value: Any) -> bool:
    """Return True if a scalar survives JSON and JavaScript: no lone surrogate, no infinity, no integer above 2**53."""
    kind = type(value)
    if kind is int:
        return abs(int(value)) <= _EXACT
    if kind is float:
        return math.isfinite(value)
    return value is None or kind is bool or (kind is str and not _HALVES.search(value))
