"""FILE and its tools: what a command works on.

Rule: a file gives a session with its graphs; tools come from the notebook's cells, from modules that the user names, or
from installed packages.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import typer

from nbflow.errors import NbflowError, did_you_mean, name_list
from nbflow.graph import GraphDefinition
from nbflow.session import Session, current


@dataclass(frozen=True, slots=True)
class Program:
    """A session, and the names of the graphs that the file defines."""

    session: Session
    graphs: list[str] = field(default_factory=list)


def open_program(path: Path, modules: list[str]) -> Program:
    """Return what a notebook, a `.flow` text or a JSON graph defines.

    Raises:
        NbflowError: The file or a module cannot be read, or a cell failed.
    """
    session = current()
    if not path.is_file():
        raise NbflowError(f"no file {str(path)!r} here; give a notebook, a .flow text or a graph in JSON")
    register_modules(modules)
    if path.suffix == ".ipynb":
        return _notebook(path)
    from nbflow.notation import read_flow

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NbflowError(f"{path} is not text in UTF-8: byte {error.start} cannot be read") from error
    graphs = read_flow(text)
    names = [graph.name or path.stem for graph in graphs]
    for name, graph in zip(names, graphs, strict=True):
        session.graph(name, graph)
    return Program(session, names)


def register_modules(names: list[str]) -> None:
    """Register the tools of modules.

    Raises:
        NbflowError: One cannot be imported, or has no tools.
    """
    for name in names:
        _register(current(), _module(name))


def _notebook(path: Path) -> Program:
    from nbflow.files import load_notebook

    loaded = load_notebook(path)
    for number, reason in loaded.skipped:
        typer.echo(f"cell {number} left out: {reason}", err=True)
    return Program(loaded.session, list(loaded.session.graphs))


def _module(name: str) -> ModuleType:
    # As `python -m` does: a module beside the user's work is found.
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NbflowError(f"--tools {name}: cannot be imported: {error}") from error
    finally:
        sys.path.pop(0)


def _register(session: Session, module: ModuleType) -> None:
    """Register a module's own public functions, and those in its dict `TOOLS` if it has one."""
    named = getattr(module, "TOOLS", None)
    if isinstance(named, dict):
        found = named
    else:
        functions = inspect.getmembers(module, inspect.isfunction)
        found = {n: f for n, f in functions if f.__module__ == module.__name__ and not n.startswith("_")}
    if not found:
        raise NbflowError(f"--tools {module.__name__}: defines no function whose name has no leading underscore")
    for name, function in found.items():
        # A module may have registered it itself, with options.
        if name not in session.registry or session.registry.get(name).function is not function:
            session.registry.register(name, function)


def picked(program: Program, name: str | None) -> GraphDefinition:
    """Return the graph asked for, or the only one.

    Raises:
        NbflowError: There is none of that name, or several and none was named.
    """
    if name is not None:
        if name not in program.graphs:
            near = did_you_mean(name, program.graphs)
            raise NbflowError(f"no graph {name!r} in the file{near}; it defines: {name_list(program.graphs)}")
        return program.session.find(name)
    if len(program.graphs) != 1:
        known = name_list(program.graphs)
        raise NbflowError(f"the file defines {len(program.graphs)} graphs ({known}); say which with --graph NAME")
    return program.session.find(program.graphs[0])
