"""Results and events of any size: the usual routes bound them, a separate route sends the whole, outside the event loop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from served import CELLS, Served, notebook, serving

MOST = 20_000
TOOLS = '''%%flow_tool
def nested() -> dict:
    """Return a list that contains itself many times over."""
    x: list = [1]
    for _ in range(20):
        x = [x, x]
    return {"x": x}

def keys() -> dict:
    """Return many keys."""
    return {f"key {n}": n for n in range(100_000)}

def text() -> dict:
    """Return a long text."""
    return {"text": 'é"' * 100_000}

def rows() -> dict:
    """Return what fits, and what does not."""
    return {"small": [1, {"a": None}], "rows": [{"n": n, "square": n * n} for n in range(5_000)]}

def many(n: int = 0) -> dict:
    """Return a part of much."""
    return {"n": n + 1, "part": "x" * 15_000}
'''
GRAPHS = [f"%%flow_graph {tool}\n{tool}" for tool in ("nested", "keys", "text", "rows")]
LOOP = "%%flow_graph many\nmany -> many if n < 20 [max=30]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    sources = [CELLS[0], TOOLS, *GRAPHS, LOOP]
    with serving(notebook(tmp_path_factory.mktemp("large"), sources), NBFLOW_MAX_RESULT=str(MOST)) as served:
        yield served


def done(server: Served, graph: str) -> str:
    run_id = server.run(graph)
    server.result(run_id)
    return run_id


@pytest.mark.parametrize("graph", ["nested", "keys", "text", "rows"])
def test_a_large_result_is_cut_near_the_limit_and_names_the_route_to_the_whole(server: Served, graph: str) -> None:
    run_id = done(server, graph)
    with server.client() as client:
        answer = client.get(f"/executions/result/{run_id}")

    told = answer.json()
    assert len(answer.content) < 3 * MOST
    assert (told["status"], told["truncated"], told["whole"]) == ("completed", True, f"/executions/{run_id}/whole")


def test_a_separate_route_sends_the_whole_result(server: Served) -> None:
    found = {}
    with server.client() as client:
        for graph in ("keys", "text", "rows"):
            path = client.get(f"/executions/result/{done(server, graph)}").json()["whole"]
            found[graph] = client.get(path).json()

    assert found["keys"]["result"]["state"] == {f"key {n}": n for n in range(100_000)}
    assert found["text"]["result"]["state"] == {"text": 'é"' * 100_000}
    assert found["rows"]["result"]["logs"][0]["output"]["rows"][-1] == {"n": 4_999, "square": 4_999**2}
    assert found["rows"].keys() == {"run_id", "status", "result", "execution_time", "error"}


def test_a_value_that_fits_stays_whole_next_to_one_that_does_not(server: Served) -> None:
    state = server.result(done(server, "rows"))["result"]["state"]

    assert state["small"] == [1, {"a": None}]
    assert (state["rows"]["type"], state["rows"]["shape"], state["rows"]["truncated"]) == ("list", [5_000], True)
    assert state["rows"]["preview"][:2] == [{"n": 0, "square": 0}, {"n": 1, "square": 1}]


def test_a_small_result_has_neither_mark_of_a_large_one(server: Served) -> None:
    with server.client() as client:
        events = client.get(f"/executions/{done(server, 'many')}/events").json()["events"]

    assert "truncated" not in events[0]


@pytest.mark.parametrize("graph", ["nested", "keys", "text"])
def test_events_are_bounded_on_every_route_and_each_names_the_route_to_the_whole(server: Served, graph: str) -> None:
    run_id = done(server, graph)
    with server.client() as client:
        listed: list[dict[str, Any]] = []
        while not listed or listed[-1]["event"] != "execution_complete":
            page = client.get(f"/executions/{run_id}/events", params={"after": len(listed)})
            assert len(page.content) < 4 * MOST
            listed += page.json()["events"]
        sent = client.get(f"/executions/{run_id}/events", headers={"Accept": "text/event-stream"}).text
        large = next(event for event in listed if event["event"] == "node_complete")
        whole = client.get(large["whole"]).json() if graph != "nested" else None
    with server.socket(f"/ws/runs/{run_id}") as socket:
        texts = list(socket)

    assert [json.loads(text) for text in texts] == listed
    assert [json.loads(text) for text in re.findall(r"^data: (.*)$", sent, re.MULTILINE)] == listed
    assert large["truncated"] is True
    if whole is not None:
        assert whole["event"] == "node_complete"
        assert "truncated" not in whole
        assert len(json.dumps(whole["output"])) > 200_000


def test_a_page_of_events_ends_at_the_size_limit_and_the_next_page_follows(server: Served) -> None:
    run_id = done(server, "many")
    found: list[dict[str, Any]] = []
    pages, ended = 0, False
    with server.client() as client:
        while not ended:
            answer = client.get(f"/executions/{run_id}/events", params={"after": len(found)})
            page = answer.json()
            assert len(answer.content) < 3 * MOST
            found += page["events"]
            pages, ended = pages + 1, page["ended"]

    assert pages > 5
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))


def test_a_missing_event_is_a_problem(server: Served) -> None:
    run_id = done(server, "many")
    with server.client() as client:
        answer = client.get(f"/executions/{run_id}/whole", params={"event": 10_000})

    assert answer.status_code == 404
    assert "events, and none of the number 10000" in answer.json()["detail"]
