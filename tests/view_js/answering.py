"""A kernel for the page's tests: a run's events by hand, a view of them, and true answers to what the page asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scenes import NOW

from nbflow import Run, ToolRegistry, WorkflowEngine
from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition
from nbflow.live_view.lookups import Lookups
from nbflow.live_view.stream import Feed
from nbflow.view import RunView
from nbflow.view import scene as scene_of
from nbflow.view.recorded_run import empty_view

PATIENCE_S = 300


def locate(file: str, line: int) -> Mapping[str, Any]:
    return {"label": f"Cell [4], line {line}", "cell_id": "c4"}


class Kernel:
    """A run whose events a test writes; the last of them happened just now.

    Args:
        graph: The graph that runs.
        lasts: Seconds since its start.
    """

    def __init__(self, graph: GraphDefinition, *, lasts: float = 134.0) -> None:
        self.graph, self.subgraphs, self.now = graph, dict[str, GraphDefinition](), NOW - lasts
        self.events: list[Event] = []
        self.questions = Lookups(self, locate=locate)
        self.answered = 0
        self("execution_start", graph=graph.name, input={})

    def __call__(self, kind: str, node: str | None = None, wait: float = 0.0, **data: Any) -> Kernel:
        """Write an event down, `wait` seconds after the last."""
        self.now += wait
        self.events.append(Event(Kind(kind), len(self.events) + 1, self.now, node, data))
        return self

    def ran(self, node: str, seconds: float = 1.0, **output: Any) -> Kernel:
        """Let a node start and complete."""
        self("node_start", node, attempt=1, input={"n": len(self.events)})
        return self("node_complete", node, seconds, output=output, duration_ms=seconds * 1000)

    def took(self, source: str, target: str, *, taken: bool = True, **values: Any) -> Kernel:
        """Let an edge be taken, or be left."""
        edge = next(e for e in self.graph.edges if (e.from_node, e.to_node) == (source, target))
        about = {"from": source, "to": target, "type": edge.type, "condition": edge.condition, "values": values or None}
        return self("edge_taken" if taken else "edge_untaken", source, **about)

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages to a page that opens."""
        view = RunView(self.graph, subgraphs=self.subgraphs, locate=locate)
        view.apply(self.events)
        return [scene_of(self.graph, run_id="7f3a90c2"), view.snapshot(NOW)]

    def answer(self, shown: Any) -> None:
        """Answer all requests of the page, and those that it sends in response."""
        while len(asked := shown.page.evaluate("harness.sent")) > self.answered:
            told = [self.questions.answer(message) for message in asked[self.answered :]]
            self.answered = len(asked)
            shown.push(*filter(None, told))


def ran(graph: GraphDefinition, tools: Mapping[str, Callable[..., Any]], **graphs: GraphDefinition) -> Run:
    """Run a graph until it ends, successfully or not, in another thread: this one runs the loop of the browser."""
    registry = ToolRegistry()
    for name, tool in tools.items():
        registry.register(name, tool)

    async def main() -> Run:
        run = WorkflowEngine(registry, graphs=graphs).start(graph, {})
        await run.wait()
        return run

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main()).result()


class Fed:
    """A page that shows a run which has ended, and what feeds it."""

    def __init__(self, shown: Any, run: Run, **options: Any) -> None:
        self.names, self.answered = [node.node_id for node in run.graph.nodes], 0
        self._told: list[Any] = []
        self._feed = Feed(
            run, empty_view(run, locate=locate), send=self._told.append, describe=lambda tool: "", reopen=None
        )  # type: ignore[arg-type]
        self.shown = shown.mount(scene_of(run.graph, run_id=run.id), self._feed.snapshot | {"now": NOW}, **options)
        self.answered = len(self.shown.page.evaluate("harness.sent"))

    def see(self, selector: str) -> None:
        """Answer what the page asks until it shows what is looked for."""
        found, until = self.shown.page.locator(selector).first, time.monotonic() + PATIENCE_S
        while not found.is_visible():
            assert time.monotonic() < until, f"no {selector}"
            self.answer()
            self.shown.page.wait_for_timeout(20)

    def answer(self) -> None:
        """Answer all requests of the page, and those that it sends in response."""
        while asked := self.shown.page.evaluate("n => harness.sent.slice(n)", self.answered):
            self.answered += len(asked)
            for message in asked:
                self._feed.handle(message)
            self.shown.push(*self._told)
            self._told.clear()
