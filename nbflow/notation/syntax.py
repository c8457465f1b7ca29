"""The LALR parser of the notation and the statements it gives.

Rule: the statements are what the text says, in its order, with the offset of every word; what they mean together is the
reader's to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from lark import Lark, Transformer
from lark.exceptions import UnexpectedToken

from nbflow.notation import values
from nbflow.notation.expected import unexpected
from nbflow.notation.places import Fault
from nbflow.notation.tokens import Token, tokens

Setting = tuple[Token, Token]


class Chain(NamedTuple):
    """Groups of nodes joined by arrows; all but `groups` belongs to the last arrow."""

    groups: list[list[Token]]
    kind: str  # "normal", "conditional", "error" or "else"
    options: list[Setting]
    condition: Token | None = None
    otherwise: list[Token] | None = None  # the targets of the `else` of a condition


class Declaration(NamedTuple):
    """What a node runs, and how."""

    name: Token
    key: str  # "tool" or "graph"
    runs: Token
    params: list[tuple[Token, Any]]
    options: list[Setting]


class Line(NamedTuple):
    """A statement about the whole graph: its kind, its first word, and what it names."""

    kind: str  # "header", "reduce", "max_iterations" or "entry"
    start: int
    words: tuple[Token, ...]


Statement = Chain | Declaration | Line


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a text in the notation.

    Raises:
        Fault: The text cannot be read.
    """
    return _read(text, "statement")


def constant(text: str) -> Any:
    """Return the constant that a text spells.

    Raises:
        Fault: It spells none.
    """
    for value in _read(text, "constant"):
        return value
    raise Fault("a value is missing here", 0)


def _read(text: str, start: str) -> Iterator[Any]:
    """Yield what lark's parser makes of the tokens up to each SEP, and up to the end."""
    state = _parser().parse_interactive(start=start).parser_state
    fed: list[Token] = []
    token = Token("$END", "", len(text))
    try:
        for token in tokens(text, inside=start == "constant"):
            if token.type != "SEP" or start == "constant":
                state.feed_token(token)  # type: ignore[arg-type]  # it reads nothing of a token but its type
                fed.append(token)
            elif fed:
                yield state.feed_token(token._replace(type="$END"), True)  # type: ignore[arg-type]
                # As it was at first: a parser for each line would cost more than the line.
                del state.state_stack[1:], state.value_stack[:], fed[:]
        if fed:
            token = Token("$END", "", len(text))
            yield state.feed_token(token, True)  # type: ignore[arg-type]
    except UnexpectedToken as error:
        raise unexpected(text, fed, token, error.expected, inside=start == "constant") from None


@cache
def _parser() -> Lark:
    return Lark(
        files("nbflow.notation").joinpath("grammar.lark").read_text("utf-8"),
        parser="lalr",
        lexer="basic",
        start=["statement", "constant"],
        keep_all_tokens=True,
        maybe_placeholders=False,
        transformer=_Builder(),
    )


Parts = list[Any]


class _Builder(Transformer[Any, Any]):
    """Makes statements and values while lark's parser reduces; each method is named by its rule in the grammar."""

    def normal(self, parts: Parts) -> Chain:
        return Chain(parts[0], "normal", parts[1] if len(parts) > 1 else [])

    def error(self, parts: Parts) -> Chain:
        return Chain(parts[0], "error", parts[2] if len(parts) > 2 else [])

    def conditional(self, parts: Parts) -> Chain:
        return Chain(parts[0], "conditional", parts[2] if len(parts) > 2 else [], parts[1])

    def either(self, parts: Parts) -> Chain:
        return Chain(parts[0], "conditional", parts[4] if len(parts) > 4 else [], parts[1], parts[3])

    def otherwise(self, parts: Parts) -> Chain:
        groups = [parts[0]] if isinstance(parts[0][0], Token) else parts[0]
        return Chain([*groups, parts[3]], "else", parts[4] if len(parts) > 4 else [])

    def declaration(self, parts: Parts) -> Declaration:
        name, (key, runs), params, *options = parts
        return Declaration(name, key, runs or name, params, options[0] if options else [])

    def own_tool(self, parts: Parts) -> tuple[str, None]:
        return "tool", None

    def tool(self, parts: Parts) -> tuple[str, Token]:
        return "tool", parts[1]

    def subgraph(self, parts: Parts) -> tuple[str, Token]:
        return "graph", parts[2]

    def header(self, parts: Parts) -> Line:
        return Line("header", parts[0].start, (parts[1],))

    def reduce(self, parts: Parts) -> Line:
        return Line("reduce", parts[0].start, (parts[1], parts[3]))

    def max_iterations(self, parts: Parts) -> Line:
        return Line("max_iterations", parts[0].start, (parts[1],))

    def entry(self, parts: Parts) -> Line:
        return Line("entry", parts[0].start, (parts[1],))

    def nothing(self, parts: Parts) -> Parts:
        return []

    def inner(self, parts: Parts) -> Any:
        return parts[1]

    def first(self, parts: Parts) -> Parts:
        return parts

    one = first

    def following(self, parts: Parts) -> Any:
        parts[0].append(parts[2])
        return parts[0]

    another = further = following

    def hop(self, parts: Parts) -> Parts:
        return [parts[0], parts[2]]

    def pair(self, parts: Parts) -> tuple[Token, Any]:
        return parts[0], parts[2]

    def string(self, parts: Parts) -> str:
        return values.unquoted(parts[0])

    def number(self, parts: Parts) -> int | float:
        return values.number(parts[0])

    def word(self, parts: Parts) -> bool | None:
        return values.word(parts[0])

    def no_list(self, parts: Parts) -> Parts:
        return []

    def no_dict(self, parts: Parts) -> dict[Any, Any]:
        return {}

    def no_tuple(self, parts: Parts) -> tuple[Any, ...]:
        return ()

    def tuple_of(self, parts: Parts) -> tuple[Any, ...]:
        return (parts[1], *(parts[3] if isinstance(parts[3], list) else []))

    def dict_of(self, parts: Parts) -> dict[Any, Any]:
        return values.mapping(parts[1])
