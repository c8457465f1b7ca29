"""The server accepts graphs up to the size of a request, and answers other clients while it processes one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import httpx
import pytest
from served import Served, notebook, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(notebook(tmp_path_factory.mktemp("large"))) as served:
        yield served


def dense(name: str, nodes: int, edges: int) -> dict[str, Any]:
    """Return a graph with random edges; most of its nodes are in nested loops."""
    random = Random(1)
    pairs = dict.fromkeys((at, at + 1) for at in range(nodes - 1))
    while len(pairs) < edges:
        pairs[random.randrange(nodes), random.randrange(nodes)] = None
    return {
        "name": name, "entry_node": "n0",
        "nodes": [{"node_id": f"n{at}", "tool": "wait"} for at in range(nodes)],
        "edges": [{"from_node": f"n{a}", "to_node": f"n{b}"} for a, b in pairs],
    }  # fmt: skip


def beside(server: Served, request: Callable[[httpx.Client], httpx.Response]) -> tuple[httpx.Response, list[float]]:
    """Return the response to a request, and the duration (s) of each request that was sent before the response arrived."""
    found: list[httpx.Response] = []

    def send() -> None:
        with server.client() as client:
            found.append(request(client))

    sending = threading.Thread(target=send)
    took = []
    with server.client() as other:
        other.get("/health")
        sending.start()
        while sending.is_alive():
            began = time.perf_counter()
            assert other.get("/health").status_code == 200
            took.append(time.perf_counter() - began)
    sending.join()
    return found[0], took


def test_while_a_large_graph_is_checked_drawn_and_started_another_client_is_answered(server: Served) -> None:
    graph = dense("large", 1_000, 40_000)

    created, while_created = beside(server, lambda client: client.post("/graphs/create", json=graph))
    read, while_read = beside(server, lambda client: client.get("/graphs/large"))
    drawn, while_drawn = beside(server, lambda client: client.get("/scenes/large"))

    assert (created.status_code, read.status_code, drawn.status_code) == (201, 200, 200)
    for took in (while_created, while_read, while_drawn):
        assert len(took) >= 5
        assert max(took) < sum(took) / 2
