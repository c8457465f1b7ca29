"""Runs over WebSockets: start, watch and control them."""

from __future__ import annotations

import json

import pytest
from served import Served, events_of
from websockets.exceptions import ConnectionClosed, InvalidStatus


def test_the_first_message_is_the_state_and_every_event_follows(server: Served) -> None:
    with server.socket("/ws/execute/chain") as socket:
        socket.send(json.dumps({"n": 3}))
        events = events_of(socket)

    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["input"] == {"n": 3}
    assert (events[-1]["event"], events[-1]["result"]) == ("execution_complete", {"n": 5})
    assert socket.close_code == 1000


def test_a_watcher_gets_the_events_from_any_position_during_and_after_a_run(server: Served) -> None:
    run_id = server.run("chain", seconds=0.2)
    with server.socket(f"/ws/runs/{run_id}?after=2") as socket:
        live = events_of(socket)
    with server.socket(f"/ws/runs/{run_id}?after=2") as socket:
        later = events_of(socket)

    assert live == later
    assert live[0]["seq"] == 3


def test_a_client_cancels_its_run(server: Served) -> None:
    with server.socket("/ws/execute/looped") as socket:
        socket.send(json.dumps({"seconds": 0.01}))
        socket.recv()
        socket.send(json.dumps({"type": "cancel"}))
        events = events_of(socket)

    assert events[-1]["event"] == "execution_cancelled"


def test_a_client_answers_its_run_and_gets_an_error_for_an_invalid_answer(server: Served) -> None:
    with server.socket("/ws/execute/asking") as socket:
        socket.send("{}")
        while json.loads(socket.recv())["event"] != "node_waiting":
            pass
        socket.send(json.dumps({"type": "answer", "value": "perhaps"}))
        refused = json.loads(socket.recv())
        socket.send(json.dumps({"type": "answer", "value": "no"}))
        events = events_of(socket)

    assert refused["problem"]["status"] == 422
    assert events[-1]["result"]["ask"] == "no"


@pytest.mark.parametrize(
    ("graph", "first", "code"),
    [("nothing", "{}", 4404), ("chain", "[]", 4422), ("chain", "no JSON", 4422), ("chain", '{"a":' * 50_000, 4422)],
)
def test_a_start_that_fails_is_reported_and_closes_the_socket_with_its_code(
    server: Served, graph: str, first: str, code: int
) -> None:
    with server.socket(f"/ws/execute/{graph}") as socket:
        socket.send(first)
        told = json.loads(socket.recv())
        with pytest.raises(ConnectionClosed):
            socket.recv()

    assert told["problem"]["status"] == code - 4000
    assert socket.close_code == code


def test_a_missing_run_is_refused_before_the_socket_opens(server: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        server.socket("/ws/runs/nothing")

    assert refused.value.response.status_code == 404


@pytest.mark.slow
def test_a_client_that_floods_is_disconnected_and_its_run_continues(server: Served) -> None:
    run_id = server.run("chain", seconds=1)
    with server.socket(f"/ws/runs/{run_id}") as socket, pytest.raises(ConnectionClosed):
        for _ in range(1_000):
            socket.send('{"type": "nothing"}')
        while True:
            socket.recv()

    assert socket.close_code == 1008
    assert server.result(run_id)["status"] == "completed"
