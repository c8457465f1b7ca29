"""Reads graphs from JSON texts.

Rule: stricter than Python's reader, which takes the last of two equal keys and NaN: both are refused, at their place.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from nbflow.errors import GraphError
from nbflow.notation.places import Fault
from nbflow.notation.values import constant_fault

_PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_NEVER = {"NaN", "Infinity", "-Infinity"}


class _Refused(Exception):  # noqa: N818 - it becomes a Fault as soon as its place is found
    """A piece of JSON that Python reads and this reader does not."""


def read_json(text: str) -> Any:
    """Return what a JSON text says.

    Raises:
        Fault: It is no JSON, has a key twice in one object, or a number that is NaN, infinite or too long.
        GraphError: A param is nested over 50 deep.
    """
    try:
        data = json.loads(
            text.removeprefix("\ufeff"),
            object_pairs_hook=_once,
            parse_constant=_number,
            parse_float=_number,
            parse_int=_number,
        )
    except json.JSONDecodeError as error:
        raise Fault(_explained(text, error), error.pos + text.startswith("\ufeff")) from None
    except _Refused:
        raise _refused_piece(text) from None
    except RecursionError:
        raise Fault("the JSON is nested too deep", 0) from None
    _check_params(data)
    return data


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
    """Find the first piece that was refused; a text that is no JSON beyond it does not matter any more."""
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
                return Fault(f"the key {key[:40]!r} stands twice", before.start(), earlier=objects[-1][key])
            objects[-1][key] = before.start()
        elif sign[0] in "-0123456789NI":
            try:
                _number(sign)
            except _Refused:
                return Fault(f"{sign[:40]} is refused as a number: it is not finite, or too long", piece.start())
        before = piece
    return Fault("the JSON holds a key twice or a number that is refused", 0)


def _explained(text: str, error: json.JSONDecodeError) -> str:
    here = text.removeprefix("\ufeff")[error.pos : error.pos + 1]
    before = text.removeprefix("\ufeff")[: error.pos].rstrip()[-1:]
    problem = f"this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}"
    if before == "," and here in ("}", "]"):
        return f"{problem}; the ',' before {here!r} is one too many"
    if here == "'":
        return f"{problem}; JSON has double quotes"
    if here in ("T", "F", "N"):
        return f"{problem}; JSON writes true, false, null"
    if here in ("#", "/"):
        return f"{problem}; JSON has no comments"
    return problem


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
