"""Load a file and its tools as a program, for a command or a server.

Invariant: graphs come from the file; tools come from the notebook's cells, from modules that the user names, or from
installed packages.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nbflow.errors import NbflowError
from nbflow.session import Session, current

if TYPE_CHECKING:
    from nbflow.files.export import Module
    from nbflow.graph import GraphDefinition
from nbflow.names import identifier


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded file: its session, the names of the graphs that it defines, and notes for the user on skipped cells."""

    session: Session
    graphs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def open_program(path: Path, modules: list[str]) -> Program:
    """Load a notebook, a `.flow` text or a JSON graph into the current session, and return the program.

    Raises:
        NbflowError: The file or a module cannot be read, or a cell failed.
    """
    session = current()
    _check_exists(path)
    register_modules(modules)
    if path.suffix == ".ipynb":
        return _notebook(path)
    graphs = _graphs(path)
    for name, graph in graphs.items():
        session.graph(name, graph)
    return Program(session, list(graphs))


def export_program(path: Path) -> Module:
    """Return the definitions of a file as a module, without running any of its code.

    Raises:
        NbflowError: The file cannot be read, or uses something that works only in a notebook.
    """
    from nbflow.files.export import export_cells, export_graphs

    _check_exists(path)
    if path.suffix != ".ipynb":
        return export_graphs(_graphs(path), path.name)
    from IPython.core.inputtransformer2 import TransformerManager

    from nbflow.files.cells import code_cells

    transformer = TransformerManager()  # type: ignore[no-untyped-call]  # IPython is untyped here
    return export_cells(code_cells(path), transformer.transform_cell, path.name)


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise NbflowError(f"no file {str(path)!r} here; give a notebook, a .flow text or a graph in JSON")


def _graphs(path: Path) -> dict[str, GraphDefinition]:
    """Return the graphs of a text by their names; a graph without a name is named after the file."""
    from nbflow.notation import read_flow

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NbflowError(f"{path} is not text in UTF-8: byte {error.start} cannot be read") from error
    return {graph.name or identifier(path.stem): graph for graph in read_flow(text)}


def register_modules(names: list[str]) -> None:
    """Register the tools of modules in the current session.

    Raises:
        NbflowError: A module cannot be imported, or defines no tools.
    """
    for name in names:
        _register(current(), _module(name))


def _notebook(path: Path) -> Program:
    from nbflow.files.notebook import load_notebook

    loaded = load_notebook(path)
    notes = [f"cell {number} left out: {reason}" for number, reason in loaded.skipped]
    return Program(loaded.session, list(loaded.session.graphs), notes)


def _module(name: str) -> ModuleType:
    # As `python -m` does, so that modules in the current directory are found.
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NbflowError(f"--tools {name}: cannot be imported: {error}") from error
    finally:
        sys.path.pop(0)


def _register(session: Session, module: ModuleType) -> None:
    """Register the functions in a module's dict `TOOLS`, or if it has none, the public functions it defines."""
    named = getattr(module, "TOOLS", None)
    if isinstance(named, dict):
        found = named
    else:
        functions = inspect.getmembers(module, inspect.isfunction)
        found = {n: f for n, f in functions if f.__module__ == module.__name__ and not n.startswith("_")}
    if not found:
        raise NbflowError(f"--tools {module.__name__}: defines no function whose name has no leading underscore")
    for name, function in found.items():
        # A module may have registered a tool itself, with options.
        if name not in session.registry or session.registry.get(name).function is not function:
            session.registry.register(name, function)
