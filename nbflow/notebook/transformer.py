"""Rewrites the calls of magics in a cell: the kernel's own loop runs those that wait, and a last `;` hides a value.

Rule: a cell is never broken by it. Whatever it does not understand stays as it is and meets the plain magic, which
gives the same result by blocking.

IPython has no async magics, and ipykernel decides by a cell's text whether to await it; so the text is where to act.
IPython hides the value of a magic by giving None for it, so that `run = %magic g;` binds None. Here the value is lost
only where it would be displayed: where the call is a statement of its own.
"""

from __future__ import annotations

import ast
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nbflow.functions.parser import parse_module
from nbflow.notation import hides_value
from nbflow.notebook.cell_body import leading_blank_lines

AWAITED_PREFIX = "_"
OWN_PREFIX = "flow_"
"""How the names of all magics begin that are rewritten here."""


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
        """Return the cell's lines with the calls rewritten; a cell that runs inside another one awaits nothing."""
        source = "".join(lines)
        if "get_ipython" not in source or OWN_PREFIX not in source:
            return lines
        # The outer magic (%%capture, %time) compiles the inner text itself, without leave to await.
        may_await = self._shell.autoawait and not getattr(self._running, "depth", 0)
        try:
            return self._rewrite(source, may_await=may_await)
        except Exception:  # noqa: BLE001 - an input transformer that raises would break every cell of the user
            return lines

    def transform_body(self, body: str) -> str:
        """Return a magic's body as Python, with awaits where they may stand: for a body that is itself awaited."""
        depth, self._running.depth = getattr(self._running, "depth", 0), 0
        try:
            return str(self._shell.transform_cell(body))
        finally:
            self._running.depth = depth

    def _rewrite(self, source: str, *, may_await: bool) -> list[str]:
        tree = parse_module(source)
        if may_await and (body := self._unreadable_body(tree)) is not None:
            return body
        finder = _MagicCalls(self._is_awaited, may_await=may_await)
        finder.visit(tree)
        return _rewritten(source, finder)

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
    """Finds `get_ipython().run_line_magic(...)` and `run_cell_magic(...)`.

    `awaited` are the wanted calls that stand where Python allows an await, `hidden` those whose value is not displayed,
    `misread` those of which IPython takes the last `;` for a part of the name: `%flow_runs;`.
    """

    def __init__(self, wanted: Callable[[str, Sequence[str]], bool], *, may_await: bool) -> None:
        self._wanted = wanted
        self._may_await = self._async_functions_may = may_await
        self.awaited: list[ast.Call] = []
        self.hidden: list[ast.Call] = []
        self.misread: list[ast.Call] = []

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
        self._scope(node, self._async_functions_may)

    def visit_Expr(self, node: ast.Expr) -> None:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and _is_magic_call(node.value):
            name, line, *_ = _arguments(node.value)
            if name.startswith(OWN_PREFIX) and (name.endswith(";") or hides_value(line)):
                self.hidden.append(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if not _is_magic_call(node):
            return
        name, *arguments = _arguments(node)
        if self._may_await and self._wanted(name.removesuffix(";"), arguments):
            self.awaited.append(node)
        elif name.startswith(OWN_PREFIX) and name.endswith(";"):
            self.misread.append(node)


def _arguments(call: ast.Call) -> list[str]:
    return [str(argument.value) for argument in call.args if isinstance(argument, ast.Constant)]


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


def _rewritten(source: str, calls: _MagicCalls) -> list[str]:
    # ast counts columns in UTF-8 bytes; from the last call to the first, earlier positions stay true.
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    found = dict.fromkeys([*calls.awaited, *calls.hidden, *calls.misread])
    for call in sorted(found, key=lambda call: (call.lineno, call.col_offset), reverse=True):
        awaits, hides = call in calls.awaited, call in calls.hidden
        _splice(lines, call.end_lineno, call.end_col_offset, call.end_col_offset, b")" * awaits + b", None)[1]" * hides)
        if awaits or call in calls.misread:
            at = call.args[0]
            name = AWAITED_PREFIX * awaits + str(ast.literal_eval(at)).removesuffix(";")
            _splice(lines, at.lineno, at.col_offset, at.end_col_offset, repr(name).encode())
        _splice(lines, call.lineno, call.col_offset, call.col_offset, b"(" * hides + b"(await " * awaits)
    return [line.decode() for line in lines]


def _splice(lines: list[bytes], number: int | None, start: int | None, end: int | None, new: bytes) -> None:
    line = lines[(number or 1) - 1]
    lines[(number or 1) - 1] = line[:start] + new + line[end:]


def _inside_cell() -> bool:
    """Return whether a cell is running on this thread: `load` may be called from one, or while a shell starts."""
    return any(frame.f_code.co_name == "run_cell_async" for frame, _ in traceback.walk_stack(None))
