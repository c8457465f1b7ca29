"""Which keys a tool writes, as far as its source tells without running it.

Rule: where the source leaves any doubt the answer is None, so that a warning built on it is worth reading.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from nbflow import parsing

if TYPE_CHECKING:
    from nbflow.tools import ToolSpec

_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_PLAIN = (int, float, str, bool, bytes, list, tuple, set)


def written_keys(spec: ToolSpec, node: str) -> frozenset[str] | None:
    """Return the keys that a node with this tool writes; None where that cannot be told from the source."""
    annotation = inspect.get_annotations(spec.function).get("return") if inspect.isfunction(spec.function) else None
    if annotation in _PLAIN or annotation in {kind.__name__ for kind in _PLAIN}:
        return frozenset({node})
    if spec.source is None:
        return None
    try:
        (function,) = parsing.module(spec.source).body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _yields(function):
        return None
    keys: set[str] = set()
    for value in _returned(function):
        found = _keys_of(value, node)
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
    """Return the keys that a tool returns with the value of its own parameter of that name in them.

    Under a reducer that adds, such as `extend`, these updates repeat what the key holds already (SEMANTICS rule 11).
    """
    function = None
    if spec.source is not None:
        with suppress(SyntaxError, ValueError):
            function = next(iter(parsing.module(spec.source).body), None)
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return frozenset()
    names = {param.name for param in spec.params}
    found: set[str] = set()
    for value in _returned(function):
        if isinstance(value, ast.Dict):
            for key, part in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in names and _starts_with(part, key.value):
                    found.add(str(key.value))
    return frozenset(found)


def _starts_with(value: ast.expr, name: object) -> bool:
    """Return whether a value is a variable, or a list that begins with the variable's items."""
    match value:
        case ast.Name(id=variable):
            return variable == name
        case ast.BinOp(left=left, op=ast.Add()):
            return _starts_with(left, name)
        case ast.List(elts=[ast.Starred(value=first), *_]):
            return _starts_with(first, name)
    return False


def _returned(function: ast.AST) -> Iterator[ast.expr | None]:
    """Give what the function's own return statements return, not those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.Return):
            yield child.value
        elif not isinstance(child, _INNER):
            yield from _returned(child)


def _keys_of(value: ast.expr | None, node: str) -> set[str] | None:
    match value:
        case None | ast.Constant(value=None):
            return set()
        case ast.Constant() | ast.List() | ast.Tuple() | ast.JoinedStr() | ast.ListComp() | ast.Compare():
            return {node}
        case ast.Dict(keys=keys) if all(isinstance(k, ast.Constant) and isinstance(k.value, str) for k in keys):
            return {k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
    return None
