"""Detect that a function was changed in place, and find its source.

A function object may change after it became a tool: IPython's `%autoreload` sets `__code__`, `__defaults__`, `__dict__`
and more of the existing object, and any code may do the same. `unchanged_since` records the parts that determine a call
and compares them by identity, which takes a few hundred nanoseconds. Data is not compared: values other than functions
in a closure or an instance may change at every call.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from nbflow.functions.decorators import forwarded
from nbflow.functions.parser import parse_module
from nbflow.functions.signatures import annotated_by, live_annotations
from nbflow.state import MISSING
from nbflow.values import same

Unchanged = Callable[[], bool]
_MOST = 100
"""As many functions are looked at behind one callable."""
_FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)


def parts_of(function: Any) -> Iterator[Any]:
    """Yield a callable and everything that a call of it enters: partials, methods, `__call__`, wrapped functions.

    Functions in a closure are included, since a decorator may call them, but not the functions in their closures.
    """
    seen: set[int] = set()
    left: list[tuple[Any, bool]] = [(function, True)]
    while left and len(seen) < _MOST:
        part, is_called = left.pop(0)
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        left += [(behind, is_called) for behind in _behind(part)]
        if is_called and isinstance(part, types.FunctionType):
            left += [(content, False) for _, content in _functions_in_cells(part)]


def _behind(part: Any) -> list[Any]:
    if isinstance(part, functools.partial):
        return [part.func]
    if isinstance(part, types.MethodType | staticmethod):
        return [part.__func__]
    if isinstance(part, type | types.BuiltinFunctionType):
        return []
    wrapped = getattr(part, "__wrapped__", None)
    found = [] if wrapped is None else [wrapped]
    if isinstance(part, types.FunctionType):
        return found
    call = getattr(type(part), "__call__", None)  # noqa: B004 - the function that a call enters is wanted
    return [*found, call] if isinstance(call, types.FunctionType) else found


def _functions_in_cells(function: types.FunctionType) -> Iterator[tuple[types.CellType, Any]]:
    for cell in function.__closure__ or ():
        content = _content(cell)
        if isinstance(content, _FUNCTIONS):
            yield cell, content


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING


def unchanged_since(function: Callable[..., Any]) -> Unchanged:
    """Record the parts of a callable; return a function that checks whether they are unchanged."""
    checks = [check for part in parts_of(function) if (check := _check_of(part)) is not None]
    if len(checks) == 1:
        return checks[0]

    def unchanged() -> bool:
        for check in checks:  # noqa: SIM110 - takes half as long as all()
            if not check():
                return False
        return True

    return unchanged


def _check_of(part: Any) -> Unchanged | None:
    if isinstance(part, types.FunctionType):
        return _check_of_function(part)
    if isinstance(part, functools.partial):
        return _check_of_values(part.keywords) if part.keywords else None
    if isinstance(part, type | types.MethodType | staticmethod | types.BuiltinFunctionType):
        return None
    return _check_of_instance(part)


def _check_of_function(function: types.FunctionType) -> Unchanged:
    code, defaults, keywords = function.__code__, function.__defaults__, function.__kwdefaults__
    annotated = annotated_by(function)

    def unchanged() -> bool:
        return (
            function.__code__ is code
            and function.__defaults__ is defaults
            and function.__kwdefaults__ is keywords
            and annotated_by(function) is annotated
            and not function.__dict__
        )

    cells = list(_functions_in_cells(function))
    if not function.__dict__ and not cells and not keywords and "state" not in code.co_varnames:
        return unchanged
    return _check_of_more(function, cells)


def _check_of_more(function: types.FunctionType, cells: list[tuple[types.CellType, Any]]) -> Unchanged:
    """Return the check of a function that has attributes, keyword defaults, a `state`, or functions in its cells."""
    code, defaults, keywords = function.__code__, function.__defaults__, function.__kwdefaults__
    annotated, held = annotated_by(function), function.__dict__
    annotations = live_annotations(function)
    state, wrapped, told = annotations.get("state"), held.get("__wrapped__"), held.get("__signature__")
    values = None if not keywords else _check_of_values(keywords)

    def unchanged() -> bool:
        held = function.__dict__
        if (
            function.__code__ is not code
            or function.__defaults__ is not defaults
            or function.__kwdefaults__ is not keywords
            or annotated_by(function) is not annotated
            or annotations.get("state") is not state
            or held.get("__wrapped__") is not wrapped
            or held.get("__signature__") is not told
        ):
            return False
        try:
            for cell, content in cells:
                if cell.cell_contents is not content:
                    return False
        except ValueError:  # emptied
            return False
        return values is None or values()

    return unchanged


def _check_of_values(held: dict[str, Any]) -> Unchanged:
    """Return the check of a dict that may be edited in place: keyword defaults, or the keywords of a partial."""
    noted = list(held.items())
    count = len(noted)

    def unchanged() -> bool:
        for name, value in noted:
            if held.get(name, MISSING) is not value:
                return False
        return len(held) == count

    return unchanged


def _check_of_instance(part: Any) -> Unchanged:
    kind, call = type(part), getattr(type(part), "__call__", None)  # noqa: B004 - as above
    wrapped, told = getattr(part, "__wrapped__", None), getattr(part, "__signature__", None)

    def unchanged() -> bool:
        return (
            type(part) is kind
            and getattr(kind, "__call__", None) is call  # noqa: B004 - as above
            and getattr(part, "__wrapped__", None) is wrapped
            and getattr(part, "__signature__", None) is told
        )

    # Each lookup of a slot of a type in C creates another object.
    return unchanged if isinstance(call, types.FunctionType) else lambda: type(part) is kind


def present(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the current function in place of a changed one; it usually is the same object.

    `%autoreload` gives the old wrapper of a decorated function the code and `__dict__` of the new one, but not the
    closure, so a call of the old wrapper still runs the old function. Both wrappers share one `__dict__`, by which the
    new one is found in the module.
    """
    if not isinstance(function, types.FunctionType) or not function.__closure__ or "<locals>" in function.__qualname__:
        return function
    owner: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        owner = getattr(owner, "__dict__", {}).get(name)
    if isinstance(owner, types.FunctionType) and owner.__dict__ is function.__dict__:
        return owner
    return function


def defined_by(function: Callable[..., Any]) -> Any:
    """Return the function that does the work of a tool: behind partials, methods, `__call__` and decorators."""
    for _ in range(_MOST):
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType | staticmethod):
            function = function.__func__
        elif isinstance(function, type):
            return function
        elif (wrapped := getattr(function, "__wrapped__", None)) is not None:
            passes = forwarded(function, wrapped)
            function = wrapped if passes is None else passes.function
        elif isinstance(function, types.FunctionType):
            return function
        else:
            method = getattr(type(function), "__call__", None)  # noqa: B004 - as above
            return method if isinstance(method, types.FunctionType) else function
    return function


def source_of(function: Callable[..., Any]) -> str | None:
    """Return the source of the function that does the work; None if it is not available."""
    defined = defined_by(function)
    try:
        text = textwrap.dedent(inspect.getsource(defined))
    except (OSError, TypeError, SyntaxError):
        return None
    return text if _defines(text, defined) else _found_in_module(defined) or text


def _defines(text: str, function: Any) -> bool:
    """Return whether a text is the source of a function: a reloader may compile it with other line numbers."""
    code = getattr(function, "__code__", None)
    if code is None or not code.co_name.isidentifier():
        return True
    try:
        found = parse_module(text).body[:1]
    except (SyntaxError, ValueError):
        return True  # a part of a longer expression
    return bool(found) and getattr(found[0], "name", None) == code.co_name


def _found_in_module(function: Any) -> str | None:
    """Return the definition that a function's module has under its qualified name."""
    try:
        lines = "".join(inspect.findsource(function)[0])
        body: list[ast.stmt] = parse_module(lines).body
    except (OSError, SyntaxError, ValueError):
        return None
    found: ast.stmt | None = None
    for name in function.__qualname__.replace("<locals>.", "").split("."):
        found = next((each for each in reversed(body) if getattr(each, "name", None) == name), None)
        body = getattr(found, "body", [])
    if found is None:
        return None
    first = min([found.lineno, *(each.lineno for each in getattr(found, "decorator_list", []))])
    return textwrap.dedent("".join(lines.splitlines(keepends=True)[first - 1 : found.end_lineno]))


class Definition:
    """The defaults and decorators that a function had when its source was read.

    They come from that source. A later difference was made in place, so the source does not show it.
    """

    __slots__ = ("_codes", "_defaults")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._codes, self._defaults = _codes_of(function), _defaults_of(function)

    def difference(self, function: Callable[..., Any]) -> str:
        """Return a text for the difference of a function from the definition in its source; empty if there is none."""
        codes, defaults = _codes_of(function), _defaults_of(function)
        if codes == self._codes and same(defaults, self._defaults):
            return ""
        from nbflow.fingerprint import Unknown, fingerprint

        try:
            return fingerprint(function)
        except Unknown:
            return f"changed in place {codes} {len(defaults)}"


def _codes_of(function: Callable[..., Any]) -> list[str]:
    """Return a text for the code of each function that a call runs, except the function with the source."""
    from nbflow.fingerprint.walk import read_code

    defined = defined_by(function)
    parts = [part for part in parts_of(function) if isinstance(part, types.FunctionType) and part is not defined]
    return [read_code(part.__code__).text for part in parts]


def _defaults_of(function: Callable[..., Any]) -> list[Any]:
    found: list[Any] = []
    for part in parts_of(function):
        if isinstance(part, types.FunctionType):
            found += [list(part.__defaults__ or ()), dict(part.__kwdefaults__ or {})]
        elif isinstance(part, functools.partial):
            found += [list(part.args), dict(part.keywords)]
    return found
