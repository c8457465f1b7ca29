"""The server ends the connections of clients that have no token, send slowly or read slowly, and they block no other."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import CELLS, TOKEN, Served, notebook, serving
from test_server_slow import TALKING, lines_of, until
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.slow

HALF = b"GET /graphs HTTP/1.1\r\nHost: localhost\r\nX-Half: "
MANY = 1_200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    sources = [*CELLS[:2], *CELLS[2:4], TALKING, "%%flow_graph talking\ntalk"]
    with serving(notebook(tmp_path_factory.mktemp("strangers"), sources)) as served:
        yield served


def line_to(server: Served, head: bytes = b"") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=120)
    line.sendall(head)
    return line


def head_of(target: str, *more: str) -> bytes:
    lines = [f"{target} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def files(most: int) -> Iterator[None]:
    """Limit the number of open files of processes that the block starts."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def drip(line: socket.socket, part: bytes = b"x") -> bytes:
    """Send a byte a second until the server responds or closes the connection; return the response."""
    line.settimeout(1)
    while True:
        with suppress(ConnectionError):  # a response may have arrived before the server closed the connection
            line.sendall(part)
        try:
            return line.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionError:
            return b""


@pytest.mark.parametrize("how", ["limited by a setting", "limited by open files"])
def test_1200_incomplete_heads_block_no_client_and_are_logged_once_a_second(tmp_path: Path, how: str) -> None:
    settings = {"NBFLOW_MAX_CONNECTIONS": "100"} if how == "limited by a setting" else {}
    with ExitStack() as stack:
        with files(512 if not settings else MANY * 2):
            server = stack.enter_context(serving(notebook(tmp_path), **settings))
        began, before = time.monotonic(), len(server.log.read_text().splitlines())
        for _ in range(MANY):
            stack.enter_context(line_to(server, HALF))
        with server.client() as client:
            asked = [client.get("/graphs", headers={"Connection": "close"}).status_code for _ in range(20)]
        lines = len(server.log.read_text().splitlines()) - before - len(asked)
        took = time.monotonic() - began

    assert asked == [200] * 20
    assert lines <= took + 1


def test_idle_connections_without_a_token_are_closed_for_new_ones(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serving(notebook(tmp_path), NBFLOW_MAX_CONNECTIONS="10"))
        for _ in range(30):
            line = stack.enter_context(line_to(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            assert line.recv(1_000).startswith(b"HTTP/1.1 200")

        with server.client() as client:
            assert client.get("/graphs").status_code == 200


def test_requests_without_a_token_are_logged_once_a_second_after_the_first_ten(server: Served) -> None:
    before, began = server.log.read_text().count('"status": 401'), time.monotonic()
    with httpx.Client(base_url=server.url) as client:
        for _ in range(300):
            client.get("/graphs")
    logged = server.log.read_text().count('"status": 401') - before

    assert 1 <= logged <= 11 + time.monotonic() - began


def test_a_watcher_over_the_limit_is_refused_with_the_name_of_the_limit(tmp_path: Path) -> None:
    with serving(notebook(tmp_path), NBFLOW_MAX_CONNECTIONS="2") as server, server.client() as client:
        with server.socket("/ws/execute/chain"), server.socket("/ws/execute/chain"):
            refused = client.get("/graphs")
            health = client.get("/health")
            with pytest.raises(InvalidStatus) as denied:
                server.socket("/ws/execute/chain")
        until(lambda: client.get("/graphs").status_code == 200)

    assert (refused.status_code, denied.value.response.status_code, health.status_code) == (503, 503, 200)
    assert refused.json()["detail"] == "too many connections are open; the limit is 2, set by NBFLOW_MAX_CONNECTIONS"


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["first", "next"])
def test_a_head_that_arrives_a_byte_a_second_ends_the_connection(server: Served, before: bytes) -> None:
    with line_to(server, before) as line:
        if before:
            received = b""
            while b'"ok"' not in received:
                received += line.recv(65_536)
        line.sendall(HALF)

        assert drip(line) == b""


def test_a_connection_that_sends_nothing_is_closed(server: Served) -> None:
    with line_to(server) as line:
        try:
            assert line.recv(1) == b""
        except ConnectionError:
            pass


@pytest.mark.parametrize(
    ("framing", "part"), [("Content-Length: 1000", b"x"), ("Transfer-Encoding: chunked", b"1\r\nx\r\n")]
)
def test_a_body_that_arrives_a_byte_a_second_is_refused(server: Served, framing: str, part: bytes) -> None:
    with line_to(server, head_of("POST /executions/run", "Content-Type: application/json", framing)) as line:
        answer = drip(line, part)
        line.settimeout(120)
        with suppress(ConnectionResetError):  # a part that arrives after the response resets the connection
            while more := line.recv(65_536):
                answer += more

    assert answer.startswith(b"HTTP/1.1 408")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"].startswith("the body came too slowly")


def test_a_body_that_arrives_after_the_response_ends_the_connection(server: Served) -> None:
    target = f"GET /?token={TOKEN}"
    with line_to(server, f"{target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".encode()) as line:
        assert line.recv(65_536).startswith(b"HTTP/1.1 303")

        assert drip(line) == b""


def test_a_large_body_that_arrives_fast_enough_is_accepted_after_the_deadline(server: Served) -> None:
    text = b'{"graph_id": "counted", "initial_state": {"text": "' + b"x" * 1_500_000 + b'"}}'
    length = f"Content-Length: {len(text)}"
    with line_to(server, head_of("POST /executions/run", "Content-Type: application/json", length)) as line:
        for at in range(0, len(text), 120_000):
            line.sendall(text[at : at + 120_000])
            time.sleep(1)

        assert line.recv(65_536).startswith(b"HTTP/1.1 202")


def test_a_socket_without_a_first_message_is_closed(server: Served) -> None:
    with server.socket("/ws/execute/chain") as line, pytest.raises(ConnectionClosed) as closed:
        told = json.loads(line.recv())
        line.recv()

    assert told["problem"]["detail"] == "no initial state came within 10 s"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4408


def test_a_response_that_the_client_does_not_read_ends_its_connection(server: Served) -> None:
    run_id = server.run("talking")
    server.result(run_id)
    line: Any = socket.socket()
    with line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.connect(("127.0.0.1", server.port))
        own = line.getsockname()
        for _ in range(20):
            line.sendall(head_of(f"GET /executions/result/{run_id}"))
        until(lambda: own in lines_of(server))

        until(lambda: own not in lines_of(server))


def test_a_client_with_a_token_is_answered_during_a_flood_of_heads(tmp_path: Path) -> None:
    """Several threads open connections without a token as fast as they can."""
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            lines = [line_to(server, HALF) for _ in range(100)]
            for line in lines:
                line.close()

    with serving(notebook(tmp_path), NBFLOW_MAX_CONNECTIONS="200") as server:
        threads = [threading.Thread(target=flood, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            run_id = server.run("chain")
            assert server.result(run_id)["status"] == "completed"
        finally:
            over.set()
            for thread in threads:
                thread.join()
