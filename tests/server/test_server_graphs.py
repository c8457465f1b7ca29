"""Graphs over REST: create, list, read, delete and run them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from served import Served


def graph(name: str, *tools: str, **more: Any) -> dict[str, Any]:
    nodes = [{"node_id": f"n{at}", "tool": tool} for at, tool in enumerate(tools)]
    edges = [{"from_node": f"n{at}", "to_node": f"n{at + 1}"} for at in range(len(tools) - 1)]
    return {"name": name, "nodes": nodes, "edges": edges, **more}


def fresh() -> str:
    return f"Sent {uuid.uuid4().hex[:6]}"


def test_a_graph_that_was_sent_runs(server: Served) -> None:
    name = fresh()
    with server.client() as client:
        made = client.post("/graphs/create", json=graph(name, "count"))

    assert (made.status_code, made.json()) == (201, {"id": name, "name": name, "version": 1})
    assert server.result(server.run(name, text="a b c"))["result"]["state"]["words"] == 3


def test_an_equal_graph_has_the_same_version_and_a_different_one_the_next(server: Served) -> None:
    name = fresh()
    with server.client() as client:
        versions = [
            client.post("/graphs/create", json=graph(name, *tools)).json()["version"]
            for tools in (["count"], ["count"], ["count", "wait"])
        ]

        assert versions == [1, 1, 2]
        assert len(client.get(f"/graphs/{name}").json()["definition"]["nodes"]) == 2
        assert len(client.get(f"/graphs/{name}", params={"version": 1}).json()["definition"]["nodes"]) == 1


def test_the_graphs_of_the_file_and_those_sent_are_listed_by_name(server: Served) -> None:
    name = fresh()
    with server.client() as client:
        client.post("/graphs/create", json=graph(name, "count"))
        listed = client.get("/graphs").json()["graphs"]

    names = [each["name"] for each in listed]
    assert names == sorted(names)
    assert {each["name"]: each["sent"] for each in listed if each["name"] in (name, "chain")} == {
        name: True,
        "chain": False,
    }


def test_a_graph_is_returned_with_its_text_and_the_keys_it_needs(server: Served) -> None:
    with server.client() as client:
        shown = client.get("/graphs/counted").json()

    assert shown["text"] == "count\n"
    assert shown["state_schema"]["required"] == ["text"]
    assert shown["state_schema"]["properties"]["text"]["type"] == "string"


def test_a_graph_with_unknown_tools_is_refused_with_every_error(server: Served) -> None:
    with server.client() as client:
        refused = client.post("/graphs/create", json=graph(fresh(), "coun", "wait", "fial"))

    told = refused.json()
    assert (refused.status_code, told["type"]) == (422, "urn:nbflow:GraphError")
    assert ["unknown tool 'coun'; did you mean 'count'?" in told["faults"][0], "'fial'" in told["faults"][1]] == [
        True,
        True,
    ]


@pytest.mark.parametrize("code", ["__import__('os').system('true')", "open('/etc/passwd')", "(1).__class__"])
def test_an_invalid_condition_is_refused(server: Served, code: str) -> None:
    sent = graph(fresh(), "count", "wait")
    sent["edges"][0] |= {"type": "conditional", "condition": code}

    with server.client() as client:
        refused = client.post("/graphs/create", json=sent)

    assert refused.status_code == 422


def test_a_graph_of_the_file_is_neither_replaced_nor_deleted(server: Served) -> None:
    with server.client() as client:
        replaced = client.post("/graphs/create", json=graph("chain", "count"))
        deleted = client.delete("/graphs/chain")

    assert [replaced.status_code, deleted.status_code] == [409, 409]
    assert "defined by what is served" in replaced.json()["detail"]


def test_a_sent_graph_that_has_runs_is_deleted_only_with_force(server: Served) -> None:
    name = fresh()
    with server.client() as client:
        client.post("/graphs/create", json=graph(name, "count"))
        server.result(server.run(name, text="a"))

        assert client.delete(f"/graphs/{name}").status_code == 409
        assert client.delete(f"/graphs/{name}", params={"force": True}).json() == {"deleted": 1}
        assert client.get(f"/graphs/{name}").status_code == 404
        assert client.post("/executions/run", json={"graph_id": name}).status_code == 404


def test_a_graph_that_names_a_sent_graph_uses_its_current_version(server: Served) -> None:
    inner, outer = fresh(), fresh()
    with server.client() as client:
        client.post("/graphs/create", json=graph(inner, "count"))
        sent = {"name": outer, "nodes": [{"node_id": "in", "graph": inner}]}
        assert client.post("/graphs/create", json=sent).status_code == 201
        assert server.result(server.run(outer, text="a b"))["result"]["state"]["words"] == 2

        client.post("/graphs/create", json=graph(inner, "wait"))

    assert server.result(server.run(outer, n=5))["result"]["state"] == {"n": 6}


def test_a_graph_that_would_contain_itself_is_refused(server: Served) -> None:
    one, other = fresh(), fresh()
    with server.client() as client:
        client.post("/graphs/create", json=graph(one, "count"))
        client.post("/graphs/create", json={"name": other, "nodes": [{"node_id": "in", "graph": one}]})
        refused = client.post("/graphs/create", json={"name": one, "nodes": [{"node_id": "in", "graph": other}]})

    assert refused.status_code == 422
    assert server.result(server.run(other, text="a"))["status"] == "completed"


def test_a_name_may_contain_characters_that_an_address_must_escape(server: Served) -> None:
    name = f"a/b ?ü{uuid.uuid4().hex[:4]}"
    with server.client() as client:
        made = client.post("/graphs/create", json=graph(name, "count"))
        found = client.get(f"/graphs/{name.replace('?', '%3F')}")

    assert (made.status_code, found.json()["name"]) == (201, name)


def test_tools_are_listed_with_the_schema_of_their_parameters(server: Served) -> None:
    with server.client() as client:
        tools = {tool["name"]: tool for tool in client.get("/tools").json()["tools"]}

    assert tools["wait"]["doc"] == "Wait a while."
    assert tools["wait"]["parameters"]["properties"]["seconds"] == {
        "type": "number",
        "title": "seconds",
        "default": 0.01,
    }
    assert tools["count"]["parameters"]["required"] == ["text"]


def test_names_of_graphs_and_keys_are_normalised_as_in_python(server: Served) -> None:
    micro, mu = "\xb5" + uuid.uuid4().hex[:6], "\u03bc"
    with server.client() as client:
        made = client.post("/graphs/create", json=graph(micro, "count"))
        refused = client.post("/executions/run", json={"graph_id": micro, "initial_state": {"\xb5": 1, mu: 2}})
        found = [client.get(f"/graphs/{name}").status_code for name in (micro, mu + micro[1:])]

    assert (made.status_code, made.json()["name"]) == (201, mu + micro[1:])
    assert (refused.status_code, refused.json()["title"]) == (422, "Name Clash Error")
    assert "'\\xb5'" in refused.json()["detail"]
    assert found == [200, 200]
    run = server.result(server.run(micro, text="a b c"))
    assert run["result"]["state"]["words"] == 3
