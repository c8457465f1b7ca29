"""Writes and reads the JSON texts, and finds the blobs that one names.

Rule: texts are ASCII, so that NUL and lone surrogates live through any database; a text that cannot be read is refused
before it costs more than its own length.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring_ascii
from typing import Any, Never

from nbflow.store.codecs.errors import Refused

DEEPEST = 200
"""How many levels a value may be nested."""

TAG = '"$'
"""What a text with a tagged object, or an escaped key, has somewhere."""

SECRET_TAG = '{"$":"secret",'  # noqa: S105 - it is none
"""How the tagged object of a secret begins; no text inside a JSON text can look so, as its quotes are escaped."""

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
    """Return what a JSON text says.

    Raises:
        Refused: It is no JSON, is nested too deep, or has an integer with more digits than Python reads.
    """
    if not isinstance(text, str):
        raise Refused(f"is {type(text).__name__}, not a JSON text")
    # Python's own guard depends on the caller's stack, and none is left where a user has raised the recursion limit.
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
    """Return the hashes of the blobs that a text names; a string that only looks like a reference names none."""
    # Inside a JSON string every quote has a backslash before it, so the pattern cannot match there.
    return set(_BLOB.findall(text))
