"""Requests that one worker forwards to another, also when that worker is killed or the client disconnects."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from served import CELLS, TOKEN, Served, notebook, serving
from surroundings import database
from test_server_faults import POSTGRES, owner_of, until
from test_server_slow import TALKING, asking_for_events
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, unix_connect

BEARER = {"Authorization": f"Bearer {TOKEN}"}
pytestmark = [pytest.mark.skipif(POSTGRES is None, reason="NBFLOW_TEST_POSTGRES_URL names no server"), pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    sources = [*CELLS[:-1], TALKING, "%%flow_graph talking\ntalk -> talk if at < 30 [max=30]\ntalk -> wait"]
    with (
        database(str(POSTGRES)) as url,
        serving(
            notebook(tmp_path, sources), "--workers", "2", NBFLOW_DATABASE_URL=url, NBFLOW_MAX_SILENCE="0.5",
            NBFLOW_DRAIN="0", NBFLOW_MAX_RESULT="4000000",
        ) as served,
    ):  # fmt: skip
        yield served


def folder_of(server: Served) -> Path:
    """Return the folder of the sockets by which the workers find each other."""
    (found,) = {
        Path(word.removeprefix("--siblings="))
        for pid in server.workers()
        for word in psutil.Process(pid).cmdline()
        if word.startswith("--siblings=")
    }
    return found


def other_than(server: Served, owner: int) -> Path:
    """Return the socket of a worker other than the owner. That worker forwards the requests."""
    (other,) = set(server.workers()) - {owner}
    return folder_of(server) / f"{other}.sock"


def watched_at(place: Path, path: str) -> ClientConnection:
    return unix_connect(
        str(place), f"ws://localhost{path}", additional_headers=BEARER, max_size=None, max_queue=1, ping_interval=None
    )


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """Suspend a process until the end of the block."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def begun(server: Served, key: str) -> int:
    """Start a run with a key; return the status code of the response."""
    with server.client() as client:
        body = {"graph_id": "chain"}
        return client.post("/executions/run", json=body, headers={"Idempotency-Key": key}).status_code


def test_a_running_worker_answers_a_request_meant_for_a_dead_one(server: Served) -> None:
    run_id = server.run("chain", seconds=60)
    owner = owner_of(server, run_id)
    other = other_than(server, owner)
    with stopped(server.process.pid):  # otherwise the supervisor replaces the worker at once
        os.kill(owner, signal.SIGKILL)
        until(lambda: psutil.Process(owner).status() == psutil.STATUS_ZOMBIE)

        assert [begun(server, f"key-{at}") for at in range(8)] == [202] * 8
        with server.client() as client:
            assert client.get(f"/executions/result/{run_id}").json()["status"] == "running"
        with watched_at(other, f"/ws/runs/{run_id}") as line:
            assert json.loads(line.recv())["seq"] == 1


def test_a_killed_worker_leaves_no_files_behind(server: Served) -> None:
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)

    until(lambda: len(server.workers()) == 2 and before[0] not in server.workers())
    until(lambda: {path.stem for path in folder_of(server).glob("*.sock")} == set(map(str, server.workers())))


def test_a_forwarded_stream_ends_when_its_client_disconnects(server: Served) -> None:
    run_id = server.run("chain", seconds=60)
    other = other_than(server, owner_of(server, run_id))
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(other)), base_url="http://localhost") as client:
        headers = {**BEARER, "Accept": "text/event-stream"}
        with client.stream("GET", f"/executions/{run_id}/events", headers=headers) as answer:
            coming = answer.iter_text()
            assert next(coming).startswith("id: 1\n")
            until(lambda: "nbflow_watchers 0.0" not in _metrics(server))

    until(lambda: "nbflow_watchers 0.0" in _metrics(server))


def _metrics(server: Served) -> str:
    with server.client() as client:
        return client.get("/metrics").text


def test_a_watcher_of_a_killed_workers_run_is_asked_to_reconnect(server: Served) -> None:
    run_id = server.run("chain", seconds=60)
    owner = owner_of(server, run_id)
    with watched_at(other_than(server, owner), f"/ws/runs/{run_id}") as line, pytest.raises(ConnectionClosed):
        line.recv()
        os.kill(owner, signal.SIGKILL)
        while True:
            line.recv()

    assert line.close_code == 1012


def test_a_slow_client_of_a_forwarded_stream_gets_the_position_to_continue_from(server: Served) -> None:
    run_id = server.run("talking", seconds=60)
    owner = owner_of(server, run_id)
    other = other_than(server, owner)
    got: list[int] = []
    with watched_at(other, f"/ws/runs/{run_id}") as line, pytest.raises(ConnectionClosed):
        until(lambda: server.log.read_text().count(f"WS /ws/runs/{run_id}") == 2)
        while True:
            got.append(json.loads(line.recv())["seq"])

    assert (line.close_code, line.close_reason) == (4008, f"too slow; continue with after={got[-1]}")


def test_the_connection_of_a_silent_client_of_a_forwarded_stream_is_closed(server: Served) -> None:
    run_id = server.run("talking", seconds=60)
    other = other_than(server, owner_of(server, run_id))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(other))
        client.sendall(asking_for_events(run_id))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert lines_at(other) == 2

        until(lambda: lines_at(other) == 1)
        until(lambda: "nbflow_watchers 0.0" in _metrics(server))
    assert '"level": "error"' not in server.log.read_text()


def lines_at(place: Path) -> int:
    """Return the number of sockets of a worker at a path: the listening one, and one for each client."""
    return sum(line.laddr == str(place) for line in psutil.Process(int(place.stem)).net_connections("unix"))
