"""What may stand in the brackets of a node and of an edge.

Rule: an option's name and value are checked where they stand, so that a fault shows its own column; a value reads the
same bare or quoted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

from nbflow.errors import did_you_mean, name_list
from nbflow.graph.model import NodeDefinition
from nbflow.notation import values
from nbflow.notation.places import Fault
from nbflow.notation.tokens import Token

Setting = tuple[Token, Token]
Reader = Callable[[str, Token], Any]


def _choice(option: str) -> Reader:
    known = get_args(NodeDefinition.model_fields[option].annotation)

    def read(option: str, token: Token) -> str:
        said = values.unquoted(token)
        if said not in known:
            problem = f"{option} is one of {name_list(known)}, not {said[:40]!r}{did_you_mean(said, known)}"
            raise Fault(problem, token.start)
        return said

    return read


def _key(option: str, token: Token) -> str:
    if token.type == "NUMBER":
        raise Fault(f'{option} names a key of the state; if {token.text} is one, write "{token.text}"', token.start)
    return values.name(token)


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
    if values.WORDS.get(values.unquoted(token), "") is None:
        return None
    value = _number(token)
    if value is None or value <= 0:
        raise Fault(f"{option} is a number of seconds above 0, or null for none, not {_said(token)}", token.start)
    return float(value)


def _flag(option: str, token: Token) -> bool:
    value = values.WORDS.get(values.unquoted(token))
    if value is None:
        raise Fault(f"{option} is true or false, not {_said(token)}", token.start)
    return value


def _number(token: Token) -> int | float | None:
    """Return the number of a bare or quoted value; None where it is none that a float could hold."""
    try:
        value = values.number(token._replace(text=values.unquoted(token).strip()))
        return value if math.isfinite(float(value)) else None
    except (Fault, OverflowError):
        return None


def _said(token: Token) -> str:
    return repr(values.unquoted(token)[:40])


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
        Fault: An option is unknown, stands twice, or has a value it does not take.
    """
    return _read(settings, "node", _NODE, _EDGE)


def edge_limit(settings: list[Setting]) -> int | None:
    """Return the limit of an edge, None where it has none of its own.

    Raises:
        Fault: An option is unknown, stands twice, or has a value it does not take.
    """
    return _read(settings, "edge", _EDGE, _NODE).get("max")


def positive(token: Token) -> int:
    """Return the graph's limit.

    Raises:
        Fault: It is no whole number from 1.
    """
    return _whole(1)("max_iterations", token)  # type: ignore[no-any-return]


def _read(settings: list[Setting], part: str, known: dict[str, Reader], others: dict[str, Reader]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    seen: dict[str, int] = {}
    for name_token, value_token in settings:
        option = values.unquoted(name_token)
        if option not in known:
            raise Fault(_unknown(option, part, known, others), name_token.start)
        if option in seen:
            raise Fault(f"the option {option!r} stands twice", name_token.start, earlier=seen[option])
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
