"""Pause: no node starts, and running nodes continue."""

from __future__ import annotations

import asyncio
import threading

import pytest
from running import engine_of, graph, kinds, others, rows, until

from nbflow.errors import RunStateError


async def quick() -> int:
    await asyncio.sleep(0)
    return 1


def test_running_nodes_continue_and_none_starts_until_it_is_unpaused() -> None:
    gate: list[asyncio.Event] = []

    async def first() -> int:
        await gate[0].wait()
        return 1

    async def main() -> None:
        gate.append(asyncio.Event())
        started = engine_of(first, quick).start(graph("first -> quick -> pass"))
        await until(lambda: rows(started))  # a slow machine gives the loop a turn before the first start
        started.pause()
        gate[0].set()
        await until(lambda: rows(started) == [("first", "completed", 1)] and not others())

        assert started.status == "paused"

        started.unpause()
        assert started.status == "running"
        assert (await started).state == {"first": 1, "quick": 1}

    asyncio.run(main())


def test_pausing_and_continuing_are_events() -> None:
    async def main() -> list[str]:
        started = engine_of(quick).start(graph("quick"))
        started.pause()
        started.unpause()
        await started
        return kinds(started)

    assert asyncio.run(main()) == [
        "execution_start", "execution_paused", "execution_continued", "node_start quick", "node_complete quick",
        "execution_complete",
    ]  # fmt: skip


def test_a_run_paused_at_once_has_started_nothing() -> None:
    async def main() -> None:
        started = engine_of(quick).start(graph("quick"))
        started.pause()
        await asyncio.sleep(0.01)
        assert rows(started) == []
        started.unpause()
        await started

    asyncio.run(main())


def test_only_a_running_run_can_be_paused_and_only_a_paused_one_continued() -> None:
    async def main() -> None:
        started = engine_of(quick).start(graph("quick"))
        with pytest.raises(RunStateError, match=rf"run {started.id} is not paused \(status: running\)"):
            started.unpause()
        started.pause()
        with pytest.raises(RunStateError, match=r"is not running \(status: paused\)"):
            started.pause()
        started.unpause()
        await started
        with pytest.raises(RunStateError, match=r"is not running \(status: completed\)"):
            started.pause()

    asyncio.run(main())


def test_a_paused_run_can_be_cancelled() -> None:
    async def main() -> None:
        started = engine_of(quick).start(graph("pass -> quick"))
        started.pause()
        await asyncio.sleep(0)
        started.cancel()
        await started.wait()
        assert started.status == "cancelled"
        assert not others()

    asyncio.run(main())


def test_a_run_whose_last_node_ends_during_a_pause_is_complete() -> None:
    async def main() -> None:
        started = engine_of(quick).start(graph("quick"))
        await asyncio.sleep(0)
        started.pause()
        assert (await started).status == "completed"

    asyncio.run(main())


def test_what_waits_for_a_thread_does_not_start_during_a_pause() -> None:
    first, release = threading.Event(), threading.Event()

    def waits() -> None:
        first.set()
        release.wait(300)

    async def main() -> None:
        started = engine_of(waits, max_threads=1).start(graph("pass -> a & b\na = waits\nb = waits"))
        await until(first.is_set)
        started.pause()
        release.set()
        await until(lambda: ("a", "completed", 1) in rows(started))
        await asyncio.sleep(0.02)
        assert "b" not in [row.node_id for row in started.logs]
        started.unpause()
        await started
        assert rows(started)[-1] == ("b", "completed", 1)

    asyncio.run(main())


def test_an_attempt_whose_backoff_ends_during_a_pause_waits_for_its_end() -> None:
    calls = []

    async def flaky() -> None:
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            raise ValueError

    async def main() -> None:
        started = engine_of(flaky).start(graph("flaky [retries=1, backoff=0.01]"))
        await until(lambda: calls)
        started.pause()
        await asyncio.sleep(0.04)
        assert len(calls) == 1
        started.unpause()
        await started
        assert len(calls) == 2

    asyncio.run(main())


def test_a_fast_loop_can_be_paused_and_continued_again_and_again() -> None:
    async def count(n: int = 0) -> dict[str, int]:
        return {"n": n + 1}

    async def main() -> int:
        started = engine_of(count).start(graph("count -> count if n < 5000 [max=9999]"))
        while not started.done:
            await asyncio.sleep(0.001)
            if started.status == "running":
                started.pause()
                before = kinds(started).count("node_start count")
                await asyncio.sleep(0.001)
                assert kinds(started).count("node_start count") == before
                started.unpause()
        result = await started
        return int(result.state["n"])

    assert asyncio.run(main()) == 5000
