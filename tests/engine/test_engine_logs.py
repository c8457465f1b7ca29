"""The log: one row per attempt, exact in every field."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from running import engine_of, finished, graph, rows, run


async def add(n: int, by: int = 1) -> dict[str, int]:
    return {"n": n + by}


async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


async def even(n: int) -> int:
    await asyncio.sleep(0)
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n


def short(result: Any) -> list[tuple[Any, ...]]:
    return [
        (row.node_id, row.status, row.attempt, row.firing, row.scope, row.input, row.output, row.error)
        for row in result.logs
    ]


def test_a_row_has_all_that_is_known_of_its_attempt() -> None:
    before = datetime.now(UTC)
    (row,) = run("a = add(by=2)", add, n=1).logs
    after = datetime.now(UTC)

    assert (row.node_id, row.status, row.attempt, row.firing, row.scope) == ("a", "completed", 1, 1, "")
    assert (row.input, row.output, row.error) == ({"n": 1, "by": 2}, {"n": 3}, None)
    assert row.timestamp.utcoffset() == timedelta(0)
    slack = timedelta(seconds=1)
    assert before - slack <= row.timestamp <= after + slack
    assert row.duration_ms is not None
    assert row.duration_ms >= 0


def test_the_duration_is_that_of_the_attempt_in_milliseconds() -> None:
    async def naps() -> None:
        await asyncio.sleep(0.03)

    (row,) = run("naps", naps).logs

    assert row.duration_ms is not None
    assert row.duration_ms >= 29


def test_rows_come_in_the_order_of_their_starts_and_firings_are_numbered_by_it() -> None:
    async def main() -> Any:
        engine = engine_of(add)
        return await engine.execute(graph("add -> add if n < 3 else pass"), {"n": 0})

    result = asyncio.run(main())
    assert [(row.node_id, row.firing) for row in result.logs] == [("add", 1), ("add", 2), ("add", 3), ("pass", 4)]
    stamps = [row.timestamp for row in result.logs]
    assert stamps == sorted(stamps)


def test_the_input_of_a_tool_that_takes_the_state_is_the_state_at_its_start() -> None:
    async def spoils(state: dict[str, Any]) -> None:
        state["x"] = "spoilt"

    (row,) = run("spoils", spoils, x=1).logs

    assert row.input == {"state": {"x": 1}}


def test_a_value_that_is_no_dict_is_logged_as_the_update_it_became_and_none_as_none() -> None:
    assert [row.output for row in run("d = double\nd -> pass", double, n=2).logs] == [{"d": 4}, None]


def test_failed_attempts_have_a_row_each() -> None:
    done = finished("even [retries=1]", even, n=3)

    assert short(done) == [
        ("even", "failed", 1, 1, "", {"n": 3}, None, "ValueError: 3 is odd"),
        ("even", "failed", 2, 1, "", {"n": 3}, None, "ValueError: 3 is odd"),
    ]


def test_a_tool_that_could_not_be_called_has_a_row_too() -> None:
    (row,) = finished("even", even).logs

    assert (row.node_id, row.status, row.input) == ("even", "failed", {})
    assert (row.error or "").startswith("ToolError: node 'even': tool 'even' needs 'n'")


def test_items_of_a_map_have_a_row_each_and_the_nodes_own_comes_last() -> None:
    result = run("m = double [map=items]\nm -> pass", double, items=[1, 2])

    assert short(result) == [
        ("m[0]", "completed", 1, 1, "", {"n": 1}, 2, None),
        ("m[1]", "completed", 1, 1, "", {"n": 2}, 4, None),
        ("m", "completed", 1, 1, "", {"items": [1, 2]}, {"m": [2, 4]}, None),
        ("pass", "completed", 1, 2, "", {}, None, None),
    ]


def test_items_that_fail_and_are_cancelled_are_logged_so() -> None:
    done = finished("m = even [map=items]", even, items=[1, 2])

    assert rows(done) == [("m[0]", "failed", 1), ("m[1]", "cancelled", 1), ("m", "failed", 1)]
    assert done.logs[-1].error == "ValueError: 1 is odd (in m[0])"


def test_an_item_is_retried_by_itself() -> None:
    calls: dict[int, int] = {}

    async def flaky(n: int) -> int:
        calls[n] = calls.get(n, 0) + 1
        await asyncio.sleep(0)
        if calls[n] < n:
            raise ValueError
        return calls[n]

    result = run("m = flaky [map=items, retries=2]", flaky, items=[1, 2, 3])

    assert result.state["m"] == [1, 2, 3]
    assert sorted(rows(result)[:-1]) == [
        ("m[0]", "completed", 1), ("m[1]", "completed", 2), ("m[1]", "failed", 1), ("m[2]", "completed", 3),
        ("m[2]", "failed", 1), ("m[2]", "failed", 2),
    ]  # fmt: skip


def test_a_subgraph_has_its_own_row_and_rows_in_its_scope() -> None:
    result = run("add -> sub\nsub = graph inner(by=5)", add, graphs={"inner": "add -> pass"}, n=0)

    assert short(result) == [
        ("add", "completed", 1, 1, "", {"n": 0}, {"n": 1}, None),
        ("sub", "completed", 1, 2, "", {"n": 1, "by": 5}, {"n": 6}, None),
        ("sub/add", "completed", 1, 1, "sub#2/", {"n": 1, "by": 5}, {"n": 6}, None),
        ("sub/pass", "completed", 1, 2, "sub#2/", {}, None, None),
    ]


def test_a_map_over_a_subgraph_logs_what_each_item_was_given() -> None:
    result = run("m = graph inner [map=items, as=n]", add, graphs={"inner": "add"}, items=[1, 2])

    assert [(row.node_id, row.scope, row.input.get("n"), row.output) for row in result.logs] == [
        ("m[0]", "", 1, {"n": 2}),
        ("m[1]", "", 2, {"n": 3}),
        ("m[0]/add", "m#1[0]/", 1, {"n": 2}),
        ("m[1]/add", "m#1[1]/", 2, {"n": 3}),
        ("m", "", None, {"m": [{"n": 2}, {"n": 3}]}),
    ]


def test_attempts_at_a_subgraph_have_separate_rows_and_scopes() -> None:
    done = finished("sub = graph inner [retries=1]", even, graphs={"inner": "even"}, n=1)

    assert [(row.node_id, row.status, row.attempt, row.scope) for row in done.logs] == [
        ("sub", "failed", 1, ""),
        ("sub/even", "failed", 1, "sub#1/"),
        ("sub", "failed", 2, ""),
        ("sub/even", "failed", 1, "sub#1~2/"),
    ]


def test_a_running_run_shows_the_started_nodes() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def waits() -> None:
            await gate.wait()

        started = engine_of(waits).start(graph("waits"))
        await asyncio.sleep(0)
        (row,) = started.logs
        assert (row.status, row.duration_ms, row.output) == ("started", None, None)
        gate.set()
        await started

    asyncio.run(main())
