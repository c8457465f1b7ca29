"""Runs a cell magic's body as an ordinary cell runs.

Rule: whatever works in a cell works here: imports, other magics, await, a last expression that is shown. Line numbers
are those of the whole cell, the magic's own line being the first.
"""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from nbflow.program.notebook_file import OF_THE_COMPILER


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read: its statements, and the name it is compiled under."""

    shell: Any
    tree: ast.Module
    filename: str

    def functions(self) -> list[str]:
        """Return the names of its top-level functions, in the order they are defined, those in an `if` too."""
        found = (node.name for node in _statements(self.tree.body) if isinstance(node, _FUNCTIONS))
        return list(dict.fromkeys(found))

    def assigned(self) -> list[str]:
        """Return the names that its top-level assignments bind, in their order."""
        finder = _Assigned()
        for statement in self.tree.body:
            finder.visit(statement)
        return list(dict.fromkeys(finder.names))

    def bound(self) -> set[str]:
        """Return every name its top level binds, by whatever means: def, import, assignment."""
        stores = (i for code in self.codes(show=False) for i in dis.get_instructions(code))
        return {str(i.argval) for i in stores if i.opname in ("STORE_NAME", "STORE_GLOBAL")} - OF_THE_COMPILER

    def codes(self, *, show: bool) -> list[CodeType]:
        """Return its code, a statement each; with `show`, what a cell would show is shown."""
        shown = _shown(self.tree.body, self.shell.ast_node_interactivity) if show else []
        first_shown = len(self.tree.body) - len(shown)
        with self.shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if self.shell.autoawait else 0):
            return [
                self.shell.compile(ast.Interactive([node]), self.filename, "single")
                if index >= first_shown
                else self.shell.compile(ast.Module([node], []), self.filename, "exec")
                for index, node in enumerate(self.tree.body)
            ]


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def read_body(shell: Any, text: str, *, cell: str, transformed: str) -> Body:
    """Parse a magic's body.

    Args:
        shell: The shell it will run in.
        text: The body as the magic got it.
        cell: The whole cell, so that its code is known by the cell's own file name.
        transformed: The body as Python.

    Raises:
        SyntaxError: It is not Python.
    """
    header = _header(cell, text)
    if header is None:
        cell, header = text, "\n"  # run from inside another magic
    above = header.count("\n") + leading_blank_lines(text)
    shown = header + "\n" * leading_blank_lines(text) + transformed
    filename = shell.compile.cache(shown, shell.displayhook.prompt_count, raw_code=cell)
    tree = shell.compile.ast_parse("\n" * above + transformed, filename)
    return Body(shell, shell.transform_ast(tree), filename)


def read_expression(shell: Any, text: str) -> CodeType:
    """Compile one expression of a magic's line.

    Raises:
        SyntaxError: It is none.
    """
    filename = shell.compile.cache(text, shell.displayhook.prompt_count, raw_code=text)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if shell.autoawait else 0
    with shell.compile.extra_flags(flags):
        code: CodeType = shell.compile(text, filename, "eval")
    return code


async def run_codes(codes: Sequence[CodeType], namespace: dict[str, Any]) -> None:
    """Run code in the namespace; it suspends only where `any_awaited(codes)`."""
    for code in codes:
        await value_of(code, namespace)


async def value_of(code: CodeType, namespace: dict[str, Any]) -> Any:
    """Return what the code gives, awaited if an `await` stands in it."""
    value = eval(code, namespace)  # noqa: S307 - the user's own cell
    return await value if any_awaited([code]) else value


async def values_of(codes: Mapping[str, CodeType], namespace: dict[str, Any]) -> dict[str, Any]:
    """Return what each code gives, under its key; it suspends only where `any_awaited(codes.values())`."""
    return {key: await value_of(code, namespace) for key, code in codes.items()}


def names_for(shell: Any, local_ns: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the names that a magic's expressions see: the notebook's, and those of the function that calls it."""
    here: dict[str, Any] = shell.user_ns
    return here if local_ns is None or local_ns is here else {**here, **local_ns}


def any_awaited(codes: Iterable[CodeType]) -> bool:
    """Return whether running any of the code gives a coroutine, because an `await` stands in it."""
    return any(code.co_flags & inspect.CO_COROUTINE for code in codes)


def _shown(statements: list[ast.stmt], interactivity: str) -> list[ast.stmt]:
    """Return the statements at the end whose values are shown, as the shell is set."""
    if interactivity == "all":
        return statements
    last = statements[-1:]
    if interactivity == "last" or (interactivity != "none" and any(isinstance(node, ast.Expr) for node in last)):
        return last
    return []


def _header(cell: str, body: str) -> str | None:
    """Return what stands above the body in its cell: the magic's line. None if the cell does not end with the body."""
    cell, body = cell.rstrip("\n"), body.rstrip("\n")
    if not cell.endswith(body):
        return None
    header = cell[: len(cell) - len(body)]
    return header if header.lstrip().startswith("%%") and header.endswith("\n") else None


def leading_blank_lines(text: str) -> int:
    """Return how many lines IPython's transformation drops from the top."""
    lines = text.splitlines()
    return next((index for index, line in enumerate(lines) if line.strip()), 0)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements that run at the top level, those inside if, for, while, try, with and match included."""
    for statement in body:
        yield statement
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            continue
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from _statements([child])
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                yield from _statements(child.body)


class _Assigned(ast.NodeVisitor):
    """Collects names bound by `=`, `+=`, `x: T =` and `:=` outside functions and classes."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Stay out: its names are its own."""

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._bind(target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._bind(node.target)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target)
        self.generic_visit(node)

    def _bind(self, target: ast.expr) -> None:
        stored = (n for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        self.names.extend(node.id for node in stored)
