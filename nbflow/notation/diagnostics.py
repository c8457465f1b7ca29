"""Messages for texts that cannot be parsed: unexpected tokens, and characters that are not tokens.

For an unexpected token, guesses at the intended text are tried in order, each from the tokens of its statement. Without
a matching guess the message lists all tokens that could follow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from nbflow.errors import did_you_mean
from nbflow.notation.positions import LINE_END, Fault, Token

_IN_WORDS = {
    "NAME": "a name", "STRING": "a text in quotes", "NUMBER": "a number", "ARROW": "'->'", "AMP": "'&'", "EQ": "'='",
    "COMMA": "','", "COLON": "':'", "LPAR": "'('", "RPAR": "')'", "LSQB": "'['", "RSQB": "']'", "LBRACE": "'{'",
    "RBRACE": "'}'", "$END": "the line's end", "COND": "'if'", "ELSE": "'else'", "ON_ERROR": "'on error'",
    "GRAPH": "'graph'", "WITH": "'with'",
}  # fmt: skip
_FORMS = {
    "REDUCE": "write 'reduce KEY with REDUCER', for instance 'reduce findings with extend'",
    "ENTRY": "write 'entry NODE'",
    "GRAPH": "write 'graph NAME'",
    "MAX_ITERATIONS": "write 'max_iterations N', for instance 'max_iterations 50'",
}
_ON_ERROR = ("on_error", "on-error", "onerror", "error", "except", "catch", "rescue", "on")
_STATEMENTS = ("entry", "reduce", "graph", "max_iterations")
_CLOSERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}


class _Scene(NamedTuple):
    """An unexpected token, the tokens of its statement before it, and the expected terminals."""

    text: str
    before: list[Token]
    token: Token
    expected: set[str]

    @property
    def types(self) -> list[str]:
        return [token.type for token in self.before]

    @property
    def last(self) -> Token:
        return self.before[-1] if self.before else Token("SEP", "", 0)

    def opened(self) -> Token | None:
        """Return the innermost bracket that is open."""
        stack: list[Token] = []
        for token in self.before:
            if token.type in _CLOSERS:
                stack.append(token)
            elif token.type in _CLOSERS.values() and stack:
                stack.pop()
        return stack[-1] if stack else None


def unexpected(text: str, before: list[Token], token: Token, expected: set[str], *, inside: bool) -> Fault:
    """Return the fault of a token that cannot follow those `before` it; `inside` means in a value, not a statement."""
    scene = _Scene(text, before, token, expected)
    for guess in _INSIDE if scene.opened() else _AFTER_VALUE if inside else _OUTSIDE:
        found = guess(scene)
        if isinstance(found, Fault):
            return found
        if found:
            return Fault(found, text.rfind("if", 0, token.start) if token.type == "COND" else token.start)
    if opened := scene.opened():
        expected = expected - {*_CLOSERS.values(), "$END"} | ({_CLOSERS[opened.type]} & expected)
    return Fault(f"{_shown(token)} is not expected here; expected {_listed(expected)}", token.start)


def _shown(token: Token) -> str:
    if token.type in ("SEP", "$END"):
        return "';'" if token.text.startswith(";") else "the line's end"
    return repr("if" if token.type == "COND" else token.text[:40])


def _listed(expected: set[str]) -> str:
    words = [said for type_, said in _IN_WORDS.items() if type_ in expected]
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or "nothing more"


# Between brackets


def _unclosed(scene: _Scene) -> Fault | None:
    opened = scene.opened()
    if opened is None or scene.token.type in ("COMMA", *_CLOSERS.values()):
        return None
    new_line = LINE_END.search(scene.text, scene.last.start, scene.token.start) is not None
    if scene.token.type in ("SEP", "ARROW") or (new_line and "COMMA" in scene.expected):
        return Fault(f"{opened.text!r} is not closed before {_shown(scene.token)}", opened.start)
    return None


def _option_value(scene: _Scene) -> str | None:
    last, token = scene.last, scene.token
    if last.type == "NAME" and "EQ" in scene.expected and len(scene.expected) == 1:
        if token.type in ("RSQB", "COMMA"):
            return f"the option {last.text!r} has no value; write '{last.text}=…'"
        if token.type == "RPAR":
            return f"params are named, and {last.text!r} names no value; write '{last.text}=…'"
        return f"{_shown(token)} is where '=' should be; did you mean '{last.text}={_word(token)}'?"
    if last.type == "EQ" and token.type in ("RSQB", "RPAR", "COMMA"):
        name = scene.before[-2].text
        return f"{name!r} has no value after its '='"
    return None


def _word(token: Token) -> str:
    return token.text[:40] if token.type in ("NAME", "STRING", "NUMBER") else "…"


def _positional(scene: _Scene) -> str | None:
    token = scene.token
    if "EQ" not in scene.expected and scene.expected >= {"NAME", "STRING"} and "NUMBER" not in scene.expected:
        if token.type in ("NUMBER", *_CLOSERS):
            return f"params are named; write 'NAME={_word(token)}'"
        return None
    if scene.last.type == "STRING" and scene.expected == {"EQ"}:
        return f"params are named; write 'NAME={scene.last.text[:40]}'"
    return None


def _computed(scene: _Scene) -> str | None:
    last, token = scene.last, scene.token
    if "COMMA" not in scene.expected:
        return None
    if token.type == "NUMBER" and token.text[0] in "+-":
        return "values are constants: nothing is computed here"
    if last.type == "NAME" and token.type in ("LPAR", "LSQB", "STRING"):
        return f"values are constants: {last.text!r} is neither called, indexed nor a prefix here"
    if token.type in ("NAME", "STRING", "NUMBER") and scene.opened():
        return f"no ',' before {_shown(token)}"
    return None


def _second_value(scene: _Scene) -> str | None:
    if not scene.before:
        return f"a value does not start with {_shown(scene.token)}"
    return _computed(scene._replace(expected={"COMMA", "$END"})) or "one value is expected, and this is a second one"


# Outside brackets


def _odd_start(scene: _Scene) -> str | None:
    if scene.before:
        return None
    first = {
        "ARROW": "no node before '->'; a chain begins with a node: 'a -> b'",
        "AMP": "no node before '&'; write 'a & b -> c'",
        "COND": "a line does not start with 'if'; write 'a -> b if …'",
        "ELSE": "'else' is on the line of its 'if', 'a -> b if … else c', or after an arrow: 'a -> else c'",
        "ON_ERROR": "a line does not start with 'on error'; write 'a -> b on error'",
        "LSQB": "options follow the node or edge they belong to: 'fetch [retries=3]'",
    }
    return first.get(scene.token.type)


def _incomplete(scene: _Scene) -> str | None:
    first = scene.types[0] if scene.before else ""
    if first in _FORMS:
        return f"{_shown(scene.token)} is not expected here; {_FORMS[first]}"
    if len(scene.before) == 1 and scene.token.type == "NUMBER":
        return f"{scene.last.text!r} is no statement{did_you_mean(scene.last.text, _STATEMENTS)}"
    if scene.types == ["NAME", "EQ"] and scene.token.type == "NUMBER" and scene.before[0].text == "max_iterations":
        return f"the graph's limit has no '='; did you mean 'max_iterations {scene.token.text[:40]}'?"
    return None


def _needs_node(scene: _Scene) -> str | None:
    last, token = scene.last, scene.token
    if last.type not in ("ARROW", "AMP", "ELSE", "EQ") or token.type == "NUMBER":
        return None
    what = "a tool" if last.type == "EQ" else "a node"
    if token.type in ("SEP", "$END"):
        return f"{what} is missing after {last.text!r}"
    if last.type == "ELSE" and token.type == "COND":
        return "'else' takes no condition; each condition has its line, and they are tried in order: 'a -> c if …'"
    joined = (
        "; nodes side by side are joined by '&': 'a -> b & c'" if token.type in _CLOSERS and what == "a node" else ""
    )
    return f"{what} is missing between {last.text!r} and {_shown(token)}{joined}"


def _two_names(scene: _Scene) -> str | None:
    last, token = scene.last, scene.token
    if token.type != "NAME" or last.type not in ("NAME", "RSQB", "RPAR", "ON_ERROR"):
        return None
    word, chain = token.text, "ARROW" in scene.types
    if word.lower() in ("and", "or", "plus"):
        return f"{word!r} joins no nodes; did you mean '&'?"
    if word.lower() in _ON_ERROR and chain:
        return f"{word!r} is no tail of an arrow; did you mean 'on error'?"
    if word.lower() in ("elif", "elseif"):
        return f"there is no {word!r}; each condition has its line, and they are tried in order: 'a -> c if …'"
    if word.lower() in ("when", "where", "unless", "while") and chain:
        return f"{word!r} starts no condition; did you mean '{'if not' if word.lower() == 'unless' else 'if'}'?"
    if last.type == "NAME" and "EQ" not in scene.types:
        near = get_close_matches(last.text[:40], _STATEMENTS, 1) if len(scene.before) == 1 else []
        meant = "".join(f" or '{statement} {word}'" for statement in near)
        return f"no arrow before {word!r}; did you mean '{last.text} -> {word}'{meant}?"
    return None


def _tails(scene: _Scene) -> str | None:
    types, token = scene.types, scene.token
    if token.type not in ("COND", "ELSE", "ON_ERROR", "LSQB"):
        return None
    said = {"COND": "'if'", "ELSE": "'else'", "ON_ERROR": "'on error'", "LSQB": "'['"}[token.type]
    if "ARROW" not in types:
        if token.type == "LSQB" and "AMP" in types:
            return "options are given to one node, on a separate line: 'fetch [retries=3]'"
        if token.type == "LSQB" and "RSQB" in types:
            return "options go in one bracket: '[retries=3, timeout=10]'"
        return None if token.type == "LSQB" else _no_arrow(scene, said)
    if "RSQB" in types:
        return "options go in one bracket" if said == "'['" else f"{said} comes after the options, which are last"
    if token.type == "ELSE":
        return "'else' without an 'if' before it; write 'a -> b if … else c'"
    if "ELSE" in types:
        what = "no condition" if token.type == "COND" else "no 'on error'"
        return f"'else' takes {what}; give it a separate line"
    return "an error edge has no condition" if token.type == "COND" else None


def _no_arrow(scene: _Scene, said: str) -> str:
    names = [token.text for token in scene.before]
    if scene.token.type == "COND" and "->" in scene.token.text:
        condition, target = (part.strip()[:40] for part in scene.token.text.split("->", 1))
        return f"the condition comes after the arrow; did you mean '{names[0]} -> {target} if {condition}'?"
    tail = "on error" if scene.token.type == "ON_ERROR" else "if …" + " else c" * (scene.token.type == "ELSE")
    return f"no arrow before {said}; write '{names[0]} -> b {tail}'"


def _after_tail(scene: _Scene) -> str | None:
    last, token, types = scene.last, scene.token, scene.types
    if token.type in ("ARROW", "AMP") and "ARROW" not in types and {"EQ", "RSQB", "RPAR"} & set(types):
        return f"a node is declared on a separate line; start a new one with '{scene.before[0].text} {token.text} …'"
    if token.type in ("ARROW", "AMP"):
        tail = next((at for at, type_ in enumerate(types) if type_ in ("COND", "ELSE", "ON_ERROR", "LSQB")), 0)
        ended = "its options" if types[tail] == "LSQB" else _shown(scene.before[tail])
        return f"a chain ends with {ended}; start a new line with '{scene.before[tail - 1].text} {token.text} …'"
    if token.type in ("LPAR", "EQ") and last.type == "NAME" and ("ARROW" in types or "AMP" in types):
        return f"a node is declared on a separate line: '{last.text}{'(…)' if token.type == 'LPAR' else ' = …'}'"
    return None


def _signs(scene: _Scene) -> str | None:
    last, token = scene.last, scene.token
    if token.type == "COMMA":
        return "',' joins no nodes; did you mean '&'?"
    if token.type == "COLON":
        return "':' means nothing here; did you mean '='?" if len(scene.before) == 1 else None
    if token.type == "NUMBER":
        return f'a bare name does not start with {token.text[0]!r}; if it is a name, write "{token.text[:40]}"'
    if token.type in ("SEP", "$END") and "AMP" in scene.types and "ARROW" not in scene.types:
        return f"no arrow after {last.text!r}; parallel nodes lead to another node: 'a & b -> c'"
    return None


_Guess = Callable[[_Scene], Fault | str | None]
_INSIDE: tuple[_Guess, ...] = (_unclosed, _option_value, _positional, _computed)
_AFTER_VALUE: tuple[_Guess, ...] = (_second_value,)
_OUTSIDE: tuple[_Guess, ...] = (_odd_start, _incomplete, _needs_node, _two_names, _tails, _after_tail, _signs)


# Characters that are not tokens

_DASHES = "\u2013\u2014\u2212\u2012\u2015"
_ARROWS = "→⟶⇒⟹➜➔➝➞↦⇾⇨▶►←⟵⇐"
_QUOTES = "“”„‟«»\u2039\u203a\u2018\u2019\u201a\u201b\u2032″"
_JOINERS = {"&&": "&", "|": "&", "||": "&", "+": "&"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def unreadable(text: str, sign: str, at: int, *, inside: bool) -> Fault:
    """Return the fault of characters that start no token; `inside` means between brackets."""
    if sign in "\"'":
        return Fault("this quote is not closed on its line", at)
    if sign[0].isdigit() or (len(sign) > 1 and sign[0] in "+-." and not sign.endswith((">", "-"))):
        return Fault(_not_a_number(sign, inside=inside), at)
    if sign in _JOINERS and not inside:
        return Fault(f"{sign!r} joins no nodes; did you mean '{_JOINERS[sign]}'?", at)
    if sign in ("==", ":=") or sign.startswith("==="):
        return Fault(f"{sign[:8]!r} gives no value; did you mean '='?", at)
    if sign == "//":
        return Fault("'//' starts no comment; did you mean '#'?", at)
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
    return f'a bare name does not start with {sign[0]!r}; if {sign[:40]!r} is a name, write "{sign[:40]}"'


def odd_character(word: str, index: int, start: int) -> Fault:
    """Return the fault of a word whose character at `index` cannot be in a bare name."""
    odd, at = word[index], start + index
    if odd in _ARROWS or odd in _DASHES:
        return Fault(f"{odd!r} is no arrow here; did you mean '->'?", at)
    if odd in _QUOTES:
        return Fault(f"{odd!r} is no quote here; did you mean '\"'?", at)
    if len(word) <= 40 and odd.isprintable():
        return Fault(f'{odd!r} cannot be in a bare name; if it belongs to the name, write "{word}"', at)
    return Fault(_odd(odd), at)


def _odd(character: str) -> str:
    shown = repr(character) if character.isprintable() else unicodedata.name(character, "a control character")
    return f"{shown} (U+{ord(character):04X}) means nothing here"


_IN_CONDITION = (
    (re.compile(r"->"), "a condition ends its chain; continue on a new line"),
    (re.compile(r"\b(elif|elseif)\b"), "each condition has its line, and they are tried in order: 'a -> c if …'"),
    (re.compile(r"\bon[ _-]?error\b"), "an error edge has no condition; write 'a -> b on error' on a separate line"),
    (re.compile(r"\bthen\b"), "the target comes before the condition: 'a -> b if …'"),
    (re.compile(r"\bif\b"), "one arrow has one 'if'; each condition has its line, and they are tried in order"),
)


def in_condition(condition: str, problem: str) -> str:
    """Return the problem of a condition, with a hint if the condition contains a word of the notation."""
    hint = next((said for pattern, said in _IN_CONDITION if pattern.search(condition)), "")
    return f"{problem}; {hint}" if hint else problem
