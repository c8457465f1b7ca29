"""Threads of sync tools are reused, and nothing waits for their end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from contextvars import copy_context
from typing import Any

import pytest
from running import finished

from nbflow.executors import ThreadExecutor


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)


def test_a_stuck_thread_does_not_hold_up_the_end_of_the_process() -> None:
    done = python("""
        import asyncio, threading
        from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine
        from nbflow.errors import NodeError

        registry = ToolRegistry()

        @registry.tool
        def stuck():
            threading.Event().wait(3600)

        async def main():
            try:
                await WorkflowEngine(registry).execute(GraphDefinition.from_text("stuck [timeout=0.05]"))
            except NodeError as error:
                print("failed:", type(error.__cause__).__name__)

        asyncio.run(main())
        print("over")
    """)

    assert done.stdout.split("\n")[:2] == ["failed: TimeoutError", "over"]
    assert (done.returncode, done.stderr) == (0, "")


def test_a_thread_that_ends_after_its_loop_says_nothing() -> None:
    done = python("""
        import asyncio, threading, time
        from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine, progress
        from nbflow.engine.attempt import NODE

        registry, release, ended = ToolRegistry(), threading.Event(), threading.Event()

        @registry.tool
        def late():
            release.wait(300)
            NODE.get().log("anybody there?")
            progress(1.0)
            ended.set()

        async def main():
            run = WorkflowEngine(registry).start(GraphDefinition.from_text("late"))
            await asyncio.sleep(0.05)
            run.cancel()
            await run.wait()

        asyncio.run(main())
        release.set()
        print(ended.wait(300))
        time.sleep(0.1)
    """)

    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


def test_threads_are_used_again() -> None:
    def names() -> int:
        return threading.get_ident()

    done = finished("a = names\nb = names\nc = names\na -> b -> c", names)

    assert len(set(done.state.values())) <= 2


def test_an_executor_returns_the_value_or_raises_in_the_given_context() -> None:
    async def main() -> None:
        threads = ThreadExecutor()

        def fails() -> None:
            raise LookupError("in the thread")

        assert await threads.submit(copy_context(), lambda: 6 * 7) == 42
        with pytest.raises(LookupError, match="in the thread"):
            await threads.submit(copy_context(), fails)

    asyncio.run(main())


def test_many_calls_at_once_all_come_back() -> None:
    async def main() -> list[Any]:
        threads = ThreadExecutor()
        return await asyncio.gather(*(threads.submit(copy_context(), lambda n=n: n) for n in range(200)))

    assert asyncio.run(main()) == list(range(200))
