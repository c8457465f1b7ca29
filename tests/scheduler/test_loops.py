"""The loops of a graph follow their definition, and are found in near linear time."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from harness import graph
from lines import lines
from oracle_graph import Edge, Graph, Node, Shape

from nbflow.errors import GraphError
from nbflow.graph import GraphDefinition
from nbflow.scheduler import compile_plan
from nbflow.scheduler.reachability import Loop, Reachability, Structure, analyse

Pairs = list[tuple[int, int]]


def random_graph(random: Random) -> tuple[int, Pairs, list[int]]:
    """Return nodes, edges and entries; sparse and dense, reducible or not, with edges that repeat."""
    count = random.randint(1, random.choice([3, 6, 12]))
    most = random.choice([count, 2 * count, 4 * count])
    edges = [(random.randrange(count), random.randrange(count)) for _ in range(random.randint(0, most))]
    return count, edges, random.sample(range(count), min(count, random.choice([1, 1, 2])))


def shape_of(count: int, edges: Pairs, entries: list[int]) -> Shape:
    return Shape(Graph((Node(),) * count, tuple(Edge(*ends) for ends in edges), tuple(entries)))


def found_of(count: int, edges: Pairs, entries: list[int]) -> Structure:
    return analyse(count, [source for source, _ in edges], [target for _, target in edges], entries)


def defined(shape: Shape, region: frozenset[int], node: int) -> list[int]:
    """Return the heads of the loops around a node, outermost first. The function removes the heads one by one."""
    loop = shape.loop_around(node, region)
    if not loop:
        return []
    head = shape.head(loop)
    return [head, *([] if node == head else defined(shape, loop - {head}, node))]


def heads(loop: Loop | None) -> list[int]:
    return [] if loop is None else [*heads(loop.outer), loop.head]


def reached(count: int, edges: Pairs, entries: list[int]) -> set[int]:
    found = set(entries)
    for _ in range(count):
        found |= {target for source, target in edges if source in found}
    return found


@pytest.mark.parametrize("seed", range(300))
def test_the_loops_of_a_random_graph_are_those_of_the_definition(seed: int) -> None:
    count, edges, entries = random_graph(Random(seed))
    shape, found = shape_of(count, edges, entries), found_of(count, edges, entries)
    live = reached(count, edges, entries)
    around = {node: defined(shape, shape.everything, node) for node in live}
    assert {node: heads(found.innermost[node]) for node in live} == around
    for (source, target), region, entered in zip(edges, found.regions, found.entered, strict=True):
        if source in live:
            shared = [one for one, other in zip(around[source], around[target], strict=False) if one == other]
            assert heads(region) == shared
            assert heads(entered) == around[target][: len(shared) + 1] * (len(around[target]) > len(shared))


@pytest.mark.parametrize("keeps_all", [True, False])
@pytest.mark.parametrize("seed", range(150))
def test_a_node_waits_for_the_positions_that_can_still_reach_it_in_this_round(seed: int, keeps_all: bool) -> None:
    count, edges, entries = random_graph(Random(seed))
    shape, holds = shape_of(count, edges, entries), Reachability(found_of(count, edges, entries))
    holds._keeps_all = keeps_all
    live = sorted(reached(count, edges, entries), key=lambda node: Random(seed + node).random())
    for node in live:
        running, pending = holds.masks(node)
        for other in live:
            bit = 1 << holds.position[other]
            assert bool(running & bit) == shape.holds_back(other, True, node, shape.everything)
            assert other == node or bool(pending & bit) == shape.holds_back(other, False, node, shape.everything)


def test_an_edge_into_an_inner_loop_resets_the_counts_of_all_loops_inside_it() -> None:
    plan = compile_plan(graph("a -> b -> c -> d\nd -> c\nd -> b\nd -> a\nd -> e"))
    (into,) = [edge for edge in plan.edges if (edge.source.id, edge.target and edge.target.id) == ("a", "b")]
    assert into.resets is not None
    counted = range(into.resets.start, into.resets.stop)
    inner = {f"{e.source.id}{e.target.id}" for e in plan.edges if e.target is not None and e.slot in counted}
    assert inner == {"bc", "cd", "dc", "db"}


def definition(count: int, pairs: Iterator[tuple[int, int]]) -> GraphDefinition:
    return GraphDefinition.model_validate({
        "nodes": [{"node_id": f"n{n}", "tool": "t"} for n in range(count)],
        "edges": [{"from_node": f"n{a}", "to_node": f"n{b}"} for a, b in dict.fromkeys(pairs)],
        "entry_node": "n0",
    })  # fmt: skip


def ladder(size: int) -> GraphDefinition:
    """Return nested loops, with one level per node."""
    return definition(size, ((a, b) for n in range(size - 1) for a, b in ((n, n + 1), (n + 1, n))))


def complete(size: int) -> GraphDefinition:
    """Return a complete graph with about `size` edges."""
    count = int(size**0.5)
    return definition(count, ((a, b) for a in range(count) for b in range(count) if a != b))


def back_to_all(size: int) -> GraphDefinition:
    """Return a chain with an edge from its end back to every node."""
    return definition(size, ((a, b) for n in range(size - 1) for a, b in ((n, n + 1), (size - 1, n))))


def irreducible(size: int) -> GraphDefinition:
    """Return a chain of loops with two entries each, and an edge back to the first loop."""
    steps = ((a, b) for n in range(0, size - 2, 2) for a, b in ((n, n + 1), (n, n + 2), (n + 1, n + 2), (n + 2, n + 1)))
    return definition(size, (pair for pairs in (steps, iter([(size - 2, 0)])) for pair in pairs))


def dense(size: int) -> GraphDefinition:
    """Return a graph with ten random edges per node."""
    random = Random(size)
    return definition(size // 10, ((random.randrange(size // 10), random.randrange(size // 10)) for _ in range(size)))


@pytest.mark.parametrize("shape", [ladder, complete, back_to_all, irreducible, dense])
def test_four_times_the_graph_takes_at_most_six_times_the_steps(shape: Callable[[int], GraphDefinition]) -> None:
    small, large = shape(300), shape(1200)
    assert lines(lambda: compile_plan(large)) < 6 * lines(lambda: compile_plan(small))


@pytest.mark.parametrize("shape", [ladder, complete, back_to_all, irreducible, dense])
def test_the_reachability_of_all_nodes_takes_steps_in_proportion_to_the_size_too(
    shape: Callable[[int], GraphDefinition],
) -> None:
    def ask_all(size: int) -> Callable[[], Any]:
        plan = compile_plan(shape(size))
        return lambda: [plan.reachability.masks(node.index) for node in reversed(plan.nodes)]

    assert lines(ask_all(1200)) < 6 * lines(ask_all(300))


def test_a_graph_beyond_the_bound_on_work_is_refused_by_its_name_its_size_and_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nbflow.graph.validation.MAX_SIZE", 7)
    inner = graph("a -> b -> c", "inner")

    assert compile_plan(graph("s = graph inner\nt = graph inner", "small"), graphs={"inner": inner})
    with pytest.raises(GraphError, match=r"graph 'large' has 8 nodes and edges, with those of its subgraphs; 7 are"):
        compile_plan(graph("s = graph inner\ns -> t", "large"), graphs={"inner": inner})


def test_subgraphs_that_nest_too_deeply_are_refused() -> None:
    graphs = {f"g{n}": graph(f"s = graph g{n + 1}", f"g{n}") for n in range(1_500)} | {"g1500": graph("a", "g1500")}

    with pytest.raises(GraphError, match=r"graph 'g0' nests subgraphs 1500 deep; 150 deep is the most"):
        compile_plan(graphs["g0"], graphs=graphs)
