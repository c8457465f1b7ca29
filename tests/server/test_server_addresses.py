"""Graph names and ids in addresses, repeated requests, and denied sockets."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote

import pytest
from served import Served
from websockets.exceptions import InvalidStatus

NAMES = [
    "a/b", "a%2Fb", "a?b#c", "..", ".", "./x", "../x", "a//b", "/a", "a/", " a ", "é", "a\\b", "a;b", "a&b=c", "a+b", "~a",
    "%", "a:b", "~YQ",
]  # fmt: skip


def made(server: Served, name: str) -> dict[str, Any]:
    graph = {"name": name, "nodes": [{"node_id": "w", "tool": "wait"}]}
    with server.client() as client:
        answer: dict[str, Any] = client.post("/graphs/create", json=graph).json()
    return answer


@pytest.mark.parametrize("name", NAMES)
def test_the_id_of_a_graph_finds_it_in_every_address_and_encoding(sqlite_server: Served, name: str) -> None:
    id_ = made(sqlite_server, name)["id"]
    with sqlite_server.client() as client:
        for written in (id_, quote(id_, safe=""), unquote(id_), unquote(quote(id_))):
            found = client.get(f"/graphs/{written}").json()
            assert (found["name"], found["id"]) == (name, id_)
        assert client.get(f"/scenes/{id_}").status_code == 200
        run_id = sqlite_server.run(id_)
        assert client.get("/executions", params={"graph": id_}).json()["runs"][0]["run_id"] == run_id
        with sqlite_server.socket(f"/ws/execute/{id_}") as socket:
            socket.send("{}")
            assert json.loads(socket.recv())["event"] == "execution_start"
        sqlite_server.result(run_id)
        assert client.delete(f"/graphs/{id_}", params={"force": True}).status_code in (200, 409)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (".", "..", "./x", "../x")])
def test_the_name_of_a_graph_finds_it_too(sqlite_server: Served, name: str) -> None:
    made(sqlite_server, name)
    with sqlite_server.client() as client:
        assert client.get(f"/graphs/{quote(name, safe='')}").json()["name"] == name


def test_a_name_that_needs_no_escaping_is_the_id(sqlite_server: Served) -> None:
    assert made(sqlite_server, "Some name-1.2_x")["id"] == "Some name-1.2_x"


@pytest.mark.parametrize(("first", "second"), [(1, True), (1, 1.0), (True, 1.0), (0, False), (0, -0.0)])
def test_a_repeated_key_with_an_equal_value_of_another_type_is_refused(
    sqlite_server: Served, first: Any, second: Any
) -> None:
    key = {"Idempotency-Key": f"kinds-{first}-{second}"}
    with sqlite_server.client() as client:
        answers = [
            client.post("/executions/run", json={"graph_id": "chain", "initial_state": {"x": [value]}}, headers=key)
            for value in (first, first, second)
        ]

    assert [answer.status_code for answer in answers] == [202, 202, 422]


def test_a_denied_handshake_logs_no_error(sqlite_server: Served) -> None:
    before = len(sqlite_server.log.read_text())
    statuses = []
    for path, headers in [
        ("/ws/runs/none", {}), ("/ws/runs/none", {"Authorization": "Bearer a-wrong-one"}), ("/nothing", {}),
        ("/ws/runs/none?after=x", {}), ("/ws/view/none", {}), ("/ws/runs/none", {"Origin": "https://example.org"}),
    ]:  # fmt: skip
        for _ in range(5):
            with pytest.raises(InvalidStatus) as denied:
                sqlite_server.socket(path, **headers)
        statuses.append(denied.value.response.status_code)

    assert statuses == [404, 401, 403, 403, 404, 403]
    assert '"level": "error"' not in sqlite_server.log.read_text()[before:]
