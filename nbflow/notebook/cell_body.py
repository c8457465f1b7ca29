"""Compile and run the body of a cell magic as IPython runs an ordinary cell.

Invariant: everything that works in a cell works in the body: imports, other magics, await, and a last expression whose
value is shown. Line numbers count from the first line of the cell, which is the line of the magic.
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
    """A parsed body: its statements, and the file name under which it is compiled."""

    shell: Any
    tree: ast.Module
    filename: str

    def functions(self) -> list[str]:
        """Return the names of the top-level functions in the order of their definitions, also those inside an `if`."""
        found = (node.name for node in _statements(self.tree.body) if isinstance(node, _FUNCTIONS))
        return list(dict.fromkeys(found))

    def assigned(self) -> list[str]:
        """Return the names that top-level assignments bind, in the order of the assignments."""
        finder = _Assigned()
        for statement in self.tree.body:
            finder.visit(statement)
        return list(dict.fromkeys(finder.names))

    def bound(self) -> set[str]:
        """Return every name that the top level binds: by `def`, `import`, assignment or any other statement."""
        stores = (i for code in self.codes(show=False) for i in dis.get_instructions(code))
        return {str(i.argval) for i in stores if i.opname in ("STORE_NAME", "STORE_GLOBAL")} - OF_THE_COMPILER

    def codes(self, *, show: bool) -> list[CodeType]:
        """Return one code object per statement; with `show`, they display the values that a cell would display."""
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
    """Parse the body of a cell magic.

    Args:
        shell: The shell that will run it.
        text: The body as IPython passes it to the magic.
        cell: The text of the whole cell, from which IPython derives the file name of the code.
        transformed: The body as Python, with its magics translated.

    Raises:
        SyntaxError: The body is not valid Python.
    """
    header = _header(cell, text)
    if header is None:
        cell, header = text, "\n"  # another magic runs this one, so the cell is not ours
    above = header.count("\n") + leading_blank_lines(text)
    shown = header + "\n" * leading_blank_lines(text) + transformed
    filename = shell.compile.cache(shown, shell.displayhook.prompt_count, raw_code=cell)
    tree = shell.compile.ast_parse("\n" * above + transformed, filename)
    return Body(shell, shell.transform_ast(tree), filename)


def read_expression(shell: Any, text: str) -> CodeType:
    """Compile one expression from the line of a magic.

    Raises:
        SyntaxError: The text is not a valid expression.
    """
    filename = shell.compile.cache(text, shell.displayhook.prompt_count, raw_code=text)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if shell.autoawait else 0
    with shell.compile.extra_flags(flags):
        code: CodeType = shell.compile(text, filename, "eval")
    return code


async def run_codes(codes: Sequence[CodeType], namespace: dict[str, Any]) -> None:
    """Run the code in the namespace. This coroutine suspends only if `any_awaited(codes)`."""
    for code in codes:
        await value_of(code, namespace)


async def value_of(code: CodeType, namespace: dict[str, Any]) -> Any:
    """Evaluate the code, await its value if the code contains an `await`, and return the value."""
    value = eval(code, namespace)  # noqa: S307 - the code is the user's cell
    return await value if any_awaited([code]) else value


async def values_of(codes: Mapping[str, CodeType], namespace: dict[str, Any]) -> dict[str, Any]:
    """Evaluate each code, and return the values by key. Suspends only if `any_awaited(codes.values())`."""
    return {key: await value_of(code, namespace) for key, code in codes.items()}


def names_for(shell: Any, local_ns: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the names that expressions of a magic can read: the notebook's, and the locals of a calling function."""
    here: dict[str, Any] = shell.user_ns
    return here if local_ns is None or local_ns is here else {**here, **local_ns}


def any_awaited(codes: Iterable[CodeType]) -> bool:
    """Return True if any of the code contains an `await`, so that evaluating it returns a coroutine."""
    return any(code.co_flags & inspect.CO_COROUTINE for code in codes)


def _shown(statements: list[ast.stmt], interactivity: str) -> list[ast.stmt]:
    """Return the statements whose values the shell displays by its setting `ast_node_interactivity`."""
    if interactivity == "all":
        return statements
    last = statements[-1:]
    if interactivity == "last" or (interactivity != "none" and any(isinstance(node, ast.Expr) for node in last)):
        return last
    return []


def _header(cell: str, body: str) -> str | None:
    """Return the text above the body, the line of the magic; None if the cell does not end with the body."""
    cell, body = cell.rstrip("\n"), body.rstrip("\n")
    if not cell.endswith(body):
        return None
    header = cell[: len(cell) - len(body)]
    return header if header.lstrip().startswith("%%") and header.endswith("\n") else None


def leading_blank_lines(text: str) -> int:
    """Return the number of blank lines at the top, which IPython's transformation removes."""
    lines = text.splitlines()
    return next((index for index, line in enumerate(lines) if line.strip()), 0)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run at the top level, including those inside `if`, `for`, `try` and the like."""
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
    """Collects the names bound by `=`, `+=`, `x: T =` and `:=` outside functions and classes."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Skip functions, classes and lambdas: the names they bind are local."""

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
