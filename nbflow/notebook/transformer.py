"""Rewrites the calls of awaited magics in a cell, so that the kernel's own loop runs them.

Rule: a cell is never broken by it. Whatever it does not understand stays as it is and meets the plain magic, which
gives the same result by blocking.

IPython has no async magics, and ipykernel decides by a cell's text whether to await it; so the text is where to act.
"""

from __future__ import annotations

import ast
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nbflow import parsing
from nbflow.notebook.body import leading_blank_lines

AWAITED_PREFIX = "_"


class AwaitedMagics:
    """An input transformer that turns `%name` into an await of `%_name`, wherever an await may stand.

    `always` are magics that wait for something themselves. `by_body` are cell magics that run their body as a cell:
    they are awaited only when the body needs it, since an awaited cell cannot be interrupted in the middle of
    ordinary Python.
    """

    def __init__(self, shell: Any, *, always: Iterable[str], by_body: Iterable[str]) -> None:
        self._shell, self._always, self._by_body = shell, frozenset(always), frozenset(by_body)
        self._running = threading.local()

    def install(self) -> None:
        """Begin to rewrite cells; safe inside a running cell."""
        self._running.depth = int(_inside_cell())
        self._shell.input_transformers_post.append(self)
        self._shell.events.register("pre_run_cell", self._enter)
        self._shell.events.register("post_run_cell", self._leave)

    def uninstall(self) -> None:
        """Leave cells alone again."""
        self._shell.input_transformers_post.remove(self)
        self._shell.events.unregister("pre_run_cell", self._enter)
        self._shell.events.unregister("post_run_cell", self._leave)

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the cell's lines with the calls rewritten; a cell that runs inside another one is left alone."""
        # The outer magic (%%capture, %time) compiles the inner text itself, without leave to await.
        if getattr(self._running, "depth", 0) or not self._shell.autoawait:
            return lines
        return self._rewrite(lines)

    def transform_body(self, body: str) -> str:
        """Return a magic's body as Python, with awaits where they may stand: for a body that is itself awaited."""
        depth, self._running.depth = getattr(self._running, "depth", 0), 0
        try:
            return str(self._shell.transform_cell(body))
        finally:
            self._running.depth = depth

    def _rewrite(self, lines: list[str]) -> list[str]:
        source = "".join(lines)
        if "get_ipython" not in source or not any(name in source for name in self._always | self._by_body):
            return lines
        try:
            tree = parsing.module(source)
            if (body := self._unreadable_body(tree)) is not None:
                return body
            finder = _MagicCalls(self._is_awaited)
            finder.visit(tree)
            return _with_awaits(source, finder.found)
        except Exception:  # noqa: BLE001 - an input transformer that raises would break every cell of the user
            return lines

    def _unreadable_body(self, tree: ast.Module) -> list[str] | None:
        """Return the body of a cell of ours that is no Python, at its place: Python's own complaint is the best."""
        match tree.body:
            case [ast.Expr(value=ast.Call(func=ast.Attribute(attr="run_cell_magic")) as call)] if _is_magic_call(call):
                name, _, body = [str(ast.literal_eval(argument)) for argument in call.args]
            case _:
                return None
        if name not in self._always | self._by_body:
            return None
        text = "\n" * (1 + leading_blank_lines(body)) + self.transform_body(body)
        try:
            compile(text, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError:
            return text.splitlines(keepends=True)
        return None

    def _is_awaited(self, name: str, arguments: Sequence[str]) -> bool:
        if name in self._always:
            return True
        if name not in self._by_body:
            return False
        body = arguments[-1]
        return bool(self._shell.should_run_async(body, transformed_cell=self.transform_body(body)))

    def _enter(self, _info: Any) -> None:
        self._running.depth = getattr(self._running, "depth", 0) + 1

    def _leave(self, _result: Any) -> None:
        self._running.depth = max(0, getattr(self._running, "depth", 0) - 1)


class _MagicCalls(ast.NodeVisitor):
    """Finds `get_ipython().run_line_magic(...)` and `run_cell_magic(...)` where Python allows an await."""

    def __init__(self, wanted: Callable[[str, Sequence[str]], bool]) -> None:
        self._wanted = wanted
        self._may_await = True
        self.found: list[ast.Call] = []

    def _scope(self, node: ast.AST, may_await: bool) -> None:
        before, self._may_await = self._may_await, may_await
        self.generic_visit(node)
        self._may_await = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scope(node, False)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._scope(node, False)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope(node, False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._scope(node, True)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if not (self._may_await and _is_magic_call(node)):
            return
        name, *arguments = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        if self._wanted(str(name), [str(argument) for argument in arguments]):
            self.found.append(node)


def _is_magic_call(node: ast.Call) -> bool:
    function = node.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in ("run_line_magic", "run_cell_magic")
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "get_ipython"
        and len(node.args) >= 2
        and all(isinstance(argument, ast.Constant) for argument in node.args)
    )


def _with_awaits(source: str, calls: Iterable[ast.Call]) -> list[str]:
    # ast counts columns in UTF-8 bytes; from the last call to the first, earlier positions stay true.
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset), reverse=True):
        name = call.args[0]
        awaited = AWAITED_PREFIX + str(ast.literal_eval(name))
        _splice(lines, call.end_lineno, call.end_col_offset, call.end_col_offset, b")")
        _splice(lines, name.lineno, name.col_offset, name.end_col_offset, repr(awaited).encode())
        _splice(lines, call.lineno, call.col_offset, call.col_offset, b"(await ")
    return [line.decode() for line in lines]


def _splice(lines: list[bytes], number: int | None, start: int | None, end: int | None, new: bytes) -> None:
    line = lines[(number or 1) - 1]
    lines[(number or 1) - 1] = line[:start] + new + line[end:]


def _inside_cell() -> bool:
    """Return whether a cell is running on this thread: `load` may be called from one, or while a shell starts."""
    return any(frame.f_code.co_name == "run_cell_async" for frame, _ in traceback.walk_stack(None))
