"""The server stops sending to a client that stopped reading, sends it the position to continue from, and disconnects it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from served import CELLS, PATIENCE_S, TOKEN, Served, notebook, serving
from watchers import never_read
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.slow

TALKING = '''%%flow_tool
def talk(at: int = 0) -> dict:
    """Say very much."""
    return {"at": at + 1, "said": "x" * 1_000_000}
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    sources = [CELLS[0], TALKING, "%%flow_graph talking\ntalk -> talk if at < 30 [max=30]"]
    with serving(
        notebook(tmp_path_factory.mktemp("slow"), sources), NBFLOW_MAX_SILENCE="0.5", NBFLOW_MAX_RESULT="4000000"
    ) as served:
        yield served


def silent(server: Served, path: str) -> ClientConnection:
    """Open a WebSocket that accepts two messages, and further ones only after a read."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line.connect(("127.0.0.1", server.port))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return connect(
        f"ws://127.0.0.1:{server.port}{path}", sock=line, additional_headers=headers, max_size=None, max_queue=1,
        ping_interval=None,
    )  # fmt: skip


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is met."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def given_up(server: Served, path: str) -> bool:
    """Return whether the server has logged the end of a socket."""
    return f"WS {path.partition('?')[0]}" in server.log.read_text()


def test_a_client_that_reads_again_gets_the_position_to_continue_from(server: Served) -> None:
    run_id = server.run("talking")
    server.result(run_id)
    path = f"/ws/runs/{run_id}"
    got: list[int] = []
    with silent(server, path) as client, pytest.raises(ConnectionClosed):
        until(lambda: given_up(server, path))
        while True:
            got.append(json.loads(client.recv())["seq"])

    assert (client.close_code, client.close_reason) == (4008, f"too slow; continue with after={got[-1]}")
    with server.socket(f"{path}?after={got[-1]}") as client:
        got += [json.loads(text)["seq"] for text in client]
    assert got == list(range(1, len(got) + 1))


def test_the_connection_of_a_client_that_stays_silent_is_closed(server: Served) -> None:
    run_id = server.run("talking")
    server.result(run_id)
    with never_read(server.port, run_id) as client:
        own = client.getsockname()
        until(lambda: own in lines_of(server))

        until(lambda: own not in lines_of(server))


def test_a_silent_client_of_server_sent_events_stops_counting_as_a_watcher_and_is_disconnected(
    server: Served,
) -> None:
    run_id = server.run("talking")
    server.result(run_id)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(asking_for_events(run_id))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        own = client.getsockname()
        assert own in lines_of(server)

        until(lambda: f'"path": "/executions/{run_id}/events"' in server.log.read_text())
        with server.client() as other:
            assert "nbflow_watchers 0.0" in other.get("/metrics").text
        until(lambda: own not in lines_of(server))
    assert '"level": "error"' not in server.log.read_text()


def asking_for_events(run_id: str) -> bytes:
    """Return the bytes of an HTTP request for server-sent events."""
    return (
        f"GET /executions/{run_id}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Accept: text/event-stream\r\n\r\n"
    ).encode()


def lines_of(server: Served) -> list[tuple[str, int]]:
    """Return the addresses of the clients that are connected to the server's workers."""
    held = [line for pid in server.workers() for line in psutil.Process(pid).net_connections("tcp")]
    return [tuple(line.raddr) for line in held if line.raddr]
