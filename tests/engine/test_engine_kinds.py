"""The object that a call returns decides how a tool is consumed, through any decorator or callable."""

from __future__ import annotations

import asyncio
import functools
import threading
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest
from running import engine_of, finished, graph, rows, run, until

from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine
from nbflow.engine.attempt import NODE


async def words() -> AsyncIterator[Any]:
    yield "to"
    await asyncio.sleep(0)
    yield {"n": 1}


def lines() -> Iterator[Any]:
    yield "to"
    yield {"n": 1}


async def waits() -> dict[str, int]:
    await asyncio.sleep(0)
    return {"n": 1}


class Later:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[Any, None, dict[str, int]]:
        yield from asyncio.sleep(0).__await__()
        return {"n": 1}


def later() -> Later:
    return Later()


@types.coroutine
def old_coroutine() -> Generator[Any, None, dict[str, int]]:
    yield from asyncio.sleep(0).__await__()
    return {"n": 1}


def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    def call() -> Any:
        return function()

    return call


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def awaiting(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call() -> Any:
        return function()

    return call


def awaiting_late(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call() -> Any:
        await asyncio.sleep(0)
        return function()

    return call


class Called:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self) -> Any:
        return self.function()

    def method(self) -> Any:
        return self.function()


WAYS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "itself": lambda function: function,
    "lambda": lambda function: lambda: function(),
    "closure": plainly,
    "wraps": wrapped,
    "partial": functools.partial,
    "partial of wraps": lambda function: functools.partial(wrapped(function)),
    "cached": lambda function: functools.lru_cache(function),
    "object": Called,
    "method": lambda function: Called(function).method,
    "staticmethod": lambda function: staticmethod(function),
    "async": awaiting,
    "async, after a wait": awaiting_late,
    "async twice": lambda function: awaiting(awaiting_late(function)),
}


@pytest.mark.parametrize("executor", ["auto", "inline", "thread"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tool", [words, lines, waits, later, old_coroutine])
def test_a_body_has_run_when_its_call_is_over_through_any_wrapper(
    tool: Callable[..., Any], way: str, executor: str
) -> None:
    if tool is later and way.startswith("async"):
        pytest.skip("what an await gave, a client for example, is a handle")
    registry = ToolRegistry()
    registry.register("tool", WAYS[way](tool), executor=executor)

    async def main() -> dict[str, Any]:
        return (await WorkflowEngine(registry).execute(GraphDefinition.from_text("tool"), {})).state

    assert asyncio.run(main()) == {"n": 1}


def test_a_future_that_a_tool_gives_is_awaited() -> None:
    async def starts() -> Any:
        return asyncio.ensure_future(waits())

    assert run("starts", starts).state == {"n": 1}


def test_a_handle_that_awaiting_gave_is_not_awaited_again() -> None:
    async def connects() -> dict[str, Any]:
        return {"client": Later()}

    async def gives() -> Later:
        return Later()

    assert isinstance(run("connects", connects).state["client"], Later)
    assert isinstance(run("gives", gives).state["gives"], Later)


def test_awaitables_that_come_out_of_each_other_without_end_fail_the_node() -> None:
    async def endless() -> Any:
        return endless()

    async def told(error: dict[str, str]) -> str:
        return error["message"]

    state = run("endless -> told on error", endless, told).state

    assert state["told"] == "node 'endless': awaiting its tool gave something to await 32 times over"


def test_a_class_whose_objects_are_called_async_is_no_async_tool() -> None:
    class Made:
        async def __call__(self) -> None: ...

    registry = ToolRegistry()

    assert not registry.register("made", Made).is_async
    assert registry.register("called", Made()).is_async
    assert registry.register("static", staticmethod(waits)).is_async


def test_a_sync_generator_streams_from_one_thread_and_one_context() -> None:
    seen = []

    def says() -> Iterator[str]:
        for word in ("to", " be"):
            seen.append((threading.current_thread(), NODE.get()))
            yield word

    done = finished("s = says", says)

    assert done.state == {"s": "to be"}
    assert "".join(e.data["text"] for e in done.events if e.kind == "node_output") == "to be"
    assert seen[0] == seen[1]
    assert seen[0][0] is not threading.main_thread()
    assert seen[0][1] is not None


def test_a_sync_generator_that_an_async_tool_gives_runs_in_a_thread() -> None:
    def steps() -> Iterator[dict[str, bool]]:
        yield {"in_thread": threading.current_thread() is not threading.main_thread()}

    async def gives() -> Any:
        return steps()

    assert run("gives", gives).state == {"in_thread": True}


def test_each_update_counts_with_its_value_when_it_was_yielded() -> None:
    def again() -> Iterator[dict[str, Any]]:
        seen: list[int] = []
        row: dict[str, Any] = {}
        for n in (1, 2):
            row[f"k{n}"] = seen
            seen.append(n)
            yield row
            row.clear()

    async def async_again() -> AsyncIterator[dict[str, Any]]:
        for row in again():
            yield row

    assert run("again", again).state == {"k1": [1], "k2": [1, 2]}
    assert run("async_again", async_again).state == {"k1": [1], "k2": [1, 2]}


def test_a_state_that_is_yielded_back_is_no_update() -> None:
    def back(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield state
        yield {**state, "new": 1}

    done = run("reduce votes with add\nreduce rows with extend\nback", back, votes=2, rows=[1])

    assert done.state == {"votes": 2, "rows": [1], "new": 1}


def test_what_a_generator_returns_counts_as_what_a_function_returns() -> None:
    def text() -> Generator[str, None, str]:
        yield "so "
        return "all of it"

    def both() -> Generator[Any, None, dict[str, int]]:
        yield {"a": 1, "b": 1}
        return {"b": 2}

    def value() -> Generator[Any, None, int]:
        yield {"a": 1}
        return 7

    assert run("text", text).state == {"text": "all of it"}
    assert run("both", both).state == {"a": 1, "b": 2}
    assert run("value", value).state == {"a": 1, "value": 7}


def test_a_sync_generator_that_yields_anything_else_fails_and_is_closed() -> None:
    closed = []

    def numbers() -> Iterator[int]:
        try:
            yield 7
        finally:
            closed.append(True)

    def told(error: dict[str, str]) -> list[Any]:
        return [error["message"], *closed]

    state = run("numbers -> told on error", numbers, told).state

    assert state["told"] == ["node 'numbers' yielded int; a stream yields text, and a dict as its update", True]


@pytest.mark.parametrize("text", ["numbers", "numbers [timeout=0.5]"])
@pytest.mark.parametrize("sync", [True, False])
def test_a_sync_generator_is_stopped_at_its_next_step_and_closed(text: str, sync: bool) -> None:
    goes_on, began, closed = threading.Event(), threading.Event(), threading.Event()
    steps = []

    def steps_on() -> Iterator[str]:
        try:
            while True:
                steps.append(NODE.get())
                yield "x"
                began.set()
                goes_on.wait(60)
        finally:
            closed.set()

    def numbers() -> Any:
        return steps_on()

    async def async_numbers() -> Any:
        return steps_on()

    async_numbers.__name__ = "numbers"

    async def main() -> Any:
        started = engine_of(numbers if sync else async_numbers).start(graph(text))
        await until(began.is_set)
        if text == "numbers":
            started.cancel()
        await started.wait()
        goes_on.set()
        await until(closed.is_set)
        return started

    done = asyncio.run(main())
    assert rows(done)[-1][:2] == ("numbers", "cancelled" if text == "numbers" else "failed")
    assert len(steps) == 2


def test_a_generator_of_a_maps_item_gives_the_items_value() -> None:
    def spells(word: str) -> Iterator[str]:
        yield from word

    done = run("spells [map=words, into=out]", spells, words=["ab", "c"])

    assert done.state["out"] == ["ab", "c"]


def test_a_failed_generator_is_retried_from_its_start() -> None:
    calls = []

    def flaky() -> Iterator[Any]:
        calls.append(1)
        yield {"n": len(calls)}
        if len(calls) < 3:
            raise ValueError("not yet")

    assert run("flaky [retries=2, backoff=0]", flaky).state == {"n": 3}


def a_wrapper_that_prints(function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    return functools.wraps(function)(lambda: NODE.get() is not None and function())


def test_code_around_a_coroutine_runs_for_its_node() -> None:
    async def inner() -> dict[str, int]:
        return {"n": 1}

    assert run("inner", a_wrapper_that_prints(inner)).state == {"n": 1}
