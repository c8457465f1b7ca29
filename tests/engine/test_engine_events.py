"""Events: their kinds, their order, and their data."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from running import engine_of, finished, graph, kinds

from nbflow.engine.result import logs_of
from nbflow.events import Event, Kind


async def add(n: int, by: int = 1) -> dict[str, int]:
    return {"n": n + by}


async def broken(n: int) -> None:
    raise ValueError("no rows")


def events(text: str, *tools: Any, graphs: Any = None, **state: Any) -> list[dict[str, Any]]:
    async def main() -> list[dict[str, Any]]:
        engine = engine_of(*tools, graphs=graphs)
        return [event async for event in engine.execute_with_events(graph(text), state)]

    return asyncio.run(main())


def test_seq_starts_at_1_and_has_no_gaps() -> None:
    told = events("add -> add if n < 5 else pass", add, n=0)

    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))


def test_every_event_has_its_kind_run_seq_and_an_aware_utc_time() -> None:
    before = datetime.now(UTC)
    told = events("add -> pass", add, n=0)
    after = datetime.now(UTC)

    assert len({event["run_id"] for event in told}) == 1
    stamps = [datetime.fromisoformat(event["timestamp"]) for event in told]
    assert all(stamp.utcoffset() == timedelta(0) for stamp in stamps)
    assert stamps == sorted(stamps)
    slack = timedelta(seconds=1)
    assert before - slack <= stamps[0] <= stamps[-1] <= after + slack


def test_the_events_of_a_chain_come_in_order_and_in_this_form() -> None:
    told = events("a = add(by=2)\na -> b if n > 5 else pass\nb = add", add, n=1)
    source = told[1]["source"]
    for event in told:
        del event["timestamp"], event["run_id"]
        event.pop("duration_ms", None)

    assert told == [
        {"event": "execution_start", "seq": 1, "graph": "", "input": {"n": 1}},
        {
            "event": "node_start", "seq": 2, "node": "a", "input": {"n": 1, "by": 2}, "attempt": 1, "firing": 1,
            "tool": "add", "version": 1, "source": source,
        },
        {"event": "node_complete", "seq": 3, "node": "a", "firing": 1, "attempt": 1, "output": {"n": 3}, "cached": False},
        {
            "event": "edge_untaken", "seq": 4, "node": "a", "from": "a", "to": "b", "type": "conditional",
            "condition": "n > 5", "values": {"n": 3},
        },
        {
            "event": "edge_taken", "seq": 5, "node": "a", "from": "a", "to": "pass", "type": "normal", "condition": None,
            "values": None,
        },
        {
            "event": "node_start", "seq": 6, "node": "pass", "input": {}, "attempt": 1, "firing": 2, "tool": "pass",
            "version": 1, "source": told[5]["source"],
        },
        {
            "event": "node_complete", "seq": 7, "node": "pass", "firing": 2, "attempt": 1, "output": None,
            "cached": False,
        },
        {"event": "execution_complete", "seq": 8, "result": {"n": 3}},
    ]  # fmt: skip


def test_a_true_condition_is_logged_with_the_values_it_read() -> None:
    (taken,) = (e for e in events("add -> pass if n > 0 and n < 9", add, n=1) if e["event"] == "edge_taken")

    assert (taken["type"], taken["condition"], taken["values"]) == ("conditional", "n > 0 and n < 9", {"n": 2})


def test_a_failure_is_logged_with_its_type_message_position_and_traceback() -> None:
    told = events("broken", broken, n=1)

    assert [event["event"] for event in told] == ["execution_start", "node_start", "node_error", "execution_error"]
    error = told[2]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "no rows")
    assert error["traceback"].splitlines()[0] == "Traceback (most recent call last):"
    assert error["traceback"].splitlines()[-1] == "ValueError: no rows"
    assert "nbflow/engine" not in error["traceback"]
    assert (error["where"]["file"], error["where"]["function"]) == (__file__, "broken")
    assert 'raise ValueError("no rows")' in dict(error["where"]["code"])[error["where"]["line"]]
    assert told[2]["handled"] is False
    assert told[2]["duration_ms"] >= 0


def test_execution_error_names_the_node_and_has_the_state_reached() -> None:
    last = events("add -> broken", add, broken, n=1)[-1]

    assert last["result"] == {"n": 2}
    assert (last["error"]["node"], last["error"]["type"], last["error"]["message"]) == (
        "broken",
        "ValueError",
        "no rows",
    )


def test_nodes_inside_are_named_by_their_path() -> None:
    done = finished(
        "m = graph inner [map=items, as=n]\nm -> sub\nsub = graph inner",
        add,
        graphs={"inner": "add"},
        items=[1, 2],
        n=0,
    )

    started = [event.node for event in done.events if event.kind == "node_start"]
    assert started == ["m", "m[0]", "m[1]", "m[0]/add", "m[1]/add", "sub", "sub/add"]


def test_inner_edges_are_logged_with_the_path_of_their_source_and_inner_ids() -> None:
    done = finished("sub = graph inner", add, graphs={"inner": "add -> pass"}, n=0)

    (edge,) = [event for event in done.events if event.kind == "edge_taken"]
    assert (edge.node, edge.data["from"], edge.data["to"]) == ("sub/add", "add", "pass")


def test_a_cancelled_run_ends_with_execution_cancelled_and_its_reason() -> None:
    async def main() -> None:
        started = engine_of(add).start(graph("add -> add if true [max=1000000]"), {"n": 0})
        await asyncio.sleep(0.01)
        started.cancel("for the test")
        await started.wait()
        assert kinds(started)[-1] == "execution_cancelled"
        assert started.events[-1].data["reason"] == "for the test"
        assert str(started.error) == "run of the graph was cancelled for the test"

    asyncio.run(main())


def test_plain_values_make_events_of_plain_json() -> None:
    for event in events("add -> broken -> pass on error", add, broken, n=1):
        assert json.loads(json.dumps(event)) == event


def test_nodes_that_ran_when_a_process_died_are_logged_so_if_the_run_was_ended_from_outside() -> None:
    begun = {"firing": 1, "attempt": 1, "input": {}}
    ended = Event(Kind.EXECUTION_CANCELLED, 2, 9.0, None, {"reason": "by nbflow cancel"})

    (row,) = logs_of([Event(Kind.NODE_START, 1, 1.0, "a", begun), ended])

    assert (row.status, row.error) == ("cancelled", "its process ended before the attempt did")
