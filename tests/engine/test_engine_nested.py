"""Maps and subgraphs at run time: retries, backoff, timeouts, limits, and failures inside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from running import Gauge, engine_of, finished, finished_in_virtual_time, graph, others, rows, run

from nbflow.errors import LoopError, NodeError, ToolError


async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


async def even(n: int) -> int:
    await asyncio.sleep(0)
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n


async def alert(error: dict[str, str]) -> dict[str, Any]:
    return {"seen": error}


# maps


def test_results_have_the_order_of_the_list_in_any_order_of_ends() -> None:
    async def slower_first(n: int) -> int:
        await asyncio.sleep(0.02 - n / 100)
        return n

    assert run("m = slower_first [map=items, into=out]", slower_first, items=[0, 1, 2]).state["out"] == [0, 1, 2]


def test_items_run_side_by_side() -> None:
    gauge, together = Gauge(), asyncio.Barrier(5)

    async def work(n: int) -> None:
        with gauge:
            await asyncio.wait_for(together.wait(), 60)

    run("m = work [map=items]", work, items=list(range(5)))

    assert gauge.most == 5


def test_an_empty_list_gives_an_empty_list() -> None:
    assert run("m = double [map=items]", double, items=[]).state["m"] == []


@pytest.mark.parametrize(
    ("state", "found"),
    [({}, "which is not in the state"), ({"items": 5}, "which holds int"), ({"items": "ab"}, "which holds str")],
)
def test_a_key_that_is_missing_or_holds_no_list_fails_the_node(state: dict[str, Any], found: str) -> None:
    with pytest.raises(NodeError) as caught:
        run("m = double [map=items]", double, **state)

    assert isinstance(caught.value.__cause__, ToolError)
    assert f"node 'm' maps over 'items', {found}; it needs a list" in str(caught.value)


def test_an_item_is_bound_to_the_parameter_that_as_names_and_it_comes_first() -> None:
    async def takes(a: int, b: int = 0) -> list[int]:
        return [a, b]

    state = run("m = takes(a=1, b=9) [map=items, as=b]", takes, items=[5], b=7).state

    assert state["m"] == [[1, 5]]


def test_a_tool_without_a_parameter_for_the_item_fails_the_node() -> None:
    async def takes_nothing() -> None: ...

    with pytest.raises(NodeError, match="tool 'takes_nothing' has no parameter for the item of the map"):
        run("m = takes_nothing [map=items]", takes_nothing, items=[1])
    with pytest.raises(NodeError, match="tool 'double' has no parameter 'x', which 'as' names for the map's item"):
        run("m = double [map=items, as=x]", double, items=[1], n=2)


def test_the_result_of_an_item_is_its_value_unchanged_and_updates_no_key() -> None:
    async def updates(n: int) -> dict[str, int]:
        return {"n": n}

    assert run("m = updates [map=items]", updates, items=[1, 2], n=0).state == {
        "items": [1, 2], "n": 0, "m": [{"n": 1}, {"n": 2}],
    }  # fmt: skip


def test_the_first_item_to_fail_for_good_cancels_the_others_and_fails_the_node() -> None:
    async def fails_or_waits(n: int) -> None:
        await asyncio.sleep(3600 if n else 0)
        raise ValueError("the first")

    done = finished("m = fails_or_waits [map=items]\nm -> alert on error", fails_or_waits, alert, items=[1, 0, 2])

    assert done.state["seen"] == {"node": "m[1]", "type": "ValueError", "message": "the first"}
    assert rows(done)[:-1] == [
        ("m[0]", "cancelled", 1),
        ("m[1]", "failed", 1),
        ("m[2]", "cancelled", 1),
        ("m", "failed", 1),
    ]


def test_collect_puts_the_error_in_the_items_place_after_the_last_retry() -> None:
    done = finished("m = even [map=items, on_error=collect, retries=1]", even, items=[2, 3])

    assert done.state["m"] == [2, {"error": {"node": "m[1]", "type": "ValueError", "message": "3 is odd"}}]
    assert ("m[1]", "failed", 2) in rows(done)


def test_the_timeout_of_a_map_is_one_items() -> None:
    async def naps(n: int) -> int:
        await asyncio.sleep(n)
        return n

    done = finished_in_virtual_time(
        "m = naps [map=items, timeout=5, on_error=collect, limit=1]", naps, items=[3, 3, 3600, 3]
    )

    assert [isinstance(item, int) for item in done.state["m"]] == [True, True, False, True]


def test_the_timeout_of_a_map_over_a_subgraph_is_one_items_too() -> None:
    async def naps(n: float) -> None:
        await asyncio.sleep(n)

    done = finished_in_virtual_time(
        "m = graph inner [map=items, as=n, timeout=6, on_error=collect, limit=1]",
        naps, graphs={"inner": "naps"}, items=[4.0, 4.0, 3600.0],
    )  # fmt: skip

    assert done.status == "completed"
    assert ["error" in item for item in done.state["m"]] == [False, False, True]
    assert done.state["m"][2]["error"]["type"] == "TimeoutError"


def test_items_of_a_map_over_a_subgraph_are_retried_by_themselves() -> None:
    calls: dict[int, int] = {}

    async def flaky(n: int) -> dict[str, int]:
        calls[n] = calls.get(n, 0) + 1
        await asyncio.sleep(0)
        if calls[n] < n:
            raise ValueError
        return {"calls": calls[n]}

    state = run("m = graph inner [map=items, as=n, retries=3]", flaky, graphs={"inner": "flaky"}, items=[1, 3]).state

    assert state["m"] == [{"calls": 1}, {"calls": 3}]


# subgraphs


def test_a_subgraph_starts_from_the_whole_state_with_the_nodes_params_over_it() -> None:
    async def sums(a: int, b: int) -> dict[str, int]:
        return {"sum": a + b}

    state = run("sub = graph inner(b=10)", sums, graphs={"inner": "sums"}, a=1, b=2).state

    assert state == {"a": 1, "b": 2, "sum": 11}


def test_a_subgraph_is_retried_from_its_beginning_with_a_backoff_that_doubles() -> None:
    calls = []

    async def first() -> None:
        calls.append("first")

    async def flaky() -> None:
        calls.append("flaky")
        await asyncio.sleep(0)
        if len(calls) < 6:
            raise ValueError

    done = finished("sub = graph inner [retries=2, backoff=0.004]", first, flaky, graphs={"inner": "first -> flaky"})

    assert calls == ["first", "flaky"] * 3
    delays = [event.data["delay"] for event in done.events if event.kind == "node_retry"]
    assert 0.004 <= delays[0] <= 0.0044
    assert 0.008 <= delays[1] <= 0.0088
    assert [(n, s, a) for n, s, a in rows(done) if n == "sub"] == [
        ("sub", "failed", 1), ("sub", "failed", 2), ("sub", "completed", 3),
    ]  # fmt: skip


def test_each_attempt_at_a_subgraph_has_its_own_timeout() -> None:
    calls = []

    async def slow_twice() -> int:
        calls.append(1)
        await asyncio.sleep(3600 if len(calls) < 3 else 0)
        return len(calls)

    done = finished_in_virtual_time(
        "sub = graph inner [timeout=2, retries=2]", slow_twice, graphs={"inner": "slow_twice"}
    )

    assert done.state == {"slow_twice": 3}
    assert [row.status for row in done.logs if row.node_id == "sub/slow_twice"] == [
        "cancelled",
        "cancelled",
        "completed",
    ]


def test_a_failed_attempt_at_a_subgraph_cancels_what_still_runs_inside() -> None:
    async def waits() -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        engine = engine_of(even, waits, alert, graphs={"inner": "pass -> even & waits"})
        result = await engine.execute(graph("sub = graph inner\nsub -> alert on error"), {"n": 1})
        assert result.state["seen"] == {"node": "sub/even", "type": "ValueError", "message": "1 is odd"}
        assert not others()

    asyncio.run(main())


def test_a_subgraph_in_its_backoff_can_be_cancelled() -> None:
    async def main() -> None:
        started = engine_of(even, graphs={"inner": "even"}).start(
            graph("sub = graph inner [retries=1, backoff=3600]"), {"n": 1}
        )
        while not any(event.kind == "node_retry" for event in started.events):
            await asyncio.sleep(0)
        started.cancel()
        await started.wait()
        assert started.events[-2].kind == "node_cancelled"
        assert not others()

    asyncio.run(main())


def test_a_loop_limit_inside_fails_the_node_whose_error_edges_take_it() -> None:
    state = run(
        "sub = graph inner\nsub -> alert on error", alert, graphs={"inner": "pass -> pass if true [max=3]"}
    ).state

    assert state["seen"]["type"] == LoopError.__name__
    assert state["seen"]["node"] == "sub/pass"


def test_a_subgraph_in_a_loop_runs_again_each_round() -> None:
    async def add(n: int) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"n": n + 1}

    done = finished("sub = graph inner\nsub -> sub if n < 6", add, graphs={"inner": "add -> again\nagain = add"}, n=0)

    assert done.state == {"n": 6}
    assert {row.scope for row in done.logs} == {"", "sub#1/", "sub#2/", "sub#3/"}
