"""A failure is handled if an error edge or a map takes it, and only a handled one is replayed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from running import engine_of, graph


async def broken(n: int) -> None:
    raise ValueError("no rows")


def events(text: str, *tools: Any, graphs: Any = None, **state: Any) -> list[dict[str, Any]]:
    async def main() -> list[dict[str, Any]]:
        engine = engine_of(*tools, graphs=graphs)
        return [event async for event in engine.execute_with_events(graph(text), state)]

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "graphs"),
    [
        ("broken -> pass on error", {}),
        ("m = broken [map=items, as=n, on_error=collect]", {}),
        ("m = broken [map=items, as=n]\nm -> pass on error", {}),
        ("sub -> pass on error\nsub = graph inner", {"inner": "broken"}),
    ],
    ids=["an error edge", "a map that collects", "an error edge of its map", "an error edge of its subgraph"],
)
def test_a_failure_that_something_takes_is_handled(text: str, graphs: dict[str, str]) -> None:
    told = events(text, broken, graphs=graphs, n=1, items=[1])

    assert told[-1]["event"] == "execution_complete"
    assert {event["handled"] for event in told if event["event"] == "node_error"} == {True}


@pytest.mark.parametrize(
    ("text", "graphs"),
    [
        ("broken", {}),
        ("m = broken [map=items, as=n]", {}),
        ("sub = graph inner", {"inner": "broken"}),
        ("sub = graph inner [retries=1]", {"inner": "broken"}),
    ],
)
def test_a_failure_that_nothing_takes_is_not_handled(text: str, graphs: dict[str, str]) -> None:
    told = events(text, broken, graphs=graphs, n=1, items=[1])

    assert told[-1]["event"] == "execution_error"
    assert {event["handled"] for event in told if event["event"] == "node_error"} == {False}
