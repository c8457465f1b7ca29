"""What the engine's tests share: engines made of plain functions, and what they ask of a run.

Rule: everything is real: real loops, real threads, real tools.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nbflow import ExecutionResult, GraphDefinition, Run, ToolRegistry, WorkflowEngine
from nbflow.engine.context import NODE


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
    """Run a graph to its end on a loop of its own."""

    async def main() -> ExecutionResult:
        return await engine_of(*tools, graphs=graphs).execute(graph(text), state)

    return asyncio.run(main())


def finished(text: str, *tools: Callable[..., Any], graphs: Mapping[str, str] | None = None, **state: Any) -> Run:
    """Run a graph to its end, good or bad, on a loop of its own; return the run."""

    async def main() -> Run:
        started = engine_of(*tools, graphs=graphs).start(graph(text), state)
        await started.wait()
        return started

    return asyncio.run(main())


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
    """Return what happened, as `kind node`."""
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
