"""Export a notebook or graphs as a plain Python module that defines the same tools and graphs without IPython.

Invariant: the module uses only public names of nbflow, and Python code is not changed. A magic that only shows
something or sets up the notebook is dropped. Every omitted cell and magic is reported; any other magic, and anything
else that a module cannot do, raises ExportError with its line.
"""

from __future__ import annotations

import argparse
import ast
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from nbflow import secrets
from nbflow.errors import NbflowError, name_list
from nbflow.functions.parser import parse_module
from nbflow.graph import GraphDefinition
from nbflow.graph.params import without_secrets
from nbflow.names import identifier
from nbflow.program.notebook_file import Sifting, Transform, read_cell
from nbflow.tools import EXECUTORS

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
        body = parse_module(transform(text)).body
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
        tree = parse_module(python)
    except SyntaxError as error:
        raise refuse(error.lineno, f"SyntaxError: {error.msg}") from error
    found = Plain(python, tree)
    edits = [*_dropping(found), *_future_imports(found)]
    gone = {id(node) for statement, _ in edits for node in ast.walk(statement)}
    _check_names([node for node in ast.walk(tree) if id(node) not in gone], known, refuse)
    _check_compiles(tree, refuse)
    if edits:
        found.text = _edited(python, edits)
        found.tree = parse_module(found.text)
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


_PAGES = frozenset({"html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "timeit"})
"""Cell magics that define nothing, so their cells are omitted."""
_AROUND = frozenset({"time", "capture"})
"""Cell magics that run their body once, like a cell without a magic."""


@dataclass(slots=True)
class Module:
    """An exported module.

    Attributes:
        text: The source of the module.
        tools: The names of its tools, in order.
        graphs: The names of its graphs, in order.
        left_out: The omitted cells, each with its number and the reason.
        dropped: The omitted magics of cells that were exported, each with the number of the cell.
    """

    text: str = ""
    tools: dict[str, None] = field(default_factory=dict)
    graphs: dict[str, None] = field(default_factory=dict)
    left_out: list[tuple[int, str]] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)


def export_graphs(graphs: Mapping[str, GraphDefinition], source: str) -> Module:
    """Return a module that defines graphs under their names; `source` is the name of their file."""
    parts = [
        _graph_call("session", name, "\n" + without_secrets(graph, secrets.MASK).to_text())
        for name, graph in graphs.items()
    ]
    return Module(_text(source, "session", parts, []), graphs=dict.fromkeys(graphs))


def export_cells(cells: Sequence[Mapping[str, Any]], transform: Transform, source: str) -> Module:
    """Return a module that defines what the cells of a notebook define.

    Args:
        cells: The code cells in the form of nbformat; they are numbered from 1.
        transform: Converts the text of a cell to Python, with calls in place of magics.
        source: The name of the notebook's file.

    Raises:
        ExportError: A cell that cannot be omitted uses something that works only in a notebook.
    """
    module, known = Module(), set[str]()
    exported = _sifted(cells, transform, module, known)
    # The notebook may use the name `session` itself.
    writer = _Writer(transform, known, "nbflow_session" if "session" in known else "session", module)
    parts = [part for number, text in exported if (part := writer.part(number, text))]
    module.text = _text(source, writer.session, parts, writer.future)
    module.left_out.sort()
    return module


def _sifted(
    cells: Sequence[Mapping[str, Any]], transform: Transform, module: Module, known: set[str]
) -> list[tuple[int, str]]:
    """Return the cells to export with their numbers; add the names that they set to `known`."""
    sifting, exported = Sifting(), []
    for number, cell in enumerate(cells, start=1):
        reading = read_cell(transform, cell["source"])
        if reason := sifting.reason(cell, reading):
            module.left_out.append((number, reason))
            sifting.leave_out(reading, known)
            continue
        sifting.keep(reading)
        known |= reading.sets
        sifting.have(known)
        exported.append((number, cell["source"]))
    return exported


@dataclass(slots=True)
class _Writer:
    """Converts cells to parts of a module.

    Attributes:
        transform: Converts the text of a cell to Python.
        known: The names that the notebook's cells set.
        session: The name of nbflow's session in the module.
        module: The module, which collects tools, graphs and omissions.
        future: The names to import from `__future__`.
    """

    transform: Transform
    known: set[str]
    session: str
    module: Module
    future: list[str] = field(default_factory=list)

    def part(self, number: int, text: str) -> str:
        """Return the part of the module for a cell; empty if the cell defines nothing."""
        magic = cell_magic(text, self.transform)
        if magic is None:
            return self._plain(number, text).text
        _, options, body = magic.arguments
        above = blank_lines(text) + 1
        if magic.name == "flow_tool":
            return self._tools(number, options, body, above)
        if magic.name == "flow_graph":
            name = identifier(_arguments(number, _GRAPH, options).name)
            self.module.graphs[name] = None
            return _graph_call(self.session, name, "\n" + body)
        return self._other(number, magic, body, above)

    def _other(self, number: int, magic: Magic, body: str, above: int) -> str:
        if magic.name in _PAGES:
            self.module.left_out.append((number, f"it is {magic}, which defines nothing"))
            return ""
        if magic.name in _AROUND and not (magic.name == "capture" and magic.arguments[1].strip()):
            self.module.dropped.append((number, str(magic)))
            return self._plain(number, body, above).text
        raise ExportError(number, 1, f"{magic} works only in a notebook; a module has no magics")

    def _plain(self, number: int, text: str, above: int = 0) -> Plain:
        found = plain(number, text, self.transform, above=above, known=self.known)
        self.module.dropped += [(number, magic) for magic in found.dropped]
        self.future += [name for name in found.future if name not in self.future]
        return found

    def _tools(self, number: int, line: str, body: str, above: int) -> str:
        options = _arguments(number, _TOOL, line)
        found = self._plain(number, body, above)
        names = [*map(identifier, options.names)] or [
            name for name in _functions(found.tree) if not name.startswith("_")
        ]
        if unknown := sorted(set(names) - _bound(found.tree)):
            raise ExportError(number, 1, f"the cell defines no {name_list(unknown)} to register")
        self.module.tools |= dict.fromkeys(names)
        settings = {key: getattr(options, key) for key in ("executor", "retries", "timeout")}
        arguments = [f"{key}={value!r}" for key, value in settings.items() if value is not None]
        functions = set(_functions(found.tree))
        calls = [_tool_call(self.session, name, arguments, is_function=name in functions) for name in names]
        return f"{found.text}\n\n\n" + "\n".join(calls)


def _tool_call(session: str, name: str, settings: list[str], *, is_function: bool) -> str:
    """Return the call that registers a tool; unless `is_function`, it passes the name: the object may have none."""
    arguments = ", ".join([*([] if is_function else [f"name={name!r}"]), *settings])
    return f"{session}.tool({arguments})({name})" if arguments else f"{session}.tool({name})"


def _graph_call(session: str, name: str, text: str) -> str:
    return f"{session}.graph(\n    {_literal(name)},\n    {_literal(text)},\n)"


def _literal(text: str) -> str:
    """Return a text as a Python literal, over several lines if the text has several and a literal can express it."""
    if "\n" in text:
        body = text if text.endswith("\n") else text + "\n"  # the notation and JSON ignore an empty line
        for written in (f'"""{body}"""', f'r"""{body}"""', f"'''{body}'''", f"r'''{body}'''"):
            if _evaluates_to(written, body):
                return written
    return _quoted(text)


def _quoted(text: str) -> str:
    written = f'"{text}"'
    return written if _evaluates_to(written, text) else repr(text)


def _evaluates_to(written: str, text: str) -> bool:
    try:
        return bool(ast.literal_eval(written) == text)
    except (SyntaxError, ValueError):
        return False


def _text(source: str, session: str, parts: list[str], future: list[str]) -> str:
    """Return the source of a whole module, with secrets masked; raise SyntaxError if it does not compile."""
    alias = "" if session == "session" else f" as {session}"
    name = source if source.isprintable() and not set(source) & {'"', "\\"} else ascii(source)
    head = [f'"""The tools and graphs of {name}, as nbflow export wrote them."""'.replace("\\", "\\\\")]
    head += [f"from __future__ import {', '.join(future)}"] if future else []
    first = "\n\n".join([*head, f"from nbflow import session{alias}"])
    text = "\n\n\n".join([first, *parts]) + "\n"
    text = secrets.mask(text)
    compile(text, source.replace("\0", " "), "exec")
    return text


def _functions(tree: ast.Module) -> list[str]:
    """Return the names of the functions that a cell defines at its top level, in order, including those in an `if`."""
    return list(dict.fromkeys(node.name for node in _at_top(tree) if isinstance(node, _FUNCTIONS)))


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _at_top(node: ast.AST) -> list[ast.AST]:
    """Return the nodes of the syntax tree that are not inside a function or class."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        found.append(child)
        if not isinstance(child, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            found += _at_top(child)
    return found


def _bound(tree: ast.Module) -> set[str]:
    """Return the names that a cell binds at its top level."""
    names = set(_functions(tree))
    for node in _at_top(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
    return names


class _Arguments(argparse.ArgumentParser):
    """The parser of a magic's arguments, which raises instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise NbflowError(message)


def _arguments(number: int, parser: argparse.ArgumentParser, line: str) -> argparse.Namespace:
    try:
        words = shlex.split(line, comments=True)
        return parser.parse_args([word for word in (word.removesuffix(";") for word in words) if word])
    except (NbflowError, ValueError) as error:
        raise ExportError(number, 1, f"{parser.prog}: {error}") from error


_TOOL = _Arguments("%%flow_tool", add_help=False, allow_abbrev=False)
_TOOL.add_argument("names", nargs="*")
_TOOL.add_argument("--executor", choices=EXECUTORS)
_TOOL.add_argument("--retries", type=int)
_TOOL.add_argument("--timeout", type=float)
_GRAPH = _Arguments("%%flow_graph", add_help=False, allow_abbrev=False)
_GRAPH.add_argument("name")
