"""Helpers of the engine's tests: engines made of plain functions, and queries on runs.

Invariant: nothing is a mock: the tests use real loops, real threads and real tools.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nbflow import ExecutionResult, GraphDefinition, Run, ToolRegistry, WorkflowEngine
from nbflow.engine.attempt import NODE


def graph(text: str, name: str = "") -> GraphDefinition:
    """Return the graph of a text in the notation."""
    return GraphDefinition.from_text(text, name=name)


def engine_of(*tools: Callable[..., Any], graphs: Mapping[str, str] | None = None, **options: Any) -> WorkflowEngine:
    """Return an engine with these tools under their own names; `graphs` are texts of subgraphs by name."""
    registry = ToolRegistry()
    for tool in tools:
        registry.register(tool.__name__, tool)
    return WorkflowEngine(
        registry, graphs={name: graph(text, name) for name, text in (graphs or {}).items()}, **options
    )


def run(
    text: str, *tools: Callable[..., Any], graphs: Mapping[str, str] | None = None, **state: Any
) -> ExecutionResult:
    """Run a graph to its end on a new loop."""

    async def main() -> ExecutionResult:
        return await engine_of(*tools, graphs=graphs).execute(graph(text), state)

    return asyncio.run(main())


class _Leaping(selectors.DefaultSelector):
    """Waits for nothing: where nothing is ready, the clock moves on by as much as the loop would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout else timeout)
        if timeout and not ready:
            self.now += timeout
        return ready


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop whose clock moves only while all tasks wait, so that no busy machine makes a timeout come early.

    Threads do not move the clock: for async tools alone.
    """

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


def finished(text: str, *tools: Callable[..., Any], graphs: Mapping[str, str] | None = None, **state: Any) -> Run:
    """Run a graph to its end, by completion or failure, on a new loop; return the run."""
    return asyncio.run(_finish(engine_of(*tools, graphs=graphs), text, state))


def finished_in_virtual_time(
    text: str, *tools: Callable[..., Any], graphs: Mapping[str, str] | None = None, **state: Any
) -> Run:
    """Run a graph of async tools to its end, good or bad, where sleeping takes no time; return the run."""
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(_finish(engine_of(*tools, graphs=graphs), text, state))


async def _finish(engine: WorkflowEngine, text: str, state: Mapping[str, Any]) -> Run:
    run = engine.start(graph(text), dict(state))
    await run.wait()
    return run


def say(text: str, stream: str = "stdout") -> None:
    """Print as a notebook's output capture does: to the node that the context names."""
    attempt = NODE.get()
    assert attempt is not None
    attempt.log(text, stream)


def others() -> set[asyncio.Task[Any]]:
    """Return the tasks that the loop has beside the one that asks."""
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current}


def kinds(run: Run) -> list[str]:
    """Return the events, as `kind node`."""
    return [f"{event.kind} {event.node}" if event.node else f"{event.kind}" for event in run.events]


def rows(run: Run | ExecutionResult) -> list[tuple[str, str, int]]:
    """Return the log in short: node, status, attempt."""
    return [(row.node_id, row.status, row.attempt) for row in run.logs]


async def until(what: Callable[[], Any]) -> None:
    """Wait until something holds."""
    while not what():
        await asyncio.sleep(0.001)


class Gauge:
    """Counts how many are inside at once, from any thread."""

    def __init__(self) -> None:
        self.now = self.most = self.total = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Gauge:
        with self._lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1
