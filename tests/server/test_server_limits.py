"""Limits: each refusal names its limit, and the server refuses a hostile request before it costs time or memory."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from served import TOKEN, Served, notebook, serving
from test_server_slow import until
from websockets.exceptions import ConnectionClosed, InvalidStatus

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {
        "NBFLOW_MAX_BODY": "20000", "NBFLOW_MAX_STATE": "1000", "NBFLOW_MAX_NODES": "10", "NBFLOW_MAX_RUNS": "2",
        "NBFLOW_MAX_WATCHERS": "2", "NBFLOW_DRAIN": "0",
    }  # fmt: skip
    with serving(notebook(tmp_path_factory.mktemp("small")), **limits) as served:
        yield served


def _told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]


def test_a_body_that_is_too_large_is_refused_by_its_head_and_while_it_arrives(small: Served) -> None:
    large = json.dumps({"graph_id": "chain", "initial_state": {"text": "x" * 30_000}})
    with small.client() as client:
        told = _told(client.post("/executions/run", content=large))
        chunked = _told(client.post("/executions/run", content=iter([large[:100].encode(), large[100:].encode()])))

    assert told == chunked == (413, "the body is too large; the limit is 20000, set by NBFLOW_MAX_BODY")


def test_a_state_that_is_too_large_is_refused(small: Served) -> None:
    with small.client() as client:
        status, detail = _told(
            client.post("/executions/run", json={"graph_id": "chain", "initial_state": {"text": "x" * 2_000}})
        )

    assert (status, detail.partition(";")[2]) == (413, " the limit is 1000, set by NBFLOW_MAX_STATE")


def test_a_graph_that_is_too_large_is_refused(small: Served) -> None:
    nodes = [{"node_id": f"n{at}", "tool": "wait"} for at in range(11)]
    with small.client() as client:
        status, detail = _told(client.post("/graphs/create", json={"name": "large", "nodes": nodes}))

    assert (status, detail) == (413, "the graph has 11 nodes, more than 10; the limit is 10, set by NBFLOW_MAX_NODES")


def test_the_number_of_running_runs_is_limited(small: Served) -> None:
    going = [small.run("chain", seconds=30) for _ in range(2)]
    with small.client() as client:
        refused = client.post("/executions/run", json={"graph_id": "chain"})
        for run_id in going:
            client.post(f"/executions/{run_id}/cancel")
            small.result(run_id)
        allowed = client.post("/executions/run", json={"graph_id": "chain"})

    assert _told(refused) == (429, "2 runs go on; the limit is 2, set by NBFLOW_MAX_RUNS")
    assert refused.headers["retry-after"] == "1"
    assert allowed.status_code == 202


def test_the_limit_of_running_runs_holds_for_concurrent_starts(small: Served) -> None:
    with small.client() as client:
        client.post("/graphs/create", json={"name": "sent", "nodes": [{"node_id": "wait", "tool": "wait"}]})
    body = {"graph_id": "sent", "initial_state": {"seconds": 30}}

    assert sorted(_at_once(small, "/executions/run", body)) == [202] * 2 + [429] * 28


def test_the_limit_of_running_runs_holds_for_concurrent_forks(small: Served) -> None:
    run_id = small.run("chain", seconds=0)
    small.result(run_id)

    forks = _at_once(small, f"/executions/{run_id}/fork", {"at": "b", "state": {"seconds": 30}})

    assert sorted(forks) == [202] * 2 + [429] * 28


def _at_once(server: Served, path: str, body: Any) -> list[int]:
    """Return the responses to 30 concurrent requests; no run is running afterwards."""

    async def main() -> list[int]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=300) as client:
            answers = await asyncio.gather(*(client.post(path, json=body) for _ in range(30)))
        return [answer.status_code for answer in answers]

    statuses = asyncio.run(main())
    with server.client() as client:
        for run in client.get("/executions", params={"status": "running"}).json()["runs"]:
            client.post(f"/executions/{run['run_id']}/cancel")
            server.result(run["run_id"])
    return statuses


def test_a_client_that_has_not_sent_a_state_yet_counts_as_a_watcher(small: Served) -> None:
    with (
        small.socket("/ws/execute/chain"),
        small.socket("/ws/execute/chain"),
        pytest.raises(InvalidStatus) as refused,
    ):
        small.socket("/ws/execute/chain")

    assert refused.value.response.status_code == 429


def test_the_number_of_watchers_is_limited(small: Served) -> None:
    run_id = small.run("chain", seconds=5)
    with (
        small.socket(f"/ws/runs/{run_id}"),
        small.socket(f"/ws/runs/{run_id}"),
        pytest.raises(InvalidStatus) as refused,
    ):
        small.socket(f"/ws/runs/{run_id}")

    assert refused.value.response.status_code == 429
    with small.client() as client:
        client.post(f"/executions/{run_id}/cancel")


def test_the_limit_of_watchers_holds_for_concurrent_server_sent_events(small: Served) -> None:
    run_id = small.run("chain", seconds=30)
    until(lambda: nobody_watches(small))

    async def main() -> list[int]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/event-stream"}
        async with httpx.AsyncClient(base_url=small.url, headers=headers, timeout=300) as client:
            asked = [client.build_request("GET", f"/executions/{run_id}/events") for _ in range(20)]
            answers = await asyncio.gather(*(client.send(each, stream=True) for each in asked))
            statuses = [answer.status_code for answer in answers]
            for answer in answers:
                await answer.aclose()
        return statuses

    assert sorted(asyncio.run(main())) == [200] * 2 + [429] * 18
    until(lambda: nobody_watches(small))
    with small.client() as client:
        client.post(f"/executions/{run_id}/cancel")


def nobody_watches(server: Served) -> bool:
    with server.client() as client:
        return "nbflow_watchers 0.0" in client.get("/metrics").text


def test_a_message_that_is_too_large_closes_its_socket(small: Served) -> None:
    with small.socket("/ws/execute/chain") as line, pytest.raises(ConnectionClosed):
        line.send("x" * 30_000)
        line.recv()

    assert line.close_code == 1009


@pytest.mark.slow
def test_a_client_that_sends_too_fast_is_refused_and_others_are_not(tmp_path: Path) -> None:
    with serving(notebook(tmp_path), NBFLOW_MAX_RATE="1") as served, served.client() as client:
        statuses = [client.get("/health").status_code for _ in range(15)]
        refused = client.get("/graphs")

    assert 200 in statuses
    assert statuses[-1] == 429
    assert _told(refused) == (429, "requests come too fast; the limit is 1, set by NBFLOW_MAX_RATE")


@pytest.mark.slow
def test_guesses_of_the_token_in_the_pages_address_are_rate_limited_too(tmp_path: Path) -> None:
    with serving(notebook(tmp_path), NBFLOW_MAX_RATE="1") as served, httpx.Client(base_url=served.url) as client:
        for _ in range(15):
            client.get("/", params={"token": "a-guess"})

        assert client.get("/", params={"token": TOKEN}).status_code == 429


def _worker_memory(server: Served) -> int:
    return sum(psutil.Process(pid).memory_info().rss for pid in server.workers())


@pytest.mark.parametrize("head", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_a_body_of_100_megabytes_is_not_read_to_its_end(sqlite_server: Served, head: str) -> None:
    before = _worker_memory(sqlite_server)
    part = b"x" * 65_536
    framed = part if "Length" in head else b"10000\r\n" + part + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", sqlite_server.port), timeout=10) as line:
        line.sendall(
            f"POST /graphs/create HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{head}\r\n\r\n".encode()
        )
        try:
            while sent < 100 * MEGABYTE:
                line.sendall(framed)
                sent += len(part)
        except OSError:
            pass

    assert sent < 100 * MEGABYTE
    assert _worker_memory(sqlite_server) - before < 40 * MEGABYTE


def test_a_graph_of_a_million_nodes_is_refused_by_the_size_of_the_body(sqlite_server: Served) -> None:
    nodes = ",".join(f'{{"node_id":"n{at}","tool":"wait"}}' for at in range(1_000_000))
    with sqlite_server.client() as client:
        answer = client.post("/graphs/create", content=f'{{"name":"big","nodes":[{nodes}]}}')

    assert answer.status_code == 413


BOMBS = [
    "9**9**9",
    "'x' * 10**10",
    "(" * 5_000 + "1" + ")" * 5_000,
    "a " + "and a " * 50_000,
    "len([0] * 10**9)",
    "1 if " * 500 + "1",
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_a_condition_that_would_grow_without_bound_does_not_crash_the_server(sqlite_server: Served, bomb: str) -> None:
    nodes = [{"node_id": "a", "tool": "wait"}, {"node_id": "b", "tool": "wait"}]
    edges = [{"from_node": "a", "to_node": "b", "type": "conditional", "condition": bomb}]
    with sqlite_server.client() as client:
        made = client.post("/graphs/create", json={"name": f"bomb {BOMBS.index(bomb)}", "nodes": nodes, "edges": edges})
        if made.status_code == 201:
            run_id = sqlite_server.run(f"bomb {BOMBS.index(bomb)}", a=1)
            assert sqlite_server.result(run_id)["status"] == "failed"
        else:
            assert made.status_code == 422

        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000,
        "[" * 1_000_000,
        '{"graph_id": "chain", "initial_state": {"n": 1e999}}',
        "\ud800".encode("utf-8", "surrogatepass"),
        "9" * 10_000,
        b"\xff\xfe",
    ],
)
def test_a_body_of_invalid_json_is_refused(sqlite_server: Served, text: str | bytes) -> None:
    with sqlite_server.client() as client:
        answer = client.post("/executions/run", content=text, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.slow
def test_a_watcher_that_stops_reading_is_disconnected_and_does_not_slow_the_run(tmp_path: Path) -> None:
    with serving(notebook(tmp_path), NBFLOW_MAX_SILENCE="0.5", NBFLOW_MAX_STATE="4000000") as served:
        run_id = served.run("chain", seconds=3, text="x" * MEGABYTE)
        with served.client() as client, socket.create_connection(("127.0.0.1", served.port)) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            line.sendall(
                f"GET /ws/runs/{run_id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            result = served.result(run_id)
            assert client.get("/health").status_code == 200

    assert result["status"] == "completed"
