"""Python's own parser, in a process where tools may use it too, in threads.

Rule: of a sound source a tree always comes. CPython 3.11 and 3.12 count in one place how deep the trees of all threads
are (python/cpython#106905), and where two threads parse at once one of them may be told SystemError of any source: that
means nothing, so it is asked again.
"""

from __future__ import annotations

import ast
from typing import cast

_TRIES = 20


def module(source: str) -> ast.Module:
    """Return the tree of a module; raises what `ast.parse` does."""
    return cast(ast.Module, _parsed(source, "exec"))


def expression(source: str) -> ast.expr:
    """Return the tree of an expression; raises what `ast.parse` does."""
    return cast(ast.Expression, _parsed(source, "eval")).body


def _parsed(source: str, mode: str) -> ast.AST:
    for _ in range(_TRIES - 1):
        try:
            return ast.parse(source, mode=mode)
        except SystemError:
            continue
    return ast.parse(source, mode=mode)
