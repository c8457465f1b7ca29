"""A server ends within its time limit, whatever state its workers are in, and also if its supervisor is killed."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from served import CELLS, PATIENCE_S, Served, notebook, serving
from surroundings import database

pytestmark = pytest.mark.slow

POSTGRES = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
TOOLS = '''%%flow_tool
import asyncio, os, time

async def block(path: str):
    """Block the loop for ever."""
    open(path, "w").close()
    time.sleep(1_000_000)

async def refuse(path: str):
    """Go on whatever cancels it."""
    open(path, "w").close()
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass

def leave(path: str):
    """Leave processes behind: a command, and a copy of this process."""
    os.system("sleep 1000000 &")
    if not os.fork():
        time.sleep(1_000_000)
    open(path, "w").close()
'''
GRAPHS = [f"%%flow_graph {tool}\n{tool}" for tool in ("block", "refuse", "leave")]


def book(folder: Path) -> Path:
    return notebook(folder, [CELLS[0], TOOLS, *GRAPHS])


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def begin(server: Served, graph: str, path: Path) -> None:
    """Start a run, and wait until its tool is called. The response may never arrive."""

    def ask() -> None:
        with suppress(httpx.HTTPError, AssertionError):
            server.run(graph, path=str(path))

    threading.Thread(target=ask, daemon=True).start()
    until(path.exists)


def hinder(server: Served, how: str) -> None:
    """Bring a server into a state in which its worker does not end by itself."""
    if how == "stopped":
        os.kill(server.workers()[0], signal.SIGSTOP)
    else:
        begin(server, how, server.folder / "called")


def family(pids: list[int]) -> list[psutil.Process]:
    """Return processes with their descendants."""
    found = [psutil.Process(pid) for pid in pids]
    return found + [child for each in found for child in each.children(recursive=True)]


def assert_nothing_is_left(server: Served, processes: list[psutil.Process]) -> None:
    server.process.wait(PATIENCE_S)
    until(lambda: not [each for each in processes if _lives(each)])
    until(lambda: _is_free(server.port))


def _is_free(port: int) -> bool:
    """Return whether a server can listen on a port. A process closes its files a moment after it has died."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", ["block", "refuse", "stopped", "leave"])
def test_sigterm_ends_a_server_in_every_state_of_its_worker(tmp_path: Path, how: str) -> None:
    with serving(book(tmp_path), NBFLOW_DRAIN="0") as server:
        hinder(server, how)
        processes = family(server.workers())

        assert server.stop() == 0

        assert_nothing_is_left(server, processes)


@pytest.mark.parametrize("how", ["idle", "block", "stopped", "leave"])
def test_a_worker_ends_when_its_supervisor_is_killed(tmp_path: Path, how: str) -> None:
    with serving(book(tmp_path), NBFLOW_DRAIN="0") as server:
        if how != "idle":
            hinder(server, how)
        processes = family(server.workers())

        server.process.kill()

        assert_nothing_is_left(server, processes)


@pytest.mark.skipif(POSTGRES is None, reason="NBFLOW_TEST_POSTGRES_URL names no server")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_all_workers_end_with_their_supervisor_in_every_state_of_one_of_them(tmp_path: Path, number: int) -> None:
    with database(str(POSTGRES)) as url:
        file = book(tmp_path)
        with serving(file, "--workers", "3", NBFLOW_DRAIN="0", NBFLOW_DATABASE_URL=url) as server:
            hinder(server, "stopped")
            processes = family(server.workers())
            assert len(server.workers()) == 3

            server.process.send_signal(number)

            assert_nothing_is_left(server, processes)


def test_a_run_gets_its_time_to_end_where_the_supervisor_was_killed(tmp_path: Path) -> None:
    with serving(notebook(tmp_path)) as server:
        run_id = server.run("chain", seconds=1)
        processes = family(server.workers())
        server.process.kill()
        assert_nothing_is_left(server, processes)

    with serving(notebook(tmp_path)) as server:
        assert server.result(run_id)["status"] == "completed"
        with server.client() as client:
            kinds = [event["event"] for event in client.get(f"/executions/{run_id}/events").json()["events"]]
    assert "execution_resumed" not in kinds


@contextmanager
def hangup(handler: signal.Handlers) -> Iterator[None]:
    """Set the effect of SIGHUP in this process; the processes that it starts meanwhile inherit an ignored one."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_ends_a_server(tmp_path: Path) -> None:
    with hangup(signal.SIG_DFL), serving(notebook(tmp_path)) as server:
        processes = family(server.workers())
        server.process.send_signal(signal.SIGHUP)
        server.process.send_signal(signal.SIGHUP)

        assert server.process.wait(PATIENCE_S) == 0
        assert_nothing_is_left(server, processes)


def test_a_server_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    with hangup(signal.SIG_IGN), serving(notebook(tmp_path)) as server:
        workers = server.workers()
        for pid in (server.process.pid, *workers):
            os.kill(pid, signal.SIGHUP)
        time.sleep(1)

        assert httpx.get(f"{server.url}/health").status_code == 200
        assert server.workers() == workers
