"""Which keys a tool writes, as far as its source tells without running it.

Rule: where the source leaves any doubt the answer is None, so that a warning built on it is worth reading.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING

from nbflow.functions.arguments import STATE
from nbflow.functions.parser import parse_module
from nbflow.functions.signatures import annotations_of

if TYPE_CHECKING:
    from nbflow.tools import ToolSpec

_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_PLAIN = (int, float, str, bool, bytes, list, tuple, set)


def written_keys(spec: ToolSpec) -> frozenset[str | None] | None:
    """Return the keys that a tool writes; None where that cannot be told from the source.

    Among the keys, None stands for the name of the node, to which a value goes that is no dict.
    """
    annotation = annotations_of(spec.function).get("return") if isinstance(spec.function, FunctionType) else None
    if annotation in _PLAIN or annotation in {kind.__name__ for kind in _PLAIN}:
        return frozenset({None})
    return None if spec.source is None else _keys_in(spec.source)


@lru_cache(maxsize=1024)
def _keys_in(source: str) -> frozenset[str | None] | None:
    """Return the keys that a function writes by its source, as `written_keys` does."""
    try:
        (function,) = parse_module(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _yields(function):
        return None
    returned = list(_returned(function))
    if not returned and isinstance(function.body[-1], ast.Raise):
        return None  # unfinished, or meant to fail: whoever skips the node gives an output in its place
    keys: set[str | None] = set()
    for value in returned:
        found = _keys_of(value)
        if found is None:
            return None
        keys |= found
    return frozenset(keys)


def _yields(function: ast.AST) -> bool:
    """Return whether the function itself, not one inside it, yields."""
    return any(
        isinstance(child, ast.Yield | ast.YieldFrom) or (not isinstance(child, _INNER) and _yields(child))
        for child in ast.iter_child_nodes(function)
    )


def repeated_keys(spec: ToolSpec) -> frozenset[str]:
    """Return the keys that a tool returns with the value that it was given of that key in them.

    That is the value of its parameter of that name, or `state["key"]`, `state.get("key")` or, of a model, `state.key`.

    Under a reducer that adds, such as `extend`, these updates repeat what the key holds already (SEMANTICS rule 11).
    """
    function = None
    if spec.source is not None:
        with suppress(SyntaxError, ValueError):
            function = next(iter(parse_module(spec.source).body), None)
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset()
    names = {param.name for param in spec.params}
    has_state = spec.takes_state
    found: set[str] = set()
    for value in _returned(function):
        if isinstance(value, ast.Dict):
            for key, part in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    first = _first_of(part)
                    if (key.value in names and _is_name(first, key.value)) or (has_state and _reads(first, key.value)):
                        found.add(key.value)
    return frozenset(found)


def _first_of(value: ast.expr) -> ast.expr:
    """Return what a sum or a list begins with; any other value itself."""
    match value:
        case ast.BinOp(left=left, op=ast.Add()):
            return _first_of(left)
        case ast.List(elts=[ast.Starred(value=first), *_]):
            return _first_of(first)
    return value


def _is_name(value: ast.expr, name: str) -> bool:
    return isinstance(value, ast.Name) and value.id == name


def _reads(value: ast.expr, key: str) -> bool:
    """Return whether a value is a key of the whole state."""
    match value:
        case ast.Subscript(value=of, slice=ast.Constant(value=name)):
            return name == key and _is_name(of, STATE)
        case ast.Call(func=ast.Attribute(value=of, attr="get"), args=[ast.Constant(value=name), *_]):
            return name == key and _is_name(of, STATE)
        case ast.Attribute(value=of, attr=name):
            return name == key and _is_name(of, STATE)
    return False


def _returned(function: ast.AST) -> Iterator[ast.expr | None]:
    """Give what the function's own return statements return, not those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.Return):
            yield child.value
        elif not isinstance(child, _INNER):
            yield from _returned(child)


def _keys_of(value: ast.expr | None) -> set[str | None] | None:
    match value:
        case None | ast.Constant(value=None):
            return set()
        case ast.Constant() | ast.List() | ast.Tuple() | ast.JoinedStr() | ast.ListComp() | ast.Compare():
            return {None}
        case ast.Dict(keys=keys) if all(isinstance(k, ast.Constant) and isinstance(k.value, str) for k in keys):
            return {k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
    return None
