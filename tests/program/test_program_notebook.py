"""A notebook file as a program: which cells run, which are left out, and what a failing one says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from nbflow import session
from nbflow.program.notebook_file import NotebookError
from nbflow.program.notebook_shell import load_notebook

LOAD = "%load_ext nbflow"
TOOL = "%%flow_tool\nimport math\ndef root(x: float) -> dict:\n    return {'y': math.sqrt(x)}"
GRAPH = "%%flow_graph roots\nroot"


@pytest.fixture(autouse=True)
def _fresh_session() -> Iterator[None]:
    here = session.current()
    tools, graphs = here.registry.snapshot(), dict(here.graphs)
    yield
    here.registry.restore(tools)
    here.graphs.clear()
    here.graphs.update(graphs)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(*cells: Any, **metadata: Any) -> Path:
        made = [c if not isinstance(c, str) else nbformat.v4.new_code_cell(c) for c in cells]
        path = tmp_path / "review.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), path)
        return path

    return write


def skipped(path: Path) -> dict[int, str]:
    return dict(load_notebook(path).skipped)


def test_tools_and_graphs_are_there_afterwards(write: Any) -> None:
    loaded = load_notebook(write(LOAD, TOOL, nbformat.v4.new_markdown_cell("# text"), GRAPH))
    assert loaded.session.registry.get("root").function(9.0) == {"y": 3.0}
    assert "roots" in loaded.session.graphs
    assert loaded.skipped == []


@pytest.mark.parametrize(
    "cell",
    [
        "%flow_run roots x=4",
        "run = %flow_run roots x=4",
        "%%flow_run roots\nx = 4",
        "if True:\n    %flow_run roots x=4",
        "%flow_resume 3f",
        "%flow_serve",
        "%flow_answer yes",
        "%flow_cancel",
        "await session.run('roots', x=4)",
        "import nbflow\nrun = await nbflow.session.run('roots', x=4)",
        "run = session.start('roots', {'x': 4})",
        "%%time\nrun = %flow_run roots x=4",
        "%time run = await session.run('roots', x=4)",
        "%%capture said\nrun = %flow_run roots x=4",
    ],
)
def test_a_cell_that_starts_a_run_is_left_out(write: Any, cell: str) -> None:
    left_out = skipped(write(LOAD + "\nfrom nbflow import session", TOOL, GRAPH, cell))
    assert list(left_out) == [4]
    assert session.current().live == {}


def test_a_tagged_cell_is_left_out(write: Any) -> None:
    tagged = nbformat.v4.new_code_cell("1 / 0", metadata={"tags": ["nbflow-skip"]})
    assert skipped(write(tagged, LOAD)) == {1: "it is tagged nbflow-skip"}


def test_a_cell_that_reads_what_only_a_left_out_cell_sets_is_left_out_in_turn(write: Any) -> None:
    path = write(
        LOAD,
        TOOL,
        GRAPH,
        "run = %flow_run roots x=4",
        "found = run.state['y']",
        "print([found for _ in 'ab'])",
        "found = 1\nprint(found)",
        "print(found)",
        "def later():\n    return run",
    )
    left_out = skipped(path)
    assert list(left_out) == [4, 5, 6]
    assert "run" in left_out[5]
    assert "found" in left_out[6]


GENERIC = pytest.mark.skipif(sys.version_info < (3, 12), reason="functions take type parameters since Python 3.12")


@pytest.mark.parametrize(
    "cell",
    [
        "def work(x: found): pass",
        "def work() -> found: pass",
        "class Work:\n    def go(self, x: found): pass",
        "class Work:\n    x: found",
        pytest.param("def work[T](x: found): pass", marks=GENERIC),
        pytest.param("class Work[T](found): pass", marks=GENERIC),
    ],
)
def test_a_cell_is_left_out_whose_annotations_name_what_only_a_left_out_cell_sets(write: Any, cell: str) -> None:
    left_out = skipped(write(LOAD, TOOL, GRAPH, "run = %flow_run roots x=4\nfound = int", cell))

    assert list(left_out) == [4, 5]
    assert "found" in left_out[5]


def test_annotated_variables_of_a_left_out_cell_keep_no_other_cell_out(write: Any) -> None:
    left_out = skipped(write(LOAD, TOOL, GRAPH, "n: int = 1\nrun = %flow_run roots x=n", "m: int = 2"))

    assert list(left_out) == [4]


def test_a_name_that_another_cell_sets_too_is_no_reason(write: Any) -> None:
    assert list(skipped(write(LOAD, "run = None", "run = %flow_run roots", "print(run)"))) == [3]


def test_a_function_that_would_start_a_run_is_defined_and_its_callers_are_left_out(write: Any) -> None:
    cells = [
        LOAD,
        "from nbflow import session\nasync def go():\n    return await session.run('roots')",
        "run = await go()",
    ]
    assert list(skipped(write(*cells))) == [3]


def test_a_tool_may_start_runs(write: Any) -> None:
    tool = "%%flow_tool\nfrom nbflow import session\nasync def outer():\n    return (await session.run('roots')).state"
    assert skipped(write(LOAD, tool)) == {}
    assert "outer" in session.current().registry


def test_magics_awaits_and_shell_lines_work(write: Any) -> None:
    cells = [LOAD, "import asyncio\nn = await asyncio.sleep(0, 4)", "who = !echo me", "%%time\nm = n + 1", "%pwd"]
    checks = "assert (n, who[0], m) == (4, 'me', 5)"
    assert skipped(write(*cells, checks)) == {}


def test_cells_run_in_the_notebooks_folder_and_see_modules_beside_it(write: Any) -> None:
    path = write("from pathlib import Path\nimport mine_of_the_test\nassert Path('review.ipynb').exists()")
    (path.parent / "mine_of_the_test.py").write_text("")
    before = Path.cwd()
    load_notebook(path)
    assert Path.cwd() == before


def test_values_of_cells_are_not_printed(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    load_notebook(write(LOAD, "1 + 1", "print('said')"))
    assert capsys.readouterr().out == "said\n"


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("x = 1\n1 / 0", "cell 2: line 2: ZeroDivisionError: division by zero"),
        ("def f(:", "cell 2: line 1: SyntaxError"),
        ("%%flow_tool\ndef f():\n    pass\nraise KeyError('k')", "cell 2: line 4: KeyError"),
        ("%%flow_graph g\na ->", "cell 2: "),
        ("%nosuchmagic", "cell 2: "),
    ],
)
def test_a_cell_that_fails_is_named_by_its_number(
    write: Any, capsys: pytest.CaptureFixture[str], cell: str, told: str
) -> None:
    with pytest.raises(NotebookError, match=r"review\.ipynb") as raised:
        load_notebook(write(LOAD, "", cell))
    assert told in str(raised.value)
    assert raised.value.cell == 2
    assert raised.value.__cause__ is not None
    assert "Traceback" not in capsys.readouterr().out


def test_a_file_that_is_no_notebook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    with pytest.raises(NotebookError, match="cannot be opened"):
        load_notebook(path)
    for text in ("nothing", json.dumps({"a": 1}), "[]"):
        path.write_text(text)
        with pytest.raises(NotebookError, match="is not a notebook"):
            load_notebook(path)


def test_a_notebook_in_another_language_is_refused(write: Any) -> None:
    with pytest.raises(NotebookError, match="'R'"):
        load_notebook(write("x <- 1", kernelspec={"name": "ir", "display_name": "R", "language": "R"}))
