"""Cancellation from outside: of the code that awaits a run, of a reader of its events, or of asyncio tasks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from running import engine_of, graph, others

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


async def _result(started: Run) -> Any:
    return await started


def test_cancelling_the_awaiting_task_cancels_the_run_and_is_raised_unchanged() -> None:
    async def main() -> None:
        started = await begun(SIDE_BY_SIDE, forever, idles)
        waiter = asyncio.create_task(_result(started))
        await asyncio.sleep(0)

        waiter.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert started.done
        assert started.status == "cancelled"
        assert not others()

    asyncio.run(main())


def test_waiting_for_a_run_can_be_given_up_without_cancelling_it() -> None:
    async def main() -> None:
        started = await begun("forever", forever)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await started.wait()
        assert started.status == "running"
        started.cancel()
        await started.wait()

    asyncio.run(main())


@pytest.mark.parametrize("how", ["start", "execute"])
def test_a_timeout_around_a_run_cancels_it(how: str) -> None:
    async def main() -> None:
        engine = engine_of(forever, idles)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await (engine.start(graph(SIDE_BY_SIDE)) if how == "start" else engine.execute(graph(SIDE_BY_SIDE)))
        assert not others()

    asyncio.run(main())


def test_a_run_in_a_task_group_is_cancelled_with_it() -> None:
    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("outside")

    async def main() -> None:
        engine = engine_of(forever)
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(engine.execute(graph("forever")))
                group.create_task(fails())
        assert not others()

    asyncio.run(main())


def test_leaving_the_loop_over_the_events_cancels_the_run() -> None:
    async def main() -> None:
        events = engine_of(forever).execute_with_events(graph("forever"))
        async for event in events:
            if event["event"] == "node_start":
                break
        await events.aclose()  # type: ignore[attr-defined]  # an async generator
        assert not others()

    asyncio.run(main())


def test_cancelling_the_reader_of_the_events_cancels_the_run() -> None:
    cleaned = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(True)

    async def main() -> None:
        engine = engine_of(tidy)

        async def read() -> None:
            async for _ in engine.execute_with_events(graph("tidy")):
                pass

        reader = asyncio.create_task(read())
        await asyncio.sleep(0.01)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert cleaned == [True]
        assert not others()

    asyncio.run(main())


@pytest.mark.parametrize("turns", [0, 1, 3, 6])
def test_cancelling_every_task_of_the_loop_ends_the_run(turns: int) -> None:
    async def main() -> None:
        started = engine_of(forever, idles).start(graph(SIDE_BY_SIDE))
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in others():
            task.cancel()
        with pytest.raises(ExecutionCancelled, match="with the task that ran it"):
            await started
        assert not others()

    asyncio.run(main())


def test_a_run_that_its_loop_leaves_behind_is_cancelled() -> None:
    async def main() -> Run:
        return await begun(SIDE_BY_SIDE, forever, idles)

    left = asyncio.run(main())

    assert left.status == "cancelled"
    assert left.done
