"""Read the code cells of a notebook file, analyse them, and decide which of them to skip.

Cells that start, steer or serve a run are skipped, since the caller decides what runs; so are cells that use a name
which only a skipped cell sets. A cell is analysed without running it: the names that it reads and sets, and whether it
starts a run. Only code that runs when the cell runs counts, so the bodies of functions are left out.

Invariant: every skipped cell is reported with a reason.
"""

from __future__ import annotations

import ast
import dis
import inspect
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

from nbflow.errors import NbflowError, name_list
from nbflow.functions.parser import parse_module
from nbflow.program.text_file import FileError, read_text

Transform = Callable[[str], str]
"""Converts the text of a cell to Python, with calls in place of magics; IPython's `transform_cell`."""
_RUN_MAGICS = frozenset({"flow_run", "flow_resume", "flow_serve", "flow_answer", "flow_cancel"})
_RUN_CALLS = frozenset({"run", "start", "resume", "reopen", "serve"})
_PYTHON_MAGICS = frozenset({"time", "timeit", "prun", "capture", "flow_tool"})
_AT_ONCE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<generic parameters of ", "__annotate__")
"""Prefixes of the names of nested code objects that run as part of the code around them.

Since Python 3.14 annotations are a separate code object (PEP 649), which runs as soon as a function becomes a tool.
"""
_LOADS = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
OF_THE_COMPILER = frozenset({"__annotate__", "__conditional_annotations__"})
"""Names that Python 3.14 sets in a cell that annotates a variable; no cell sets them itself."""


@dataclass(slots=True)
class CellReading:
    """The result of analysing a cell.

    Attributes:
        run_call: The call that starts, steers or serves a run, as written in the cell; None if there is none.
        sets: The names that the cell sets.
        reads: The names that the cell reads before it sets them.
        starters: The functions defined in the cell that would start, steer or serve a run when called.
    """

    run_call: str | None = None
    sets: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    starters: set[str] = field(default_factory=set)


def read_cell(transform: Transform, source: str) -> CellReading:
    """Analyse a cell; one that is not valid Python has an empty result, since it fails when it runs."""
    found = CellReading()
    _read_into(found, transform, source)
    return found


def _read_into(found: CellReading, transform: Transform, source: str) -> None:
    try:
        tree = parse_module(transform(source))
        code = compile(tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    _read_names(found, code)
    found.sets -= OF_THE_COMPILER
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_run_call(call) for call in _calls(statement, inside=True)):
                found.starters.add(statement.name)
            continue
        for call in _calls(statement, inside=False):
            found.run_call = found.run_call or _run_call(call)
            _read_magic(found, transform, call)


def _read_names(found: CellReading, code: CodeType) -> None:
    """Record names in the order of the instructions, so that a name set before it is read does not count as read."""
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_NAME", "STORE_GLOBAL"):
            found.sets.add(str(step.argval))
        elif step.opname in _LOADS and step.argval not in found.sets:
            found.reads.add(str(step.argval))
        elif isinstance(step.argval, CodeType) and _runs_at_once(step.argval):
            inner = CellReading(sets=set(found.sets))
            _read_names(inner, step.argval)
            found.reads |= inner.reads - OF_THE_COMPILER


def _runs_at_once(code: CodeType) -> bool:
    """Return True if nested code runs as part of the code around it: a class body, a comprehension or annotations."""
    return code.co_name.startswith(_AT_ONCE) or not code.co_flags & inspect.CO_OPTIMIZED


def _calls(node: ast.AST, *, inside: bool) -> Iterator[ast.Call]:
    """Yield the calls in a statement; those in the bodies of functions and lambdas only with `inside`."""
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        if inside or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _calls(child, inside=inside)


def _run_call(call: ast.Call) -> str | None:
    """Return a call as written in the cell if it starts, steers or serves a run, else None."""
    written = ast.unparse(call.func)
    if (magic := _magic(call)) and magic[0].removeprefix("_") in _RUN_MAGICS:
        return f"{'%%' if written.endswith('cell_magic') else '%'}{magic[0].removeprefix('_')}"
    owner, _, name = written.rpartition(".")
    if name in _RUN_CALLS and owner.rpartition(".")[2] == "session":
        return f"{written}(...)"
    return None


def _magic(call: ast.Call) -> list[str] | None:
    """Return the name and arguments of the magic that a call runs, or None for any other call."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in ("run_line_magic", "run_cell_magic")):
        return None
    return [str(argument.value) for argument in call.args if isinstance(argument, ast.Constant)] or None


def _read_magic(found: CellReading, transform: Transform, call: ast.Call) -> None:
    """Analyse the Python code that `%%time` and similar magics run."""
    magic = _magic(call)
    if magic is None or magic[0].removeprefix("_") not in _PYTHON_MAGICS:
        return
    if magic[0] == "capture":
        found.sets |= {word for word in magic[1].split() if word.isidentifier()}
    _read_into(found, transform, magic[-1])


SKIP_TAG = "nbflow-skip"
FORMAT = 4


class NotebookError(NbflowError):
    """A notebook file cannot be used; `cell` is the number of the cell that failed, or None."""

    def __init__(self, path: Path, problem: str, *, cell: int | None = None) -> None:
        self.path, self.cell = path, cell
        super().__init__(f"{path.name}, cell {cell}: {problem}" if cell else f"{path}: {problem}")


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a Python notebook, without empty ones.

    Raises:
        NotebookError: The file cannot be read, or is not a Python notebook.
    """
    try:
        text = read_text(path)
    except FileError as error:
        raise NotebookError(path, error.problem) from error
    notebook = _notebook(path, text)
    language = _language(notebook["metadata"])
    if language.lower() not in ("python", "ipython"):
        raise NotebookError(path, f"is a notebook in {language!r}; nbflow runs Python notebooks")
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"].strip()]


def _language(metadata: Mapping[str, Any]) -> str:
    """Return the language of a notebook; Python where its metadata name none."""
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        told = metadata.get(part)
        if isinstance(told, Mapping) and isinstance(told.get(key), str) and told[key]:
            return str(told[key])
    return "python"


def _notebook(path: Path, text: str) -> dict[str, Any]:
    """Return a notebook of any version of the format in the current one.

    nbformat is slow to import, so it is used only for notebooks that do not plainly have the current format.

    Raises:
        NotebookError: The text is not a notebook.
    """
    try:
        data = json.loads(text)
    except RecursionError:
        raise NotebookError(path, "is not a notebook: it is nested too deeply") from None
    except ValueError as error:
        raise NotebookError(path, f"is not a notebook: it is no JSON: {error}") from error
    if not isinstance(data, Mapping):
        raise NotebookError(path, f"is not a notebook: it holds {type(data).__name__}, and a notebook is an object")
    if data.get("nbformat") != FORMAT:
        return _converted(path, text)
    try:
        return _checked(data)
    except ValueError as error:
        return _converted(path, text, str(error))


def _checked(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook of the current format with the source of each cell as one text.

    Raises:
        ValueError: The notebook does not have that format.
    """
    cells, metadata = notebook.get("cells"), notebook.get("metadata")
    if not isinstance(metadata, Mapping):
        raise ValueError("its metadata are no object")
    if not isinstance(cells, list):
        raise ValueError("its cells are no list")
    return {"metadata": {**metadata}, "cells": [_cell(number, cell) for number, cell in enumerate(cells, 1)]}


def _cell(number: int, cell: Any) -> dict[str, Any]:
    if not isinstance(cell, Mapping):
        raise ValueError(f"its cell {number} is no object")
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    faults = (
        (not isinstance(cell.get("cell_type"), str), "'cell_type' is no text"),
        (not isinstance(cell.get("metadata"), Mapping), "'metadata' is no object"),
        (not isinstance(source, str), "'source' is neither a text nor a list of texts"),
    )
    if problem := next((text for is_so, text in faults if is_so), None):
        raise ValueError(f"{problem} in its cell {number}")
    return {**cell, "source": source}


def _converted(path: Path, text: str, fault: str | None = None) -> dict[str, Any]:
    """Return a notebook that nbformat can read in the current format; `fault` describes its known fault.

    Raises:
        NotebookError: nbformat cannot read it.
    """
    import nbformat

    logger = logging.getLogger("traitlets")  # where nbformat reports faults that it tolerates
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _checked(nbformat.reads(text, as_version=FORMAT))  # type: ignore[no-untyped-call]
    except Exception as error:  # for malformed data nbformat raises many types of exceptions
        told = fault or f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
        raise NotebookError(path, f"is not a notebook: {told}") from error
    finally:
        logger.disabled = disabled


class Sifting:
    """Decides for the cells of a notebook, in order, which to skip."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self._starters: set[str] = set()

    def reason(self, cell: Mapping[str, Any], reading: CellReading) -> str | None:
        """Return the reason to skip a cell, or None to run it."""
        tags = cell["metadata"].get("tags")
        if isinstance(tags, list) and SKIP_TAG in tags:
            return f"it is tagged {SKIP_TAG}"
        if reading.run_call:
            return f"it has {reading.run_call}"
        if called := sorted(reading.reads & self._starters):
            return f"it uses {name_list(called)}, which starts a run"
        if absent := sorted(reading.reads & self._missing):
            return f"it reads {name_list(absent)}, set only by a cell that was left out"
        return None

    def leave_out(self, reading: CellReading, known: Iterable[str]) -> None:
        """Record that a cell is skipped; `known` are the names set by the cells that ran."""
        self._missing |= reading.sets - set(known)

    def keep(self, reading: CellReading) -> None:
        """Record that a cell will run."""
        self._starters |= reading.starters

    def have(self, known: Iterable[str]) -> None:
        """Record the names that have been set so far."""
        self._missing -= set(known)
