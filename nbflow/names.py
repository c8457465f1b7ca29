"""Names of parameters and keys, compared in the form that Python gives identifiers.

Python normalises identifiers to NFKC, so that the parameter of `def f(µ)` is named with the Greek letter, whichever of
two signs was typed. Keys of dicts stay as they are written, so they are compared in that form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")


def identifier(name: str) -> str:
    """Return a name as Python has it in a parameter."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def by_identifier(values: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return values under the names that parameters would have; the mapping itself where these are its keys."""
    if all(map(str.isascii, values)):
        return values
    # A key that is an identifier already counts more than one that only becomes the same.
    return {identifier(key): value for key, value in values.items()} | {
        key: value for key, value in values.items() if identifier(key) == key
    }


def key_for(name: str, values: Mapping[str, Any]) -> str | None:
    """Return the key that a parameter takes its value from, if there is one; the same name comes first."""
    if name in values:
        return name
    return next((key for key in values if not _is_ascii(key) and identifier(key) == name), None)


def _is_ascii(key: Any) -> bool:
    return not isinstance(key, str) or key.isascii()
