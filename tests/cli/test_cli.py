"""The command line, run as a user runs it: in a separate process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from commands import KEPT, Command, on_terminal


def test_a_flow_file_runs_with_tools_of_a_module_and_shows_its_state(nbflow: Command) -> None:
    done = nbflow("run", "sums.flow", "--tools", "mytools", "--set", "total=2", "--set", "step=3")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("sums: completed in ")
    assert "  total: 122" in done.stdout.splitlines()


def test_elsewhere_than_on_a_terminal_progress_is_plain_lines_on_stderr(nbflow: Command) -> None:
    done = nbflow("run", "sums.flow", "--tools", "mytools", "--set", "total=60")

    lines = done.stderr.splitlines()
    assert lines[0] == "  plus | adding 1"
    assert lines[1].startswith("✓ plus completed in ")
    assert lines[2].startswith("✓ double completed in ")
    assert "\x1b" not in done.stderr + done.stdout


def test_on_a_terminal_a_table_changes_in_place(folder: Path) -> None:
    text, code = on_terminal(folder, "run", "sums.flow", "--tools", "mytools", "--set", "total=60")

    assert code == 0, text
    assert "\x1b[" in text
    assert "plus" in text
    assert "completed" in text


def test_a_failure_names_its_node_and_exits_with_1(nbflow: Command, folder: Path) -> None:
    (folder / "bad.flow").write_text("graph bad\nplus -> breaks")

    done = nbflow("run", "bad.flow", "--tools", "mytools", "--set", "total=2")

    assert done.returncode == 1
    assert "nbflow: node 'breaks' failed: KeyError: 'no such key'" in done.stderr
    assert 'mytools.py", line 15, in breaks' in done.stderr
    assert "asyncio" not in done.stderr


@pytest.mark.slow
def test_a_failure_shows_the_errors_of_a_group_as_python_does_and_so_does_the_history(
    nbflow: Command, folder: Path
) -> None:
    (folder / "bad.flow").write_text("graph bad\ngathers")

    done = nbflow("run", "bad.flow", "--tools", "mytools", *KEPT)
    listed = nbflow("runs")

    assert "    | KeyError: 'no such key'" in done.stderr
    assert 'mytools.py", line 15, in breaks' in done.stderr
    assert done.stderr.endswith("(1 sub-exception)\n  - KeyError: 'no such key'\n")
    assert "(1 sub-exception) - KeyError: 'no such key'" in listed.stdout


def test_json_graphs_take_their_state_from_a_file_and_set_wins(nbflow: Command, folder: Path) -> None:
    graph = {"nodes": [{"node_id": "a", "tool": "plus"}]}
    (folder / "graph.json").write_text(json.dumps(graph))
    (folder / "state.json").write_text('{"total": 1, "step": 2}')

    done = nbflow("run", "graph.json", "--state", "state.json", "--tools", "mytools", "--set", "step=40")

    assert done.returncode == 0, done.stderr
    assert "  total: 41" in done.stdout.splitlines()


def test_a_value_is_a_constant_or_else_text(nbflow: Command, folder: Path) -> None:
    (folder / "pass.flow").write_text("graph nothing\npass")

    done = nbflow("run", "pass.flow", "--set", "a=[1, null]", "--set", "b=two words", "--set", "c=1 + 1")

    assert done.stdout.splitlines()[1:] == ["  a: [1, None] (2 items)", "  b: two words", "  c: 1 + 1"]


def test_a_run_that_lacks_a_key_is_refused_in_two_lines_and_is_not_stored(nbflow: Command, folder: Path) -> None:
    done = nbflow("run", "sums.flow", *KEPT, "--set", "totl=1")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "nbflow: graph 'sums' cannot start without 'total' (node 'plus')",
        "  give it in the initial state, or as params of nodes; keys given: 'totl'; did you mean 'total'?",
    ]
    assert not (folder / ".nbflow").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.flow"], "no file 'none.flow' here"),
        (["run", "sums.flow", "--graph", "sum"], "no graph 'sum' in the file; did you mean 'sums'?; it defines: sums"),
        (["run", "sums.flow", "--set", "total"], "--set takes KEY=VALUE, got 'total'"),
        (["run", "sums.flow", "--tools", "nowhere"], "--tools nowhere: cannot be imported"),
        (["run", "sums.flow", "--state", "none.json"], "--state none.json: cannot be opened"),
        (["run", "sums.flow"], "node 'plus' names unknown tool 'plus'"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_message(nbflow: Command, arguments: list[str], message: str) -> None:
    done = nbflow(*arguments)

    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_of_several_graphs_one_must_be_named(nbflow: Command, folder: Path) -> None:
    (folder / "two.flow").write_text("graph one\npass\ngraph two\npass -> END")

    assert "the file defines 2 graphs (one, two); say which with --graph NAME" in nbflow("run", "two.flow").stderr
    assert nbflow("run", "two.flow", "--graph", "two").returncode == 0


def test_show_prints_the_graph_as_text_that_reads_back(nbflow: Command) -> None:
    done = nbflow("show", "sums.flow")

    assert done.stdout == "plus -> double\ndouble -> END if total > 100 else plus\n"


def test_show_draws_svg_and_png(nbflow: Command, folder: Path) -> None:
    done = nbflow("show", "sums.flow", "--svg", "out.svg", "--png", "out.png")

    assert done.returncode == 0, done.stderr
    assert ElementTree.parse(folder / "out.svg").getroot().tag.endswith("svg")
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_notebook_runs_without_the_cells_that_start_runs(nbflow: Command, folder: Path) -> None:
    cells = [
        "%load_ext nbflow",
        "%%flow_tool\ndef plus(total):\n    return {'total': total + 1}",
        "%%flow_graph sums\nplus",
        "run = %flow_run sums total=1",
        "print(run.state)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, folder / "sums.ipynb")

    done = nbflow("run", "sums.ipynb", "--set", "total=41")

    assert done.returncode == 0, done.stderr
    assert "  total: 42" in done.stdout.splitlines()
    assert "cell 4 left out: it has %flow_run" in done.stderr
    assert "cell 5 left out: it reads run, set only by a cell that was left out" in done.stderr


def test_ctrl_c_cancels_the_run_and_exits_with_130(folder: Path) -> None:
    (folder / "slow.flow").write_text("graph slow\npass -> waits")
    command = [sys.executable, "-u", "-m", "nbflow", "run", "slow.flow", "--tools", "mytools"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("✓ pass completed")
    time.sleep(0.2)  # waits starts right after pass; a Ctrl-C before it is as good

    process.send_signal(signal.SIGINT)
    _, told = process.communicate()

    assert process.returncode == 130
    assert "cancelled" in told
