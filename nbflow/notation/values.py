"""What quoted names, params and options hold: constants in JSON's or Python's spelling.

Rule: a constant is data; nothing is computed, and what JSON could not carry back (NaN, inf) is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from nbflow.errors import did_you_mean
from nbflow.names import identifier
from nbflow.notation.places import Fault
from nbflow.notation.tokens import MAX_DEPTH, Token

WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}

_ESCAPE = re.compile(
    r"\\(?: u([dD][89abAB][0-9a-fA-F]{2}) \\u([dD][c-fC-F][0-9a-fA-F]{2})"
    r" | u([0-9a-fA-F]{4}) | U([0-9a-fA-F]{8}) | x([0-9a-fA-F]{2}) | ([0-7]{1,3}) | (.) )",
    re.VERBOSE,
)
_SIMPLE = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v",
    "\\": "\\", "/": "/", '"': '"', "'": "'",
}  # fmt: skip


def unquoted(token: Token) -> str:
    """Return what a name or string says: bare as it stands, quoted without quotes and escapes.

    Raises:
        Fault: An escape is unknown.
    """
    text = token.text
    if text[0] not in "\"'":
        return text
    if "\\" not in text:
        return text[1:-1]
    return _ESCAPE.sub(lambda found: _escaped(found, token.start + 1), text[1:-1])


def _escaped(found: re.Match[str], start: int) -> str:
    high, low, short, long, pair, octal, letter = found.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    if octal:
        return chr(int(octal, 8))
    if code := short or long or pair:
        if int(code, 16) <= 0x10FFFF:
            return chr(int(code, 16))
    elif letter in _SIMPLE:
        return _SIMPLE[letter]
    raise Fault(f"{found.group()} is no escape of a string; for a backslash write two", start + found.start())


def name(token: Token) -> str:
    """Return what a name says, normalised; half a surrogate pair is no character of a name.

    Raises:
        Fault: An escape is unknown or no character.
    """
    said = unquoted(token)
    if token.text[0] in "\"'" and not said.isascii() and any("\ud800" <= c <= "\udfff" for c in said):
        raise Fault("a name holds whole characters, not half of a surrogate pair", token.start)
    return identifier(said)


def number(token: Token) -> int | float:
    """Return the number that a token spells.

    Raises:
        Fault: It is no number of Python or JSON, or too large.
    """
    text = token.text
    try:
        if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") or not re.search("[.eE]", text):
            return int(text, 0)
        value = float(text)
    except ValueError:
        raise Fault(f"{text[:40]} is no number", token.start) from None
    if math.isinf(value):
        raise Fault(f"{text[:40]} is beyond the largest number; infinite values are refused", token.start)
    return value


def word(token: Token) -> bool | None:
    """Return the constant that a bare word names.

    Raises:
        Fault: It names none.
    """
    if token.text in WORDS:
        return WORDS[token.text]
    if token.text.lower() in ("nan", "inf", "infinity"):
        raise Fault(f"{token.text} is refused as a value: neither JSON nor a comparison can carry it", token.start)
    hint = did_you_mean(token.text, WORDS) or f'; if it is text, write "{token.text}"'
    raise Fault(f"{token.text!r} is no constant{hint}", token.start)


def mapping(items: list[tuple[Token, Any]]) -> dict[Any, Any]:
    """Return the dict that key tokens and values spell.

    Raises:
        Fault: A key is no constant, or stands twice.
    """
    spelt: dict[Any, Any] = {}
    seen: dict[Any, int] = {}
    for token, value in items:
        key = _SCALARS[token.type](token)
        if key in seen:
            raise Fault(f"the key {key!r} stands twice", token.start, earlier=seen[key])
        seen[key], spelt[key] = token.start, value
    return spelt


_SCALARS: dict[str, Callable[[Token], Any]] = {"STRING": unquoted, "NUMBER": number, "NAME": word}


def constant_fault(value: Any, depth: int = 0) -> str | None:
    """Return why a value cannot be written as a constant, or None."""
    if value is None or isinstance(value, bool | int | str):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is refused as a value"
    if not isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} is no constant"
    if depth >= MAX_DEPTH:
        return f"a value is nested at most {MAX_DEPTH} deep"
    inner = value
    if isinstance(value, dict):
        odd = next((key for key in value if isinstance(key, list | tuple | dict)), None)
        if odd is not None:
            return f"a {type(odd).__name__} is no key of a constant"
        inner = [*value, *value.values()]
    return next((fault for item in inner if (fault := constant_fault(item, depth + 1))), None)
