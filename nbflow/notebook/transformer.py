"""Rewrite the calls of magics in a cell: those that wait become awaits, and a final `;` hides a value.

IPython has no async magics (ipython #11314, #14157). ipykernel decides by the transformed text of a cell whether to
await it, before transformers of the AST run. So the text is rewritten:

    %flow_run g   ->   get_ipython().run_line_magic('flow_run', 'g')          by IPython
                  ->   (await get_ipython().run_line_magic('_flow_run', 'g'))   here

IPython hides the value of a magic by returning None, so that `run = %magic g;` would bind None. Here the value is
dropped only where it would be displayed: if the call is an expression statement.

Invariant: rewriting never breaks a cell. A call that is not rewritten runs the plain magic, which blocks and has the
same result.
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
"""The prefix of the magics that are rewritten."""


class AwaitedMagics:
    """An input transformer that turns `%name` into an await of `%_name`, wherever Python allows an await.

    Args:
        shell: The shell whose cells are rewritten.
        always: Magics that wait for something themselves.
        by_body: Cell magics that run their body. They are awaited only if the body contains an await, since a cell that
            awaits cannot be interrupted in the middle of sync code.
    """

    def __init__(self, shell: Any, *, always: Iterable[str], by_body: Iterable[str]) -> None:
        self._shell, self._always, self._by_body = shell, frozenset(always), frozenset(by_body)
        self._running = threading.local()

    def install(self) -> None:
        """Register the transformer; a cell may be running."""
        self._running.depth = int(_inside_cell())
        self._shell.input_transformers_post.append(self)
        self._shell.events.register("pre_run_cell", self._enter)
        self._shell.events.register("post_run_cell", self._leave)

    def uninstall(self) -> None:
        """Remove the transformer."""
        self._shell.input_transformers_post.remove(self)
        self._shell.events.unregister("pre_run_cell", self._enter)
        self._shell.events.unregister("post_run_cell", self._leave)

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the lines of a cell with its calls rewritten; a cell that runs inside another one awaits nothing."""
        source = "".join(lines)
        if "get_ipython" not in source or OWN_PREFIX not in source:
            return lines
        # An outer magic (%%capture, %time) compiles the inner text itself, and does not allow an await.
        may_await = self._shell.autoawait and not getattr(self._running, "depth", 0)
        try:
            return self._rewrite(source, may_await=may_await)
        except Exception:  # noqa: BLE001 - a transformer that raises would break every cell
            return lines

    def transform_body(self, body: str) -> str:
        """Translate the magics in the body of an awaited magic to Python, with awaits."""
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
        """Return the body of a cell magic if it is not valid Python, so that Python itself reports the error.

        Blank lines replace the line of the magic, so that the error names the line of the cell.
        """
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

    Attributes:
        awaited: The calls to await, at positions where Python allows an await.
        hidden: The calls whose value is not displayed.
        misread: The calls whose final `;` IPython took for a part of the name, such as `%flow_runs;`.
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
    # `ast` counts columns in UTF-8 bytes. The last call is edited first, so that earlier positions stay valid.
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
    """Return True if a cell runs on this thread; the extension may also be loaded while a shell starts."""
    return any(frame.f_code.co_name == "run_cell_async" for frame, _ in traceback.walk_stack(None))
