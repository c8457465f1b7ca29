"""The loop stays responsive: turns between short tools, and a warning for a tool that blocks it."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import pytest
from running import engine_of, graph

LONGEST_S = 0.010
FIRINGS = 50_000


async def count(n: int = 0) -> dict[str, int]:
    return {"n": n + 1}


async def turns_during(work: Any) -> tuple[int, float]:
    """Return how many turns the loop made during some work, and the processor time (s) that it took.

    Processor time, as a busy machine says nothing of the engine; and no collector, whose pauses are not the engine's.
    """
    turns, over = 0, False

    async def ticker() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(ticker())
    gc.disable()
    try:
        began, before = time.thread_time(), turns
        await work
        return turns - before, time.thread_time() - began
    finally:
        gc.enable()
        over = True
        await ticking


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "count -> count if n < {most} [max={most}]",
        "count [timeout=60]\ncount -> count if n < {most} [max={most}]",
        "count [retries=1]\ncount -> count if n < {most} [max={most}]",
        "count -> pass [max={most}]\npass -> count if n < {most} [max={most}]",
    ],
    ids=["short tools", "with a timeout", "with retries", "with places where paths meet"],
)
def test_however_short_the_tools_the_loop_gets_a_turn_every_10_ms(text: str) -> None:
    most = FIRINGS if "[timeout" not in text and "[retries" not in text else FIRINGS // 10

    async def main() -> tuple[int, float]:
        return await turns_during(engine_of(count).execute(graph(text.replace("{most}", str(most)))))

    turns, seconds = asyncio.run(main())
    assert turns >= seconds / LONGEST_S


def test_many_branches_side_by_side_share_their_turns_of_the_loop() -> None:
    async def nothing() -> None: ...

    text = "pass -> " + " & ".join(f"b{i}" for i in range(100))
    text += "".join(
        f"\nb{i} = nothing\nb{i} -> b{i} if true [max=100]\nb{i} -> e{i} on error\ne{i} = pass" for i in range(100)
    )

    async def main() -> tuple[int, float]:
        return await turns_during(engine_of(nothing).execute(graph(text)))

    turns, seconds = asyncio.run(main())
    assert turns >= seconds / LONGEST_S


def test_items_of_a_long_map_give_the_loop_its_turns() -> None:
    async def same(item: int) -> int:
        return item

    async def main() -> tuple[int, float]:
        engine = engine_of(same)
        return await turns_during(
            engine.execute(graph("m = same [map=items, limit=10]"), {"items": list(range(20_000))})
        )

    turns, seconds = asyncio.run(main())
    assert turns >= seconds / LONGEST_S


@pytest.mark.parametrize("options", ["", "[timeout=60]"])
@pytest.mark.parametrize("when", ["first", "after a wait", "before it fails"])
def test_a_tool_that_blocks_the_loop_is_named(caplog: pytest.LogCaptureFixture, options: str, when: str) -> None:
    async def greedy() -> None:
        if when == "after a wait":
            await asyncio.sleep(0)
        time.sleep(0.12)
        if when == "before it fails":
            raise ValueError
        await asyncio.sleep(0)

    async def main() -> None:
        await engine_of(greedy).start(graph(f"greedy {options}")).wait()

    with caplog.at_level(logging.WARNING, logger="nbflow"):
        asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage().startswith("node 'greedy' blocked the event loop for 0.1")
    assert record.getMessage().endswith(
        "make its tool a plain function, so that it runs in a thread, or await inside it"
    )


def test_a_tool_that_waits_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async def polite() -> None:
        await asyncio.sleep(0.12)

    def in_thread() -> None:
        time.sleep(0.12)

    async def main() -> None:
        await engine_of(polite, in_thread).execute(graph("polite & in_thread -> pass"))

    with caplog.at_level(logging.WARNING, logger="nbflow"):
        asyncio.run(main())
    assert [record for record in caplog.records if "event loop" in record.getMessage()] == []


def blamed(caplog: pytest.LogCaptureFixture, tool: Any) -> list[str]:
    """Return what a run of a tool warns of."""

    async def main() -> None:
        await engine_of(tool).start(graph(f"t = {tool.__name__}")).wait()

    with caplog.at_level(logging.WARNING, logger="nbflow"):
        asyncio.run(main())
    return [record.getMessage() for record in caplog.records if "event loop" in record.getMessage()]


async def computes() -> None:
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        pass


async def holds_the_interpreters_lock() -> int:
    return sum(range(30_000_000))


async def sleeps_after_a_long_wait() -> None:
    await asyncio.sleep(1.5)
    time.sleep(0.4)


@pytest.mark.parametrize("tool", [computes, holds_the_interpreters_lock, sleeps_after_a_long_wait])
def test_a_tool_that_computes_or_sleeps_on_the_loop_is_named(caplog: pytest.LogCaptureFixture, tool: Any) -> None:
    (warning,) = blamed(caplog, tool)

    assert warning.startswith("node 't' blocked the event loop for ")


@pytest.mark.slow
def test_a_pause_of_the_collector_is_not_the_tools(caplog: pytest.LogCaptureFixture) -> None:
    garbage: list[Any] = [[[]] for _ in range(1_500_000)]

    async def trivial() -> float:
        began = time.perf_counter()
        gc.collect()
        return time.perf_counter() - began

    with caplog.at_level(logging.WARNING, logger="nbflow"):
        assert blamed(caplog, trivial) == []
    assert garbage


def test_a_suspension_of_the_process_is_not_the_tools() -> None:
    code = """
        import asyncio
        from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine

        registry = ToolRegistry()

        @registry.tool
        async def count(n: int = 0):
            return {"n": n + 1}

        text = "count -> count if n < 8000 [max=9999]"
        print("ready", flush=True)
        asyncio.run(WorkflowEngine(registry).execute(GraphDefinition.from_text(text)))
        """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    while child.poll() is None:
        time.sleep(0.1)
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        child.send_signal(signal.SIGCONT)
    _, errors = child.communicate()

    assert (child.returncode, errors) == (0, "")


def test_threads_that_compute_are_not_the_tools_fault(caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            pass

    async def brief() -> None:
        for _ in range(20_000):
            pass

    threads = [threading.Thread(target=busy, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert blamed(caplog, brief) == []
    finally:
        over.set()


def test_the_watch_over_the_loop_ends_when_no_tool_runs(caplog: pytest.LogCaptureFixture) -> None:
    assert len(blamed(caplog, computes)) == 1

    deadline = time.monotonic() + 60
    while any(thread.name == "nbflow-watchdog" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
