"""Constants in the spelling of JSON or Python, and the options of nodes and edges.

Invariant: a constant is data. Nothing is computed, and values that JSON cannot represent (NaN, inf) are refused. Each
option is checked at its token, so that a fault shows its column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, get_args

from nbflow.errors import did_you_mean, name_list
from nbflow.graph.model import NodeDefinition
from nbflow.names import identifier
from nbflow.notation.positions import MAX_DEPTH, Fault, Token

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
    """Return the text of a name or string, without quotes and escapes.

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
    """Return the normalised text of a name; half of a surrogate pair is refused.

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
        Fault: It is not a number of Python or JSON, or too large.
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
        Fault: A key is not a constant, or appears twice.
    """
    spelt: dict[Any, Any] = {}
    seen: dict[Any, int] = {}
    for token, value in items:
        key = _SCALARS[token.type](token)
        if key in seen:
            raise Fault(f"the key {key!r} appears twice", token.start, earlier=seen[key])
        seen[key], spelt[key] = token.start, value
    return spelt


_SCALARS: dict[str, Callable[[Token], Any]] = {"STRING": unquoted, "NUMBER": number, "NAME": word}


def constant_fault(value: Any, depth: int = 0) -> str | None:
    """Return the reason why a value cannot be written as a constant, or None."""
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


# Options of nodes and edges

Setting = tuple[Token, Token]
Reader = Callable[[str, Token], Any]


def _choice(option: str) -> Reader:
    known = get_args(NodeDefinition.model_fields[option].annotation)

    def read(option: str, token: Token) -> str:
        said = unquoted(token)
        if said not in known:
            problem = f"{option} is one of {name_list(known)}, not {said[:40]!r}{did_you_mean(said, known)}"
            raise Fault(problem, token.start)
        return said

    return read


def _key(option: str, token: Token) -> str:
    if token.type == "NUMBER":
        raise Fault(f'{option} names a key of the state; if {token.text} is one, write "{token.text}"', token.start)
    return name(token)


def _whole(least: int) -> Reader:
    def read(option: str, token: Token) -> int:
        value = _number(token)
        if not isinstance(value, int) or value < least:
            raise Fault(f"{option} is a whole number from {least}, not {_said(token)}", token.start)
        return value

    return read


def _seconds(option: str, token: Token) -> float:
    value = _number(token)
    if value is None or value < 0:
        raise Fault(f"{option} is a number of seconds from 0, not {_said(token)}", token.start)
    return float(value)


def _timeout(option: str, token: Token) -> float | None:
    if WORDS.get(unquoted(token), "") is None:
        return None
    value = _number(token)
    if value is None or value <= 0:
        raise Fault(f"{option} is a number of seconds above 0, or null for none, not {_said(token)}", token.start)
    return float(value)


def _flag(option: str, token: Token) -> bool:
    value = WORDS.get(unquoted(token))
    if value is None:
        raise Fault(f"{option} is true or false, not {_said(token)}", token.start)
    return value


def _number(token: Token) -> int | float | None:
    """Return the number of a bare or quoted value; None if it is not a number within the range of a float."""
    try:
        value = number(token._replace(text=unquoted(token).strip()))
        return value if math.isfinite(float(value)) else None
    except (Fault, OverflowError):
        return None


def _said(token: Token) -> str:
    return repr(unquoted(token)[:40])


_NODE: dict[str, Reader] = {
    "join": _choice("join"),
    "route": _choice("route"),
    "map": _key,
    "as": _key,
    "into": _key,
    "limit": _whole(1),
    "on_error": _choice("on_error"),
    "errors": _choice("errors"),
    "retries": _whole(0),
    "backoff": _seconds,
    "timeout": _timeout,
    "executor": _choice("executor"),
    "cache": _flag,
}
_EDGE: dict[str, Reader] = {"max": _whole(1)}
_MEANT = {"max_iterations": "max", "retry": "retries", "concurrency": "limit", "parallel": "limit"}


def node_options(settings: list[Setting]) -> dict[str, Any]:
    """Return a node's options by the names of its JSON.

    Raises:
        Fault: An option is unknown, appears twice, or has a value it does not take.
    """
    return _read(settings, "node", _NODE, _EDGE)


def edge_limit(settings: list[Setting]) -> int | None:
    """Return the limit of an edge, or None.

    Raises:
        Fault: An option is unknown, appears twice, or has a value it does not take.
    """
    return _read(settings, "edge", _EDGE, _NODE).get("max")


def positive(token: Token) -> int:
    """Return the graph's limit.

    Raises:
        Fault: It is not a whole number from 1.
    """
    return _whole(1)("max_iterations", token)  # type: ignore[no-any-return]


def _read(settings: list[Setting], part: str, known: dict[str, Reader], others: dict[str, Reader]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    seen: dict[str, int] = {}
    for name_token, value_token in settings:
        option = unquoted(name_token)
        if option not in known:
            raise Fault(_unknown(option, part, known, others), name_token.start)
        if option in seen:
            raise Fault(f"the option {option!r} appears twice", name_token.start, earlier=seen[option])
        seen[option] = name_token.start
        read[option] = known[option](option, value_token)
    return read


def _unknown(option: str, part: str, known: dict[str, Reader], others: dict[str, Reader]) -> str:
    meant = _MEANT.get(option, option)
    if meant in known:
        return f"a{'n' * (part == 'edge')} {part} has no option {option!r}; did you mean '{meant}'?"
    if meant in others and part == "node":
        return f"{meant!r} is an option of edges: 'a -> b [max=5]'; options of nodes: {name_list(known, most=20)}"
    if meant in others:
        return f"{option!r} is an option of nodes, which are declared on a line of their own: 'fetch [{option}=…]'"
    listed = f"options of {part}s: {name_list(known, most=20)}"
    return f"unknown option {option[:40]!r}{did_you_mean(option, known)}; {listed}"
