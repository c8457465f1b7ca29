"""A run that ended in this process and that another process resumed: the server reports its stored state and can cancel it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from served import CELLS, Served, environment_of, notebook, serving
from surroundings import database

from nbflow import Run
from nbflow.errors import RunStateError
from nbflow.server.cluster.recovery import _adopt
from nbflow.server.options import options
from nbflow.server.service import Service
from nbflow.session import Session

pytestmark = pytest.mark.slow

POSTGRES = os.environ.get("NBFLOW_TEST_POSTGRES_URL")


@pytest.fixture(autouse=True)
def kept_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")


@contextmanager
def process(folder: Path) -> Iterator[Service]:
    """Yield the service of one process. Its tool fails until a file `mended` exists, and then asks a question."""
    session = Session()
    session.history.folder, session.history.origin = folder, "flows.ipynb"

    def mended() -> None:
        if not (folder / "mended").exists():
            raise ValueError("not yet")

    session.registry.register("mended", mended)
    session.graph("asking", 'mended -> ask\nask = ask(question="Ship it?", choices=["yes", "no"])')
    yield Service(session, options())
    session.history.close()


async def failed(service: Service) -> Run:
    run = service.session.start("asking")
    await run.wait()
    return run


async def resumed(service: Service, run_id: str) -> Run:
    """Resume a run, and wait until it asks its question."""
    (Path(str(service.session.history.folder)) / "mended").touch()
    run = await service.session.reopen(run_id)
    while not run.asking:
        await run.changed()
    return run


def test_a_run_in_another_process_is_reported_from_the_store(tmp_path: Path) -> None:
    async def main() -> None:
        run = await failed(here)
        other = await resumed(there, run.id)
        await other.until_stored(len(other.events))

        told = await here.read(run.id)

        assert (told.status, told.result, len(told.events)) == ("waiting", None, len(other.events))
        with pytest.raises(RunStateError, match="goes on in another process"):
            await here.steer(run.id, lambda run: run.pause())

    with process(tmp_path) as here, process(tmp_path) as there:
        asyncio.run(main())


def test_a_watcher_sees_the_end_of_a_run_in_another_process(tmp_path: Path) -> None:
    async def main() -> None:
        run = await failed(here)
        other = await resumed(there, run.id)
        other.answer("yes")
        await other.wait()

        texts = [text async for _, batch in here.events(run.id, 0) for text in batch]

        assert json.loads(texts[-1])["event"] == "execution_complete"
        assert (await here.read(run.id)).status == "completed"
        with pytest.raises(RunStateError, match="has ended with status completed"):
            await here.steer(run.id, lambda run: run.pause())

    with process(tmp_path) as here, process(tmp_path) as there:
        asyncio.run(main())


def test_a_run_in_another_process_can_be_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        run = await failed(here)
        other = await resumed(there, run.id)
        await other.until_stored(len(other.events))

        await here.cancel(run.id)
        await other.wait()

        assert other.status == "cancelled"

    with process(tmp_path) as here, process(tmp_path) as there:
        asyncio.run(main())


def test_a_run_that_ended_here_and_died_in_another_process_is_taken_over(tmp_path: Path) -> None:
    async def main() -> None:
        run = await failed(here)
        other = await resumed(there, run.id)
        await other.until_stored(len(other.events))
        there.session.history.close()  # this also deletes the sign that its process is alive

        await _adopt(here, set())

        taken = here.session.live[run.id]
        assert taken is not run
        taken.cancel()
        await taken.wait()
        other.cancel()
        await other.wait()

    with process(tmp_path) as here, process(tmp_path) as there:
        asyncio.run(main())


def test_a_run_that_ended_here_and_was_not_resumed_is_reported_with_all_its_values(tmp_path: Path) -> None:
    async def main() -> None:
        run = await failed(here)

        assert await here.read(run.id) is run

    with process(tmp_path) as here:
        asyncio.run(main())


@pytest.mark.skipif(POSTGRES is None, reason="NBFLOW_TEST_POSTGRES_URL names no server")
def test_every_worker_reports_a_resumed_run_whichever_worker_resumed_it(tmp_path: Path) -> None:
    cells = [
        *CELLS[:-1],
        "%%flow_tool\ndef mended(mark: str):\n    if not Path(mark).exists():\n        raise ValueError('not yet')\n",
        '%%flow_graph fragile\nask = ask(question="Ship it?", choices=["yes", "no"])\nmended -> ask',
    ]
    with (
        database(str(POSTGRES)) as url,
        serving(notebook(tmp_path, cells), "--workers", "3", NBFLOW_DATABASE_URL=url) as server,
    ):
        marks = {server.run("fragile", mark=str(tmp_path / str(at))): tmp_path / str(at) for at in range(6)}
        for run_id, mark in marks.items():
            server.result(run_id, "failed")
            mark.touch()
            with server.client() as client:
                assert client.post(f"/executions/{run_id}/resume").status_code == 202
            server.result(run_id, "waiting")

        assert {asked(server, run_id) for run_id in marks for _ in range(6)} == {"waiting"}
        with server.client() as client:
            assert client.get("/executions/result/ffffffffffff").status_code == 404
        for run_id in marks:
            with server.client() as client:
                assert client.post(f"/executions/{run_id}/cancel").json()["status"] == "cancelled"


def asked(server: Served, run_id: str) -> str:
    """Return a run's status as a worker reports it. Each connection may reach a different worker."""
    with server.client() as client:
        return str(client.get(f"/executions/result/{run_id}").json()["status"])


@contextmanager
def run_elsewhere(server: Served) -> Iterator[str]:
    """Yield the id of a run that is running in a separate process, on the server's store."""
    asked = ["run", "flows.ipynb", "--graph", "looped", "--set", "seconds=0.1"]
    process = subprocess.Popen([sys.executable, "-m", "nbflow", *asked], cwd=server.folder, env=environment_of())
    try:
        with server.client() as client:
            while not (found := client.get("/executions", params={"status": "running"}).json()["runs"]):
                assert process.poll() is None
        yield found[0]["run_id"]
    finally:
        process.kill()
        process.wait()


def until(socket: Any, enough: Any) -> dict[str, Any]:
    """Return the first message of a socket that meets the condition."""
    while True:
        message: dict[str, Any] = json.loads(socket.recv(timeout=300))
        if enough(message):
            return message


def test_a_page_follows_and_cancels_a_run_of_another_process(tmp_path: Path) -> None:
    with (
        serving(notebook(tmp_path)) as server,
        run_elsewhere(server) as run_id,
        server.socket(f"/ws/view/{run_id}") as page,
    ):
        page.send('{"type": "ready"}')
        page.send('{"type": "inspect", "node": "wait"}')
        first = until(page, lambda message: message["type"] == "snapshot")["nodes"]["wait"]["runs"]
        until(page, lambda message: message["type"] == "snapshot" and message["nodes"]["wait"]["runs"] > first)
        until(page, lambda message: message["type"] == "inspector")

        page.send('{"type": "command", "name": "stop"}')

        until(page, lambda message: message["type"] == "snapshot" and message["run"]["status"] == "cancelled")
        page.send('{"type": "command", "name": "stop"}')
        refused = until(page, lambda message: message["type"] == "refused")
        assert "has ended with status cancelled" in refused["message"]


def test_a_watcher_can_cancel_a_run_of_another_process(tmp_path: Path) -> None:
    with (
        serving(notebook(tmp_path)) as server,
        run_elsewhere(server) as run_id,
        server.socket(f"/ws/runs/{run_id}") as socket,
    ):
        socket.send('{"type": "cancel"}')

        until(socket, lambda message: message.get("event") == "execution_cancelled")
