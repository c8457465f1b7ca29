"""What was probably meant by characters that are no token.

Rule: a guess names what to write instead; where there is none to make, the character itself is named.
"""

from __future__ import annotations

import re
import unicodedata

from nbflow.notation.places import Fault

_DASHES = "\u2013\u2014\u2212\u2012\u2015"
_ARROWS = "→⟶⇒⟹➜➔➝➞↦⇾⇨▶►←⟵⇐"
_QUOTES = "“”„‟«»\u2039\u203a\u2018\u2019\u201a\u201b\u2032″"
_JOINERS = {"&&": "&", "|": "&", "||": "&", "+": "&"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def unreadable(text: str, sign: str, at: int, *, inside: bool) -> Fault:
    """Return the fault of a run of characters that begins no token; `inside` means between brackets."""
    if sign in "\"'":
        return Fault("this quote is not closed on its line", at)
    if sign[0].isdigit() or (len(sign) > 1 and sign[0] in "+-." and not sign.endswith((">", "-"))):
        return Fault(_not_a_number(sign, inside=inside), at)
    if sign in _JOINERS and not inside:
        return Fault(f"{sign!r} joins no nodes; did you mean '{_JOINERS[sign]}'?", at)
    if sign in ("==", ":=") or sign.startswith("==="):
        return Fault(f"{sign[:8]!r} gives no value; did you mean '='?", at)
    if sign == "//":
        return Fault("'//' begins no comment; did you mean '#'?", at)
    if sign.startswith("<") and len(sign) > 1:
        return Fault(f"{sign[:8]!r} is no arrow; arrows point to the right: '->', with the nodes swapped", at)
    if set(sign) <= set("-=~>") and not (inside and sign in "-+"):
        return Fault(f"{sign[:8]!r} is no arrow; did you mean '->'?", at)
    return Fault(_odd(sign[0]), at)


def _not_a_number(sign: str, *, inside: bool) -> str:
    if duration := _DURATION.fullmatch(sign):
        unit = duration[2].lower()
        seconds = float(duration[1]) * _SECONDS["ms" if unit == "ms" else unit[0]]
        return f"{sign!r} is no number; times are in seconds: write {seconds:g}"
    if inside:
        return f'{sign[:40]!r} is neither a number nor a name; if it is text, write "{sign[:40]}"'
    return f'a bare name does not begin with {sign[0]!r}; if {sign[:40]!r} is a name, write "{sign[:40]}"'


def odd_character(word: str, index: int, start: int) -> Fault:
    """Return the fault of a word that holds a character no bare name has, at `index`."""
    odd, at = word[index], start + index
    if odd in _ARROWS or odd in _DASHES:
        return Fault(f"{odd!r} is no arrow here; did you mean '->'?", at)
    if odd in _QUOTES:
        return Fault(f"{odd!r} is no quote here; did you mean '\"'?", at)
    if len(word) <= 40 and odd.isprintable():
        return Fault(f'{odd!r} stands in no bare name; if it belongs to the name, write "{word}"', at)
    return Fault(_odd(odd), at)


def _odd(character: str) -> str:
    shown = repr(character) if character.isprintable() else unicodedata.name(character, "a control character")
    return f"{shown} (U+{ord(character):04X}) means nothing here"


_IN_CONDITION = (
    (re.compile(r"->"), "a condition ends its chain; go on in a new line"),
    (re.compile(r"\b(elif|elseif)\b"), "each condition has its line, and they are tried in order: 'a -> c if …'"),
    (re.compile(r"\bon[ _-]?error\b"), "an error edge has no condition; write 'a -> b on error' on a line of its own"),
    (re.compile(r"\bthen\b"), "the target stands before the condition: 'a -> b if …'"),
    (re.compile(r"\bif\b"), "one arrow has one 'if'; each condition has its line, and they are tried in order"),
)


def in_condition(condition: str, problem: str) -> str:
    """Return what is wrong in a condition, with what was probably meant where it holds a word of the notation."""
    hint = next((said for pattern, said in _IN_CONDITION if pattern.search(condition)), "")
    return f"{problem}; {hint}" if hint else problem
