"""The loop stays alive: turns between short tools, and a warning where a tool takes the loop for itself."""

from __future__ import annotations

import asyncio
import gc
import logging
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


def test_many_branches_side_by_side_do_not_each_take_a_breath_of_their_own() -> None:
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
def test_a_tool_that_keeps_the_loop_for_itself_is_named(
    caplog: pytest.LogCaptureFixture, options: str, when: str
) -> None:
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
    assert record.getMessage().startswith("node 'greedy' kept the event loop busy for 0.1")
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
    assert [record for record in caplog.records if "kept the event loop" in record.getMessage()] == []
