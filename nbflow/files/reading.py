"""Analyse the code of a cell without running it: the names it reads and sets, and whether it starts a run.

Invariant: only code that runs when the cell runs counts, so the bodies of functions are left out.
"""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType

from nbflow import parsing

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
        tree = parsing.module(transform(source))
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
