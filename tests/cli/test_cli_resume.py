"""Runs that outlive their command: killed, interrupted, failed, and resumed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from pathlib import Path

import nbformat
import pytest
from commands import KEPT, Command, holding, json_of, killed, nbflow_in

NOTEBOOK = [
    "%load_ext nbflow",
    "%%flow_tool\nfrom pathlib import Path\ndef first():\n    with Path('counted').open('a') as f:\n        f.write('x')",
    "%%flow_tool\nimport os, time\ndef then(total):\n    if not Path('open').exists():\n"
    "        os.write(2, b'holding\\n')\n        time.sleep(600)\n    return {'total': total + 1}",
    "%%flow_graph hold\nfirst -> then",
]


def write_notebook(path: Path, cells: list[str]) -> None:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)


@pytest.mark.slow
def test_a_killed_run_resumes_and_completed_nodes_do_not_run_again(folder: Path, nbflow: Command) -> None:
    killed(folder, "run", "hold.flow", *KEPT, "--set", "total=20")
    (folder / "open").touch()

    done = nbflow("resume", "--tools", "mytools", "--json")

    told = json_of(done)
    assert done.returncode == 0
    assert (told["status"], told["state"], told["error"]) == ("completed", {"total": 42, "counted": True}, None)
    completed = [row["node_id"] for row in told["logs"] if row["status"] == "completed"]
    assert completed == ["counted", "holds", "double"]
    assert (folder / "counted").read_text() == "x"


@pytest.mark.slow
def test_a_killed_run_of_a_notebook_needs_no_more_than_resume(folder: Path, nbflow: Command) -> None:
    write_notebook(folder / "hold.ipynb", NOTEBOOK)
    killed(folder, "run", "hold.ipynb", "--durability", "sync", "--set", "total=20")
    (folder / "open").touch()

    done = nbflow("resume", "--json")

    assert json_of(done)["state"] == {"total": 21}
    assert f"resumes with the tools of {folder.resolve() / 'hold.ipynb'}" in done.stderr
    assert (folder / "counted").read_text() == "x"


CLASS = "from dataclasses import dataclass\n@dataclass\nclass Order:\n    n: int"
ORDERS = [
    "%load_ext nbflow",
    CLASS,
    "%%flow_tool\nfrom pathlib import Path\ndef fetch():\n    return {'order': Order(3)}\n"
    "def check(order):\n    if not Path('open').exists():\n        raise ValueError('not yet')\n"
    "def ship(order):\n    return {'sent': f'{type(order).__name__} {order.n}'}",
    "%%flow_graph orders\nfetch -> check -> ship",
]


@pytest.mark.slow
def test_objects_of_a_notebooks_classes_come_back_where_its_cells_define_them(folder: Path, nbflow: Command) -> None:
    write_notebook(folder / "orders.ipynb", ORDERS)
    nbflow("run", "orders.ipynb", "--durability", "sync")
    (folder / "open").touch()
    write_notebook(folder / "orders.ipynb", [cell for cell in ORDERS if cell != CLASS])

    refused = nbflow("resume")
    write_notebook(folder / "orders.ipynb", ORDERS)
    done = nbflow("resume", "--json")

    assert refused.returncode != 0
    assert "node 'check' reads 'order', and dataclass '__main__.Order' is not known here" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert json_of(done)["state"]["sent"] == "Order 3"


@pytest.mark.slow
def test_ctrl_c_cancels_a_run_that_stays_resumable(folder: Path, nbflow: Command) -> None:
    process = holding(folder, "run", "hold.flow", *KEPT, "--set", "total=20", "--json")

    process.send_signal(signal.SIGINT)
    out, err = process.communicate()

    cancelled = json_of(subprocess.CompletedProcess([], process.returncode, out, err))
    assert process.returncode == 130
    assert (cancelled["status"], cancelled["error"]) == ("cancelled", "run of hold was cancelled by Ctrl-C")
    assert f"nbflow resume {cancelled['run_id']}" in err
    (folder / "open").touch()
    resumed = json_of(nbflow("resume", "--tools", "mytools", "--json"))
    assert (resumed["run_id"], resumed["status"]) == (cancelled["run_id"], "completed")


@pytest.mark.slow
def test_ctrl_c_over_a_tool_that_blocks_the_loop_is_a_cancellation(folder: Path, nbflow: Command) -> None:
    (folder / "blocking.py").write_text(
        "import os, time\nfrom nbflow import session\n@session.tool\nasync def blocks():\n"
        "    os.write(2, b'holding\\n')\n    time.sleep(2)\n"
    )
    (folder / "blocking.flow").write_text("graph blocking\nblocks -> after\nafter = pass()\n")
    process = holding(folder, "run", "blocking.flow", "--tools", "blocking", "--durability", "sync", "--json")

    process.send_signal(signal.SIGINT)
    out, err = process.communicate()

    told = json_of(subprocess.CompletedProcess([], process.returncode, out, err))
    assert (process.returncode, told["status"]) == (130, "cancelled")
    assert [(row["node_id"], row["status"]) for row in told["logs"]] == [("blocks", "cancelled")]
    (row,) = json_of(nbflow("runs", "--json"))
    assert row["status"] == "cancelled"


@pytest.mark.slow
def test_a_run_that_a_living_process_has_is_refused(folder: Path, nbflow: Command) -> None:
    process = holding(folder, "run", "hold.flow", *KEPT, "--set", "total=20")

    refused = nbflow("resume", "--tools", "mytools")

    assert refused.returncode == 1
    assert f"is owned by process {process.pid} on" in refused.stderr
    process.kill()
    process.communicate()


def test_a_failed_run_resumes_once_its_cause_is_gone(folder: Path, nbflow: Command) -> None:
    failed = nbflow("run", "door.flow", *KEPT, "--set", "total=20", "--json")
    (folder / "open").touch()
    again = nbflow("resume", "--tools", "mytools")

    assert (failed.returncode, json_of(failed)["status"]) == (1, "failed")
    assert json_of(failed)["error"] == "node 'needs_open' failed: OSError: the door is shut"
    assert again.returncode == 0, again.stderr
    assert "  total: 42" in again.stdout.splitlines()
    assert "counted completed" not in again.stderr


@pytest.mark.slow
def test_set_and_from_fork_and_leave_the_run_unchanged(nbflow: Command, ids: list[str]) -> None:
    fork = json_of(nbflow("resume", ids[0], "--tools", "mytools", "--from", "double", "--set", "total=500", "--json"))

    assert fork["state"] == {"total": 1000}
    listed = {row["run_id"]: row for row in json_of(nbflow("runs", "--json"))}
    assert listed[fork["run_id"]]["parent"] == ids[0]
    assert listed[ids[0]]["parent"] is None


@pytest.mark.slow
def test_from_takes_the_number_of_an_event(nbflow: Command, ids: list[str]) -> None:
    fork = json_of(nbflow("resume", ids[0], "--tools", "mytools", "--from", "1", "--set", "step=9", "--json"))

    assert fork["state"]["total"] == 138


@pytest.mark.slow
def test_a_completed_run_cannot_be_resumed(nbflow: Command) -> None:
    run_id = json_of(nbflow("run", "sums.flow", *KEPT, "--set", "total=60", "--json"))["run_id"]

    assert "is completed, so there is nothing to resume" in nbflow("resume", run_id, "--tools", "mytools").stderr
    last = nbflow("resume", "--tools", "mytools")
    assert (last.returncode, last.stdout) == (1, "")
    assert last.stderr.endswith(
        "nbflow: no run here is unfinished, so there is nothing to resume; nbflow runs lists them\n"
    )


def test_a_missing_tool_is_named_with_the_sources_of_tools(nbflow: Command, ids: list[str]) -> None:
    done = nbflow("resume")

    assert done.returncode == 1
    assert "node 'needs_open' names unknown tool 'needs_open'" in done.stderr
    assert "tools come from --file FILE and --tools MODULE" in done.stderr


def test_an_unknown_run_is_refused(nbflow: Command, ids: list[str]) -> None:
    done = nbflow("resume", "nothing", "--tools", "mytools", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    assert "no run 'nothing' is known here; nbflow runs lists them" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "origin", ["../elsewhere/evil.ipynb", "{outside}/evil.ipynb", "link.ipynb", ".nbflow/evil.ipynb"]
)
def test_a_store_cannot_choose_code_from_elsewhere(tmp_path: Path, nbflow: Command, origin: str) -> None:
    outside = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    outside.mkdir()
    nbflow("run", "door.flow", *KEPT, "--set", "total=20")
    for place in (outside, tmp_path / ".nbflow"):
        write_notebook(place / "evil.ipynb", [f"open({str(outside / 'ran')!r}, 'w').close()"])
    (tmp_path / "link.ipynb").symlink_to(outside / "evil.ipynb")
    origin = origin.format(outside=outside).replace("../elsewhere", f"../{outside.name}")
    with sqlite3.connect(tmp_path / ".nbflow" / "nbflow.db") as store:
        store.execute("UPDATE nbflow_executions SET origin = ?", (origin,))
    (tmp_path / "open").touch()

    done = nbflow("resume", "--tools", "mytools")

    assert f"its file {origin!r} is not used, as it does not lie beside the store" in done.stderr
    assert done.returncode == 0, done.stderr
    assert not (outside / "ran").exists()


@pytest.mark.slow
def test_file_says_where_the_tools_are(folder: Path, nbflow: Command) -> None:
    write_notebook(folder / "hold.ipynb", NOTEBOOK)
    killed(folder, "run", "hold.ipynb", "--durability", "sync", "--set", "total=20")
    (folder / "hold.ipynb").rename(folder / "moved.ipynb")
    (folder / "open").touch()

    lost = nbflow("resume")
    found = nbflow("resume", "--file", "moved.ipynb", "--json")

    assert lost.returncode == 1
    assert f"its file 'hold.ipynb' is not used, as it is not in {folder.resolve()}" in lost.stderr
    assert json_of(found)["status"] == "completed"


@pytest.mark.slow
def test_a_database_named_by_the_environment_wins(folder: Path) -> None:
    there = nbflow_in(folder, NBFLOW_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/runs.db")
    there("run", "door.flow", *KEPT, "--set", "total=20")
    (folder / "open").touch()

    done = there("resume", "--tools", "mytools", "--json")

    assert json_of(done)["status"] == "completed"
    assert (folder / "runs.db").is_file()
    assert not (folder / ".nbflow").exists()


@pytest.mark.slow
def test_a_run_of_a_file_in_another_folder_is_stored_beside_it_with_the_command_to_resume(folder: Path) -> None:
    (folder / "other").mkdir()
    done = nbflow_in(folder / "other")(
        "run", "../door.flow", "--durability", "sync", "--set", "total=1", "--tools", "mytools"
    )
    assert "cannot be imported" in done.stderr

    (folder / "other" / "mytools.py").write_text((folder / "mytools.py").read_text())
    done = nbflow_in(folder / "other")("run", "../door.flow", *KEPT, "--set", "total=1")

    assert "to resume it: cd .. && nbflow resume " in done.stderr
    assert (folder / ".nbflow" / "nbflow.db").is_file()
