"""Find the keys that a tool writes in its source, without running it.

Invariant: where the source leaves any doubt the answer is None or empty, so that a warning that is built on it is worth
reading.
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
    """Return the keys that a tool writes; None if the source does not show them.

    A key of None means the id of the node: a value that is not a dict is written to the key of that name.
    """
    annotation = annotations_of(spec.function).get("return") if isinstance(spec.function, FunctionType) else None
    if annotation in _PLAIN or annotation in {kind.__name__ for kind in _PLAIN}:
        return frozenset({None})
    return None if spec.source is None else _keys_in(spec.source)


@lru_cache(maxsize=1024)
def _keys_in(source: str) -> frozenset[str | None] | None:
    """Return the keys that a function writes by its source, as `written_keys` does."""
    function = _function_in(source)
    if function is None or _yields(function):
        return None
    returned = list(_returned(function))
    if not returned and isinstance(function.body[-1], ast.Raise):
        return None  # unfinished, or meant to fail: a person who skips the node supplies its output
    keys: set[str | None] = set()
    for value in returned:
        found = _keys_of(value)
        if found is None:
            return None
        keys |= found
    return frozenset(keys)


def returns_nothing(spec: ToolSpec) -> bool:
    """Return whether the source of a tool has no `return` with a value, where its annotation does not say None."""
    function = _function_of(spec)
    if function is None or _yields(function) or isinstance(function.body[-1], ast.Raise):
        return False
    says_none = isinstance(function.returns, ast.Constant) and function.returns.value is None
    return not says_none and all(value is None for value in _returned(function))


_CHANGES = frozenset(
    "add append clear discard extend insert pop popitem remove reverse setdefault sort update".split()  # noqa: SIM905
)


def changed_in_place(spec: ToolSpec) -> list[str]:
    """Return the parameters whose values the source of a tool changes in place.

    Those are the targets of `name[…] = …`, `name[…] += …`, `del name[…]`, and the objects of calls such as
    `name.append(…)` and `name.sort_values(…, inplace=True)`, unless the function assigns the name itself.
    """
    function = _function_of(spec)
    if function is None:
        return []
    nodes = list(ast.walk(function))
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    changed = {name for node in nodes if (name := _changed_by(node)) is not None} - assigned
    return [param.name for param in spec.params if param.name in changed] + [STATE] * (
        spec.takes_state and STATE in changed
    )


def _changed_by(node: ast.AST) -> str | None:
    """Return the name of the object that a node of a source changes in place."""
    match node:
        case ast.Subscript(value=of, ctx=ast.Store() | ast.Del()):
            while isinstance(of, ast.Subscript | ast.Attribute):  # such as `df.loc[…]`
                of = of.value
            return of.id if isinstance(of, ast.Name) else None
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), keywords=keywords)):
            inplace = any(
                keyword.arg == "inplace" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                for keyword in keywords
            )
            return name if inplace or method in _CHANGES else None
    return None


def _function_of(spec: ToolSpec) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the tree of a tool's function, as `_function_in` does."""
    return None if spec.source is None else _function_in(spec.source)


@lru_cache(maxsize=128)  # each warning reads the tree of each tool
def _function_in(source: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the tree of a function; None if the source cannot be parsed or is not a single `def`."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        (function,) = parse_module(source).body
        return function if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) else None
    return None


def _yields(function: ast.AST) -> bool:
    """Return whether the function itself, and not a function inside it, yields."""
    return any(
        isinstance(child, ast.Yield | ast.YieldFrom) or (not isinstance(child, _INNER) and _yields(child))
        for child in ast.iter_child_nodes(function)
    )


def repeated_keys(spec: ToolSpec) -> frozenset[str]:
    """Return the keys whose returned value starts with the value that the tool was given for that key.

    The given value is the parameter of that name, or `state["key"]`, `state.get("key")` or, of a model, `state.key`.
    Under a reducer that adds, such as `extend`, such an update repeats what the key has already (SEMANTICS rule 11).
    """
    function = _function_of(spec)
    if function is None:
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
    """Return the first part of a sum or a list; any other value itself."""
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
    """Yield the values of the function's own return statements, and not those of functions inside it."""
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
