"""The run that a magic uses if its line names none: the last run of this notebook, which is identified by its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernels import Kernel, Reply

pytestmark = pytest.mark.slow

DEFINE = "%%flow_tool\nmended = False\ndef parse(n: int = 1):\n    if not mended: raise ValueError('broken')\n    return {'n': n}"
Start = Callable[..., Kernel]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a kernel of a notebook, whose file is named by its server or by VS Code."""
    kernels: list[Kernel] = []

    def start_kernel(notebook: str | None = None, *, vscode: str | None = None, mended: bool = False) -> Kernel:
        for name in filter(None, (notebook, vscode)):
            (tmp_path / name).touch()
        named = {"JPY_SESSION_NAME": str(tmp_path / notebook)} if notebook else {}
        kernel = Kernel({"NBFLOW_DURABILITY": "async", "NBFLOW_DETERMINISTIC": "", **named}, tmp_path)
        kernels.append(kernel)
        if vscode:
            kernel.ok(f"__vsc_ipynb_file__ = {str(tmp_path / vscode)!r}")
        kernel.ok("%load_ext nbflow")
        kernel.ok("import nbflow")
        kernel.ok(DEFINE)
        kernel.ok("%%flow_graph sums\nparse\n")
        kernel.ok(f"mended = {mended}")
        return kernel

    yield start_kernel
    for kernel in kernels:
        kernel.close()


def failed(kernel: Kernel) -> str:
    """Run the graph, which fails; return the run's id once the store has all of it."""
    assert kernel.run("%flow_run sums").error["ename"] == "NodeError"
    kernel.ok("nbflow.session.current().history.close()")
    return str(kernel.ok("print(nbflow.session.last.id)").stdout.strip())


def said(reply: Reply) -> str:
    return "\n".join(data["text/plain"] for data in reply.displays)


def notebooks(kernel: Kernel) -> Any:
    return kernel.ok("sorted((row.id, row.notebook) for row in nbflow.session.runs())").value


def test_a_notebook_resumes_its_own_last_run_and_not_a_newer_one_of_another(start: Start) -> None:
    mine, newer = failed(start("a.ipynb")), failed(start("b.ipynb"))
    again = start("a.ipynb", mended=True)

    again.ok("run = %flow_resume")

    assert again.ok("run.id, run.status.value").value == f"('{mine}', 'completed')"
    assert notebooks(again) == str(sorted([(mine, "a.ipynb"), (newer, "b.ipynb")]))


def test_a_run_of_another_notebook_is_suggested_and_not_used(start: Start) -> None:
    other = failed(start("a.ipynb"))
    kernel = start("b.ipynb", mended=True)

    refused = kernel.run("%flow_resume")

    assert refused.error["evalue"] == (
        f"no run of b.ipynb is unfinished; run {other} of sums in another notebook, a.ipynb, did not complete: "
        f"%flow_resume {other} resumes it"
    )
    assert f"b.ipynb has no run to fork; run {other}" in kernel.run("%flow_resume --from parse").error["evalue"]
    kernel.ok(f"run = %flow_resume {other}")
    assert notebooks(kernel) == str([(other, "b.ipynb")])


def test_a_fork_without_an_id_is_of_this_notebooks_last_run(start: Start) -> None:
    mine = failed(start("a.ipynb"))
    failed(start("b.ipynb"))

    again = start("a.ipynb", mended=True)
    again.ok("fork = %flow_resume --from parse n=5")

    assert again.ok("fork.state['n'], fork.events[-1].kind.value").value == "(5, 'execution_complete')"
    assert again.ok("{row.parent for row in nbflow.session.runs()} - {None}").value == f"{{'{mine}'}}"


@pytest.mark.parametrize("place", ["a plain kernel", "a renamed notebook", "a renamed other"])
def test_in_an_unknown_notebook_the_last_run_is_used_and_its_file_named(
    start: Start, tmp_path: Path, place: str
) -> None:
    run_id = failed(start("a.ipynb"))
    kernel = start(None if place == "a plain kernel" else "b.ipynb", mended=True)
    if place == "a renamed notebook":
        (tmp_path / "b.ipynb").rename(tmp_path / "c.ipynb")
    if place == "a renamed other":
        (tmp_path / "a.ipynb").rename(tmp_path / "c.ipynb")

    resumed = kernel.ok("run = %flow_resume")

    assert said(resumed).count(f"resuming run {run_id} of sums: it was started in a.ipynb") == 1
    assert kernel.ok("run.id").value == f"'{run_id}'"


def test_a_tool_whose_cell_was_not_run_is_named_with_the_cell(start: Start, tmp_path: Path) -> None:
    run_id = failed(start("a.ipynb"))
    cell = {"cell_type": "code", "metadata": {}, "source": DEFINE, "outputs": [], "execution_count": 7}
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    kernel = start("b.ipynb")
    kernel.ok("nbflow.session.current().registry.remove('parse')")

    refused = kernel.run(f"%flow_resume {run_id}").traceback
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    named = kernel.run(f"%flow_resume {run_id}").traceback
    (tmp_path / "b.ipynb").write_text(json.dumps(notebook))
    named_of_own = kernel.run(f"%flow_resume {run_id}").traceback

    told = "node 'parse' names unknown tool 'parse'; run the cell that defines parse"
    assert f"{told}, then resume again; the run was started in a.ipynb" in refused
    assert f"{told} (In [7] of a.ipynb), then resume again" in named
    assert f"{told} (In [7] of b.ipynb), then resume again" in named_of_own


def test_vs_code_names_the_notebook_in_a_variable(start: Start) -> None:
    run_id = failed(start(vscode="code.ipynb"))

    assert notebooks(start("code.ipynb")) == str([(run_id, "code.ipynb")])


def test_a_kernel_that_a_kernel_started_does_not_take_its_notebook(start: Start, tmp_path: Path) -> None:
    kernel = start("a.ipynb")
    code = "%load_ext nbflow\nfrom nbflow import session\nprint('got', session.current().history.notebook())"

    reply = kernel.ok(
        "from jupyter_client.manager import start_new_kernel\nmanager, client = start_new_kernel()\n"
        f"client.execute_interactive({code!r})\nclient.stop_channels()\nmanager.shutdown_kernel(now=True)"
    )

    assert "got None" in reply.stdout
    assert kernel.ok("nbflow.session.current().history.notebook()").value == "'a.ipynb'"


def test_a_run_whose_name_stayed_unbound_is_the_last_of_the_session(start: Start) -> None:
    kernel = start("a.ipynb")

    reply = kernel.run("run = %flow_run sums n=7")

    assert "`nbflow.session.last` give the run" in reply.traceback
    assert kernel.ok("'run' in dir(), nbflow.session.last.initial, nbflow.session.last.status.value").value == (
        "(False, {'n': 7}, 'failed')"
    )
    kernel.ok("mended = True\nagain = %flow_resume")
    assert kernel.ok("nbflow.session.last is again").value == "True"


def test_the_list_of_runs_names_the_notebooks(start: Start) -> None:
    failed(start("a.ipynb"))

    shown = start("b.ipynb").ok("%flow_runs").value.splitlines()

    assert shown[0].split()[-1] == "notebook"
    assert shown[1].split()[-1] == "a.ipynb"
