"""The context of a tool: its node, its context variables, its asyncio task."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from running import engine_of, graph, run

from nbflow import progress
from nbflow.engine.attempt import NODE

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


def test_a_tool_finds_its_node_by_its_context_in_threads_too() -> None:
    async def on_loop() -> bool:
        await asyncio.sleep(0)
        return NODE.get() is not None

    def in_thread() -> bool:
        return NODE.get() is not None

    async def starts_a_task() -> bool:
        async def ask() -> bool:
            return NODE.get() is not None

        return await asyncio.create_task(ask())

    state = run("on_loop -> in_thread -> starts_a_task", on_loop, in_thread, starts_a_task).state

    assert state == {"on_loop": True, "in_thread": True, "starts_a_task": True}
    assert NODE.get() is None


def test_a_tool_sees_the_context_in_which_the_run_was_started() -> None:
    async def on_loop() -> str:
        return TENANT.get()

    def in_thread() -> str:
        return TENANT.get()

    async def main() -> Any:
        TENANT.set("acme")
        started = engine_of(on_loop, in_thread).start(graph("on_loop -> in_thread"))
        TENANT.set("later")
        return (await started).state

    assert asyncio.run(main()) == {"on_loop": "acme", "in_thread": "acme"}


@pytest.mark.parametrize("waits", [False, True])
def test_context_variables_set_by_one_tool_are_not_seen_by_the_next(waits: bool) -> None:
    async def sets() -> None:
        TENANT.set("mine")
        if waits:
            await asyncio.sleep(0)
        TENANT.set("mine still")

    def sets_in_thread() -> None:
        TENANT.set("a thread's")

    async def reads() -> str:
        return TENANT.get()

    state = run("sets -> sets_in_thread -> reads", sets, sets_in_thread, reads).state

    assert state == {"reads": "nobody"}


def test_a_tool_sees_its_own_context_variables_after_it_waited() -> None:
    async def keeps() -> str:
        TENANT.set("mine")
        await asyncio.sleep(0)
        return TENANT.get()

    assert run("keeps & b -> pass\nb = keeps", keeps).state == {"keeps": "mine", "b": "mine"}


def test_the_current_task_is_the_same_before_and_after_a_wait_and_knows_its_loop() -> None:
    async def asks() -> bool:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        return before is not None and before is asyncio.current_task() and before in asyncio.all_tasks()

    assert run("asks", asks).state == {"asks": True}


def test_progress_outside_of_a_run_does_nothing() -> None:
    progress(0.5, "half")


def test_an_engine_inside_a_tool_runs_its_own_nodes() -> None:
    async def inner() -> str:
        await asyncio.sleep(0)
        return "inside"

    async def outer() -> str:
        return (await engine_of(inner).execute(graph("inner"))).state["inner"]

    assert run("outer", outer).state == {"outer": "inside"}
