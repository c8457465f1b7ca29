"""Steps, breakpoints, skips, and retries without backoff."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from running import engine_of, graph, kinds, others, rows, until

from nbflow import Run, ask
from nbflow.engine.replay import Replay
from nbflow.errors import NodeError, RunStateError
from nbflow.events import Kind


async def quick() -> int:
    await asyncio.sleep(0)
    return 1


def sync() -> int:
    return 2


async def stuck() -> None:
    await asyncio.Event().wait()


async def bad() -> None:
    raise ValueError("bad")


SUB = {"sub": "quick -> stuck", "fine": "quick"}


def steered(text: str, then: Callable[[Run], Awaitable[Any]], *tools: Callable[..., Any], **state: Any) -> Run:
    """Start a graph, do what the test does with it, and run it to its end; replaying it has to give the same."""

    async def main() -> Run:
        engine, definition = engine_of(quick, sync, stuck, bad, *tools, graphs=SUB), graph(text)
        run = engine.start(definition, state)
        await then(run)
        await run
        replay = Replay(engine.plan(definition), state)
        replay.feed(list(run.events))
        assert replay.scheduler.state() == run.state
        assert not others()
        return run

    return asyncio.run(main())


def started(run: Run) -> list[str]:
    return [event.node or "" for event in run.events if event.kind is Kind.NODE_START]


async def still(run: Run) -> None:
    await until(lambda: run.status == "paused")
    await asyncio.sleep(0.01)


# -- steps ------------------------------------------------------------------------------------------------------------


def test_a_step_starts_one_node_and_the_run_stays_paused() -> None:
    async def then(run: Run) -> None:
        run.pause()
        for count in (1, 2):
            run.step()
            await until(lambda count=count: len(rows(run)) == count and rows(run)[-1][1] == "completed")
            await asyncio.sleep(0.01)
            assert (run.status, len(rows(run))) == ("paused", count)
        run.unpause()

    run = steered("quick -> sync -> b -> c\nb = quick\nc = quick", then)

    assert started(run) == ["quick", "sync", "b", "c"]


def test_a_step_starts_one_of_those_side_by_side() -> None:
    async def then(run: Run) -> None:
        run.pause()
        run.step()
        await until(lambda: len(rows(run)) == 1)
        run.step()
        await until(lambda: len(rows(run)) == 2)
        await asyncio.sleep(0.01)
        assert started(run) == ["pass", "a"]
        run.unpause()

    steered("pass -> a & b & c\na = quick\nb = sync\nc = quick", then)


def test_a_try_whose_backoff_ends_during_a_pause_is_a_step() -> None:
    tries = []

    async def flaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        return 7

    async def then(run: Run) -> None:
        await until(lambda: tries)
        run.pause()
        await asyncio.sleep(0.03)
        assert len(tries) == 1
        run.step()
        await run.wait()

    assert steered("flaky [retries=1, backoff=0.01]", then, flaky).state == {"flaky": 7}


def test_only_a_paused_run_with_something_ready_goes_by_steps() -> None:
    async def then(run: Run) -> None:
        with pytest.raises(RunStateError, match=r"is not paused \(status: running\)"):
            run.step()
        await until(lambda: started(run))
        run.pause()
        with pytest.raises(RunStateError, match="has nothing ready to start; running is stuck"):
            run.step()
        run.unpause()
        run.skip("stuck")

    steered("stuck", then)


# -- breakpoints ------------------------------------------------------------------------------------------------------


def test_a_run_pauses_before_a_node_at_a_breakpoint_each_time_it_comes_to_it() -> None:
    async def count(n: int) -> dict[str, int]:
        return {"n": n + 1}

    async def then(run: Run) -> None:
        run.break_at("b")
        for done in (1, 2):
            await still(run)
            assert run.state["n"] == done
            run.unpause()
        run.break_at("b", on=False)

    run = steered("count -> b\nb = pass\nb -> count if n < 4", then, count, n=0)

    assert [e.data for e in run.events if e.kind is Kind.EXECUTION_PAUSED] == [{"at": "b"}] * 2
    assert run.state == {"n": 4}


def test_a_breakpoint_can_be_stepped_over() -> None:
    async def then(run: Run) -> None:
        run.break_at("a")
        run.break_at("b")
        await still(run)
        run.step()
        await until(lambda: rows(run) == [("a", "completed", 1)])
        run.step()
        await until(lambda: ("b", "completed", 1) in rows(run))
        assert run.status == "paused"
        run.unpause()

    steered("a -> b -> quick\na = quick\nb = quick", then)


@pytest.mark.parametrize(
    ("at", "first"), [("m", "m[0]"), ("m[1]", "m[1]"), ("s", "s/quick"), ("s/stuck", "s/stuck"), ("sync", "sync")]
)
def test_a_breakpoint_may_be_at_a_map_a_subgraph_or_inside(at: str, first: str) -> None:
    async def item(x: int) -> int:
        return x

    async def then(run: Run) -> None:
        run.break_at(at)
        await still(run)
        run.break_at(at, on=False)
        before = len(started(run))
        run.step()
        await until(lambda: len(started(run)) > before)
        assert started(run)[before] == first
        run.unpause()
        await until(lambda: "s/stuck" in started(run))
        run.skip("s/stuck")

    steered("sync -> m -> s\nm = item [map=xs, limit=1]\ns = graph sub", then, item, xs=[1, 2])


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("syn", "; did you mean 'sync'?; known nodes: sync, s"),
        ("s/nothing", "; known nodes: s/quick"),
        ("sync/x", "; 'sync' has no nodes"),
    ],
)
def test_a_breakpoint_is_at_a_node_that_there_is(at: str, told: str) -> None:
    async def then(run: Run) -> None:
        with pytest.raises(RunStateError) as refused:
            run.break_at(at)
        assert f"has no node '{at}'{told}" in str(refused.value)
        assert run.breaks == frozenset()

    steered("sync -> s\ns = graph fine", then)


# -- skipping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("output", "state"), [({"x": 1}, {"x": 1}), (None, {}), ([1], {"stuck": [1]}), ({}, {})])
def test_a_person_gives_the_output_of_a_node_that_runs(output: Any, state: dict[str, Any]) -> None:
    async def then(run: Run) -> None:
        await until(lambda: started(run))
        run.skip("stuck", output)

    run = steered("stuck -> pass", then)

    assert run.state == state
    assert kinds(run)[1:3] == ["node_start stuck", "node_skipped stuck"]
    assert rows(run)[0] == ("stuck", "completed", 1)


def test_a_node_that_has_not_started_may_be_skipped_and_never_runs() -> None:
    async def then(run: Run) -> None:
        run.pause()
        run.skip("bad", {"x": 1})
        run.unpause()

    assert steered("bad -> quick", then).state == {"x": 1, "quick": 1}


def test_a_node_that_waits_for_a_person_or_another_try_may_be_skipped() -> None:
    async def asks() -> Any:
        return await ask("?")

    async def then(run: Run) -> None:
        await until(lambda: run.asking and any(e.kind is Kind.NODE_RETRY for e in run.events))
        run.skip("asks", 1)
        run.skip("bad", 2)
        assert run.asking == []

    assert steered("pass -> asks & bad\nbad = bad [retries=1, backoff=60]", then, asks).state == {"asks": 1, "bad": 2}


def test_a_map_an_item_of_it_and_a_subgraph_may_be_skipped() -> None:
    async def item(x: int) -> int:
        await asyncio.Event().wait()
        return x

    async def then(run: Run) -> None:
        await until(lambda: {"m[1]", "n[0]", "s/stuck"} <= set(started(run)))
        run.skip("m[1]", "by hand")
        run.skip("m[0]", None)
        run.skip("n", ["all"])
        run.skip("s", {"s": 1})

    run = steered(
        "pass -> m & n & s\nm = item [map=xs]\nn = item [map=xs, into=ns]\ns = graph sub", then, item, xs=[1, 2]
    )

    assert run.state == {"xs": [1, 2], "m": [None, "by hand"], "ns": ["all"], "s": 1}
    assert [e.node for e in run.events if e.kind is Kind.NODE_SKIPPED] == ["m[1]", "m[0]", "n", "s"]


def test_a_node_that_does_not_run_cannot_be_skipped() -> None:
    async def then(run: Run) -> None:
        await until(lambda: started(run))
        with pytest.raises(
            RunStateError, match=r"node 'stuk' of run .* does not run; did you mean 'stuck'\?; running is stuck"
        ):
            run.skip("stuk")
        run.skip("stuck")

    steered("stuck", then)


# -- trying again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["bad [retries=1, backoff=60]", "bad = graph failing [retries=1, backoff=60]"])
def test_the_next_attempt_can_start_at_once(text: str) -> None:
    async def main() -> None:
        run = engine_of(bad, graphs={"failing": "bad"}).start(graph(text))
        await until(lambda: any(e.kind is Kind.NODE_RETRY for e in run.events))
        run.retry("bad")
        with pytest.raises(NodeError):
            await run
        assert [row for row in rows(run) if row[0] == "bad"] == [("bad", "failed", 1), ("bad", "failed", 2)]

    asyncio.run(main())


def test_what_does_not_wait_for_a_try_is_not_tried_again() -> None:
    async def then(run: Run) -> None:
        await until(lambda: started(run))
        with pytest.raises(RunStateError, match=r"node 'stuck' of run .* does not wait for another attempt"):
            run.retry("stuck")
        run.skip("stuck")

    steered("stuck", then)
