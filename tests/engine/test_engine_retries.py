"""Attempts: their number, the time between them, and the errors that end them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from running import engine_of, finished, graph, rows, run

from nbflow.errors import NodeError


def failing(times: int, error: type[BaseException] = ValueError) -> Callable[..., Any]:
    """Return a tool that fails so many times, and then gives how often it was called."""
    calls = 0

    async def flaky() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        if calls <= times:
            raise error(f"attempt {calls}")
        return calls

    return flaky


def test_a_node_is_tried_as_often_as_it_says_and_once_more() -> None:
    done = finished("flaky [retries=2]", failing(2))

    assert done.state == {"flaky": 3}
    assert rows(done) == [("flaky", "failed", 1), ("flaky", "failed", 2), ("flaky", "completed", 3)]


def test_after_the_last_attempt_the_node_fails_with_the_last_error() -> None:
    with pytest.raises(NodeError) as caught:
        run("flaky [retries=2]", failing(9))

    assert str(caught.value) == "node 'flaky' failed: ValueError: attempt 3"
    assert isinstance(caught.value.__cause__, ValueError)
    assert [row.error for row in caught.value.result.logs] == [f"ValueError: attempt {n}" for n in (1, 2, 3)]


def test_without_retries_there_is_one_attempt() -> None:
    assert rows(finished("flaky", failing(1))) == [("flaky", "failed", 1)]


def test_sync_tools_are_retried_too() -> None:
    calls = []

    def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return len(calls)

    assert run("flaky [retries=5]", flaky).state == {"flaky": 3}


def test_a_retry_is_logged_with_the_next_attempt_its_delay_and_the_error() -> None:
    done = finished("flaky [retries=1, backoff=0.01]", failing(1))

    (event,) = [event for event in done.events if event.kind == "node_retry"]
    assert event.node == "flaky"
    assert event.data["attempt"] == 2
    assert event.data["delay"] >= 0.01
    assert (event.data["error"]["type"], event.data["error"]["message"]) == ("ValueError", "attempt 1")


def test_the_backoff_doubles_with_a_tenth_of_jitter() -> None:
    done = finished("flaky [retries=4, backoff=0.002]", failing(4))

    delays = [event.data["delay"] for event in done.events if event.kind == "node_retry"]
    assert len(delays) == 4
    for number, delay in enumerate(delays):
        assert 0.002 * 2**number <= delay <= 0.0022 * 2**number


def test_an_attempt_starts_only_after_its_delay() -> None:
    done = finished("flaky [retries=1, backoff=0.03]", failing(1))

    retry, start = (
        next(e for e in done.events if e.kind == kind and e.data["attempt"] == 2)
        for kind in ("node_retry", "node_start")
    )
    assert start.time - retry.time >= 0.029


def test_a_tool_error_is_not_retried() -> None:
    async def needs(x: int) -> None: ...

    done = finished("needs [retries=5]", needs)

    assert rows(done) == [("needs", "failed", 1)]


def test_what_is_no_exception_is_not_retried() -> None:
    assert rows(finished("flaky [retries=5]", failing(1, KeyboardInterrupt))) == [("flaky", "failed", 1)]


def test_the_nodes_word_comes_before_the_tools() -> None:
    async def main() -> list[tuple[str, str, int]]:
        engine = engine_of()
        engine.registry.register("flaky", failing(9), retries=1)
        started = engine.start(graph("flaky -> n on error\nn = flaky [retries=0]"))
        await started.wait()
        return rows(started)

    assert asyncio.run(main()) == [("flaky", "failed", 1), ("flaky", "failed", 2), ("n", "failed", 1)]


def test_error_edges_are_taken_only_after_the_last_attempt() -> None:
    async def alert(error: dict[str, str]) -> str:
        return error["message"]

    done = finished("flaky [retries=1]\nflaky -> alert on error", failing(9), alert)

    assert done.state["alert"] == "attempt 2"
    assert rows(done) == [("flaky", "failed", 1), ("flaky", "failed", 2), ("alert", "completed", 1)]


def test_a_run_cancelled_during_a_backoff_says_so_of_the_node() -> None:
    async def main() -> list[str]:
        started = engine_of(failing(9)).start(graph("flaky [retries=3, backoff=60]"))
        while not any(event.kind == "node_retry" for event in started.events):
            await asyncio.sleep(0)
        started.cancel()
        await started.wait()
        return [event.kind.value for event in started.events]

    assert asyncio.run(main()) == [
        "execution_start", "node_start", "node_retry", "node_cancelled", "execution_cancelled",
    ]  # fmt: skip


def test_a_tool_that_is_gone_at_a_later_attempt_fails_that_attempt() -> None:
    async def main() -> list[tuple[str, str, int]]:
        engine = engine_of(failing(9))
        started = engine.start(graph("flaky [retries=3, backoff=0.01]"))
        while not any(event.kind == "node_retry" for event in started.events):
            await asyncio.sleep(0)
        engine.registry.remove("flaky")
        await started.wait()
        return rows(started)

    assert asyncio.run(main()) == [("flaky", "failed", 1), ("flaky", "failed", 2)]


def test_where_a_retried_tool_failed_is_the_tools_own_line() -> None:
    done = finished("flaky [retries=1]", failing(9))

    where = done.events[-1].data["error"]["where"]
    assert (where["file"], where["function"]) == (__file__, "flaky")
    assert "raise error" in dict(where["code"])[where["line"]]
