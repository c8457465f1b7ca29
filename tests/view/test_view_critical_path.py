"""The critical path: checked against every path there is, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_samples import ERROR, Story, graph
from virtual_runs import VirtualRun, Work

from nbflow.graph import GraphDefinition
from nbflow.view.panels.critical_path import CriticalPath, Hop, thinned
from nbflow.view.panels.timeline import Timeline


@st.composite
def runs(draw: st.DrawFn) -> tuple[VirtualRun, dict[str, Work]]:
    """Any graph of up to eight nodes without loops, and how long each of them takes."""
    names = [f"n{i}" for i in range(draw(st.integers(1, 8)))]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
    short = st.integers(0, 9)
    work = {
        name: Work(draw(short), tuple(draw(st.lists(short, max_size=2))), draw(st.integers(1, 9)), draw(short))
        for name in names
    }
    return VirtualRun(graph("any", names, edges), work), work


def told(run: Any) -> dict[str, Any]:
    timeline = Timeline(run)
    answer = timeline.answer({"type": "spans", "after": 0})
    assert answer is not None
    return answer


def every_path(shape: GraphDefinition, start: str) -> Iterator[list[str]]:
    after = [edge.to_node for edge in shape.edges if edge.from_node == start]
    if not after:
        yield [start]
    for name in after:
        for rest in every_path(shape, name):
            yield [start, *rest]


@given(runs())
def test_it_is_as_long_as_the_longest_path_there_is(given: tuple[VirtualRun, dict[str, Work]]) -> None:
    run, work = given
    targets = {edge.to_node for edge in run.graph.edges}
    starts = [node.node_id for node in run.graph.nodes if node.node_id not in targets]
    longest = max(sum(work[name].all for name in path) for start in starts for path in every_path(run.graph, start))

    assert told(run)["path"]["length"] == pytest.approx(longest)


@given(runs())
def test_it_is_a_path_of_the_graph_without_a_gap(given: tuple[VirtualRun, dict[str, Work]]) -> None:
    run, work = given
    answer = told(run)
    names = {number: path for number, path, *_ in answer["lanes"]}
    hops = answer["path"]["hops"]
    edges = {(edge.from_node, edge.to_node) for edge in run.graph.edges}

    assert hops[0][1] == 0
    assert all((names[a[0]], names[b[0]]) in edges and a[2] == b[1] for a, b in pairwise(hops))
    assert [end - begin for _, begin, end, *_ in hops] == [work[names[lane]].all for lane, *_ in hops]
    assert answer["path"]["waited"] == sum(work[names[lane]].waits for lane, *_ in hops)


@given(runs())
def test_the_shares_of_all_nodes_make_up_the_whole(given: tuple[VirtualRun, dict[str, Work]]) -> None:
    run, _ = given
    timeline = Timeline(run)

    assert sum(timeline.share(node.node_id) or 0 for node in run.graph.nodes) == pytest.approx(1)


def test_a_node_beside_the_path_has_no_part_in_it() -> None:
    shape = graph("split", ["a", "slow", "quick", "z"], [("a", "slow"), ("a", "quick"), ("slow", "z"), ("quick", "z")])
    timeline = Timeline(
        VirtualRun(shape, {"a": Work(), "slow": Work(works=7), "quick": Work(works=2), "z": Work(works=2)})
    )

    assert [timeline.share(name) for name in ("a", "slow", "quick", "z")] == [0.1, 0.7, 0.0, 0.2]


def test_of_a_failed_run_it_ends_at_the_node_that_failed() -> None:
    shape = graph("failing", ["a", "bad", "other"], [("a", "bad"), ("a", "other")])
    story = Story()("execution_start").ran("a", 2).took("a", "bad").took("a", "other")
    story("node_start", "bad", attempt=1)("node_start", "other", attempt=1)
    story("node_error", "bad", 3, error=ERROR, handled=False)("node_cancelled", "other")
    story("execution_error", error={**ERROR, "node": "bad"})

    path = told(_run(shape, story))["path"]

    assert [hop[0] for hop in path["hops"]] == [0, 1]
    assert path["length"] == 5


def test_of_a_live_run_it_leads_to_the_question_that_is_open() -> None:
    shape = graph("asking", ["a", "ask", "other"], [("a", "ask"), ("a", "other")])
    story = Story()("execution_start").ran("a", 2).took("a", "ask").took("a", "other")
    story("node_start", "ask", attempt=1)("node_waiting", "ask")("node_start", "other", attempt=1)(
        "node_output", "other", 4
    )

    path = told(_run(shape, story))["path"]

    assert [hop[0] for hop in path["hops"]] == [0, 1]
    assert (path["live"], path["waits"], path["length"], path["waited"]) == (True, True, 6, 4)


def test_it_goes_round_a_loop_as_often_as_the_run_did() -> None:
    shape = graph("loop", ["a", "b"], [("a", "b"), ("b", "a", {"max_iterations": 9})])
    story = Story()("execution_start")
    for _ in range(3):
        story.ran("a", 1).took("a", "b").ran("b", 2).took("b", "a")

    assert [hop[0] for hop in told(_run(shape, story))["path"]["hops"]] == [0, 1] * 3


def test_another_end_is_reached_from_where_the_ways_part() -> None:
    root = Hop(0, 0.0, 1, end=1.0)
    middle = Hop(1, 1.0, 2, root, end=2.0)
    one, other = Hop(2, 2.0, 3, middle, end=3.0), Hop(3, 1.0, 4, root, end=5.0)
    path = CriticalPath()

    for end, expected in ((one, [root, middle, one]), (other, [root, other]), (middle, [root, middle]), (None, [])):
        path.lead_to(end)
        assert path.hops == expected


def test_a_long_path_has_few_steps_without_a_gap() -> None:
    hops = [Hop(0, 0.0, 1, end=1.0)]
    for i in range(1, 5000):
        hops.append(Hop(i % 3, float(i), i + 1, hops[-1], end=i + 1.0))

    steps = thinned(hops, 100)

    assert len(steps) <= 101
    assert (steps[0][1], steps[-1][2]) == (0, 5000)
    assert all(a[2] == b[1] for a, b in pairwise(steps))


def _run(shape: GraphDefinition, story: Story) -> Any:
    run = VirtualRun.__new__(VirtualRun)
    run.graph, run.events = shape, story.events
    return run
