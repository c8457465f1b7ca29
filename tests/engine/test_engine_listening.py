"""Following a run: its events as they happen, and a callback at the next one."""

from __future__ import annotations

import asyncio

import pytest
from running import engine_of, finished, graph


async def add(n: int, by: int = 1) -> dict[str, int]:
    return {"n": n + by}


async def broken(n: int) -> None:
    raise ValueError("no rows")


def test_reading_the_events_ends_after_an_error_without_raising_and_leaves_nothing() -> None:
    async def main() -> None:
        told = [event["event"] async for event in engine_of(broken).execute_with_events(graph("broken"), {"n": 1})]
        assert told[-1] == "execution_error"
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_events_are_yielded_while_the_run_is_running() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def waits() -> None:
            await gate.wait()

        seen = []
        async for event in engine_of(waits).execute_with_events(graph("waits")):
            seen.append(event["event"])
            if event["event"] == "node_start":
                gate.set()
        assert seen == ["execution_start", "node_start", "node_complete", "execution_complete"]

    asyncio.run(main())


def test_a_slow_reader_misses_nothing() -> None:
    async def main() -> list[int]:
        seen = []
        async for event in engine_of(add).execute_with_events(graph("add -> add if n < 200 [max=500]"), {"n": 0}):
            seen.append(event["seq"])
            await asyncio.sleep(0)
        return seen

    seen = asyncio.run(main())
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) > 600


def test_the_journal_is_a_sequence_whose_place_i_has_seq_i_plus_1() -> None:
    journal = finished("add -> pass", add, n=0).events

    assert [event.seq for event in journal] == list(range(1, len(journal) + 1))
    assert journal[2].seq == 3
    assert journal[-1].seq == len(journal)
    assert [event.seq for event in journal[1:3]] == [2, 3]
    with pytest.raises(IndexError):
        journal[len(journal)]


def test_on_change_calls_back_once() -> None:
    async def main() -> None:
        started = engine_of(add).start(graph("add -> pass"), {"n": 0})
        calls: list[int] = []
        started.on_change(lambda: calls.append(len(started.events)))
        await started
        assert len(calls) == 1
        assert calls[0] > 1

    asyncio.run(main())


def test_on_change_can_be_armed_again_from_the_callback_and_then_misses_nothing() -> None:
    async def main() -> None:
        started = engine_of(add).start(graph("add -> add if n < 50"), {"n": 0})
        seen = 0

        def look() -> None:
            nonlocal seen
            seen = len(started.events)
            if started.result is None:
                started.on_change(look)

        started.on_change(look)
        await started
        assert seen == len(started.events)

    asyncio.run(main())


def test_on_change_of_a_run_that_ended_calls_back_soon() -> None:
    async def main() -> None:
        started = engine_of().start(graph("pass"))
        await started
        called = asyncio.Event()
        started.on_change(called.set)
        assert not called.is_set()
        await called.wait()

    asyncio.run(main())


def test_a_listener_that_fails_does_the_run_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        started = engine_of(add).start(graph("add"), {"n": 0})
        started.on_change(lambda: 1 / 0)
        assert (await started).state == {"n": 1}

    asyncio.run(main())
    assert "a listener to a run's events failed" in caplog.text
