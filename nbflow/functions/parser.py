"""Parse Python source, also while tools parse in other threads.

Invariant: a valid source always gives its tree. CPython 3.11 and 3.12 count the depth of the trees of all threads in
one place (python/cpython#106905). If the garbage collector runs a finaliser during a parse, another thread can parse
meanwhile; the count is then the depth of both, and either parse raises SystemError. Such a parse is repeated with the
collector off, so that nothing interrupts it.
"""

from __future__ import annotations

import ast
import gc
from contextlib import suppress
from typing import cast

_TRIES = 20


def parse_module(source: str) -> ast.Module:
    """Return the tree of a module; raises what `ast.parse` does."""
    return cast(ast.Module, _parsed(source, "exec"))


def parse_expression(source: str) -> ast.expr:
    """Return the tree of an expression; raises what `ast.parse` does."""
    return cast(ast.Expression, _parsed(source, "eval")).body


def _parsed(source: str, mode: str) -> ast.AST:
    with suppress(SystemError):
        return ast.parse(source, mode=mode)
    for _ in range(_TRIES):
        try:
            return _uninterrupted(source, mode)
        except SystemError:
            continue  # another thread switched the collector on again meanwhile
    return _uninterrupted(source, mode)


def _uninterrupted(source: str, mode: str) -> ast.AST:
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source, mode=mode)
    finally:
        if collects:
            gc.enable()
