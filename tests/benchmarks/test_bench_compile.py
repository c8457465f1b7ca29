"""Compiling a graph: how its time grows with the graph, and how it compares with one pass over it by networkx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random

import networkx
import pytest
from figures import Figures, micro
from timing import awaitable, interleave

from nbflow.graph import GraphDefinition
from nbflow.scheduler import compile_plan

MOST_GROWTH, MOST_PASSES = 6.0, 20.0
Pairs = Iterable[tuple[int, int]]


def graph(count: int, pairs: Pairs) -> GraphDefinition:
    return GraphDefinition.model_validate({
        "name": "g", "entry_node": "n0",
        "nodes": [{"node_id": f"n{n}", "tool": "pass"} for n in range(count)],
        "edges": [{"from_node": f"n{a}", "to_node": f"n{b}"} for a, b in dict.fromkeys(pairs)],
    })  # fmt: skip


def dense(count: int) -> GraphDefinition:
    """Return a graph with forty random edges per node, most of them in nested loops."""
    random = Random(count)
    return graph(count, ((random.randrange(count), random.randrange(count)) for _ in range(40 * count)))


def chain(count: int) -> GraphDefinition:
    """Return a chain of nodes."""
    return graph(10 * count, ((n, n + 1) for n in range(10 * count - 1)))


def ladder(count: int) -> GraphDefinition:
    """Return a chain with an edge back from each node, so that each node adds a level of nested loops."""
    return graph(4 * count, ((a, b) for n in range(4 * count - 1) for a, b in ((n, n + 1), (n + 1, n))))


def complete(count: int) -> GraphDefinition:
    """Return a graph with every possible edge. The number of edges grows in proportion to `count`."""
    nodes = int((40 * count) ** 0.5)
    return graph(nodes, ((a, b) for a in range(nodes) for b in range(nodes)))


@pytest.mark.parametrize("shape", [dense, chain, ladder, complete])
def test_compile(shape: Callable[[int], GraphDefinition], figures: Figures) -> None:
    small, large = shape(250), shape(1_000)
    bare = networkx.DiGraph((edge.from_node, edge.to_node) for edge in large.edges)

    def compiled(definition: GraphDefinition) -> Callable[[], object]:
        return lambda: compile_plan(definition)

    ways = (compiled(large), compiled(small), lambda: list(networkx.strongly_connected_components(bare)))
    found = asyncio.run(interleave(5, *map(awaitable, ways)))

    note = f"{len(large.nodes)} nodes, {len(large.edges)} edges: {micro(found.median(0))}"
    figures.at_most(f"compile, four times a {shape.__name__} graph", found.ratio(0, 1), MOST_GROWTH, note)
    figures.at_most(f"compile, {shape.__name__}, to networkx's components", found.ratio(0, 2), MOST_PASSES, note)
    assert len(compile_plan(large).edges) == len(large.edges)


def test_compile_conditions(figures: Figures) -> None:
    """A chain whose 4 000 edges have separate conditions."""
    edges = [
        {"from_node": f"n{n}", "to_node": f"n{n + 1}", "condition": f"score_{n} > {n} and not done"}
        for n in range(4_000)
    ]
    data = {"name": "g", "nodes": [{"node_id": f"n{n}", "tool": "pass"} for n in range(4_001)], "edges": edges}
    definition = GraphDefinition.model_validate(data)
    bare = networkx.DiGraph((edge.from_node, edge.to_node) for edge in definition.edges)

    calls = (lambda: compile_plan(definition), lambda: list(networkx.strongly_connected_components(bare)))
    found = asyncio.run(interleave(5, *map(awaitable, calls)))

    note = f"4000 conditions: {micro(found.median(0))}"
    figures.at_most("compile, conditions, to networkx's components", found.ratio(0, 1), MOST_PASSES, note)
