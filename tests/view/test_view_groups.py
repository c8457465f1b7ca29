"""The groups of nodes that a timeline shows as one lane; a page receives them once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from view_samples import Story, graph

from nbflow.graph import END, GraphDefinition
from nbflow.view.panels.lanes import FEW, MANY, groups_of
from nbflow.view.panels.timeline import Timeline

Edge = tuple[Any, ...]


def forked(count: int, width: int, *more: Edge, **node: Any) -> GraphDefinition:
    """A graph of `count` splits `s0`, `s1`, ... into `width` workers each; the join of one is the next split."""
    nodes: list[str | dict[str, Any]] = ["s0"]
    edges: list[Edge] = []
    for i in range(count):
        workers = [f"w{i}_{j}" for j in range(width)]
        nodes += [*({"node_id": one, "tool": "work", **node} for one in workers), f"s{i + 1}"]
        edges += [(f"s{i}", one) for one in workers] + [(one, f"s{i + 1}") for one in workers]
    return graph("forked", nodes, [*edges, *more])


def layered(columns: int, width: int, **node: Any) -> GraphDefinition:
    """A graph of columns, each node of which leads to two of the next."""
    names = [f"n{i}" for i in range(columns * width)]
    edges = [(names[i], names[j]) for i in range(len(names)) for j in (i + width, i + width + 1)
             if j < len(names) and j // width == i // width + 1]  # fmt: skip
    return graph("layered", [{"node_id": name, "tool": "work", **node} for name in names], edges)


def test_a_graph_of_few_nodes_has_no_groups() -> None:
    assert len(forked(3, 7).nodes) == FEW + 1
    assert groups_of(forked(2, 10)) == []
    assert [name for name, _ in groups_of(forked(3, 7))] == ["after s0", "after s1", "after s2"]


def test_what_lies_between_a_split_and_its_join_is_a_group() -> None:
    assert groups_of(forked(6, 4))[1] == ("after s1", ["w1_0", "w1_1", "w1_2", "w1_3"])


@pytest.mark.parametrize(
    "edge",
    [
        ("w1_0", END, {"type": "error"}),  # a way that ends within
        ("w1_0", "s1", {"max_iterations": 3}),  # a loop within
        ("s5", "s0", {"max_iterations": 3}),  # a loop around it
    ],
)
def test_ways_that_end_and_loops_do_not_tear_a_group_apart(edge: Edge) -> None:
    assert ("after s1", ["w1_0", "w1_1", "w1_2", "w1_3"]) in groups_of(forked(6, 4, edge))


def test_where_something_else_leads_in_there_is_no_group() -> None:
    assert "after s1" not in dict(groups_of(forked(6, 4, ("s0", "w1_0"))))


def test_a_group_reaches_to_where_all_ways_from_its_split_meet() -> None:
    groups = dict(groups_of(forked(6, 4, ("w1_0", "s3"))))

    assert groups["after s1"] == [*(f"w1_{j}" for j in range(4)), "s2", *(f"w2_{j}" for j in range(4))]
    assert "after s2" not in groups


def test_what_holds_half_of_the_graph_is_no_group_and_those_inside_it_are() -> None:
    inner = forked(6, 4)
    nodes = ["first", *(one.node_id for one in inner.nodes), "beside", "last"]
    edges = [("first", "s0"), ("first", "beside"), ("s6", "last"), ("beside", "last")]
    whole = graph("whole", nodes, [*((e.from_node, e.to_node) for e in inner.edges), *edges])

    assert [name for name, _ in groups_of(whole)] == [f"after s{i}" for i in range(6)]


def test_of_splits_inside_each_other_the_outermost_is_the_group() -> None:
    inner = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("s1", "a"), ("d", "s2")]
    base = forked(6, 4)
    listed = [one.node_id for one in base.nodes] + ["a", "b", "c", "d"]
    groups = dict(groups_of(graph("g", listed, [*((e.from_node, e.to_node) for e in base.edges), *inner])))

    assert groups["after s1"] == ["w1_0", "w1_1", "w1_2", "w1_3", "a", "b", "c", "d"]
    assert "after a" not in groups


def test_a_long_graph_is_grouped_by_stage_and_a_map_is_not_grouped() -> None:
    groups = groups_of(layered(MANY // 8 + 1, 8))
    assert [name for name, _ in groups][:2] == ["stage 1", "stage 2"]
    assert groups[0][1] == [f"n{i}" for i in range(8)]
    assert groups_of(layered(MANY // 8, 8)) == []
    assert groups_of(layered(60, 10, map="xs")) == []


def test_every_node_is_in_one_group_at_most() -> None:
    for shape in (forked(20, 5), layered(100, 10)):
        grouped = [node for _, nodes in groups_of(shape) for node in nodes]
        assert len(grouped) == len(set(grouped)) > len(shape.nodes) // 2


def test_the_first_answer_has_the_groups_by_the_numbers_of_their_lanes() -> None:
    shape = forked(6, 4)
    events = Story()("execution_start").ran("s0").took("s0", "w0_0").ran("w0_0").events
    timeline = Timeline(SimpleNamespace(graph=shape, subgraphs={}, events=events))

    first = timeline.answer({"type": "spans", "after": 0})
    assert first is not None
    paths = {number: path for number, path, *_ in first["lanes"]}
    name, lanes = first["groups"][0]
    assert (name, [paths[number] for number in lanes]) == ("after s0", ["w0_0", "w0_1", "w0_2", "w0_3"])
    assert "groups" not in (timeline.answer({"type": "spans", "after": 1}) or {})
