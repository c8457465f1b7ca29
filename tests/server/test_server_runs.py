"""Runs over REST: start, read, list and control them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import httpx
from served import Served, notebook, serving


def test_a_run_starts_at_once_and_its_result_has_state_and_logs(server: Served) -> None:
    result = server.result(server.run("chain", n=3))

    assert set(result) == {"run_id", "status", "result", "execution_time", "error"}
    assert (result["status"], result["error"], result["result"]["state"]) == ("completed", None, {"n": 5})
    assert [(row["node_id"], row["status"]) for row in result["result"]["logs"]] == [
        ("a", "completed"),
        ("b", "completed"),
    ]


def test_the_result_of_a_running_run_is_its_current_state(server: Served) -> None:
    run_id = server.run("chain", seconds=30)
    with server.client() as client:
        result = client.get(f"/executions/result/{run_id}").json()
        client.post(f"/executions/{run_id}/cancel")

    assert result["status"] == "running"
    assert [row["status"] for row in result["result"]["logs"]] == ["started"]


def test_a_failed_run_reports_its_error_without_path_or_traceback(server: Served) -> None:
    run_id = server.run("failing", n=1)
    result = server.result(run_id)
    with server.client() as client:
        events = client.get(f"/executions/{run_id}/events")

    assert result["status"] == "failed"
    assert result["error"] == "node 'fail' failed: ValueError: n is 2"
    assert "Traceback" not in events.text
    assert str(server.folder) not in events.text
    assert "/lib/python" not in events.text


def test_one_key_starts_one_run(server: Served) -> None:
    key, body = uuid.uuid4().hex, {"graph_id": "chain", "initial_state": {"n": 1}}
    with server.client() as client:
        client.headers["Idempotency-Key"] = key
        first, second = (client.post("/executions/run", json=body) for _ in range(2))
        server.result(first.json()["run_id"])
        third = client.post("/executions/run", json=body)
        other = client.post("/executions/run", json={**body, "initial_state": {"n": 2}})

    assert first.json() == second.json() == third.json()
    assert (other.status_code, "another request" in other.json()["detail"]) == (422, True)


def test_events_come_in_order_without_gaps_and_by_pages(server: Served) -> None:
    run_id = server.run("chain")
    server.result(run_id)
    with server.client() as client:
        whole = client.get(f"/executions/{run_id}/events").json()
        first = client.get(f"/executions/{run_id}/events", params={"limit": 3}).json()
        rest = client.get(f"/executions/{run_id}/events", params={"after": first["next"]}).json()

    assert [event["seq"] for event in whole["events"]] == list(range(1, len(whole["events"]) + 1))
    assert first["events"] + rest["events"] == whole["events"]
    assert (first["ended"], rest["ended"]) == (False, True)
    assert whole["events"][-1]["event"] == "execution_complete"


def test_events_stream_to_the_end_and_continue_after_the_last_received_one(server: Served) -> None:
    run_id = server.run("chain", seconds=0.2)
    with server.client() as client:
        seen = list(_streamed(client, run_id, {}))
        again = list(_streamed(client, run_id, {"Last-Event-ID": "3"}))

    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["event"] == "execution_complete"
    assert again == seen[3:]


def _streamed(client: httpx.Client, run_id: str, headers: dict[str, str]) -> list[dict[str, object]]:
    with client.stream(
        "GET", f"/executions/{run_id}/events", headers={"Accept": "text/event-stream", **headers}
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def test_runs_are_listed_newest_first_by_pages_and_filters(server: Served) -> None:
    ids = [server.run("counted", text=str(at)) for at in range(5)]
    for run_id in ids:
        server.result(run_id)
    with server.client() as client:
        failed = client.get("/executions", params={"graph": "counted", "status": "failed"}).json()

    assert _paged(server, "counted")[:5] == ids[::-1]
    assert failed == {"runs": [], "next": None}


def test_runs_without_a_store_are_listed_by_pages_too(tmp_path: Path) -> None:
    with serving(notebook(tmp_path), NBFLOW_DURABILITY="off") as server:
        ids = [server.run("counted", text=str(at)) for at in range(5)]

        assert _paged(server, "counted") == ids[::-1]


def _paged(server: Served, graph: str) -> list[str]:
    found, asked = [], {"graph": graph, "limit": "2"}
    with server.client() as client:
        while True:
            page = client.get("/executions", params=asked).json()
            found += [run["run_id"] for run in page["runs"]]
            if page["next"] is None:
                return found
            asked["cursor"] = page["next"]


def test_a_run_is_paused_continued_and_cancelled(server: Served) -> None:
    run_id = server.run("looped", seconds=0.02)
    with server.client() as client:

        def told(action: str) -> tuple[int, str]:
            answer = client.post(f"/executions/{run_id}/{action}")
            return answer.status_code, answer.json().get("status")

        assert told("pause") == (200, "paused")
        assert told("pause")[0] == 409
        assert told("continue") == (200, "running")
        assert told("cancel") == (200, "cancelled")
        assert told("cancel")[0] == 409
    assert server.result(run_id)["error"] == "run of looped was cancelled by you"


def test_an_invalid_answer_is_refused_with_its_location_and_a_valid_one_accepted(server: Served) -> None:
    run_id = server.run("asking")
    server.result(run_id, "waiting")
    with server.client() as client:
        wrong = client.post(f"/executions/{run_id}/answer", json={"value": "perhaps"})
        right = client.post(f"/executions/{run_id}/answer", json={"value": "yes"})
        again = client.post(f"/executions/{run_id}/answer", json={"value": "yes"})

    assert (wrong.status_code, list(wrong.json()["faults"])) == (422, [""])
    assert (right.status_code, again.status_code) == (200, 409)
    assert server.result(run_id)["result"]["state"]["ask"] == "yes"


def test_a_fork_of_a_failed_run_edits_the_state_and_skips_completed_nodes(server: Served) -> None:
    run_id = server.run("failing", n=1)
    server.result(run_id)
    with server.client() as client:
        resumed = client.post(f"/executions/{run_id}/resume")
        assert (resumed.status_code, resumed.json()["run_id"]) == (202, run_id)
        assert server.result(run_id)["status"] == "failed"
        forked = client.post(f"/executions/{run_id}/fork", json={"at": "fail", "state": {"n": 20}})

    assert forked.status_code == 202
    result = server.result(forked.json()["run_id"])
    assert (result["status"], result["result"]["state"]["n"]) == ("completed", 20)
    assert [row["node_id"] for row in result["result"]["logs"]].count("wait") == 1


def test_each_route_reports_a_missing_run(server: Served) -> None:
    with server.client() as client:
        answers = [
            client.get("/executions/result/nothing"),
            client.get("/executions/nothing/events"),
            *(client.post(f"/executions/nothing/{what}") for what in ("cancel", "pause", "continue", "resume")),
            client.post("/executions/nothing/answer", json={"value": 1}),
            client.post("/executions/nothing/fork", json={"at": 1}),
        ]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def test_a_run_continues_when_its_client_disconnects(server: Served) -> None:
    with server.socket("/ws/execute/chain") as socket:
        socket.send(json.dumps({"seconds": 0.3}))
        run_id = json.loads(socket.recv())["run_id"]

    assert server.result(run_id)["status"] == "completed"
