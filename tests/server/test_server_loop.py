"""No callback blocks the event loop of a server for long, whatever clients send and request.

The measure is the processor time of the loop's thread within one callback. It excludes the time that the loop waits for
the interpreter lock or for a processor, as that depends on the machine and the tools.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from served import CELLS, Served, notebook, serving

MOST_MS = 100
"""Twice the 50 ms that hold on an idle machine, since a busy one takes more processor time for the same work."""
PROBE = """
import asyncio.events, time
run_callback, longest = asyncio.events.Handle._run, [0.0]

def run(self):
    begun = time.thread_time()
    try:
        return run_callback(self)
    finally:
        longest[0] = max(longest[0], time.thread_time() - begun)

asyncio.events.Handle._run = run
"""
TOOLS = '''%%flow_tool
def take(x: object = None) -> dict:
    """Take anything."""
    return {}

def measured() -> dict:
    """Return the longest callback (ms) since the last call."""
    found, longest[0] = longest[0], 0.0
    return {"ms": found * 1e3}
'''
GRAPHS = ["%%flow_graph take\ntake", "%%flow_graph measured\nmeasured"]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    cells = [CELLS[0], PROBE, TOOLS, *GRAPHS]
    with serving(notebook(tmp_path_factory.mktemp("loop"), cells), NBFLOW_MAX_STATE="10000") as served:
        yield served


def longest(server: Served) -> float:
    return float(server.result(server.run("measured"))["result"]["state"]["ms"])


@pytest.mark.slow
@pytest.mark.parametrize("part", ["[],", '{"a":1},', "1.5,", '"x",', "[[[[[[1]]]]]],"])
def test_a_large_body_is_read_and_measured_outside_the_loop(server: Served, part: str) -> None:
    body = '{"graph_id": "take", "initial_state": {"x": [' + part * (3_900_000 // len(part)) + "0]}}"
    longest(server)
    with server.client() as client:
        answer = client.post("/executions/run", content=body, headers=JSON)

    assert (answer.status_code, answer.json()["type"]) == (413, "urn:nbflow:LimitError")
    assert longest(server) < MOST_MS


@pytest.mark.slow
def test_a_large_message_of_a_socket_is_read_outside_the_loop(server: Served) -> None:
    longest(server)
    with server.socket("/ws/execute/take") as socket:
        socket.send('{"x": [' + "[]," * 1_200_000 + "0]}")
        told = json.loads(socket.recv(timeout=60))

    assert told["problem"]["status"] == 413
    assert longest(server) < MOST_MS


def test_a_body_with_many_wrong_keys_does_not_get_an_error_for_each(server: Served) -> None:
    keys: dict[str, Any] = {f"key {n}": 0 for n in range(200_000)}
    longest(server)
    with server.client() as client:
        answer = client.post("/executions/run", json={"graph_id": "take", **keys})

    assert (answer.status_code, answer.json()["detail"]) == (422, "the body has 200001 keys; at most 100 are allowed")
    assert longest(server) < MOST_MS
