"""Cancellation from any place reaches the running nodes, is logged, and leaves no asyncio task behind."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
from running import engine_of, graph, kinds, others, rows, until

from nbflow import Run
from nbflow.errors import ExecutionCancelled

SIDE_BY_SIDE = "pass -> forever & idles"


async def forever() -> None:
    await asyncio.sleep(3600)


async def idles() -> None:
    await asyncio.Event().wait()


async def begun(text: str, *tools: Any, **options: Any) -> Run:
    """Start a run and wait until all that can run does."""
    started = engine_of(*tools, **options).start(graph(text))
    for _ in range(5):
        await asyncio.sleep(0)
    return started


def test_cancelling_a_run_raises_execution_cancelled_in_the_awaiting_code() -> None:
    async def main() -> None:
        started = await begun(SIDE_BY_SIDE, forever, idles)
        waiter = asyncio.create_task(_result(started))
        await asyncio.sleep(0)

        started.cancel("by hand")

        with pytest.raises(ExecutionCancelled, match="run of the graph was cancelled by hand") as caught:
            await waiter
        assert caught.value.result is started.result
        assert caught.value.result.status == "cancelled"
        assert not others()

    asyncio.run(main())


async def _result(started: Run) -> Any:
    return await started


def test_running_nodes_get_events_and_log_rows_as_cancelled() -> None:
    async def main() -> None:
        started = await begun(SIDE_BY_SIDE, forever, idles)
        started.cancel()
        await started.wait()

        assert kinds(started)[-3:] == ["node_cancelled forever", "node_cancelled idles", "execution_cancelled"]
        assert rows(started) == [("pass", "completed", 1), ("forever", "cancelled", 1), ("idles", "cancelled", 1)]
        assert all(row.error is None and row.output is None for row in started.logs[1:])

    asyncio.run(main())


def test_cancelling_at_once_starts_nothing() -> None:
    async def main() -> None:
        started = engine_of(forever).start(graph("forever"))
        started.cancel()
        await started.wait()

        assert kinds(started) == ["execution_start", "execution_cancelled"]
        assert not others()

    asyncio.run(main())


def test_cancelling_twice_or_after_the_end_does_nothing() -> None:
    async def main() -> None:
        done = await begun("pass")
        await done
        done.cancel()
        assert done.status == "completed"

        cancelled = await begun("forever", forever)
        cancelled.cancel("first")
        cancelled.cancel("second")
        await cancelled.wait()
        assert kinds(cancelled).count("execution_cancelled") == 1
        assert str(cancelled.error) == "run of the graph was cancelled first"

    asyncio.run(main())


def test_losers_of_a_race_are_cancelled_with_their_writes() -> None:
    async def quick() -> dict[str, str]:
        await asyncio.sleep(0.01)
        return {"winner": "quick"}

    async def slow() -> dict[str, str]:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return {"winner": "slow"}
        return {}

    async def main() -> None:
        started = engine_of(quick, slow).start(graph("pass -> quick & slow -> meet\nmeet = pass [join=race]"))
        assert (await started).state == {"winner": "quick"}
        assert ("slow", "cancelled", 1) in rows(started)
        assert not others()

    asyncio.run(main())


def test_a_worker_that_lost_a_race_runs_what_follows_as_if_nothing_had_been() -> None:
    async def quick() -> None:
        for _ in range(3):
            await asyncio.sleep(0)  # short, so that the loser's worker has breath left to run what follows

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    async def groups() -> int:
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0.005)
        return task.cancelling()

    async def main() -> Any:
        text = "pass -> quick & stubborn -> meet -> a & b & c\nmeet = pass [join=race]\n"
        text += "\n".join(f"{name} = groups" for name in "abc")
        started = engine_of(quick, stubborn, groups).start(graph(text), max_parallel=2)
        return (await started).state

    assert asyncio.run(main()) == {"a": 0, "b": 0, "c": 0}


@pytest.mark.parametrize("waits", [False, True])
def test_a_tool_may_cancel_its_own_run(waits: bool) -> None:
    runs: list[Run] = []

    async def ends_it() -> None:
        if waits:
            await asyncio.sleep(0)
        runs[0].cancel("by its own tool")
        await asyncio.sleep(3600)

    async def main() -> None:
        runs.append(engine_of(ends_it).start(graph("ends_it")))
        await runs[0].wait()
        assert runs[0].status == "cancelled"
        assert rows(runs[0]) == [("ends_it", "cancelled", 1)]
        assert not others()

    asyncio.run(main())


def test_a_listener_may_cancel_the_run_at_any_event() -> None:
    async def main(at: int) -> bool:
        started = engine_of(forever, idles).start(graph(f"{SIDE_BY_SIDE} -> END"))

        def look() -> None:
            if len(started.events) >= at:
                started.cancel("by a listener")
            elif not started.done:
                started.on_change(look)

        started.on_change(look)
        await started.wait()
        assert not others()
        assert not [row for row in started.logs if row.status == "started"]
        return True

    for at in range(1, 8):
        assert asyncio.run(main(at))


def test_subgraphs_and_maps_are_cancelled_with_all_that_is_in_them() -> None:
    async def work(item: int) -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        engine = engine_of(work, graphs={"inner": "m = work [map=items]"})
        started = engine.start(graph("sub = graph inner"), {"items": [1, 2]})
        await asyncio.sleep(0.01)
        started.cancel()
        await started.wait()

        cancelled = [event.node for event in started.events if event.kind == "node_cancelled"]
        assert sorted(cancelled) == ["sub", "sub/m", "sub/m[0]", "sub/m[1]"]
        assert not others()

    asyncio.run(main())


def test_what_waits_for_a_thread_is_cancelled_without_having_started() -> None:
    release = threading.Event()

    def stuck() -> None:
        release.wait(300)

    async def main() -> None:
        engine = engine_of(stuck, max_threads=1)
        started = engine.start(graph("pass -> a & b\na = stuck\nb = stuck"))
        await until(lambda: len(started.events) >= 6)
        await asyncio.sleep(0.01)
        started.cancel()
        await started.wait()
        assert rows(started) == [("pass", "completed", 1), ("a", "cancelled", 1)]
        assert not others()
        again = await engine.execute(graph("pass"))
        assert again.status == "completed"

    asyncio.run(main())
    release.set()
