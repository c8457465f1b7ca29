"""Compiles a condition once and evaluates it often.

Rule: what runs is a function of the rebuilt expression with no builtins. Whatever goes wrong in it is a ConditionError,
whose column is found from the failing instruction, so that success pays nothing for it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from itertools import takewhile
from types import CodeType, FunctionType
from typing import Any

from nbflow import parsing
from nbflow.conditions.access import missing
from nbflow.conditions.limits import MAX_ELEMENTS, Refused
from nbflow.conditions.rebuild import Rebuilder
from nbflow.conditions.scan import scan
from nbflow.errors import ConditionError
from nbflow.failures import text_of

_UNREAD = object()
_SHOWN = 200  # characters of another error's message


class Condition:
    """A condition that has been read and checked; `compile_condition` makes it.

    Its code is made when it is first evaluated: most graphs are looked at more often than they are run.

    Attributes:
        source: The text as it was written.
        names: The top-level keys of the state that it names.
    """

    __slots__ = ("_build", "_evaluate", "_places", "names", "source")

    def __init__(self, source: str, places: dict[int, str], build: Callable[[], FunctionType]) -> None:
        self.source, self._places, self._build = source, places, build
        self._evaluate: Callable[[Mapping[str, Any]], tuple[bool, dict[str, Any]]] = self._first
        self.names = frozenset(places.values())

    def __repr__(self) -> str:
        return f"Condition({self.source!r})"

    def evaluate(self, state: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
        """Return the truth, and the values read by their paths (`user.age`) in the order first read.

        Raises:
            ConditionError: A name is not in the state, an operation failed or was refused, or a truth is ambiguous.
        """
        try:
            return self._evaluate(state)
        except Refused as refusal:
            raise self._error(refusal.problem, self._column(refusal)) from None
        except Exception as error:
            column = self._column(error)
            name = self._absent(error, column, state)
            if name is not None:
                raise self._error(missing(name, "the state", state).problem, column) from None
            raise self._error(f"{type(error).__name__}: {_message(error)}", column) from error

    def _first(self, state: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
        evaluate: Callable[[Mapping[str, Any]], tuple[bool, dict[str, Any]]] = self._build()
        self._evaluate = evaluate
        return evaluate(state)

    def _absent(self, error: Exception, column: int | None, state: Mapping[str, Any]) -> str | None:
        """Return the name that failed for not being in the state, if that is the error."""
        if not isinstance(error, KeyError):
            return None
        if column is None:
            name = next((name for name in self.names if error.args == (name,)), None)
        else:
            name = self._places.get(column)
        return None if name is None or name in state else name

    def _error(self, problem: str, column: int | None) -> ConditionError:
        return ConditionError(problem, source=self.source, column=None if column is None else column + 1)

    def _column(self, error: Exception) -> int | None:
        """Return the column from 0 of the instruction of the condition that failed; None if code has no positions."""
        frame = error.__traceback__
        while frame is not None and frame.tb_frame.f_code is not getattr(self._evaluate, "__code__", None):
            frame = frame.tb_next
        if frame is None:
            return None
        positions = list(frame.tb_frame.f_code.co_positions())
        return positions[frame.tb_lasti // 2][2]


def compile_condition(text: str, predicates: Mapping[str, Callable[..., Any]] | None = None) -> Condition:
    """Return `text` as a condition; a predicate is a pure function, called as it is known by its name now.

    Raises:
        ConditionError: The text is no condition, holds what conditions may not, or calls an unknown function.
    """
    try:
        if not isinstance(text, str):
            raise Refused(f"a condition is text, not {type(text).__name__}")
        return _compiled(text, predicates or {})
    except Refused as refusal:
        column = None if refusal.column is None else refusal.column + 1
        raise ConditionError(refusal.problem, source=text if isinstance(text, str) else "", column=column) from None


def _compiled(text: str, predicates: Mapping[str, Callable[..., Any]]) -> Condition:
    padded = scan(text)
    source = padded.lstrip(" ")
    shift = len(padded) - len(source)
    try:
        parsed = parsing.expression(source)
        rebuilder = Rebuilder(source, shift, predicates)
        expression = rebuilder.truth(parsed)
    except SyntaxError as error:
        raise Refused(f"this is no condition: {error.msg}", max((error.offset or 1) - 1, 0) + shift) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"this cannot be read as a condition: {_message(error)}") from None
    return Condition(text, rebuilder.places, lambda: _function(expression, rebuilder))


def _function(expression: ast.expr, rebuilt: Rebuilder) -> FunctionType:
    """Return the function of the state that gives truth and reads."""
    truth = ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), expression))
    body: list[ast.stmt] = []
    if rebuilt.makes_elements:
        body.append(_assign(["budget"], ast.List([ast.Constant(MAX_ELEMENTS)], ast.Load())))
    certain = list(takewhile(lambda read: not read.may_be_skipped, rebuilt.reads))
    values: list[ast.expr] = [_load(read.variable) for read in certain]
    known = ast.Dict([ast.Constant(read.path) for read in certain], values)
    if len(certain) == len(rebuilt.reads):
        body.append(ast.Return(ast.Tuple([truth, known], ast.Load())))
    else:
        later = rebuilt.reads[len(certain) :]
        body.append(_assign([read.variable for read in later if read.may_be_skipped], _load("unread")))
        body += [_assign(["truth"], truth), _assign(["reads"], known)]
        for read in later:
            body += _noted(read.variable, read.path, read.may_be_skipped)
        body.append(ast.Return(ast.Tuple([_load("truth"), _load("reads")], ast.Load())))
    return _compile(body, expression, {**rebuilt.functions, "unread": _UNREAD})


def _noted(variable: str, path: str, may_be_skipped: bool) -> list[ast.stmt]:
    target = ast.Subscript(_load("reads"), ast.Constant(path), ast.Store())
    note = ast.Assign([target], _load(variable))
    if not may_be_skipped:
        return [note]
    return [ast.If(ast.Compare(_load(variable), [ast.IsNot()], [_load("unread")]), [note], [])]


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _assign(names: list[str], value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store()) for name in names], value)


def _compile(body: list[ast.stmt], place: ast.expr, functions: dict[str, Any]) -> FunctionType:
    for statement in body:
        statement.lineno = statement.end_lineno = 1
        statement.col_offset, statement.end_col_offset = place.col_offset, place.col_offset + 1
    arguments = ast.arguments(posonlyargs=[ast.arg("state")], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef("evaluate", arguments, body, [], lineno=1, col_offset=0)
    module = ast.fix_missing_locations(ast.Module([function], []))
    code = compile(module, "<condition>", "exec")
    inner = next(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return FunctionType(inner, {"__builtins__": {}, **functions})


def _message(error: BaseException) -> str:
    text = text_of(error)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
