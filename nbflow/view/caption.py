"""A condition with the values it read, as a person sees it: `failed (0) > 0`.

Invariant: the condition's text is kept as written; values are set after the names they belong to, in parts, never as
markup.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Mapping
from typing import Any

from nbflow.secrets import covered
from nbflow.view.plain import clean, line
from nbflow.view.preview import short

_LONGEST = 400
Parts = list[list[str]]


def caption_parts(condition: str, values: Mapping[str, Any] | None, most: int = 40) -> Parts:
    """Return the text in parts, `[text]` or `[value, "v"]`, at most about `most` characters together."""
    return _bounded(_parts(condition, covered(values or {})), most)


def with_values(condition: str, values: Mapping[str, Any] | None) -> str:
    """Return the condition on one line with the values it read after their names."""
    return line("".join(part[0] for part in _parts(condition, covered(values or {}))), 200)


def _parts(condition: str, values: Mapping[str, Any]) -> Parts:
    text = clean(condition)
    if len(text) > _LONGEST or not values:
        return [[line(text, _LONGEST)]]
    parts: Parts = []
    start = 0
    for end, value in _places(text, values):
        parts += [[text[start:end] + " "], [f"({short(value)})", "v"]]
        start = end
    parts.append([text[start:]])
    return [part for part in parts if part[0]]


def _places(text: str, values: Mapping[str, Any]) -> list[tuple[int, Any]]:
    """Return where each value goes: the offset behind the first mention of its name."""
    flat = text.replace("\n", " ")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(flat).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    left = dict(values)
    places = []
    index = 0
    while index < len(tokens):
        name, last = tokens[index].string, index
        if tokens[index].type == tokenize.NAME and not keyword.iskeyword(name):
            while name not in left and _dotted(tokens, last):
                name, last = f"{name}.{tokens[last + 2].string}", last + 2
            if name in left:
                places.append((tokens[last].end[1], left.pop(name)))
        index = last + 1
    return places


def _dotted(tokens: list[tokenize.TokenInfo], index: int) -> bool:
    return index + 2 < len(tokens) and tokens[index + 1].string == "." and tokens[index + 2].type == tokenize.NAME


def _bounded(parts: Parts, most: int) -> Parts:
    kept: Parts = []
    for part in parts:
        room = most - sum(len(p[0]) for p in kept)
        if len(part[0]) > room:
            if room > 1:
                kept.append([part[0][: room - 1] + "…", *part[1:]])
            elif kept:
                kept[-1][0] = kept[-1][0].rstrip() + "…"
            break
        kept.append(part)
    return kept
