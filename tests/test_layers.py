"""The order of the parts: each imports only from those above it, and an import of the package stays light."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow
from nbflow import session

ROOT = Path(nbflow.__file__).parent

LAYERS: list[set[str]] = [
    {
        "errors",
        "events",
        "event_log",
        "state",
        "secrets",
        "conditions",
        "fingerprint",
        "functions",
        "graph",
        "notation",
        "names",
        "tools",
        "tables",
        "values",
    },
    {"scheduler"},
    {"engine", "executors"},
    {"store", "settings"},
    {"view"},
    {
        "session",
        "live_view",
        "json_values",
        "serve",
        "__init__",
    },  # the public API of the package; only edges and programs use it
    {"program"},
    {"notebook", "server", "cli"},
]
EDGES = {"notebook", "server", "cli"}
ENTRIES = {("serve", "server")}
"""Imports by name of a later layer: `session.serve` starts the server when it is called."""
PUBLIC = {"__init__", "session", "tools", "errors"}
HEAVY = {
    "IPython", "ipywidgets", "anywidget", "sqlalchemy", "fastapi", "dask", "distributed", "lark", "networkx", "tenacity",
    "pygraphviz", "graphviz", "rich", "typer", "nbformat", "alembic", "aiosqlite", "asyncpg", "pydantic_settings", "psutil",
}  # fmt: skip


def part_of(path: Path) -> str:
    """Return the part that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def parts_imported(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the parts of the package that a file imports when it runs, each with its line.

    An import by name, as `import_module("nbflow.server.app")`, counts; imports for the type checker alone do not.
    """
    for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            plain = node.module == "nbflow"
            names = [f"nbflow.{alias.name}" for alias in node.names] if plain else [node.module or ""]
        elif isinstance(node, ast.Call):
            names = _names_in(node)
        for name in names:
            if name == "nbflow" or name.startswith("nbflow."):
                yield _part_named(name), node.lineno  # type: ignore[attr-defined]  # imports and calls have lines


def _names_in(call: ast.Call) -> list[str]:
    """Return the module that a call imports by name: the literal argument of a function such as `import_module`."""
    match call.args:
        case [ast.Constant(value=str(name)), *_] if "import" in ast.unparse(call.func) and name.startswith("nbflow."):
            return [name]
        case _:
            return []


def _part_named(name: str) -> str:
    part = name.split(".")[1] if "." in name else "__init__"
    return part if (ROOT / part).is_dir() or (ROOT / f"{part}.py").is_file() else "__init__"


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _running(node)


FILES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__main__.py" and path != ROOT / "__init__.py")
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def test_the_order_lists_every_part() -> None:
    assert {part_of(path) for path in FILES} <= LEVEL.keys() | {"review"}


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) != "review"], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_part_imports_only_from_those_above_it(path: Path) -> None:
    own = part_of(path)
    for part, line in parts_imported(path):
        allowed = (
            part == own or LEVEL.get(part, 99) < LEVEL[own] or (LEVEL.get(part) == LEVEL[own] and own not in EDGES)
        )
        assert allowed or (own, part) in ENTRIES, f"{path}:{line}: {own} imports {part}"


def test_a_module_that_is_imported_by_name_exists() -> None:
    calls = [
        (path, node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    named = {name for _, node in calls for name in _names_in(node)}

    assert "nbflow.server.app" in named
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) == "view"], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_view_imports_neither_engine_nor_store(path: Path) -> None:
    for part, line in parts_imported(path):
        assert part not in {"engine", "executors", "store"}, f"{path}:{line}: the view imports {part}"


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) == "review"], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_review_tools_use_only_the_public_api(path: Path) -> None:
    for part, line in parts_imported(path):
        assert part in PUBLIC | {"review"}, f"{path}:{line}: review imports {part}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if LEVEL.get(part_of(p), 9) <= 1], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_pure_parts_use_no_clock_no_loop_and_no_thread(path: Path) -> None:
    for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in modules} & {"asyncio", "time", "threading", "IPython", "socket"}, (
            path
        )


def test_importing_the_package_and_running_a_graph_of_plain_data_loads_nothing_heavy() -> None:
    code = f"""
import sys, asyncio
import nbflow
from nbflow import ExecutionResult, GraphDefinition, Run, ToolRegistry, WorkflowEngine, progress, session, tool
async def main():
    graph = GraphDefinition.model_validate({{"nodes": [{{"node_id": "a", "tool": "pass"}}]}})
    return (await WorkflowEngine(ToolRegistry()).execute(graph)).status
assert asyncio.run(main()) == "completed"
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_importing_the_package_alone_loads_none_of_its_parts() -> None:
    code = "import sys, nbflow; print(sorted(m for m in sys.modules if m.startswith('nbflow.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_public_name_is_available_and_no_other() -> None:
    for name in nbflow.__all__:
        assert getattr(nbflow, name) is not None
    assert set(nbflow.__all__) <= set(dir(nbflow))
    with pytest.raises(AttributeError, match="module 'nbflow' has no attribute 'nothing'"):
        nbflow.nothing  # noqa: B018 - reading it is the point


def test_the_session_lists_only_its_public_names() -> None:
    assert dir(session) == sorted(session.__all__)
    for name in session.__all__:
        assert name == "last" or getattr(session, name) is not None


def test_no_module_of_the_session_hides_a_public_name() -> None:
    """An imported module becomes an attribute of its package, where it would replace a function with the same name."""
    modules = {path.stem for path in (ROOT / "session").glob("*.py")}

    assert modules & set(session.__all__) == set()


def test_modules_of_tests_have_unique_names() -> None:
    """Every test gets the module that was imported first, so a second one with the same name would never be loaded."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
