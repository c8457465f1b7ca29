"""Timeouts of attempts."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from running import engine_of, finished, graph, others, rows, run

from nbflow.errors import NodeError


async def slow() -> None:
    await asyncio.sleep(60)


def test_a_timeout_says_how_long_which_attempt_and_what_to_do() -> None:
    with pytest.raises(NodeError) as caught:
        run("slow [timeout=0.01]", slow)

    assert isinstance(caught.value.__cause__, TimeoutError)
    assert (
        str(caught.value.__cause__) == "node 'slow' timed out after 0.01 s (attempt 1 of 1); raise timeout= on the node"
    )


def test_each_attempt_has_its_own_timeout() -> None:
    done = finished("slow [timeout=0.01, retries=2]", slow)

    assert rows(done) == [("slow", "failed", n) for n in (1, 2, 3)]
    assert done.logs[-1].error == (
        "TimeoutError: node 'slow' timed out after 0.01 s (attempt 3 of 3); raise timeout= on the node, or retry less"
    )


def test_a_sync_tool_times_out_while_its_thread_runs_on() -> None:
    release = threading.Event()

    def stuck() -> None:
        release.wait(300)

    async def main() -> None:
        with pytest.raises(NodeError, match="timed out"):
            await engine_of(stuck).execute(graph("stuck [timeout=0.01]"))
        assert any(thread.name == "nbflow-tool" for thread in threading.enumerate())
        assert not others()

    asyncio.run(main())
    release.set()


def test_a_tools_own_timeout_error_stays_as_it_is() -> None:
    async def own() -> None:
        raise TimeoutError("the server's")

    with pytest.raises(NodeError, match="TimeoutError: the server's"):
        run("own [timeout=60]", own)


def test_a_timed_out_tool_may_clean_up() -> None:
    cleaned = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(True)

    finished("tidy [timeout=0.01]", tidy)

    assert cleaned == [True]


def test_a_timeout_does_not_start_before_there_is_a_thread() -> None:
    def holds_the_thread() -> None:
        time.sleep(1.2)

    def quick() -> None: ...

    async def main() -> str:
        engine = engine_of(holds_the_thread, quick, max_threads=1)
        return (await engine.execute(graph("pass -> holds_the_thread & q\nq = quick [timeout=1]"))).status

    assert asyncio.run(main()) == "completed"


def test_a_node_after_one_that_timed_out_is_not_hit() -> None:
    async def steady() -> str:
        await asyncio.sleep(0.03)
        return "there"

    state = run("slow [timeout=0.01]\nslow -> steady on error", slow, steady).state

    assert state["steady"] == "there"


def test_a_subgraph_that_takes_too_long_is_stopped() -> None:
    done = finished("sub = graph inner [timeout=0.02]", slow, graphs={"inner": "slow"})

    assert rows(done) == [("sub", "failed", 1), ("sub/slow", "cancelled", 1)]
    assert done.result.error == (
        "node 'sub' failed: TimeoutError: node 'sub' timed out after 0.02 s; raise timeout= on the node"
    )
