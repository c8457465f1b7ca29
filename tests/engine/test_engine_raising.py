"""Any error that a tool raises is a failure of its node, and affects nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from running import finished, run

from nbflow.errors import NodeError


def raising(error: Callable[[], BaseException], *, waits: bool) -> Callable[..., Any]:
    async def bad() -> None:
        if waits:
            await asyncio.sleep(0)
        raise error()

    return bad


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, ValueError])
@pytest.mark.parametrize("how", ["at once", "after a wait", "in a thread", "with retries", "with a timeout"])
def test_any_error_that_a_tool_raises_is_its_nodes_failure(error: type[BaseException], how: str) -> None:
    def in_thread() -> None:
        raise error("by itself")

    async def alert(error: dict[str, str]) -> str:
        await asyncio.sleep(0)
        return error["type"]

    bad = in_thread if how == "in a thread" else raising(lambda: error("by itself"), waits=how == "after a wait")
    options = {"with retries": "[retries=1]", "with a timeout": "[timeout=60]"}.get(how, "")
    bad.__name__ = "bad"

    state = run(f"bad {options}\nbad -> alert on error", bad, alert).state

    assert state["alert"] == error.__name__


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_a_tool_raises_by_itself_is_the_cause_of_the_node_error(error: type[BaseException]) -> None:
    with pytest.raises(NodeError) as caught:
        run("bad", raising(lambda: error("by itself"), waits=True))

    assert type(caught.value.__cause__) is error


def test_stop_iteration_fails_its_node_as_python_names_it_in_a_coroutine() -> None:
    with pytest.raises(NodeError, match="RuntimeError: coroutine raised StopIteration"):
        run("bad", raising(lambda: StopIteration("odd"), waits=True))


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit])
def test_what_no_coroutine_can_raise_is_wrapped_when_a_thread_raised_it(error: type[BaseException]) -> None:
    def bad() -> None:
        raise error("odd")

    with pytest.raises(NodeError, match=f"RuntimeError: the tool raised {error.__name__}: odd") as caught:
        run("bad", bad)

    assert caught.value.__cause__ is not None
    assert type(caught.value.__cause__.__cause__) is error


def test_an_exception_without_a_readable_text_is_shown_too() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    async def bad() -> None:
        raise MuteError

    done = finished("bad", bad)

    assert done.status == "failed"
    assert done.events[-1].data["error"]["type"] == "MuteError"
    assert done.logs[0].error == "MuteError: (no message: __str__ raised RuntimeError)"


def test_a_timeout_inside_a_tool_works_and_hits_only_that_tool() -> None:
    async def impatient() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            return "late"
        return "in time"

    async def patient() -> str:
        await asyncio.sleep(0.05)
        return "there"

    state = run("pass -> impatient & patient -> after\nafter = patient", impatient, patient).state

    assert state == {"impatient": "late", "patient": "there", "after": "there"}


def test_a_task_group_inside_a_tool_works_and_hits_only_that_tool() -> None:
    async def fails() -> None:
        raise ValueError("of the group")

    async def groups() -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                group.create_task(asyncio.sleep(60))
        except* ValueError as caught:
            told = str(caught.exceptions[0])
        return told

    async def patient() -> str:
        await asyncio.sleep(0.02)
        return "there"

    state = run("pass -> groups & patient -> again\nagain = groups", groups, patient).state

    assert state == {"groups": "of the group", "patient": "there", "again": "of the group"}
