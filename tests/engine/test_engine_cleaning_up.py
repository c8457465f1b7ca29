"""A cancelled tool may clean up, and the end of the run waits for it for a limited time."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from running import engine_of, graph, kinds, others, rows, until

from nbflow import Run
from nbflow.engine import execution as execution_module
from nbflow.engine.durability import DurabilityGate
from nbflow.errors import NodeError


async def begun(text: str, *tools: Any, **options: Any) -> Run:
    """Start a run and wait until all that can run does."""
    started = engine_of(*tools, **options).start(graph(text))
    for _ in range(5):
        await asyncio.sleep(0)
    return started


def test_when_a_node_fails_its_siblings_are_cancelled_and_cleaned_up_before_the_run_raises() -> None:
    cleaned = []

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("broken")

    async def sibling() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.2)
            cleaned.append(True)

    async def main() -> None:
        with pytest.raises(NodeError) as caught:
            await engine_of(fails, sibling).execute(graph("pass -> fails & sibling"))
        assert cleaned == [True]
        assert rows(caught.value.result)[1:] == [("fails", "failed", 1), ("sibling", "cancelled", 1)]
        assert not others()

    asyncio.run(main())


def test_the_end_waits_for_a_tool_that_takes_its_time_to_clean_up() -> None:
    cleaned = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.2)
            cleaned.append(True)

    async def main() -> None:
        started = await begun("tidy", tidy)
        started.cancel()
        assert started.status == "cancelled"
        assert not started.done
        await started.wait()
        assert cleaned == [True]
        assert not others()

    asyncio.run(main())


@pytest.mark.parametrize("options", ["", "[timeout=60]", "[retries=3]"])
def test_a_tool_that_swallows_its_cancellation_is_dropped_with_what_it_returns(options: str) -> None:
    async def stubborn() -> dict[str, int]:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)
        return {"x": 1}

    async def main() -> None:
        started = await begun(f"stubborn {options}\nstubborn -> pass", stubborn)
        started.cancel()
        await started.wait()
        assert started.state == {}
        assert rows(started) == [("stubborn", "cancelled", 1)]
        assert not others()

    asyncio.run(main())


def test_a_tool_that_never_ends_is_given_up_after_a_while_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(execution_module, "CLEANUP_S", 0.02)
    released = asyncio.Event()

    async def endless() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        started = await begun("endless", endless)
        started.cancel()
        with caplog.at_level(logging.WARNING, logger="nbflow"):
            await started.wait()
        assert f"run {started.id} ended, and 'endless' did not end within 0.02 s of being cancelled" in caplog.text
        released.set()
        await until(lambda: not others())

    asyncio.run(main())


def test_a_cancelled_sync_tool_is_not_waited_for_and_the_log_says_that_its_thread_runs_on() -> None:
    release, ended = threading.Event(), threading.Event()

    def stuck() -> dict[str, int]:
        release.wait(300)
        ended.set()
        return {"x": 1}

    async def main() -> None:
        started = engine_of(stuck).start(graph("stuck"))
        await until(lambda: len(started.events) == 2)
        started.cancel()
        await started.wait()

        assert not others()
        assert not ended.is_set()
        assert started.logs[0].error == "its thread cannot be stopped and still runs"
        assert [e.data["thread_runs_on"] for e in started.events if e.kind == "node_cancelled"] == [True]
        release.set()
        assert await asyncio.to_thread(ended.wait, 30)
        await asyncio.sleep(0.01)
        assert started.state == {}
        assert kinds(started)[-1] == "execution_cancelled"

    asyncio.run(main())


def test_a_run_that_waits_for_its_store_alone_names_no_node_as_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(execution_module, "CLEANUP_S", 0.02)

    class Late:
        """Keeps everything 0.1 s late."""

        strict, required = False, 0

        def attach(self, run: Run, gate: DurabilityGate) -> None:
            run.loop.call_later(0.1, lambda: gate.advance(len(run.events)))

        def request(self, upto: int) -> None: ...

    async def brief() -> None: ...

    async def main() -> None:
        started = engine_of(brief).start(graph("brief"), recorder=Late())
        with caplog.at_level(logging.WARNING, logger="nbflow"):
            await started
        assert started.status == "completed"
        assert caplog.text == ""

    asyncio.run(main())
