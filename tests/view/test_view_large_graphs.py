"""The first picture of a graph takes work that grows with its nodes and edges, however they are arranged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import pytest
from lines import lines

from nbflow.graph import GraphDefinition
from nbflow.view import scene
from nbflow.view.outline import outline
from nbflow.view.panels.lanes import groups_of

Pairs = Iterable[tuple[int, int]]


def graph(count: int, pairs: Pairs) -> GraphDefinition:
    return GraphDefinition.model_validate({
        "nodes": [{"node_id": f"n{n}", "tool": "t"} for n in range(count)],
        "edges": [{"from_node": f"n{a}", "to_node": f"n{b}"} for a, b in dict.fromkeys(pairs)],
    })  # fmt: skip


def layers(edges: int) -> GraphDefinition:
    """Layers of ten nodes, each of which leads to all of the next layer."""
    count = edges // 10
    return graph(count, ((a, b) for a in range(count) for b in range(a - a % 10 + 10, a - a % 10 + 20) if b < count))


def dense(edges: int) -> GraphDefinition:
    """Ten random edges a node, each to a later one."""
    random, count = Random(edges), edges // 10
    found = (sorted(random.sample(range(count), 2)) for _ in range(edges))
    return graph(count, ((first, second) for first, second in found))


def diamonds(edges: int) -> GraphDefinition:
    steps = ((a, b) for n in range(0, edges, 3) for a, b in ((n, n + 1), (n, n + 2), (n + 1, n + 3), (n + 2, n + 3)))
    return graph(edges + 4, steps)


@pytest.mark.parametrize("shape", [layers, dense, diamonds])
@pytest.mark.parametrize("look", [outline, groups_of])
def test_four_times_the_graph_takes_at_most_six_times_the_steps(
    shape: Callable[[int], GraphDefinition], look: Callable[[GraphDefinition], object]
) -> None:
    small, large = shape(300), shape(1200)
    assert lines(lambda: look(large)) < 6 * lines(lambda: look(small))


def test_a_graph_whose_edges_pass_many_stages_is_drawn_all_the_same() -> None:
    loops = graph(100, [*((n, n + 1) for n in range(99)), *((a, b) for a in range(100) for b in range(a))])

    drawn = scene(loops)

    assert drawn["svg"].count("<path") >= len(loops.edges)
