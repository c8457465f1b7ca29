"""A program as a module: it defines what the file defines, and needs no IPython."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from nbflow.notebook.definition_magics import DefinitionMagics
from nbflow.program.export import _TOOL, ExportError, Module, export_cells
from nbflow.program.program import export_program

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
TELL = """
import asyncio, json, sys
from nbflow import session
from nbflow.session.serialization import object_data

async def state_of(name, state):
    run = session.start(name, state)
    while run.result is None:
        for question in run.asking[:1]:
            run.answer("publish")
        await asyncio.sleep(0.01)
    return object_data((await run).state)

def tell(name, state):
    graphs = {key: graph.model_dump_json() for key, graph in session.graphs().items()}
    tools = {tool.name: [tool.source, tool.executor, tool.retries, tool.timeout] for tool in session.tools()}
    print(json.dumps([graphs, tools, asyncio.run(state_of(name, state))]))
"""
WITHOUT_IPYTHON = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("IPython", "ipykernel", "ipywidgets", "anywidget", "traitlets"):
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Blocked())
"""
RUNS = {
    "code_review": ("code_review", {"path": str(Path(ast.__file__).with_name("colorsys.py"))}),
    "explore": ("triage", {}),
    "resume": ("ranking", {"path": "orders.csv"}),
}


def told(code: str, folder: Path, *run: Any) -> Any:
    code = f"{code}\ntell(*json.loads({json.dumps(run)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_an_exported_notebook_defines_and_does_without_ipython_what_the_notebook_does(
    name: str, tmp_path: Path
) -> None:
    notebook = NOTEBOOKS / f"{name}.ipynb"
    (tmp_path / "flows.py").write_text(export_program(notebook).text)
    (tmp_path / "orders.csv").write_text("order,customer,amount,paid\n1,Ada,120.50,yes\n2,Grace,80.00,no\n")

    loaded = f"{TELL}\nfrom nbflow.program.notebook_shell import load_notebook\nload_notebook({str(notebook)!r})"
    module = told(f"{WITHOUT_IPYTHON}\n{TELL}\nimport flows", tmp_path, *RUNS[name])

    assert module == told(loaded, tmp_path, *RUNS[name])


def exported(*cells: Any) -> Module:
    made = [{"source": cell, "metadata": {}} if isinstance(cell, str) else cell for cell in cells]
    return export_cells(made, TransformerManager().transform_cell, "flows.ipynb")


def refusal(*cells: str) -> ExportError:
    with pytest.raises(ExportError) as refused:
        exported(*cells)
    return refused.value


def test_a_module_names_its_notebook_and_registers_by_public_names() -> None:
    tool = "%%flow_tool --retries 2 --timeout 1.5 --executor thread\nimport math\n\ndef root(x):\n    return {'y': math.sqrt(x)}"
    assert exported("%load_ext nbflow", tool, "%%flow_graph roots\nroot -> root2 if y > 2", "n = 1\n").text == (
        '''"""The tools and graphs of flows.ipynb, as nbflow export wrote them."""

from nbflow import session


import math

def root(x):
    return {'y': math.sqrt(x)}


session.tool(executor='thread', retries=2, timeout=1.5)(root)


session.graph(
    "roots",
    """
root -> root2 if y > 2
""",
)


n = 1
'''
    )


def test_names_choose_what_is_registered_whatever_it_is_made_of() -> None:
    cell = "%%flow_tool half\nfrom functools import partial\ndef part(x, by):\n    return {'x': x / by}\nhalf = partial(part, by=2)"
    assert exported(cell).text.endswith("half = partial(part, by=2)\n\n\nsession.tool(name='half')(half)\n")


def test_a_function_with_a_leading_underscore_is_no_tool() -> None:
    module = exported("%%flow_tool\ndef _own(): ...\nif True:\n    def given(): ...")
    assert list(module.tools) == ["given"]


def test_the_options_of_the_magic_are_those_that_a_module_gives() -> None:
    def options(parser: Any) -> set[tuple[str, ...]]:
        return {tuple(action.option_strings) for action in parser._actions}

    assert options(_TOOL) == options(DefinitionMagics.flow_tool.parser)


@pytest.mark.parametrize(
    "text", ['a -> b if x == "\\n"', 'a -> b if x == \'"""\'', "a  # \\", "a # '''\nb # \"\"\" \\"]
)
def test_a_graph_s_text_comes_back_as_it_was(text: str) -> None:
    tree = ast.parse(exported(f"%%flow_graph g\n{text}").text)
    (call,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert ast.literal_eval(call.args[1]).strip("\n") == text


def test_cells_of_runs_and_what_needs_them_are_left_out_with_the_reason() -> None:
    skipped = {"source": "1 / 0", "metadata": {"tags": ["nbflow-skip"]}}
    module = exported("run = %flow_run g", "y = run.state", "%flow_cancel", skipped, "%%html\n<b>", "z = 1")
    assert module.left_out == [
        (1, "it has %flow_run"),
        (2, "it reads run, set only by a cell that was left out"),
        (3, "it has %flow_cancel"),
        (4, "it is tagged nbflow-skip"),
        (5, "it is %%html, which defines nothing"),
    ]
    assert module.text.endswith("session\n\n\nz = 1\n")


def test_magics_that_show_or_set_up_go_and_are_told_of() -> None:
    module = exported(
        "%load_ext nbflow\n%matplotlib inline\na = 1\n!pip install x\n%flow_show g",
        "if a:\n    %pip install y\n    b = 2\nb?",
        "%%time\nc = 3",
    )
    assert module.dropped == [
        (1, "%matplotlib inline"),
        (1, "!pip install x"),
        (1, "%flow_show g"),
        (2, "%pinfo b"),
        (2, "%pip install y"),
        (3, "%%time"),
    ]
    assert module.text.endswith("a = 1\n\n\nif a:\n    pass\n    b = 2\n\n\nc = 3\n")


@pytest.mark.parametrize(
    ("cell", "line", "problem"),
    [
        ("a = 1\nfiles = !ls", 2, "!ls works only in a notebook"),
        ("!rm -r data", 1, "!rm -r data works only in a notebook"),
        ("x = %pwd", 1, "%pwd works only in a notebook"),
        ("%%bash\nls", 1, "%%bash works only in a notebook"),
        ("%%capture said\nprint(1)", 1, "%%capture said works only in a notebook"),
        ("\n%%flow_tool\n\ndef a(): ...\nx = !ls", 5, "!ls works only in a notebook"),
        ("%%flow_tool --retires 2\ndef a(): ...", 1, "%%flow_tool: unrecognized arguments: --retires"),
        ("%%flow_tool other\ndef a(): ...", 1, "the cell defines no other to register"),
        ("%%flow_graph\na", 1, "%%flow_graph: the following arguments are required: name"),
        ("import asyncio\nawait asyncio.sleep(0)", 2, "it awaits outside a function, which no module can"),
        ("a = (1\nb = 2", 1, "SyntaxError: "),
        ("return 1", 1, "SyntaxError: 'return' outside function"),
        ("a = 1\ndisplay(a)", 2, "'display' is defined only in IPython"),
    ],
)
def test_what_only_a_notebook_can_do_is_refused_by_its_cell_and_line(cell: str, line: int, problem: str) -> None:
    error = refusal("%load_ext nbflow", cell)
    assert (error.cell, error.line) == (2, line)
    assert str(error).startswith(f"cell 2, line {line}: {problem}")
    assert str(error).endswith("; change it, or tag the cell nbflow-skip to leave it out")


def test_a_name_that_the_notebook_gives_itself_is_no_ipython_s() -> None:
    assert "display(1)" in exported("def display(x): ...", "display(1)").text


def test_a_notebook_s_own_session_stays_its_own() -> None:
    text = exported("import requests\nsession = requests.Session()", "%%flow_graph g\npass").text
    assert "from nbflow import session as nbflow_session" in text
    assert "nbflow_session.graph(" in text


def test_future_imports_go_to_the_top() -> None:
    text = exported("x = 1", "from __future__ import annotations\ny = 2").text
    assert text.splitlines()[2] == "from __future__ import annotations"
    compile(text, "flows", "exec")


def test_graphs_of_a_text_are_defined_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / 'a"b\\.flow'
    path.write_text("graph one\na -> b\ngraph two\nc\n")

    module = export_program(path)

    assert (list(module.graphs), module.left_out) == (["one", "two"], [])
    tree = ast.parse(module.text)
    assert 'a"b' in str(ast.get_docstring(tree))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [ast.literal_eval(call.args[0]) for call in calls] == ["one", "two"]


def test_a_notebook_is_exported_by_the_command_and_its_module_gives_run_the_tools(tmp_path: Path) -> None:
    cells = [
        "%load_ext nbflow",
        "%%flow_tool --retries 1\ndef plus(n):\n    return {'n': n + 1}",
        "%flow_run g",
        "%%flow_graph g\nplus",
    ]
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / "flows.ipynb")
    (tmp_path / "g.flow").write_text("plus -> plus2\nplus2 = plus\n")

    def nbflow(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nbflow", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    written = nbflow("export", "flows.ipynb", "-o", "flows.py")
    told = json.loads(nbflow("export", "flows.ipynb", "--json").stdout)
    ran = nbflow("run", "g.flow", "--tools", "flows", "--set", "n=1")

    assert (written.returncode, written.stdout) == (0, "")
    assert written.stderr == "cell 3 left out: it has %flow_run\n"
    assert told == {
        "output": None, "text": (tmp_path / "flows.py").read_text(), "tools": ["plus"], "graphs": ["g"],
        "left_out": [{"cell": 3, "reason": "it has %flow_run"}], "dropped": [],
    }  # fmt: skip
    assert "  n: 3" in ran.stdout.splitlines(), ran.stderr
    refused = nbflow("export", "flows.ipynb", "-o", "./flows.ipynb")
    assert (refused.returncode, refused.stderr) == (1, "nbflow: -o flows.ipynb is FILE itself; name another\n")
