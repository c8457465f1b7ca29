"""A timeout or cancellation that became due while a tool blocked the loop counts when the tool returns (rule 15a)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from running import engine_of, finished, graph, rows

from nbflow import Run
from nbflow.errors import ExecutionCancelled

HOLDS_S = 0.15


async def at_once() -> dict[str, int]:
    time.sleep(HOLDS_S)
    return {"x": 1}


async def after_a_wait() -> dict[str, int]:
    await asyncio.sleep(0)
    time.sleep(HOLDS_S)
    return {"x": 1}


async def raises() -> None:
    time.sleep(HOLDS_S)
    raise ValueError("its own")


async def streams() -> AsyncIterator[dict[str, int]]:
    time.sleep(HOLDS_S)
    yield {"x": 1}


async def item(one: int) -> dict[str, int]:
    time.sleep(HOLDS_S)
    return {"x": one}


async def swallows() -> dict[str, int]:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        return {"x": 1}
    return {}


async def breaks_while_it_ends() -> None:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        raise ValueError("while it cleaned up") from None


TOOLS = [at_once, after_a_wait, raises, streams]


@pytest.mark.parametrize("tool", [*TOOLS, swallows, breaks_while_it_ends], ids=lambda tool: tool.__name__)
def test_an_attempt_past_its_timeout_has_failed_for_any_value_or_error(tool: Callable[..., Any]) -> None:
    done = finished(
        f"t = {tool.__name__} [timeout=0.05, retries=1]", tool
    )  # fmt: skip

    assert rows(done) == [("t", "failed", 1), ("t", "failed", 2)]
    assert [row.error for row in done.logs] == [
        "TimeoutError: node 't' timed out after 0.05 s (attempt 1 of 2); raise timeout= on the node, or retry less",
        "TimeoutError: node 't' timed out after 0.05 s (attempt 2 of 2); raise timeout= on the node, or retry less",
    ]
    assert done.state == {}


def test_a_short_overrun_counts_as_a_long_one() -> None:
    async def short() -> dict[str, int]:
        time.sleep(0.004)
        return {"x": 1}

    assert rows(finished("short [timeout=0.002]", short)) == [("short", "failed", 1)]


def test_an_item_of_a_map_past_its_time_has_failed_alone() -> None:
    done = finished("m = item [map=items, timeout=0.05, on_error=collect, into=out]", item, items=[1])

    assert done.state["out"][0]["error"]["type"] == "TimeoutError"


@pytest.mark.parametrize("hold", [0.15, 0.008])
def test_a_subgraph_past_its_time_has_failed_by_it_though_its_last_tool_returned(hold: float) -> None:
    async def holds() -> dict[str, int]:
        time.sleep(hold)
        return {"x": 1}

    done = finished(f"sub = graph inner [timeout={hold / 2}]", holds, graphs={"inner": "holds"})

    assert rows(done) == [("sub", "failed", 1), ("sub/holds", "cancelled", 1)]
    assert done.state == {}


@pytest.mark.parametrize("options", ["", "[timeout=60]", "[retries=2]"])
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_a_cancellation_from_another_thread_is_honoured_when_the_tool_returns(
    tool: Callable[..., Any], options: str
) -> None:
    async def main() -> Run:
        started = engine_of(tool).start(graph(f"t = {tool.__name__} {options}"))
        threading.Timer(HOLDS_S / 3, started.loop.call_soon_threadsafe, [started.cancel, "from outside"]).start()
        with pytest.raises(ExecutionCancelled):
            await started
        return started

    done = asyncio.run(main())
    assert (done.status, done.state, rows(done)) == ("cancelled", {}, [("t", "cancelled", 1)])
    assert done.result is not None
    assert done.result.status == "cancelled"


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_a_waiter_that_was_cancelled_while_the_tool_held_the_loop_cancels_the_run(
    tool: Callable[..., Any], depth: int
) -> None:
    async def naps() -> None:
        await asyncio.sleep(0.02)  # until everybody waits

    async def main() -> Run:
        started = engine_of(naps, tool).start(graph(f"naps -> t\nt = {tool.__name__}"))

        async def wait(level: int) -> None:
            await (started if level == 0 else asyncio.ensure_future(wait(level - 1)))

        waiter = asyncio.ensure_future(wait(depth))
        threading.Timer(0.02 + HOLDS_S / 3, started.loop.call_soon_threadsafe, [waiter.cancel]).start()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        await started.wait()
        return started

    assert asyncio.run(main()).status == "cancelled"
