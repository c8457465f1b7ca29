"""Checks the text of a condition, token by token, before Python's parser reads it.

Invariant: Python's parser receives only short, shallow text of known tokens, because that parser recurses, warns, and
takes exponential time in its worst case. The column of every character stays the same.

`simple_names` recognises the most frequent conditions, comparisons of names with literals, by one regular expression.
A graph may have thousands of conditions. A simple one takes 4 µs by that expression, and 150 µs by its tokens, Python's
parser and the rebuilt tree.
"""

from __future__ import annotations

import keyword
import re
from itertools import pairwise
from typing import NamedTuple

from nbflow.conditions.limits import MAX_DEPTH, MAX_LENGTH, MAX_TOKENS, Refused

_TOKEN = re.compile(
    r"""
      (?P<space>  [\s\ufeff]+ )
    | (?P<string> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
    | (?P<number> (?: 0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | 0[oO][0-7_]+
                    | (?: [0-9][0-9_]*(?:\.[0-9_]*)? | \.[0-9][0-9_]* ) (?:[eE][+-]?[0-9]+)? ) (?![\w.]) )
    | (?P<name>   [^\W\d]\w* )
    | (?P<wrong>  && | \|\| | <> | -> | => | := | \.\.\. | === | !== | =(?!=) | !(?!=) )
    | (?P<sign>   \*\* | // | << | >> | <= | >= | == | != | [-+*/%&|^~<>()\[\]{},:.] )
    """,
    re.VERBOSE | re.DOTALL,
)
MAX_SIMPLE_LENGTH = 1_000
_RESERVED = "|".join([*keyword.kwlist, "AND", "OR", "NOT", "true", "false", "null"])
_NAME = rf"(?!__|(?:state|{_RESERVED})\b)[a-zA-Z_]\w*+ (?:\.(?!__|(?:{_RESERVED})\b)[a-zA-Z_]\w*+){{0,9}}+"
_LITERAL = r"""(?: -?(?:0|[1-9][0-9]{0,17}+)(?:\.[0-9]{1,17}+)? | [tT]rue | [fF]alse | null | None )(?![\w.])"""
_PLAIN_STRING = r"""'[ !"#$%&(-\[\]-~]*+' | "[ !#-\[\]-~]*+" """
_OPERAND = rf"(?: {_NAME} | {_LITERAL} | {_PLAIN_STRING} )"
_IS_NONE = rf"{_NAME} [ ]++is[ ]++(?:not[ ]++)?None(?![\w.])"
_COMPARISON = rf"(?:not[ ]++)? (?: {_IS_NONE} | {_OPERAND} (?: [ ]*+ (?:[=!<>]=|[<>]) [ ]*+ {_OPERAND} )? )"
_SIMPLE = re.compile(rf"{_COMPARISON} (?: [ ]++(?:and|or)[ ]++ {_COMPARISON} )*+", re.VERBOSE | re.ASCII)
_SIMPLE_WORD = re.compile(r"""'[^']*+' | "[^"]*+" | (?<![\w.])([a-zA-Z_]\w*+)""", re.VERBOSE | re.ASCII)
_SIMPLE_RESERVED = frozenset({"", "and", "or", "not", "is", "True", "true", "False", "false", "None", "null"})

_ESCAPE = re.compile(r"\\(?:[4-7][0-7]{2}|.)", re.DOTALL)
_KNOWN_ESCAPES = frozenset(r"\'" + '"abfnrtvxuU01234567')

_INSTEAD = {
    "&&": "and", "||": "or", "!": "not", "<>": "!=", "=": "==", "===": "==", "!==": "!=", "=>": ">=",
}  # fmt: skip
_SPOKEN = {"AND": "and", "OR": "or", "NOT": "not"}
_OPERATORS = frozenset({"and", "or", "not", "in", "is"})
_CONSTANTS = frozenset({"True", "False", "None"})
_CLOSERS = {")": "(", "]": "[", "}": "{"}
# After one of these tokens the parser starts at depth 0; until then each prefix sign and each ** adds a nested call.
_FRESH = frozenset({"and", "or", ",", ":", "(", "[", "{"})
_DEEPER = frozenset({"not", "-", "+", "~", "**"})


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def simple_names(text: str) -> frozenset[str] | None:
    """Return the top-level keys that a simple condition reads; None for any other text, which may still be a condition.

    Simple are comparisons of dotted names, numbers, constants and strings without escapes, joined by `and`, `or` and
    `not`, in ASCII and without brackets. Each of them is a condition.
    """
    if len(text) > MAX_SIMPLE_LENGTH or _SIMPLE.fullmatch(text) is None:
        return None
    return frozenset(_SIMPLE_WORD.findall(text)) - _SIMPLE_RESERVED


def scan(text: str) -> str:
    """Return `text` in the form that Python's parser reads: of equal length, on one line, AND, OR, NOT in lower case.

    Raises:
        Refused: The text is too long or nested too deeply, or contains a token that conditions do not have.
    """
    if len(text) > MAX_LENGTH:
        raise Refused(f"a condition has at most {MAX_LENGTH} characters, this one has {len(text)}", MAX_LENGTH)
    tokens = _tokens(text)
    solid = [token for token in tokens if token.kind != "space"]
    if not solid:
        raise Refused("the condition is empty")
    opened = _nesting(solid)
    if len(solid) > MAX_TOKENS:
        raise Refused(f"a condition has at most {MAX_TOKENS} words and signs", solid[MAX_TOKENS].start)
    if opened:
        raise Refused(f"{opened[-1].text!r} is never closed", opened[-1].start)
    for before, token in pairwise([_Token("sign", "", 0), *solid]):
        _check_neighbours(before, token)
    if solid[-1].text in _OPERATORS or (solid[-1].kind == "sign" and solid[-1].text not in _CLOSERS):
        raise Refused(f"a value is missing after {solid[-1].text!r}", solid[-1].start)
    return "".join(_as_python(token) for token in tokens)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = solid = 0
    before = ""
    while at < len(text) and solid <= MAX_TOKENS:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup == "wrong":
            raise Refused(_unreadable(text, at, found.group() if found else ""), at)
        kind, word = str(found.lastgroup), found.group()
        if kind == "name" and before != ".":
            word = _SPOKEN.get(word, word)
        token = _Token(kind, word, at)
        if kind == "string":
            _check_string(token, text)
        elif kind == "name":
            _check_name(token, after_dot=before == ".")
        tokens.append(token)
        at = found.end()
        if kind != "space":
            solid, before = solid + 1, word
    return tokens


def _unreadable(text: str, at: int, sign: str) -> str:
    if sign in _INSTEAD:
        return f"{sign!r} is no part of a condition; write {_INSTEAD[sign]!r}"
    if not sign and text[at] in "\"'":
        return "this quote is never closed"
    if not sign and text[at].isdigit():
        return "this is no number of a condition"
    return f"{sign or text[at]!r} is no part of a condition"


def _check_string(token: _Token, text: str) -> None:
    if text.startswith(token.text[0] * 3, token.start):
        raise Refused("a string has single quotes or double quotes, not triple ones", token.start)
    if "\0" in token.text:
        raise Refused("a condition holds no null character", token.start + token.text.index("\0"))
    for escape in _ESCAPE.finditer(token.text):
        if len(escape.group()) > 2 or escape.group()[1] not in _KNOWN_ESCAPES:
            problem = f"{escape.group()} is no escape of a string; for a backslash write two"
            raise Refused(problem, token.start + escape.start())


def _check_name(token: _Token, *, after_dot: bool) -> None:
    word = token.text
    if not keyword.iskeyword(word) or (word in _OPERATORS | _CONSTANTS and not after_dot):
        return
    instead = f'; a key of this name is written ["{word}"]' if after_dot else ""
    raise Refused(f"{word!r} is no part of a condition{instead}", token.start)


def _nesting(tokens: list[_Token]) -> list[_Token]:
    """Return the brackets that are not closed."""
    opened: list[_Token] = []
    run = 0
    for token in tokens:
        if token.kind in ("string", "number"):
            continue
        run = 0 if token.text in _FRESH else run + (token.text in _DEEPER)
        if token.text in _CLOSERS.values():
            opened.append(token)
        elif token.text in _CLOSERS:
            if not opened or opened[-1].text != _CLOSERS[token.text]:
                raise Refused(f"{token.text!r} closes no bracket", token.start)
            opened.pop()
        if run > MAX_DEPTH or len(opened) > MAX_DEPTH:
            raise Refused(f"a condition is nested at most {MAX_DEPTH} deep", token.start)
    return opened


def _check_neighbours(before: _Token, token: _Token) -> None:
    if token.kind == "sign" or token.text in _OPERATORS or before.text in _OPERATORS:
        return
    if before.kind == "sign" and before.text not in _CLOSERS:
        return
    if token.kind == "string" and before.kind == "name" and before.start + len(before.text) == token.start:
        raise Refused(f"a string has no prefix in a condition, as this {before.text!r}", before.start)
    raise Refused(f"an operator is missing before {token.text[:40]!r}", token.start)


def _as_python(token: _Token) -> str:
    if token.kind == "space":
        return " " * len(token.text)
    if token.kind == "string":
        return token.text.replace("\n", " ").replace("\r", " ")
    return token.text
