"""Faults of a server: it is asked to end, its processes are killed, its database restarts, its file changes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from served import PATIENCE_S, Served, environment_of, notebook, serving
from surroundings import cluster, database

pytestmark = pytest.mark.slow

POSTGRES = os.environ.get("NBFLOW_TEST_POSTGRES_URL")


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is met."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def owner_of(server: Served, run_id: str) -> int:
    """Return the process that owns a run."""
    found: list[str | None] = []

    def known() -> bool:
        with server.client() as client:
            listed = client.get("/executions", params={"limit": 100}).json()["runs"]
        found[:] = [run["owner"] for run in listed if run["run_id"] == run_id]
        return bool(found) and found[0] not in (None, "this process")

    until(known)
    match = re.match(r"process (\d+) ", str(found[0]))
    assert match is not None
    return int(match[1])


def test_a_server_that_is_asked_to_end_lets_a_run_end_and_notifies_its_watchers(tmp_path: Path) -> None:
    with serving(notebook(tmp_path)) as server:
        run_id = server.run("chain", seconds=0.5)
        with server.socket(f"/ws/runs/{run_id}") as socket:
            socket.recv()
            code = server.stop()
            with pytest.raises(Exception, match="1012"):
                while True:
                    socket.recv()

    assert code == 0
    with serving(notebook(tmp_path)) as server:
        assert server.result(run_id)["status"] == "completed"


def test_a_run_that_does_not_end_in_time_is_resumed_at_the_next_start(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with serving(notebook(tmp_path), NBFLOW_DRAIN="0.2") as server:
        run_id = server.run("noted", path=str(notes), seconds=3)
        until(notes.exists)
        time.sleep(0.5)
        assert server.stop() == 0

    with serving(notebook(tmp_path)) as server:
        result = server.result(run_id)

    assert result["status"] == "completed"
    assert len(notes.read_text().split()) == 2


def test_a_killed_worker_is_replaced_and_its_run_is_resumed(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with serving(notebook(tmp_path)) as server:
        (worker,) = server.workers()
        run_id = server.run("noted", path=str(notes), seconds=1.5)
        until(notes.exists)
        time.sleep(0.5)
        os.kill(worker, signal.SIGKILL)
        until(lambda: server.workers() not in ([], [worker]))
        result = server.result(run_id)

    assert result["status"] == "completed"
    assert len(set(notes.read_text().split())) == 2


def test_a_run_that_crashes_several_processes_is_not_resumed_automatically(tmp_path: Path) -> None:
    with serving(notebook(tmp_path)) as server:
        run_id = server.run("dying", path=str(tmp_path / "notes"), seconds=0.3)
        until(lambda: "3 processes died in it" in server.log.read_text())

        with server.client() as client:
            (run,) = client.get("/executions").json()["runs"]
            assert (run["run_id"], run["status"], run["owner"]) == (run_id, "running", None)
            assert client.post(f"/executions/{run_id}/fork", json={"at": 1}).status_code == 202


@pytest.mark.skipif(POSTGRES is None, reason="NBFLOW_TEST_POSTGRES_URL names no server")
def test_several_workers_share_their_runs_and_take_over_those_of_a_killed_one(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with (
        database(str(POSTGRES)) as url,
        serving(notebook(tmp_path), "--workers", "2", NBFLOW_DATABASE_URL=url) as server,
    ):
        workers = server.workers()
        assert len(workers) == 2
        run_id = server.run("noted", path=str(notes), seconds=30)
        owner = owner_of(server, run_id)
        statuses = set()
        for _ in range(12):  # each request has a separate connection, so either worker may answer it
            with server.client() as client:
                statuses.add(client.get(f"/executions/result/{run_id}").json()["status"])
            with server.socket(f"/ws/runs/{run_id}") as socket:
                assert '"seq":1,' in socket.recv()
        assert statuses == {"running"}

        os.kill(owner, signal.SIGKILL)
        until(lambda: owner not in server.workers())  # until then it may still accept a connection, and close it
        result = server.result(run_id)

    assert result["status"] == "completed"
    assert owner in workers
    assert len(set(notes.read_text().split())) == 2


@pytest.mark.skipif(POSTGRES is None, reason="NBFLOW_TEST_POSTGRES_URL names no server")
def test_every_worker_can_control_a_run(tmp_path: Path) -> None:
    with (
        database(str(POSTGRES)) as url,
        serving(notebook(tmp_path), "--workers", "3", NBFLOW_DATABASE_URL=url) as server,
    ):
        for _ in range(6):
            run_id = server.run("chain", seconds=60)
            owner_of(server, run_id)
            with server.client() as client:
                assert client.post(f"/executions/{run_id}/pause").json()["status"] == "paused"
            with server.client() as client:
                assert client.post(f"/executions/{run_id}/cancel").json()["status"] == "cancelled"


@pytest.mark.skipif(POSTGRES is None, reason="NBFLOW_TEST_POSTGRES_URL names no server")
def test_one_key_starts_one_run_whichever_worker_gets_the_request(tmp_path: Path) -> None:
    with (
        database(str(POSTGRES)) as url,
        serving(notebook(tmp_path), "--workers", "3", NBFLOW_DATABASE_URL=url) as server,
    ):
        ids = set()
        for _ in range(10):
            with server.client() as client:
                body = {"graph_id": "chain", "initial_state": {"seconds": 1}}
                ids.add(client.post("/executions/run", json=body, headers={"Idempotency-Key": "once"}).json()["run_id"])

    assert len(ids) == 1


def test_runs_survive_a_restart_of_the_database(tmp_path: Path) -> None:
    with cluster() as postgres, serving(notebook(tmp_path), NBFLOW_DATABASE_URL=postgres.url) as server:
        run_id = server.run("noted", path=str(tmp_path / "notes"), seconds=2)
        owner_of(server, run_id)
        postgres.restart("fast")

        assert server.result(run_id)["status"] == "completed"
        assert server.result(server.run("chain"))["status"] == "completed"
        with server.client() as client:
            until(lambda: client.get("/executions").json()["runs"][0]["status"] == "completed")


def test_with_reload_a_change_of_the_file_is_served(tmp_path: Path) -> None:
    path = notebook(tmp_path)
    with serving(path, "--reload") as server:
        (before,) = server.workers()
        book = nbformat.read(path, as_version=4)
        book.cells.append(nbformat.v4.new_code_cell("%%flow_graph added\nwait"))
        nbformat.write(book, path)

        def served() -> bool:
            with server.client() as client:
                try:
                    return "added" in [graph["name"] for graph in client.get("/graphs").json()["graphs"]]
                except OSError:
                    return False

        until(served)
        assert server.workers() != [before]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2"], "several workers share their runs through PostgreSQL; set NBFLOW_DATABASE_URL to one"),
        (["--host", "203.0.113.1"], "203.0.113.1:0 cannot be served: Cannot assign requested address"),
        (["--tools", "no_such_module"], "--tools no_such_module: cannot be imported: No module named 'no_such_module'"),
    ],
)
def test_a_file_that_cannot_be_served_is_reported_and_ends_with_code_1(
    tmp_path: Path, options: list[str], said: str
) -> None:
    done = _served(notebook(tmp_path), *options)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failing_cell_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.ipynb"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("a = 1\nb = c")])
    nbformat.write(book, path)

    done = _served(path)

    assert (done.returncode, done.stderr) == (
        1,
        "nbflow: broken.ipynb, cell 1: line 2: NameError: name 'c' is not defined\n",
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"NBFLOW_DATABASE_URL": "sqlite+aiosqlite:///serve.log"}, "the store {folder}/serve.log could not be used: "),
        ({"NBFLOW_DATABASE_URL": "postgresql+asyncpg://me:secret@127.0.0.1:1/x"}, "the store postgresql+asyncpg://me:***@127.0.0.1:1/x cannot be reached: "),
        ({"NBFLOW_DURABILITY": "always"}, "the setting NBFLOW_DURABILITY is 'always': "),
        ({"NBFLOW_MAX_RUNS": "many"}, "the setting NBFLOW_MAX_RUNS is 'many': "),
        ({"NBFLOW_TOKEN": "secret"}, "the setting NBFLOW_TOKEN is not allowed: String should have at least 8 characters"),
    ],
)  # fmt: skip
def test_an_invalid_setting_is_reported_in_one_line(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    (tmp_path / "serve.log").write_text("this is no database")

    done = _served(notebook(tmp_path), **settings)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"nbflow: {said.format(folder=tmp_path)}")
    assert done.stderr.count("nbflow: ") == 1
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_settings_are_read_before_the_cells_run(tmp_path: Path) -> None:
    path = notebook(tmp_path, ["from pathlib import Path\nPath('ran').touch()"])

    assert _served(path, NBFLOW_MAX_RUNS="many").returncode == 1
    assert not (tmp_path / "ran").exists()


def _served(path: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    own = environment_of(**settings)
    command = [sys.executable, "-m", "nbflow", "serve", str(path), "--port", "0", *options]
    return subprocess.run(
        command, capture_output=True, text=True, env=own, cwd=path.parent, timeout=PATIENCE_S, check=False
    )
