"""Notes, groups, causes and contexts of an exception appear everywhere that the error does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from running import engine_of, finished, graph, run

from nbflow import Run
from nbflow.engine.replay import Replay, ResumePoint
from nbflow.errors import NodeError
from nbflow.events import Kind


def plain() -> None:
    raise ValueError("no rows")


def noted() -> None:
    error = ValueError("no rows")
    error.add_note("in table 7\nof store")
    raise error


def caused() -> None:
    try:
        noted()
    except ValueError as error:
        raise RuntimeError("gave up") from error


def met() -> None:
    try:
        plain()
    except ValueError:
        raise RuntimeError("gave up")  # noqa: B904 - it is what is tested


def hidden() -> None:
    try:
        plain()
    except ValueError:
        raise RuntimeError("gave up") from None


def repeated() -> None:
    try:
        plain()
    except ValueError as error:
        raise RuntimeError(f"gave up: ValueError: {error}") from error


def circular() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


async def own_timeout() -> None:
    async with asyncio.timeout(0):
        await asyncio.sleep(60)


async def fails() -> None:
    raise KeyError("id")


async def meets() -> None:
    met()


async def grouped() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(fails())
        group.create_task(meets())


def nested() -> None:
    raise ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("a"), TypeError("b")]), KeyError("c")])


def starred() -> None:
    try:
        nested()
    except* ValueError as group:
        raise RuntimeError("a value") from group


GROUPED = """unhandled errors in a TaskGroup (2 sub-exceptions)
  - KeyError: 'id'
  - RuntimeError: gave up
    while handling ValueError: no rows"""
NESTED = """outer (2 sub-exceptions)
  - ExceptionGroup: inner (2 sub-exceptions)
      - ValueError: a
      - TypeError: b
  - KeyError: 'c'"""
SAID = [
    (plain, "ValueError", "no rows"),
    (noted, "ValueError", "no rows\nin table 7\nof store"),
    (caused, "RuntimeError", "gave up\ncaused by ValueError: no rows\nin table 7\nof store"),
    (met, "RuntimeError", "gave up\nwhile handling ValueError: no rows"),
    (hidden, "RuntimeError", "gave up"),
    (repeated, "RuntimeError", "gave up: ValueError: no rows"),
    (circular, "ValueError", "first\ncaused by ValueError: second"),
    (own_timeout, "TimeoutError", ""),
    (grouped, "ExceptionGroup", GROUPED),
    (nested, "ExceptionGroup", NESTED),
]


def failed_with(run: Run) -> dict[str, Any]:
    """Return the error of the one `node_error` event."""
    (error,) = (event.data["error"] for event in run.events if event.kind is Kind.NODE_ERROR)
    return error


@pytest.mark.parametrize(("tool", "kind", "message"), SAID)
def test_an_error_says_all_of_it_in_each_of_its_places(tool: Callable[..., Any], kind: str, message: str) -> None:
    ended = finished(tool.__name__, tool)
    handled = run(f"{tool.__name__} -> pass on error", tool)

    told = f"{kind}: {message}"
    assert ended.result is not None
    assert ended.result.error == str(ended.error) == f"node '{tool.__name__}' failed: {told}"
    assert ended.logs[0].error == handled.logs[0].error == told
    assert failed_with(ended)["message"] == message
    error = handled.state["error"]
    assert (error["node"], error["type"], error["message"]) == (tool.__name__, kind, message)


def test_the_error_key_lists_the_errors_of_a_group_and_of_groups_in_it() -> None:
    error = run("nested -> pass on error", nested).state["error"]

    inner = [{"type": "ValueError", "message": "a"}, {"type": "TypeError", "message": "b"}]
    message = "inner (2 sub-exceptions)\n  - ValueError: a\n  - TypeError: b"
    assert error["errors"] == [
        {"type": "ExceptionGroup", "message": message, "errors": inner},
        {"type": "KeyError", "message": "'c'"},
    ]
    assert failed_with(finished("nested", nested))["errors"] == error["errors"]


def test_other_errors_have_the_three_keys_alone() -> None:
    assert run("noted -> pass on error", noted).state["error"].keys() == {"node", "type", "message"}


def test_the_rest_after_except_star_is_shown_with_its_causes() -> None:
    error = run("starred -> pass on error", starred).state["error"]

    assert [each["type"] for each in error["errors"]] == ["RuntimeError", "ExceptionGroup"]
    assert "caused by ExceptionGroup: outer (1 sub-exception)" in error["errors"][0]["message"]
    assert "ValueError: a" in error["errors"][0]["message"]


def test_a_group_of_a_maps_item_and_of_a_subgraph_is_shown_too() -> None:
    collected = run("g = nested [map=xs, on_error=collect]", of_item, xs=[1], nested=None)
    inner = run("g = graph sub\ng -> pass on error", nested, graphs={"sub": "nested"})

    assert [each["type"] for each in collected.state["g"][0]["error"]["errors"]] == ["ExceptionGroup", "KeyError"]
    assert inner.state["error"]["node"] == "g/nested"
    assert inner.state["error"]["message"] == NESTED


def of_item(x: int) -> None:
    nested()


of_item.__name__ = "nested"


def test_the_traceback_shows_groups_causes_and_notes_with_the_users_lines_alone() -> None:
    shown = failed_with(finished("grouped", grouped))["traceback"]

    assert "  + Exception Group Traceback (most recent call last):" in shown
    assert "    | KeyError: 'id'\n" in shown
    assert "    | During handling of the above exception, another exception occurred:" in shown
    assert "in plain\n" in shown
    assert "nbflow/" not in shown
    noted_cause = failed_with(finished("caused", caused))["traceback"]
    assert "ValueError: no rows\nin table 7\nof store\n\nThe above exception was the direct cause" in noted_cause


def test_a_run_resumed_after_a_handled_group_has_the_same_error_in_its_state() -> None:
    engine, definition = engine_of(nested), graph("nested -> pass on error")

    async def main() -> tuple[Run, Run]:
        first = engine.start(definition, {})
        await first.wait()
        replay = Replay(engine.plan(definition), {})
        upto = next(event.seq for event in first.events if event.kind is Kind.NODE_ERROR)
        replay.feed(first.events[:upto])
        second = engine.start(definition, {}, resume_from=ResumePoint(replay, first.events[:upto], data={}))
        await second.wait()
        return first, second

    first, second = asyncio.run(main())
    assert second.state == first.state
    assert second.state["error"]["errors"]


def wide() -> None:
    raise ExceptionGroup("wide", [ValueError("x" * 10_000) for _ in range(10_000)])


def deep() -> None:
    error: Exception = ValueError("inmost")
    for _ in range(5_000):
        error = ExceptionGroup("deep", [error])
    raise error


def long_chain() -> None:
    error = ValueError("inmost")
    for number in range(5_000):
        error.__cause__, error = None, ValueError(str(number))
        error.__context__ = ExceptionGroup("in the chain", [ValueError("y")])
    raise error


def many_notes() -> None:
    error = ValueError("noted")
    for _ in range(10_000):
        error.add_note("n" * 10_000)
    raise error


def odd_notes() -> None:
    error = ValueError("noted")
    error.__notes__ = 7  # type: ignore[assignment]
    raise error


def odd_truth() -> None:
    raise RuntimeError("gave up") from Falsy("no")


class Falsy(Exception):
    def __bool__(self) -> bool:
        raise TypeError("no truth")


def unspeakable() -> None:
    raise ExceptionGroup("a group", [Mute()])


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "tool", [wide, deep, long_chain, many_notes, odd_notes, odd_truth, unspeakable], ids=lambda tool: tool.__name__
)
def test_the_shown_text_of_any_error_is_bounded(tool: Callable[..., Any]) -> None:
    ended = finished(tool.__name__, tool)

    error = failed_with(ended)
    assert isinstance(ended.error, NodeError)
    assert len(error["message"]) < 200_000
    assert len(error["traceback"]) < 300_000
    assert len(repr(error.get("errors"))) < 400_000
