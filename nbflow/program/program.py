"""Load a file and its tools as a program, for a command or a server.

Invariant: graphs come from the file; tools come from the notebook's cells, from modules that the user names, or from
installed packages.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nbflow.errors import GraphError, NbflowError, NotationError
from nbflow.errors.failures import text_of
from nbflow.program.text_file import FileError, check_there, read_text
from nbflow.session import Session, current

if TYPE_CHECKING:
    from nbflow.graph import GraphDefinition
    from nbflow.program.export import Module
from nbflow.names import identifier

_MACHINERY = (__file__, importlib.__file__)


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
    _check_file(path)
    register_modules(modules)
    if path.suffix == ".ipynb":
        return _notebook(path)
    graphs = _graphs(path)
    for name, graph in graphs.items():
        try:
            session.graph(name, graph)
        except GraphError as error:
            raise FileError(path, str(error)) from error
    return Program(session, list(graphs))


def export_program(path: Path) -> Module:
    """Return the definitions of a file as a module, without running any of its code.

    Raises:
        NbflowError: The file cannot be read, or uses something that works only in a notebook.
    """
    from nbflow.program.export import export_cells, export_graphs

    _check_file(path)
    if path.suffix != ".ipynb":
        return export_graphs(_graphs(path), path.name)
    from IPython.core.inputtransformer2 import TransformerManager

    from nbflow.program.notebook_file import code_cells

    transformer = TransformerManager()  # type: ignore[no-untyped-call]  # IPython is untyped here
    return export_cells(code_cells(path), transformer.transform_cell, path.name)


def _check_file(path: Path) -> None:
    """Refuse a path that is not a file, or a Python module, which defines tools and no graphs."""
    check_there(path)
    if path.suffix == ".py":
        raise NbflowError(
            f"{path} is a Python module, which defines tools; give it as --tools {path}, and as FILE a notebook, "
            "a .flow text or a graph in JSON"
        )


def _graphs(path: Path) -> dict[str, GraphDefinition]:
    """Return the graphs of a text by their names; a graph without a name is named after the file.

    Raises:
        FileError: The text cannot be read; the error names the file and the line.
    """
    from nbflow.notation import read_flow

    try:
        return {graph.name or identifier(path.stem): graph for graph in read_flow(read_text(path))}
    except NotationError as error:
        raise FileError(path, str(error), separator=", ") from error
    except GraphError as error:
        raise FileError(path, str(error)) from error


def register_modules(names: list[str]) -> None:
    """Register the tools of modules in the current session.

    Raises:
        NbflowError: A module cannot be imported, or defines no tools.
    """
    for name in names:
        _register(current(), _module(name))


def _notebook(path: Path) -> Program:
    from nbflow.program.notebook_shell import load_notebook

    loaded = load_notebook(path)
    notes = [f"cell {number} left out: {reason}" for number, reason in loaded.skipped]
    return Program(loaded.session, list(loaded.session.graphs), notes)


def _module(name: str) -> ModuleType:
    """Return a module by its name, or by the path of its file.

    Raises:
        NbflowError: The module cannot be imported, also if its code raises any exception.
    """
    is_file = name.endswith(".py") or "/" in name or os.sep in name
    # As Python does: modules in the working directory are found, and a file finds the modules beside it.
    folder = str(Path(name).absolute().parent if is_file else Path.cwd())
    sys.path.insert(0, folder)
    try:
        return _module_of(Path(name)) if is_file else importlib.import_module(name)
    except (KeyboardInterrupt, NbflowError):
        raise
    except BaseException as error:
        told = text_of(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {text_of(error)}"
        raise NbflowError(f"--tools {name}: cannot be imported: {told}{_place_of(error)}") from error
    finally:
        if folder in sys.path:  # its own code may have changed the list
            sys.path.remove(folder)


def _module_of(path: Path) -> ModuleType:
    """Import a file as a module under the name of the file, and return the module."""
    if path.is_dir() or not path.is_file():
        raise NbflowError(f"--tools {path}: {'is a folder' if path.is_dir() else 'there is no such file'}")
    if path.suffix != ".py":
        raise NbflowError(f"--tools {path}: is no Python file, whose name ends in .py")
    name = path.stem.replace(".", "_")
    known = sys.modules.get(name)
    if known is not None:
        if (file := getattr(known, "__file__", None)) and Path(file).resolve() == path.resolve():
            return known
        raise NbflowError(f"--tools {path}: another module {name!r} is loaded already; rename the file")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101 - it ends in .py
    assert spec.loader is not None  # noqa: S101 - so has one
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _place_of(error: BaseException) -> str:
    """Return the line of the user's code at which an import failed, as ` (mytools.py, line 3)`; "" if none ran."""
    if isinstance(error, SyntaxError):
        return ""  # its text has the position
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith("<") and frame.filename not in _MACHINERY]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


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
