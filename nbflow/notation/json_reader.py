"""Reads graphs from JSON texts.

Python's reader takes the last of two equal keys, and accepts NaN. Here both are refused, with their position.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from nbflow.errors import GraphError
from nbflow.notation.constants import constant_fault
from nbflow.notation.positions import Fault

_PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+"|([{\[])|[}\]]', re.DOTALL)
_DEEPEST = 200
"""The deepest nesting of a text: far above the needs of a graph, and far below the limit of Python's reader."""


class _Refused(Exception):  # noqa: N818 - it becomes a Fault as soon as its place is found
    """A piece of JSON that Python reads and this reader does not."""


def read_json(text: str) -> Any:
    """Return the data of a JSON text.

    Raises:
        Fault: It is not JSON, is nested over 200 deep, has a key twice in one object, or a number that is NaN, infinite
            or too long.
        GraphError: A param is nested over 50 deep.
    """
    if _is_too_deep(text):
        raise Fault("the JSON is nested too deep", 0)
    try:
        data = json.loads(
            text.removeprefix("\ufeff"),
            object_pairs_hook=_once,
            parse_constant=_number,
            parse_float=_number,
            parse_int=_number,
        )
    except json.JSONDecodeError as error:
        problem, place = _explained(text.removeprefix("\ufeff"), error)
        raise Fault(problem, place + text.startswith("\ufeff")) from None
    except _Refused:
        raise _refused_piece(text) from None
    _check_params(data)
    return data


def _is_too_deep(text: str) -> bool:
    # Where Python's own reader raises RecursionError depends on its version and on the stack that is left.
    depth = 0
    for piece in _NESTING.finditer(text):
        if piece.group(1):
            depth += 1
            if depth > _DEEPEST:
                return True
        elif piece.group()[0] != '"':
            depth -= 1
    return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise _Refused
    return read


def _number(digits: str) -> int | float:
    try:
        value = int(digits) if digits.lstrip("-").isdigit() else float(digits)
    except ValueError:  # an int with more digits than Python reads
        raise _Refused from None
    if isinstance(value, float) and not math.isfinite(value):
        raise _Refused
    return value


def _refused_piece(text: str) -> Fault:
    """Find the first invalid piece; errors in the text after it are not reported."""
    objects: list[dict[str, int]] = []
    before = None
    for piece in _PIECE.finditer(text):
        sign = piece.group()
        if sign in "{[":
            objects.append({})
        elif sign in "}]" and objects:
            objects.pop()
        elif sign == ":" and before is not None and objects:
            key = json.loads(before.group())
            if key in objects[-1]:
                return Fault(f"the key {key[:40]!r} appears twice", before.start(), earlier=objects[-1][key])
            objects[-1][key] = before.start()
        elif sign[0] in "-0123456789NI":
            try:
                _number(sign)
            except _Refused:
                return Fault(f"{sign[:40]} is refused as a number: it is not finite, or too long", piece.start())
        before = piece
    return Fault("the JSON holds a key twice or a number that is refused", 0)


def _explained(text: str, error: json.JSONDecodeError) -> tuple[str, int]:
    """Return the problem of a text and its offset, which are the same in every version of Python."""
    # The place of a trailing comma is that of the bracket behind it until Python 3.12, and its own since then.
    last = len(text[: error.pos + error.msg.startswith("Illegal trailing comma")].rstrip()) - 1
    if (comma := _TRAILING.match(text, max(last, 0))) and comma.end() > error.pos:
        return f"this is no JSON: the ',' before {comma[1]!r} is one too many", comma.start()
    here = text[error.pos : error.pos + 1]
    problem = f"this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}"
    if here == "'":
        return f"{problem}; JSON has double quotes", error.pos
    if here in ("T", "F", "N"):
        return f"{problem}; JSON writes true, false, null", error.pos
    if here in ("#", "/"):
        return f"{problem}; JSON has no comments", error.pos
    return problem, error.pos


_TRAILING = re.compile(r",\s*([}\]])")


def _check_params(data: Any) -> None:
    faults = []
    for graph in data if isinstance(data, list) else [data]:
        nodes = graph.get("nodes") if isinstance(graph, dict) else None
        for node in nodes if isinstance(nodes, list) else ():
            params = node.get("params") if isinstance(node, dict) else None
            for name, value in params.items() if isinstance(params, dict) else ():
                if fault := constant_fault(value):
                    faults.append(f"node {node.get('node_id')!r:.60}, param {name[:40]!r}: {fault}")
    if faults:
        raise GraphError(faults[:100])
