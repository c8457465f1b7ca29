"""Warnings and errors of commands name the key, the file and the line, and go to standard error."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Command, json_of
from test_cli_odd import in_shell, write_notebook

SUM = "%%flow_tool\ndef add(x, y):\n    return {'x': x + y}\n\ndef start(x):\n    return {'x': x}"
GRAPH = "%%flow_graph sums\nstart -> add"


def test_warnings_of_a_graph_go_to_standard_error(nbflow: Command, folder: Path) -> None:
    write_notebook(folder, SUM, "%%flow_graph sums\nstart -> add\nadd = add(y=1, z=2)")

    done = nbflow("run", "flows.ipynb", "--set", "x=1")

    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout
    assert "warning: node 'add' gives 'z', and tool 'add' has no such parameter" in done.stderr


def test_a_key_that_set_gives_is_no_reason_for_a_warning(nbflow: Command, folder: Path) -> None:
    write_notebook(folder, SUM, GRAPH)

    done = nbflow("run", "flows.ipynb", "--set", "x=1", "--set", "y=2")

    assert "x: 3" in done.stdout
    assert "warning" not in done.stdout + done.stderr


def test_a_key_that_nothing_reads_is_named_with_the_nearest_one(nbflow: Command) -> None:
    done = nbflow("run", "sums.flow", "--tools", "mytools", "--set", "total=60", "--set", "totl=1")

    assert done.returncode == 0
    assert "warning: no node of sums reads 'totl'; did you mean 'total'?" in done.stderr


def test_a_module_in_the_place_of_file_is_refused_with_the_option_for_it(nbflow: Command) -> None:
    done = nbflow("run", "mytools.py")

    assert done.returncode == 1
    assert "mytools.py is a Python module, which defines tools; give it as --tools mytools.py" in done.stderr


def test_an_error_in_a_flow_file_names_the_file_and_the_line(nbflow: Command, folder: Path) -> None:
    (folder / "bad.flow").write_text("graph bad\nplus -> double\nplus -> -> double\n")

    done = nbflow("run", "bad.flow", "--tools", "mytools")

    assert done.stderr.startswith("nbflow: bad.flow, line 3, column 9: ")


def test_a_traceback_names_the_notebook_and_the_cell(nbflow: Command, folder: Path) -> None:
    write_notebook(folder, "%%flow_tool\ndef fails():\n    return 1 / 0", "%%flow_graph g\nfails")

    done = nbflow("run", "flows.ipynb")

    assert "flows.ipynb, cell 2" in done.stderr
    assert "return 1 / 0" in done.stderr
    assert "ipython-input" not in done.stderr


def test_a_reader_that_has_what_it_wants_is_no_error(folder: Path, ids: list[str]) -> None:
    done = in_shell(folder, "set -o pipefail; nbflow runs --json | head -c 1; echo ${PIPESTATUS[0]}")

    assert (done.stdout, done.stderr) == ("[0\n", "")


@pytest.mark.slow
def test_a_fork_without_an_id_is_one_of_the_last_run(nbflow: Command, ids: list[str]) -> None:
    """As %flow_resume does; without a fork, the last unfinished run is resumed."""
    store = ["--tools", "mytools", "--durability", "sync", "--json"]
    last = json_of(nbflow("run", "sums.flow", "--set", "total=60", *store))["run_id"]

    done = nbflow("resume", "--tools", "mytools", "--from", "double", "--set", "total=500", "--json")

    listed = json_of(nbflow("runs", "--json"))
    assert listed[0]["run_id"] == json_of(done)["run_id"]
    assert listed[0]["parent"] == last


@pytest.mark.slow
@pytest.mark.parametrize("variable", [True, False], ids=["environment", "standard input"])
def test_a_secret_of_a_run_reaches_its_tools_and_no_output(folder: Path, variable: bool) -> None:
    (folder / "login.py").write_text("def login(api_key):\n    return {'length': len(api_key)}\n")
    (folder / "login.flow").write_text("graph login\nlogin")
    value = "correct horse battery"
    given = {"NBFLOW_SECRET_API_KEY": value} if variable else {}
    line = "nbflow run login.flow --tools login --secret api_key --durability sync"

    done = in_shell(folder, line if variable else f"echo {value} | {{ {line}; }}", **given)

    assert "length: 21" in done.stdout, done.stderr
    assert value not in done.stdout + done.stderr
    assert all(value.encode() not in file.read_bytes() for file in (folder / ".nbflow").iterdir() if file.is_file())
