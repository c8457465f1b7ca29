"""Unusual requests get a clear refusal on both kinds of store: lone surrogates, unusable names, invalid JSON."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest
from served import Served

NODES: list[dict[str, Any]] = [{"node_id": "a", "tool": "wait"}]
HALF = "\\ud800"
"""A lone surrogate, in the escaped form of JSON."""


def post(server: Served, path: str, text: str) -> httpx.Response:
    with server.client() as client:
        return client.post(path, content=text, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    "graph",
    [
        '{"name": "%s", "nodes": [{"node_id": "a", "tool": "wait"}]}',
        '{"name": "odd", "nodes": [{"node_id": "a", "graph": "%s"}]}',
        '{"name": "odd", "nodes": [{"node_id": "a", "tool": "wait", "params": {"n": "%s"}}]}',
        '{"name": "odd", "nodes": [{"node_id": "a", "tool": "wait", "%s": 1}]}',
    ],
)
def test_a_lone_surrogate_in_a_graph_is_refused(server: Served, graph: str) -> None:
    refused = post(server, "/graphs/create", graph % HALF)

    assert (refused.status_code, "half a surrogate pair" in refused.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    "body", ['{"graph_id": "chain", "initial_state": {"n": "%s"}}', '{"graph_id": "%s"}', '{"%s": 1}']
)
def test_a_lone_surrogate_in_an_initial_state_is_refused(server: Served, body: str) -> None:
    assert post(server, "/executions/run", body % HALF).status_code == 422


def test_a_lone_surrogate_in_an_answer_is_refused_and_the_question_stays_open(server: Served) -> None:
    run_id = server.run("asking")
    server.result(run_id, "waiting", "running")

    refused = post(server, f"/executions/{run_id}/answer", f'{{"value": "{HALF}"}}')

    assert (refused.status_code, "half a surrogate pair" in refused.json()["detail"]) == (422, True)
    with server.client() as client:
        client.post(f"/executions/{run_id}/cancel")


def test_a_number_that_json_cannot_represent_is_refused_in_a_graph(server: Served) -> None:
    graph = '{"name": "odd", "nodes": [{"node_id": "a", "tool": "wait", "params": {"n": NaN}}]}'

    assert "not finite" in post(server, "/graphs/create", graph).json()["detail"]


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "n" * 201])
def test_a_graph_name_that_no_address_can_contain_is_refused(server: Served, name: str) -> None:
    with server.client() as client:
        refused = client.post("/graphs/create", json={"name": name, "nodes": NODES})

    assert (refused.status_code, "at most 200 characters" in refused.json()["detail"]) == (422, True)


def test_a_graph_name_with_a_control_character_is_refused(server: Served) -> None:
    inner = {"name": f"Odd {uuid.uuid4().hex[:6]}", "nodes": [{"node_id": "a", "graph": "a\0b"}]}
    with server.client() as client:
        statuses = [
            client.get("/graphs/a%00b").status_code,
            client.delete("/graphs/a%00b").status_code,
            client.get("/executions", params={"graph": "a\0b"}).status_code,
            client.post("/executions/run", json={"graph_id": "a\0b"}).status_code,
            client.post("/graphs/create", json=inner).status_code,
        ]

    assert statuses == [422] * 5


@pytest.mark.parametrize("kind", [[], {}, [["normal"]], 1, None])
def test_an_edge_type_that_is_not_a_text_is_refused(server: Served, kind: Any) -> None:
    edges = [{"from_node": "a", "to_node": "END", "type": kind}]
    with server.client() as client:
        refused = client.post("/graphs/create", json={"name": "odd", "nodes": NODES, "edges": edges})

    assert (refused.status_code, "type" in refused.json()["faults"][0]) == (422, True)


@pytest.mark.parametrize("since", ["0.5", "1700000000", "2026-01-01", "0001-01-01T00:00:00", "now"])
def test_a_time_without_an_offset_or_in_seconds_is_refused(server: Served, since: str) -> None:
    with server.client() as client:
        assert client.get("/executions", params={"since": since}).status_code == 422
        assert client.get("/executions", params={"since": "0001-01-01T00:00:00Z"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"), [("/graphs/chain", "DELETE, GET"), ("/executions/run", "POST"), ("/assets/x", "GET")]
)
def test_the_refusal_of_a_method_lists_the_allowed_ones(server: Served, path: str, allowed: str) -> None:
    with server.client() as client:
        refused = client.put(path)

    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_a_boolean_as_the_number_of_an_event_is_refused(server: Served) -> None:
    run_id = server.run("chain")
    with server.client() as client:
        refused = client.post(f"/executions/{run_id}/fork", json={"at": True})

    assert refused.status_code == 422


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (f'{{"n": {DEEP}}}', "nested too deeply"),
        (DEEP, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ('{"n": NaN}', "not finite"),
        ('{"n": -Infinity}', "not finite"),
        ('{"n": 1e999}', "not finite"),
        (f'{{"n": {"9" * 5000}}}', "more digits than can be read"),
        ('{"n": "a\\u0000b"}', "a NUL character"),
        ('{"a\\u0000b": 1}', "a NUL character"),
        ('{"n": {"\\\\\\u0000": 1}}', "a NUL character"),
        (f'{{"n": "{HALF}"}}', "half a surrogate pair"),
        (f'{{"{"k" * 100_000}": 1}}', "has 100000 characters"),
        ("[]", "initial_state"),
        ("null", "initial_state"),
        ('"n"', "initial_state"),
    ],
    ids=lambda text: text[:12],
)
def test_an_invalid_initial_state_is_refused_with_a_reason(sqlite_server: Served, state: str, told: str) -> None:
    refused = post(sqlite_server, "/executions/run", f'{{"graph_id": "chain", "initial_state": {state}}}')

    assert (refused.status_code, refused.headers["Content-Type"]) == (422, "application/problem+json")
    assert told in refused.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/graphs/create", "/executions/x/answer", "/executions/x/fork", "/executions/x/resume"]
)
@pytest.mark.parametrize("body", [DEEP, "9" * 5000], ids=["deep", "digits"])
def test_every_route_refuses_invalid_json(sqlite_server: Served, path: str, body: str) -> None:
    assert post(sqlite_server, path, f'{{"value": {body}}}').status_code == 422


def test_a_text_with_an_escaped_backslash_before_u0000_is_accepted(sqlite_server: Served) -> None:
    text = r'{"graph_id": "chain", "initial_state": {"path": "C:\\u0000"}}'

    assert post(sqlite_server, "/executions/run", text).status_code == 202


def test_a_secret_may_contain_any_character(sqlite_server: Served) -> None:
    refused = post(sqlite_server, "/executions/none/resume", r'{"secrets": {"key": "a\u0000b"}}')

    assert refused.status_code == 404  # 404 and not 422: only the run is missing


def test_a_start_that_lacks_a_key_is_refused_with_its_name_and_leaves_no_run(server: Served) -> None:
    with server.client() as client:
        refused = client.post("/executions/run", json={"graph_id": "counted", "initial_state": {"txt": "a b"}})
        listed = client.get("/executions", params={"graph": "counted"}).json()["runs"]

    assert (refused.status_code, refused.json()["type"]) == (422, "urn:nbflow:InitialStateError")
    assert refused.json()["faults"] == {"text": "node 'count' needs it, and no node before that one writes it"}
    assert listed == []


def test_a_socket_refuses_a_first_message_that_lacks_a_key(sqlite_server: Served) -> None:
    with sqlite_server.socket("/ws/execute/counted") as socket:
        socket.send("{}")
        told = socket.recv()

    assert "cannot start without 'text' (node 'count')" in json.loads(told)["problem"]["detail"]


@pytest.mark.parametrize("path", ["/executions/run", "/graphs/create", "/executions/aa/answer", "/executions/aa/fork"])
def test_a_body_without_its_type_is_refused_and_the_header_named(sqlite_server: Served, path: str) -> None:
    with sqlite_server.client() as client:
        missing = client.post(path, content='{"graph_id": "chain"}')
        other = client.post(path, content='{"graph_id": "chain"}', headers={"Content-Type": "text/plain"})

    assert (missing.status_code, other.status_code) == (422, 422)
    assert missing.json()["detail"].startswith("the header Content-Type is missing; send 'Content-Type: application/j")
    assert other.json()["detail"].startswith("the body is of type 'text/plain'; send JSON with 'Content-Type: applica")
