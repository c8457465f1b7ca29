"""Context variables that cells set: a cell that runs a graph, or awaits anything, sets them as any cell does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernels import ROOT

DEFINE = """
import asyncio, decimal
from contextvars import ContextVar
var = ContextVar('var', default='unset')
"""


@pytest.fixture(scope="module", autouse=True)
def _graph(kernel):
    kernel.ok(DEFINE)
    kernel.ok("%%flow_tool\nasync def seen() -> dict:\n    return {'seen': var.get()}\n")
    kernel.ok("%%flow_graph g\nseen\n")


@pytest.mark.parametrize(
    "cell",
    [
        "var.set('{0}')\nrun = %flow_run g",
        "run = %flow_run g\nvar.set('{0}')",
        "%flow_run g;\nvar.set('{0}')\n%flow_show g;",
        "var.set('{0}')\nawait asyncio.sleep(0)",
        "await asyncio.sleep(0)\nfrom nbflow import session\nrun = await session.run('g')\nvar.set('{0}')",
        "%%flow_run g\nx = var.set('{0}') and 1",
        "%%flow_run g\nx = await asyncio.sleep(0, 1)\ny = var.set('{0}') and 1",
        "%%flow_tool\nasync def seen() -> dict:\n    return {{'seen': var.get()}}\n"
        "await asyncio.sleep(0)\nvar.set('{0}')",
        "%%capture\nvar.set('{0}')\n%flow_run g",
        "%%capture\n%%flow_run g\nx = await asyncio.sleep(0, 1)\ny = var.set('{0}') and 1",
    ],
)  # fmt: skip
def test_a_later_cell_sees_the_variables_that_a_cell_set(kernel, cell, request):
    value = f"set by {request.node.name}".replace("\\", "").replace("'", "")
    kernel.ok(cell.format(value))
    assert kernel.ok("var.get()").value == repr(value)


def test_a_tool_sees_the_variables_that_its_cell_set_before(kernel):
    assert kernel.ok("var.set('before')\nrun = %flow_run g\nrun.state['seen']").value == "'before'"


def test_a_variable_that_a_tool_sets_is_local_to_the_tool(kernel):
    kernel.ok("%%flow_tool\nasync def sets() -> dict:\n    var.set('inside')\n    return {'seen': var.get()}\n")
    kernel.ok("%%flow_graph inner\nsets\n")
    kernel.ok("var.set('outside')\nrun = %flow_run inner")
    assert kernel.ok("run.state['seen'], var.get()").value == "('inside', 'outside')"


def test_a_variable_is_reset_in_another_cell_than_it_was_set_in(kernel):
    kernel.ok("var.set('first')")
    kernel.ok("token = var.set('second')")
    kernel.ok("run = %flow_run g\nvar.reset(token)\ntoken = var.set('third')")
    assert kernel.ok("var.reset(token)\nvar.get()").value == "'first'"


def test_the_variables_that_a_failed_cell_set_remain(kernel):
    assert kernel.run("run = %flow_run g\nvar.set('failed')\n1 / 0").status == "error"
    assert kernel.ok("var.get()").value == "'failed'"


def test_the_variables_that_a_stopped_cell_set_remain(kernel):
    kernel.ok("%%flow_tool\nasync def waits() -> None:\n    await asyncio.sleep(300)\n")
    kernel.ok("%%flow_graph waiting\nwaits\n")
    cell = kernel.send("var.set('stopped')\nprint('waits')\nrun = %flow_run waiting")
    kernel.wait_for_text(cell, "waits")
    kernel.interrupt()
    assert kernel.collect(cell).status == "error"
    assert kernel.ok("var.get()").value == "'stopped'"


def test_decimal_and_numpy_are_set_as_in_any_cell(kernel):
    pytest.importorskip("numpy")
    kernel.ok("run = %flow_run g\nimport numpy as np\nnp.set_printoptions(precision=3)\ndecimal.getcontext().prec = 5")
    assert kernel.ok("np.array([1 / 3]), decimal.Decimal(1) / 3").value == "(array([0.333]), Decimal('0.33333'))"
    kernel.ok("np.set_printoptions(precision=8)\nrun = %flow_run g\ndecimal.getcontext().prec += 1")
    assert kernel.ok("np.array([1 / 3]), decimal.Decimal(1) / 3").value == "(array([0.33333333]), Decimal('0.333333'))"


def test_the_kernel_works_after_a_reload_and_an_unload_of_the_extension(kernel):
    kernel.ok("%reload_ext nbflow")
    kernel.ok("run = %flow_run g\nvar.set('reloaded')")
    kernel.ok("%unload_ext nbflow")
    assert kernel.ok("'run_cell_async' in vars(get_ipython()), var.get()").value == "(False, 'reloaded')"
    kernel.ok("%load_ext nbflow")
    kernel.ok("var.set('loaded')\nrun = %flow_run g")
    assert kernel.ok("var.get()").value == "'loaded'"


TERMINAL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def cell(text):
    shell.run_cell(text, store_history=True).raise_error()
cell("%load_ext nbflow")
cell("from contextvars import ContextVar\\nimport decimal\\nvar = ContextVar('var')")
cell("%%flow_tool\\ndef seen() -> dict:\\n    return {'seen': var.get()}\\n")
cell("%%flow_graph g\\nseen\\n")
cell("var.set(1)\\nrun = %flow_run g\\nvar.set(2)\\ndecimal.getcontext().prec = 5")
cell("print(run.state['seen'], var.get(), decimal.Decimal(1) / 3)")
"""


def test_ipython_in_a_terminal_retains_the_variables_that_a_cell_set(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path), "NBFLOW_DETERMINISTIC": "1"}
    done = subprocess.run(
        [sys.executable, "-c", TERMINAL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "1 2 0.33333"
