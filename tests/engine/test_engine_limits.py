"""Limits of parallelism: threads of an engine, nodes of a run, items of a map."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from running import Gauge, engine_of, graph, others, rows

from nbflow.errors import ExecutionError

WIDE = "pass -> " + " & ".join(f"n{i}" for i in range(12))


def wide(tool: str, options: str = "") -> str:
    return WIDE + "\n" + "\n".join(f"n{i} = {tool} {options}" for i in range(12))


def test_at_most_max_threads_sync_tools_run_at_once() -> None:
    gauge = Gauge()

    def work() -> None:
        with gauge:
            time.sleep(0.005)

    async def main() -> None:
        await engine_of(work, max_threads=3).execute(graph(wide("work")))

    asyncio.run(main())
    assert gauge.most == 3
    assert gauge.total == 12


def test_max_threads_holds_over_all_runs_of_an_engine_on_a_loop() -> None:
    gauge = Gauge()

    def work() -> None:
        with gauge:
            time.sleep(0.005)

    async def main() -> None:
        engine = engine_of(work, max_threads=2)
        await asyncio.gather(*(engine.execute(graph(wide("work"))) for _ in range(3)))

    asyncio.run(main())
    assert gauge.most == 2
    assert gauge.total == 36


def test_without_a_limit_all_that_can_run_does() -> None:
    gauge = Gauge()

    async def work() -> None:
        with gauge:
            await asyncio.sleep(0.02)

    async def main() -> None:
        await engine_of(work).execute(graph(wide("work")))

    asyncio.run(main())
    assert gauge.most == 12


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize(
    ("how", "options"),
    [("async", ""), ("async", "[timeout=60]"), ("async", "[retries=1]"), ("sync", ""), ("stream", "")],
)
def test_at_most_max_parallel_nodes_of_a_run_are_under_way(most: int, how: str, options: str) -> None:
    gauge = Gauge()

    async def async_() -> None:
        with gauge:
            await asyncio.sleep(0.002)
            await asyncio.sleep(0.002)

    def sync() -> None:
        with gauge:
            time.sleep(0.02)

    async def stream() -> Any:
        with gauge:
            yield "a"
            await asyncio.sleep(0.003)

    tools = {"async": async_, "sync": sync, "stream": stream}

    async def main() -> None:
        await engine_of(tools[how]).start(graph(wide(tools[how].__name__, options)), max_parallel=most)
        assert not others()

    asyncio.run(main())
    assert min(most, 2) <= gauge.most <= most
    assert gauge.total == 12


@pytest.mark.parametrize("sync", [False, True])
def test_max_parallel_counts_items_of_maps_and_nodes_of_subgraphs(sync: bool) -> None:
    gauge = Gauge()

    async def on_loop(item: int = 0) -> None:
        with gauge:
            await asyncio.sleep(0.003)

    def in_thread(item: int = 0) -> None:
        with gauge:
            time.sleep(0.003)

    tool = in_thread if sync else on_loop
    inner = f"pass -> a & b\na = {tool.__name__}\nb = {tool.__name__}"
    text = f"pass -> m & s & t\nm = {tool.__name__} [map=items]\ns = graph inner\nt = graph inner [map=items, as=i]"

    async def main() -> None:
        engine = engine_of(tool, graphs={"inner": inner})
        await engine.start(graph(text), {"items": list(range(6))}, max_parallel=2)

    asyncio.run(main())
    assert gauge.most == 2
    assert gauge.total == 6 + 2 + 12


def test_max_parallel_holds_with_retries_failures_and_short_tools_between() -> None:
    gauge = Gauge()
    calls = []

    async def flaky() -> None:
        with gauge:
            calls.append(1)
            await asyncio.sleep(0.001)
            if len(calls) % 3 == 0:
                raise ValueError

    async def short() -> None:
        with gauge:
            pass

    text = (
        WIDE
        + "\n"
        + "\n".join(
            f"n{i} = flaky [retries=9]\nn{i} -> s{i} -> t{i}\ns{i} = short\nt{i} = flaky [retries=9]" for i in range(12)
        )
    )

    async def main() -> None:
        result = await engine_of(flaky, short).start(graph(text), max_parallel=2)
        assert result.status == "completed"

    asyncio.run(main())
    assert gauge.most == 2


def test_room_that_a_loser_of_a_race_held_is_given_back() -> None:
    gauge = Gauge()

    async def quick() -> None:
        with gauge:
            await asyncio.sleep(0.001)

    async def slow() -> None:
        with gauge:
            await asyncio.sleep(3600)

    async def main() -> None:
        text = "pass -> quick & slow -> meet -> a & b & c & d\nmeet = pass [join=race]\n"
        text += "\n".join(f"{name} = quick" for name in "abcd")
        await engine_of(quick, slow).start(graph(text), max_parallel=2)

    asyncio.run(main())
    assert gauge.most == 2
    assert gauge.total == 6


def test_the_limit_holds_over_a_pause() -> None:
    gauge = Gauge()

    async def work() -> None:
        with gauge:
            await asyncio.sleep(0.002)

    async def main() -> None:
        started = engine_of(work).start(graph(wide("work")), max_parallel=3)
        while not started.done:
            if started.status == "running":
                started.pause()
                await asyncio.sleep(0.003)
                if started.status == "paused":
                    started.unpause()
            await asyncio.sleep(0.001)
        await started

    asyncio.run(main())
    assert gauge.most == 3
    assert gauge.total == 12


def test_a_maps_limit_bounds_its_items() -> None:
    gauge = Gauge()

    async def work(item: int) -> int:
        with gauge:
            await asyncio.sleep(0.002)
        return item

    async def main() -> Any:
        return await engine_of(work).execute(graph("m = work [map=items, limit=2]"), {"items": list(range(7))})

    result = asyncio.run(main())
    assert gauge.most == 2
    assert result.state["m"] == list(range(7))
    assert len(rows(result)) == 8


@pytest.mark.parametrize("most", [0, -1])
def test_a_limit_below_one_is_refused(most: int) -> None:
    async def main() -> None:
        with pytest.raises(ExecutionError, match=f"max_threads is {most}; it must be at least 1"):
            engine_of(max_threads=most)
        with pytest.raises(ExecutionError, match=f"max_parallel is {most}; a run needs at least 1"):
            engine_of().start(graph("pass"), max_parallel=most)

    asyncio.run(main())
