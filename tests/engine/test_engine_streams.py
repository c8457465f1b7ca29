"""Async generators as tools: their text is logged piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from running import engine_of, finished, graph, others, run


def test_a_generators_text_is_its_value_and_is_logged_piece_by_piece() -> None:
    async def streams() -> AsyncIterator[str]:
        for word in ("to", " be"):
            yield word
            await asyncio.sleep(0)

    done = finished("s = streams", streams)

    assert done.state == {"s": "to be"}
    texts = [event.data for event in done.events if event.kind == "node_output"]
    assert texts == [{"text": "to", "stream": "stream"}, {"text": " be", "stream": "stream"}]


def test_a_dict_that_a_generator_yields_is_its_update() -> None:
    async def streams() -> AsyncIterator[Any]:
        yield "thinking"
        yield {"answer": 42}
        yield {"sure": True}

    assert run("streams", streams).state == {"answer": 42, "sure": True}


def test_a_generator_that_yields_anything_else_fails_and_is_closed() -> None:
    closed = []

    async def streams() -> AsyncIterator[Any]:
        try:
            yield 7
        finally:
            await asyncio.sleep(0.01)
            closed.append(True)

    async def alert(error: dict[str, str]) -> list[Any]:
        return [error["message"], *closed]

    state = run("streams -> alert on error", streams, alert).state

    assert state["alert"] == ["node 'streams' yielded int; a stream yields text, and a dict as its update", True]


def test_a_cancelled_generator_is_closed_and_leaves_no_task() -> None:
    closed = []

    async def streams() -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def main() -> None:
        started = engine_of(streams).start(graph("streams"))
        await asyncio.sleep(0.01)
        started.cancel()
        await started.wait()
        assert not others()

    asyncio.run(main())
    assert closed == [True]
