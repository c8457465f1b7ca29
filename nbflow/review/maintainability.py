"""Compute radon's maintainability index in time linear in the length of the source.

Only the grouping of tokens into statements is replaced: radon reads a statement of n lines n times, which takes minutes
for a long table.

Invariant: the index equals that of radon, whose formula, Halstead volume and count of logical lines are used.
"""

import io
import tokenize
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

LAYOUT = {tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


class Counts(NamedTuple):
    """The line counts of a source: logical lines, lines of code, comments, and lines of standalone long strings."""

    logical: int
    code: int
    comments: int
    strings: int


def maintainability_index(code: str, tree: "ast.Module") -> float:
    """Return radon's maintainability index of a source, from 0 to 100, counting docstrings as comments."""
    from radon.metrics import h_visit_ast, mi_compute  # type: ignore[import-untyped]
    from radon.visitors import ComplexityVisitor  # type: ignore[import-untyped]

    lines = count_lines(code)
    share = (lines.comments + lines.strings) / lines.code * 100 if lines.code else 0
    complexity = ComplexityVisitor.from_ast(tree).total_complexity
    return round(float(mi_compute(h_visit_ast(tree).total.volume, complexity, lines.logical, share)), 2)


def count_lines(code: str) -> Counts:
    """Return the line counts that the index needs, equal to those of `radon.raw.analyze`."""
    from radon.raw import _logical  # type: ignore[import-untyped]

    text = code.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    filled = [bool(line.strip()) for line in text.split("\n")]
    logical = source = comments = strings = 0
    for tokens in _statements(text):
        comments += sum(token.type == tokenize.COMMENT for token in tokens)
        logical += _logical(tokens)
        first = tokens[0]
        rows = sum(filled[first.start[0] - 1 : tokens[-2].end[0]])
        if _alone(tokenize.STRING, tokens):
            strings += rows if first.start[0] < first.end[0] else 0
        elif not _alone(tokenize.COMMENT, tokens):
            source += rows
    return Counts(logical, source, comments, strings)


def _statements(text: str) -> "Iterator[list[tokenize.TokenInfo]]":
    """Yield the tokens of each statement or standalone comment, followed by an end marker, as radon expects."""
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in LAYOUT:
            continue
        if token.type not in {tokenize.NL, tokenize.NEWLINE}:
            statement.append(token)
        elif statement and (token.type == tokenize.NEWLINE or _alone(tokenize.COMMENT, statement)):
            yield [*statement, tokenize.TokenInfo(tokenize.ENDMARKER, "", token.end, token.end, "")]
            statement = []


def _alone(kind: int, tokens: list[tokenize.TokenInfo]) -> bool:
    return tokens[0].type == kind and all(token.type == tokenize.ENDMARKER for token in tokens[1:])
