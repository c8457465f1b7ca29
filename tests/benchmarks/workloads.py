"""The graphs that are timed, their tools, and the same work by asyncio alone."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from timing import AsyncWay

from nbflow.engine import WorkflowEngine
from nbflow.graph import GraphDefinition
from nbflow.tools import ToolRegistry

registry = ToolRegistry()
engine = WorkflowEngine(registry)
BRANCH_S, SLOW_S, FAST_S = 0.05, 0.1, 0.01


@registry.tool
async def noop() -> None:
    """Do nothing."""


@registry.tool
async def branch() -> None:
    """Wait as long as a request to a service takes."""
    await asyncio.sleep(BRANCH_S)


@registry.tool
async def slow() -> None:
    """Wait for a long time."""
    await asyncio.sleep(SLOW_S)


@registry.tool
async def fast() -> None:
    """Wait for a short time."""
    await asyncio.sleep(FAST_S)


@registry.tool
def blocking() -> None:
    """Do nothing, in a thread."""


def graph(nodes: dict[str, str], edges: list[tuple[str, str]]) -> GraphDefinition:
    """Return a graph of tools by node and of edges."""
    return GraphDefinition.model_validate({
        "nodes": [{"node_id": node, "tool": tool} for node, tool in nodes.items()],
        "edges": [{"from_node": source, "to_node": target} for source, target in edges],
    })  # fmt: skip


def chain(count: int, tool: str = "noop") -> GraphDefinition:
    """Return a chain of nodes."""
    names = [f"n{i}" for i in range(count)]
    return graph(dict.fromkeys(names, tool), list(pairwise(names)))


def loop(count: int) -> GraphDefinition:
    """Return a loop of two nodes that ends after `count` firings; count is even."""
    return GraphDefinition.model_validate({
        "nodes": [{"node_id": "a", "tool": "noop"}, {"node_id": "b", "tool": "noop"}],
        "edges": [
            {"from_node": "a", "to_node": "b"},
            {"from_node": "b", "to_node": "a", "max_iterations": count // 2 - 1},
            {"from_node": "b", "to_node": "END", "type": "error"},
        ],
        "max_iterations": count,
    })  # fmt: skip


def ring(nodes: int, count: int) -> GraphDefinition:
    """Return a loop of several nodes that ends after `count` firings."""
    names = [f"n{i}" for i in range(nodes)]
    edges = [{"from_node": source, "to_node": target} for source, target in pairwise(names)]
    edges += [
        {"from_node": names[-1], "to_node": names[0], "max_iterations": count // nodes - 1},
        {"from_node": names[-1], "to_node": "END", "type": "error"},
    ]
    listed = [{"node_id": name, "tool": "noop"} for name in names]
    return GraphDefinition.model_validate({"nodes": listed, "edges": edges, "max_iterations": count})


def fan(count: int, tool: str = "noop") -> GraphDefinition:
    """Return one node, `count` branches, and one node where they join."""
    names = [f"n{i}" for i in range(count)]
    edges = [("split", name) for name in names] + [(name, "join") for name in names]
    return graph({"split": "noop", **dict.fromkeys(names, tool), "join": "noop"}, edges)


def uneven_diamond() -> GraphDefinition:
    """Return two branches: one slow, then fast, the other fast, then slow."""
    nodes = {"split": "noop", "a1": "slow", "a2": "fast", "b1": "fast", "b2": "slow", "join": "noop"}
    edges = [("split", "a1"), ("split", "b1"), ("a1", "a2"), ("b1", "b2"), ("a2", "join"), ("b2", "join")]
    return graph(nodes, edges)


def executing(definition: GraphDefinition) -> AsyncWay:
    """Return a function that executes a graph; the run retains its log and events, like every run."""
    return lambda: engine.execute(definition)


async def firings(definition: GraphDefinition) -> int:
    """Return the number of rows in the log of an execution."""
    return len((await engine.execute(definition)).logs)


async def _nothing() -> None:
    pass


def bare_chain(count: int) -> AsyncWay:
    """Return a function that creates and awaits one asyncio task after the other."""

    async def way() -> None:
        for _ in range(count):
            await asyncio.create_task(_nothing())

    return way


def bare_fan(count: int, wait: float | None = None) -> AsyncWay:
    """Return a function that gathers `count` coroutines, which do nothing or sleep."""

    async def way() -> None:
        await asyncio.gather(*(_nothing() if wait is None else asyncio.sleep(wait) for _ in range(count)))

    return way


async def bare_diamond() -> None:
    """Run both branches of the uneven diamond, each at its own pace."""

    async def one(*waits: float) -> None:
        for wait in waits:
            await asyncio.sleep(wait)

    await asyncio.gather(one(SLOW_S, FAST_S), one(FAST_S, SLOW_S))


def bare_threads(count: int) -> AsyncWay:
    """Return a function that calls another in a thread, one call after the other."""

    async def way() -> None:
        for _ in range(count):
            await asyncio.to_thread(blocking)

    return way
