"""Splits a text in the notation into tokens, in one pass.

Invariant: a token has its offset and its text as written. All patterns are possessive, so the time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nbflow.graph.validation import WHITE
from nbflow.notation import diagnostics
from nbflow.notation.positions import LINE_END, MAX_DEPTH, Fault, Token

MAX_TOKENS = 200_000

# Characters are listed, not named by \s: a set without categories is one look into a table.
_WHITE = f"[{WHITE}]"
_SPACE = f"[{WHITE.replace(chr(10), '').replace(chr(13), '')}]*+"
_BLANK = re.compile(rf"(?:{_WHITE}++|#[^\r\n]*+)*+")
_NO_NAME = WHITE[WHITE.index("\x85") :] + r"{-\x7f`\[-^"
_HEAD, _REST = rf"[^\x00-@{_NO_NAME}]", rf"[^\x00-/:-@{_NO_NAME}]"
QUOTED = r""" "(?:[^"\\\r\n]++|\\[^\r\n])*+" | '(?:[^'\\\r\n]++|\\[^\r\n])*+' """
_NUMBER = r"[+-]?(?: 0[xXoObB]\w++ | (?:\d[\d_]*+ (?:\.[\d_]*+)?+ | \.\d[\d_]*+) (?:[eE][+-]?\d++)?+ )"

_TOKEN = re.compile(
    rf"""{_SPACE} (?:\#[^\r\n]*+)?+ (?:
      (?P<NAME>   {_HEAD}{_REST}*+ (?:[.-]{_REST}++)*+ )
    | (?P<ARROW>  -> )
    | (?P<LINE>   (?:[\r\n]{_WHITE}*+(?:\#[^\r\n]*+)?+)++ )
    | (?P<STRING> {QUOTED} )
    | (?P<NUMBER> {_NUMBER} (?![\w.]) )
    | (?P<WRONG>  [-=~]++> | <[-=]*+>? | -{{2,}} | ={{2,}} | &{{2,}} | \|++ | := | //  | [+-]?[\d.]{_REST}[\w.-]*+ )
    | (?P<SIGN>   [&=,:()\[\]{{}}] )
    | (?P<SEMI>   ;[;{WHITE}]*+ )
    | (?P<END>    \Z )
    | (?P<OTHER>  . )
    )""",
    re.VERBOSE,
)
_SIGNS = {
    "&": "AMP", "=": "EQ", ",": "COMMA", ":": "COLON",
    "(": "LPAR", ")": "RPAR", "[": "LSQB", "]": "RSQB", "{": "LBRACE", "}": "RBRACE",
}  # fmt: skip
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_BARE = re.compile(rf"{_HEAD}{_REST}*+ (?:[.-]{_REST}++)*+", re.VERBOSE)
_STATEMENTS = {"graph": "GRAPH", "reduce": "REDUCE", "entry": "ENTRY", "max_iterations": "MAX_ITERATIONS"}
_WORDS = frozenset(_STATEMENTS) | {"if", "else", "on", "with"}
_OPERAND_FOLLOWS = re.compile(rf"{_SPACE}(?:{_REST}|[\"'])")
_ERROR_FOLLOWS = re.compile(rf"{_SPACE}error(?!{_REST}|[.-]{_REST})")
_CONDITION_STOP = re.compile(r"""["'()\[\]{}\#;\r\n] | (?<![\w.]) else (?!\w)""", re.VERBOSE)
_OPTIONS = re.compile(rf"\[{_WHITE}*+{_HEAD}{_REST}*+{_WHITE}*+=(?!=)")
_QUOTED = re.compile(QUOTED, re.VERBOSE)
_CONDITION_PIECE = re.compile(
    rf"(?P<line>\r\n?|\n) | (?P<comment>\#[^\r\n]*+) | {QUOTED} | [^\r\n\#\"']++ | .", re.VERBOSE
)


def is_bare(name: str) -> bool:
    """Return whether a name needs no quotes."""
    return name not in ("if", "else") and _BARE.fullmatch(name) is not None and odd_character(name) is None


def odd_character(word: str) -> int | None:
    """Return the index of the first character that cannot be in a bare name, or None."""
    if word.isascii() or all(("_" * (at > 0) + part).isidentifier() for at, part in enumerate(re.split("[.-]", word))):
        return None
    return next((at for at, c in enumerate(word) if c not in ".-" and not ("_" * (at > 0) + c).isidentifier()), 0)


def condition_text(token: Token) -> tuple[str, Sequence[int]]:
    """Return a condition on one line and without comments, and the offsets of its characters."""
    raw, start = token.text.rstrip(WHITE), token.start
    if "\n" not in raw and "\r" not in raw:
        return raw, range(start, start + len(raw))
    kept: list[str] = []
    offsets: list[int] = []
    for piece in _CONDITION_PIECE.finditer(raw):
        if piece.lastgroup != "comment":
            said = " " if piece.lastgroup == "line" else piece.group()
            kept.append(said)
            offsets += range(start + piece.start(), start + piece.start() + len(said))
    return "".join(kept), offsets


def tokens(text: str, *, inside: bool = False) -> Iterator[Token]:
    """Yield the tokens of a text; with `inside`, as they are between the brackets of a value.

    Raises:
        Fault: A character, quote or bracket is out of place, or there are too many tokens.
    """
    opened = [Token("LPAR", "(", -1)] if inside else []
    outermost = len(opened)
    before, at, count = "SEP", 0, 0
    match = _TOKEN.match
    while found := match(text, at):
        kind = found.lastgroup or ""
        start, at = found.span(kind)
        word = text[start:at]
        token = Token(kind, word, start)
        if kind == "NAME":
            if word in _WORDS:
                token, at = _keyword(text, token, before, inside=bool(opened))
            elif not word.isascii():
                _check_word(token)
        elif kind == "LINE":
            if opened or before in ("SEP", "ARROW", "AMP") or text.startswith("->", at):
                continue
            token = Token("SEP", word, start)
        elif kind == "SEMI" and before == "SEP":
            continue
        elif kind == "END":
            if len(opened) > outermost:
                raise Fault(f"{opened[-1].text!r} is never closed", opened[-1].start)
            return
        elif kind != "ARROW":
            token = _sign(text, token, opened)
        count += 1
        if count > MAX_TOKENS:
            raise Fault(f"a text has at most {MAX_TOKENS} words and signs", token.start)
        before = token.type
        yield token


def _sign(text: str, token: Token, opened: list[Token]) -> Token:
    """Return a token that is neither word nor arrow with its type in the grammar."""
    match token.type:
        case "SIGN":
            _track(token, opened)
            return token._replace(type=_SIGNS[token.text])
        case "STRING":
            return token if opened else token._replace(type="NAME")
        case "SEMI":
            return token._replace(type="SEP")
        case "NUMBER":
            return token
    raise diagnostics.unreadable(text, token.text, token.start, inside=bool(opened))


def _track(token: Token, opened: list[Token]) -> None:
    sign = token.text
    if sign in _CLOSER:
        opened.append(token)
        if len(opened) > MAX_DEPTH + 1:  # one is the bracket of the params
            raise Fault(f"a value is nested at most {MAX_DEPTH} deep", token.start)
    elif sign in _CLOSER.values():
        if not opened or opened[-1].start < 0:
            raise Fault(f"{sign!r} closes no bracket", token.start)
        if (wanted := _CLOSER[opened.pop().text]) != sign:
            raise Fault(f"{sign!r} is where {wanted!r} should close the bracket", token.start)


def _check_word(token: Token) -> None:
    at = odd_character(token.text)
    if at is not None:
        raise diagnostics.odd_character(token.text, at, token.start)


def _keyword(text: str, token: Token, before: str, *, inside: bool) -> tuple[Token, int]:
    """Return the token of a word that is a keyword in some positions, and the offset of its end."""
    word, start = token.text, token.start
    end = start + len(word)
    if inside:
        if word in ("if", "else"):
            raise Fault(f'{word!r} as a name needs quotes: "{word}"', start)
    elif word == "if":
        condition, end = _condition(text, start, end)
        return condition, end
    elif word == "else":
        return token._replace(type="ELSE"), end
    elif word == "on":
        if found := _ERROR_FOLLOWS.match(text, end):
            return Token("ON_ERROR", text[start : found.end()], start), found.end()
    elif word == "with":
        if before == "NAME":
            return token._replace(type="WITH"), end
    elif (before == "SEP" or (word == "graph" and before == "EQ")) and _OPERAND_FOLLOWS.match(text, end):
        return token._replace(type=_STATEMENTS[word]), end
    return token, end


def _condition(text: str, if_at: int, at: int) -> tuple[Token, int]:
    """Return the condition after an `if`, as written, and the offset of its end."""
    blank = _BLANK.match(text, at)
    start = at = blank.end() if blank else at
    opened: list[int] = []
    while found := _CONDITION_STOP.search(text, at):
        sign, at = found.group(), found.end()
        if sign in "\"'":
            quoted = _QUOTED.match(text, found.start())
            if quoted is None:
                raise Fault("this quote is not closed on its line", found.start())
            at = quoted.end()
        elif sign in "([{":
            if not opened and _OPTIONS.match(text, found.start()):
                break
            opened.append(found.start())
        elif sign in ")]}":
            del opened[-1:]
        elif not opened:
            break
        elif sign == "#":
            line_end = LINE_END.search(text, at)
            at = line_end.start() if line_end else len(text)
    end = found.start() if found else len(text)
    if opened:
        raise Fault(f"{text[opened[-1]]!r} is never closed", opened[-1])
    condition = text[start:end]
    if not condition.strip(WHITE):
        raise Fault("'if' without a condition; write for instance 'a -> b if score > 0.8'", if_at)
    return Token("COND", condition, start), end
