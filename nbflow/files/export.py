"""Export a notebook or graphs as a plain Python module that defines the same tools and graphs without IPython.

Invariant: the module uses only public names of nbflow. Every omitted cell and magic is reported, and one that cannot be
omitted raises ExportError.
"""

from __future__ import annotations

import argparse
import ast
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from nbflow import secrets
from nbflow.errors import NbflowError, name_list
from nbflow.files.cells import Sifting
from nbflow.files.plain import ExportError, Magic, Plain, blank_lines, cell_magic, plain
from nbflow.files.reading import Transform, read_cell
from nbflow.graph import GraphDefinition
from nbflow.graph.params import without_secrets
from nbflow.names import identifier
from nbflow.tools import EXECUTORS

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
