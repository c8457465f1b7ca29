"""Show a condition with the values that it read: `failed (0) > 0`.

Invariant: the text of the condition is unchanged. Each value follows the first mention of its name, as a separate part,
never as markup.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Mapping
from typing import Any

from nbflow.secrets import covered
from nbflow.view.text import clean, line
from nbflow.view.values.preview import short

_LONGEST = 400
Parts = list[list[str]]


def caption_parts(condition: str, values: Mapping[str, Any] | None, most: int = 40) -> Parts:
    """Return the condition as parts, `[text]` or `[value, "v"]`, of about `most` characters together."""
    return _bounded(_parts(condition, covered(values or {})), most)


def with_values(condition: str, values: Mapping[str, Any] | None) -> str:
    """Return the condition on one line, with the value of each name after it in parentheses."""
    return line("".join(part[0] for part in _parts(condition, covered(values or {}))), 200)


def _parts(condition: str, values: Mapping[str, Any]) -> Parts:
    text = clean(condition)
    if len(text) > _LONGEST or not values:
        return [[line(text, _LONGEST)]]
    parts: Parts = []
    start = 0
    for end, value in _insertions(text, values):
        parts += [[text[start:end] + " "], [f"({short(value)})", "v"]]
        start = end
    parts.append([text[start:]])
    return [part for part in parts if part[0]]


def _insertions(text: str, values: Mapping[str, Any]) -> list[tuple[int, Any]]:
    """Return each value with the offset to insert it at: the end of the first mention of its name."""
    flat = text.replace("\n", " ")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(flat).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    left = dict(values)
    found = []
    index = 0
    while index < len(tokens):
        name, last = tokens[index].string, index
        if tokens[index].type == tokenize.NAME and not keyword.iskeyword(name):
            while name not in left and _dotted(tokens, last):
                name, last = f"{name}.{tokens[last + 2].string}", last + 2
            if name in left:
                found.append((tokens[last].end[1], left.pop(name)))
        index = last + 1
    return found


def _dotted(tokens: list[tokenize.TokenInfo], index: int) -> bool:
    return index + 2 < len(tokens) and tokens[index + 1].string == "." and tokens[index + 2].type == tokenize.NAME


def _bounded(parts: Parts, most: int) -> Parts:
    bounded: Parts = []
    for part in parts:
        room = most - sum(len(p[0]) for p in bounded)
        if len(part[0]) > room:
            if room > 1:
                bounded.append([part[0][: room - 1] + "…", *part[1:]])
            elif bounded:
                bounded[-1][0] = bounded[-1][0].rstrip() + "…"
            break
        bounded.append(part)
    return bounded
