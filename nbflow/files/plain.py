"""Convert the text of a cell to plain Python without magics.

Invariant: Python code is not changed. A magic that only shows something or sets up the notebook is dropped and
reported; any other magic, and anything else that a module cannot do, raises ExportError with its line.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from nbflow import parsing
from nbflow.errors import NbflowError
from nbflow.files.reading import Transform

_SHOWING = "flow_graphs flow_runs flow_show flow_tools pinfo pinfo2 who whos"
_SETTING_UP = "autoreload colors conda config load_ext matplotlib pip precision reload_ext unload_ext xmode"
_DROPPED = frozenset(f"{_SHOWING} {_SETTING_UP}".split())
_OF_IPYTHON = ("display", "get_ipython")


class ExportError(NbflowError):
    """A cell cannot become part of a module; `cell` and `line` are the number of the cell and the line in it."""

    def __init__(self, cell: int, line: int, problem: str) -> None:
        self.cell, self.line = cell, line
        super().__init__(f"cell {cell}, line {line}: {problem}; change it, or tag the cell nbflow-skip to leave it out")


@dataclass(frozen=True, slots=True)
class Magic:
    """The call that IPython writes for a magic: `get_ipython().kind(*arguments)`.

    `kind` is `run_line_magic`, `run_cell_magic`, or `system` or `getoutput` for a shell line (`!ls`).
    """

    node: ast.Call
    kind: str
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the magic; empty for a shell line."""
        return self.arguments[0] if self.kind in ("run_line_magic", "run_cell_magic") else ""

    def __str__(self) -> str:
        signs = {"run_line_magic": "%", "run_cell_magic": "%%"}
        first = " ".join(self.arguments[:2]).strip().partition("\n")[0]
        return f"{signs.get(self.kind, '!')}{first}"

    @property
    def is_droppable(self) -> bool:
        """True if a module works without it: it only shows something, sets up the notebook, or installs packages."""
        return self.name in _DROPPED or (self.kind == "system" and self.arguments[0].split()[:2] == ["pip", "install"])


@dataclass(slots=True)
class Plain:
    """A cell as Python; `dropped` are the dropped magics, `future` the names that it imports from `__future__`."""

    text: str
    tree: ast.Module
    dropped: list[str] = field(default_factory=list)
    future: list[str] = field(default_factory=list)


def magic_of(node: ast.AST) -> Magic | None:
    """Return the magic that a node of the syntax tree calls, or None."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=kind), args=arguments):
            if all(isinstance(argument, ast.Constant) for argument in arguments):
                return Magic(node, kind, tuple(str(ast.literal_eval(argument)) for argument in arguments))
    return None


def cell_magic(text: str, transform: Transform) -> Magic | None:
    """Return the cell magic that a cell starts with, or None."""
    try:
        body = parsing.module(transform(text)).body
    except SyntaxError:
        return None
    match body:
        case [ast.Expr(value=ast.Call() as call)]:
            magic = magic_of(call)
            return magic if magic and magic.kind == "run_cell_magic" else None
    return None


def blank_lines(text: str) -> int:
    """Return the number of blank lines at the start of a text."""
    return next((at for at, line in enumerate(text.splitlines()) if line.strip()), 0)


def plain(number: int, text: str, transform: Transform, *, above: int = 0, known: Collection[str] = ()) -> Plain:
    """Return a cell's text as plain Python.

    Args:
        number: The number of the cell, for errors.
        text: The text of the cell, without its first `above` lines.
        transform: Converts the text to Python, with calls in place of magics.
        above: The number of lines of the cell before `text`, for errors.
        known: The names that the notebook's cells set.

    Raises:
        ExportError: The cell uses something that works only in a notebook.
    """

    def refuse(line: int | None, problem: str) -> ExportError:
        return ExportError(number, (line or 1) + above + blank_lines(text), problem)

    python = transform(text)  # drops blank lines at the start
    try:
        tree = parsing.module(python)
    except SyntaxError as error:
        raise refuse(error.lineno, f"SyntaxError: {error.msg}") from error
    found = Plain(python, tree)
    edits = [*_dropping(found), *_future_imports(found)]
    gone = {id(node) for statement, _ in edits for node in ast.walk(statement)}
    _check_names([node for node in ast.walk(tree) if id(node) not in gone], known, refuse)
    _check_compiles(tree, refuse)
    if edits:
        found.text = _edited(python, edits)
        found.tree = parsing.module(found.text)
    found.text = found.text.strip("\n")
    return found


Refuse = Callable[[int | None, str], ExportError]
Edit = tuple[ast.stmt, str]
"""A statement, and the text that replaces it."""


def _dropping(found: Plain) -> Iterator[Edit]:
    """Yield the edits that drop magics, and record the magics."""
    top = set(map(id, found.tree.body))
    for node in ast.walk(found.tree):
        if isinstance(node, ast.Expr) and (magic := magic_of(node.value)) and magic.is_droppable:
            if str(magic) != "%load_ext nbflow":
                found.dropped.append(str(magic))
            yield node, "" if id(node) in top else "pass"


def _future_imports(found: Plain) -> Iterator[Edit]:
    for node in found.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            found.future += [alias.name for alias in node.names]
            yield node, ""


def _check_names(nodes: list[ast.AST], known: Collection[str], refuse: Refuse) -> None:
    """Raise for magics, and for names that only IPython defines."""
    for node in nodes:
        if magic := magic_of(node):
            raise refuse(magic.node.lineno, f"{magic} works only in a notebook; a module has no magics")
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in _OF_IPYTHON and node.id not in known:
            raise refuse(node.lineno, f"{node.id!r} is defined only in IPython")


def _check_compiles(tree: ast.Module, refuse: Refuse) -> None:
    """Raise if the code does not compile as a module."""
    try:
        compile(tree, "<cell>", "exec")
    except SyntaxError as error:
        raise refuse(error.lineno, _wrong_with(tree) or "it awaits outside a function, which no module can") from error


def _wrong_with(tree: ast.Module) -> str | None:
    """Return the syntax error of code if it has one besides awaiting at top level, else None."""
    try:
        compile(tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        return f"SyntaxError: {error.msg}"
    return None


def _edited(text: str, edits: list[Edit]) -> str:
    """Return the text with statements replaced; no other statement shares a line with one of them."""
    lines = text.splitlines(keepends=True)
    for statement, new in sorted(edits, key=lambda edit: -edit[0].lineno):
        indent = " " * statement.col_offset
        lines[statement.lineno - 1 : statement.end_lineno] = [f"{indent}{new}\n"] if new else []
    return "".join(lines)
