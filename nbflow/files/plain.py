"""A cell's text as plain Python, without magics.

Invariant: Python stays as it was written. A magic that only shows something, or sets a notebook up, goes and is told
of; any other is refused by its line, as is what a module cannot do.
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
_GOES = frozenset(f"{_SHOWING} {_SETTING_UP}".split())
_OF_IPYTHON = ("display", "get_ipython")


class ExportError(NbflowError):
    """A cell cannot become part of a module; `cell` and `line` are its number and the line in it."""

    def __init__(self, cell: int, line: int, problem: str) -> None:
        self.cell, self.line = cell, line
        super().__init__(f"cell {cell}, line {line}: {problem}; change it, or tag the cell nbflow-skip to leave it out")


@dataclass(frozen=True, slots=True)
class Magic:
    """A call of a magic as IPython writes it: `name` is `system` or `getoutput` for a line that begins with `!`."""

    node: ast.Call
    kind: str
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called; a line for the shell has no name."""
        return self.arguments[0] if self.kind in ("run_line_magic", "run_cell_magic") else ""

    def __str__(self) -> str:
        signs = {"run_line_magic": "%", "run_cell_magic": "%%"}
        first = " ".join(self.arguments[:2]).strip().partition("\n")[0]
        return f"{signs.get(self.kind, '!')}{first}"

    @property
    def goes(self) -> bool:
        """Whether a module does without it."""
        return self.name in _GOES or (self.kind == "system" and self.arguments[0].split()[:2] == ["pip", "install"])


@dataclass(slots=True)
class Plain:
    """A cell as Python; `dropped` are the magics that went, `future` what it imports of `__future__`."""

    text: str
    tree: ast.Module
    dropped: list[str] = field(default_factory=list)
    future: list[str] = field(default_factory=list)


def magic_of(node: ast.AST) -> Magic | None:
    """Return the magic that a call stands for."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=kind), args=arguments):
            if all(isinstance(argument, ast.Constant) for argument in arguments):
                return Magic(node, kind, tuple(str(ast.literal_eval(argument)) for argument in arguments))
    return None


def cell_magic(text: str, transform: Transform) -> Magic | None:
    """Return the magic that a whole cell is for."""
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
    """Return how many lines are blank before the first that is not."""
    return next((at for at, line in enumerate(text.splitlines()) if line.strip()), 0)


def plain(number: int, text: str, transform: Transform, *, above: int = 0, known: Collection[str] = ()) -> Plain:
    """Return a cell's text as Python.

    Args:
        number: The cell's, for errors.
        text: The cell, or its part below `above` lines.
        transform: Makes calls of magics.
        above: How many lines are above.
        known: What the notebook's cells name.

    Raises:
        ExportError: It has what only a notebook can do.
    """

    def refuse(line: int | None, problem: str) -> ExportError:
        return ExportError(number, (line or 1) + above + blank_lines(text), problem)

    python = transform(text)  # which begins with the first line that is not blank
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
"""A statement, and what comes in its place."""


def _dropping(found: Plain) -> Iterator[Edit]:
    """Yield the statements that are magics to go."""
    top = set(map(id, found.tree.body))
    for node in ast.walk(found.tree):
        if isinstance(node, ast.Expr) and (magic := magic_of(node.value)) and magic.goes:
            if str(magic) != "%load_ext nbflow":
                found.dropped.append(str(magic))
            yield node, "" if id(node) in top else "pass"


def _future_imports(found: Plain) -> Iterator[Edit]:
    for node in found.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            found.future += [alias.name for alias in node.names]
            yield node, ""


def _check_names(nodes: list[ast.AST], known: Collection[str], refuse: Refuse) -> None:
    """Refuse magics, and names that IPython alone gives."""
    for node in nodes:
        if magic := magic_of(node):
            raise refuse(magic.node.lineno, f"{magic} is for a notebook, and a module has no magics")
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in _OF_IPYTHON and node.id not in known:
            raise refuse(node.lineno, f"{node.id!r} is there in IPython alone")


def _check_compiles(tree: ast.Module, refuse: Refuse) -> None:
    """Refuse what no module may hold."""
    try:
        compile(tree, "<cell>", "exec")
    except SyntaxError as error:
        raise refuse(error.lineno, _wrong_with(tree) or "it awaits outside a function, which no module can") from error


def _wrong_with(tree: ast.Module) -> str | None:
    """Return what is wrong with code other than that it awaits."""
    try:
        compile(tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        return f"SyntaxError: {error.msg}"
    return None


def _edited(text: str, edits: list[Edit]) -> str:
    """Replace statements, each of which has its lines for itself."""
    lines = text.splitlines(keepends=True)
    for statement, new in sorted(edits, key=lambda edit: -edit[0].lineno):
        indent = " " * statement.col_offset
        lines[statement.lineno - 1 : statement.end_lineno] = [f"{indent}{new}\n"] if new else []
    return "".join(lines)
