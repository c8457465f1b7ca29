"""Encode and decode JSON texts, and find the blobs that a text refers to.

Texts are ASCII, so that NUL and lone surrogates survive any database. A text that cannot be decoded is refused before
it costs more than its length.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring_ascii
from typing import Any, Never

from nbflow.store.codecs.errors import Refused

DEEPEST = 200
"""The most levels of nesting of a value."""

TAG = '"$'
"""Every text with a tagged object or an escaped key contains this."""

SECRET_TAG = '{"$":"secret",'  # noqa: S105 - it is none
"""The start of the tagged object of a secret; no string in a JSON text contains it, because its quotes are escaped."""

_DEEPEST_TEXT = 3 * DEEPEST + 50  # a level of a dict with other keys than strings takes an object and two lists
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")
_BLOB = re.compile(r'\{\s*"\$"\s*:\s*"blob"\s*,\s*"hash"\s*:\s*"([0-9a-f]{64})"\s*\}')

quote = encode_basestring_ascii
encode = json.JSONEncoder(ensure_ascii=True, check_circular=False, allow_nan=False, separators=(",", ":")).encode


def _constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(parse_constant=_constant).decode


def decode(text: str) -> Any:
    """Decode a JSON text.

    Raises:
        Refused: The text is not JSON, is nested too deep, or has an integer with more digits than Python reads.
    """
    if not isinstance(text, str):
        raise Refused(f"is {type(text).__name__}, not a JSON text")
    # Python's own limit depends on the caller's stack, and offers no protection once a user has raised it.
    if text.count("[") + text.count("{") > _DEEPEST_TEXT and _nesting(text) > _DEEPEST_TEXT:
        raise Refused(f"is nested deeper than the {DEEPEST} levels that a value may have")
    try:
        return _decode(text)
    except RecursionError:
        raise Refused("is nested too deep to be read from here") from None
    except ValueError as error:
        raise Refused(f"is not the JSON that was written: {str(error)[:200]}") from None


def _nesting(text: str) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def named_blobs(text: str) -> set[str]:
    """Return the hashes of the blobs that a text refers to; a string that looks like a reference is none."""
    # Every quote inside a JSON string is escaped, so the pattern cannot match there.
    return set(_BLOB.findall(text))
