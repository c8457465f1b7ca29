"""Graphs as data: the JSON that users have, its defaults, and every refusal with its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbflow import GraphDefinition
from nbflow.errors import GraphError, NbflowError
from nbflow.graph import EdgeDefinition, NodeDefinition

CODE_REVIEW = """
{"name": "Code Review",
 "nodes": [{"node_id": "extract", "tool": "extract_functions", "params": {"lang": "py"}},
           {"node_id": "analyze", "tool": "analyze"}, {"node_id": "optimize", "tool": "optimize"}],
 "edges": [{"from_node": "extract", "to_node": "analyze", "type": "normal"},
           {"from_node": "analyze", "to_node": "optimize", "type": "conditional", "condition": "complexity > 10"}],
 "entry_node": "extract", "max_iterations": 100, "reducers": {"findings": "extend"}}
"""


def graph(**parts: Any) -> GraphDefinition:
    return GraphDefinition.model_validate(parts)


def test_the_json_that_users_have_loads_as_it_is() -> None:
    loaded = GraphDefinition.model_validate_json(CODE_REVIEW)

    assert loaded == GraphDefinition.model_validate(json.loads(CODE_REVIEW))
    assert loaded.name == "Code Review"
    assert [node.node_id for node in loaded.nodes] == ["extract", "analyze", "optimize"]
    assert loaded.nodes[0].params == {"lang": "py"}
    assert (loaded.edges[1].type, loaded.edges[1].condition) == ("conditional", "complexity > 10")
    assert (loaded.entry_node, loaded.max_iterations, loaded.reducers) == ("extract", 100, {"findings": "extend"})


def test_everything_but_ids_tools_and_ends_has_a_default() -> None:
    loaded = graph(nodes=[{"node_id": "a", "tool": "t"}], edges=[{"from_node": "a", "to_node": "END"}])

    assert loaded.model_dump(by_alias=True) == {
        "name": "",
        "nodes": (
            {
                "node_id": "a", "tool": "t", "graph": None, "params": {}, "join": "all", "route": "first", "map": None,
                "as": None, "into": None, "limit": None, "on_error": "fail", "errors": "carry", "retries": 0, "backoff": 0.0,
                "timeout": None, "executor": "auto", "cache": False,
            },
        ),
        "edges": (
            {"from_node": "a", "to_node": "END", "type": "normal", "condition": None, "max_iterations": None},
        ),
        "entry_node": None, "max_iterations": 100, "reducers": {},
    }  # fmt: skip


def test_a_graph_survives_its_own_json() -> None:
    loaded = GraphDefinition.model_validate_json(CODE_REVIEW)
    mapped = graph(nodes=[{"node_id": "m", "graph": "g", "map": "items", "as": "item", "limit": 2}])

    assert GraphDefinition.model_validate_json(loaded.model_dump_json()) == loaded
    assert GraphDefinition.model_validate_json(mapped.model_dump_json()) == mapped


def test_graphs_are_built_from_models_too() -> None:
    built = GraphDefinition(
        nodes=(NodeDefinition(node_id="a", tool="t"), NodeDefinition(node_id="b", tool="t", map="xs", as_="x")),
        edges=(EdgeDefinition(from_node="a", to_node="b"),),
    )

    assert built == graph(
        nodes=[{"node_id": "a", "tool": "t"}, {"node_id": "b", "tool": "t", "map": "xs", "as": "x"}],
        edges=[{"from_node": "a", "to_node": "b"}],
    )


def test_an_edge_with_a_condition_and_no_type_is_conditional_and_its_condition_one_line() -> None:
    edge = EdgeDefinition.model_validate({"from_node": "a", "to_node": "b", "condition": " x > 1\n and y "})

    assert (edge.type, edge.condition) == ("conditional", "x > 1  and y")


@pytest.mark.parametrize(
    ("edges", "entry", "entries"),
    [
        ([], None, ("a",)),
        ([("a", "b"), ("b", "c")], None, ("a",)),
        ([("a", "c"), ("b", "c")], None, ("a", "b")),
        ([("a", "b"), ("b", "a")], None, ("a",)),
        ([("b", "c")], None, ("b",)),
        ([("a", "b")], "b", ("b",)),
    ],
)
def test_a_run_starts_at_the_entry_else_where_nothing_leads_else_at_the_first(
    edges: list[tuple[str, str]], entry: str | None, entries: tuple[str, ...]
) -> None:
    loaded = graph(
        nodes=[{"node_id": name, "tool": "t"} for name in "abc"],
        edges=[{"from_node": a, "to_node": b} for a, b in edges],
        entry_node=entry,
    )

    assert loaded.entries() == entries


def test_definitions_do_not_change() -> None:
    loaded = GraphDefinition.model_validate_json(CODE_REVIEW)

    with pytest.raises(Exception, match="frozen"):
        loaded.name = "other"  # type: ignore[misc]  # the point of the test


NODE = {"node_id": "a", "tool": "t"}
B = {"node_id": "b", "tool": "t"}
KNOWN = "known nodes: a, b"


def one(**node: Any) -> dict[str, Any]:
    return {"nodes": [{"node_id": "a", **node}]}


def edge(**parts: Any) -> dict[str, Any]:
    return {"nodes": [NODE, B], "edges": [{"from_node": "a", "to_node": "b", **parts}]}


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({}, "'nodes' is missing"),
    ({"nodes": []}, "a graph needs at least one node"),
    ({"nodes": [NODE], "nmae": "x"}, "unknown key 'nmae'; did you mean 'name'?; known keys: name, nodes, edges, entry_node, max_iterations, reducers"),
    ({"nodes": [{"tool": "t"}]}, "node 0: 'node_id' is missing"),
    (one(tool="t", retry=3), "node 'a': unknown key 'retry'; did you mean 'retries'?; known keys: node_id, tool, graph, params, join, route, map, as, into, limit, on_error, errors, retries, backoff, timeout, executor, cache"),
    (one(tool="t", retries=-1), "node 'a': retries: input should be greater than or equal to 0, got -1"),
    (one(tool="t", retries="3"), "node 'a': retries: input should be a valid integer, got '3'"),
    (one(tool="t", retries=True), "node 'a': retries: input should be a valid integer, got True"),
    (one(tool="t", timeout=0), "node 'a': timeout: input should be greater than 0, got 0"),
    (one(tool="t", timeout=float("inf")), "node 'a': timeout: input should be a finite number, got inf"),
    (one(tool="t", backoff=-1), "node 'a': backoff: input should be greater than or equal to 0, got -1"),
    (one(tool="t", join="any"), "node 'a': join: input should be 'all', 'first', 'race' or 'each', got 'any'"),
    (one(tool="t", route="one"), "node 'a': route: input should be 'first' or 'all', got 'one'"),
    (one(tool="t", executor="process"), "node 'a': executor: input should be 'auto', 'inline' or 'thread', got 'process'"),
    (one(tool="t", executor="dask"), "node 'a': executor: input should be 'auto', 'inline' or 'thread', got 'dask'"),
    (one(tool="t", executor="gpu"), "node 'a': executor: input should be 'auto', 'inline' or 'thread', got 'gpu'"),
    (one(), "node 'a' needs one of 'tool' and 'graph', and has neither"),
    (one(tool="t", graph="g"), "node 'a' needs one of 'tool' and 'graph', not both"),
    (one(tool="t", into="x"), "node 'a': 'into' means something only beside 'map'"),
    (one(tool="t", limit=2), "node 'a': 'limit' means something only beside 'map'"),
    (one(tool="t", on_error="collect"), "node 'a': 'on_error' means something only beside 'map'"),
    (one(tool="t", **{"as": "x"}), "node 'a': 'as' means something only beside 'map'"),
    (one(graph="g", map="items"), "node 'a': a map over a subgraph needs 'as', the key each item is put under"),
    (one(tool="t", map="items", limit=0), "node 'a': limit: input should be greater than or equal to 1, got 0"),
    ({"nodes": [{"node_id": "END", "tool": "t"}]}, "node id 'END' is the name of the end; choose another"),
    ({"nodes": [{"node_id": "", "tool": "t"}]}, "node id '' is empty or has white space at its ends; choose another"),
    ({"nodes": [{"node_id": " a", "tool": "t"}]}, "node id ' a' is empty or has white space at its ends; choose another"),
    ({"nodes": [{"node_id": "a/b", "tool": "t"}]}, "node id 'a/b' holds '/', '[', ']', a control character or a line separator; choose another"),
    ({"nodes": [{"node_id": "a\nb", "tool": "t"}]}, "node id 'a\\nb' holds '/', '[', ']', a control character or a line separator; choose another"),
    ({"nodes": [NODE, NODE]}, "node id 'a' appears twice, as node 0 and node 1"),
    ({"nodes": [NODE, B], "entry_node": "c"}, f"entry_node names unknown node 'c'; {KNOWN}"),
    ({"nodes": [NODE], "max_iterations": 0}, "max_iterations: input should be greater than or equal to 1, got 0"),
    ({"nodes": [NODE], "reducers": {"x": 1}}, "reducers.x: input should be a valid string, got 1"),
    (edge(to_node="c"), f"edge 0 'a -> c' names unknown node 'c'; {KNOWN}"),
    (edge(from_node="bb"), f"edge 0 'bb -> b' names unknown node 'bb'; did you mean 'b'?; {KNOWN}"),
    (edge(from_node="END"), "edge 0 'END -> b' starts at END, where paths end"),
    (edge(to=1), "edge 'a -> b': unknown key 'to'; known keys: from_node, to_node, type, condition, max_iterations"),
    (edge(max_iterations=0), "edge 'a -> b': max_iterations: input should be greater than or equal to 1, got 0"),
    (edge(type="fast"), "edge 'a -> b': type: input should be 'normal', 'conditional' or 'error', got 'fast'"),
    (edge(type="conditional"), "edge 0 'a -> b' is conditional and has no condition; give it one, or make it normal"),
    (edge(type="normal", condition="x"), "edge 0 'a -> b' is of type 'normal', which has no condition; make it conditional, or take the condition away"),
    (edge(type="error", condition="x"), "edge 0 'a -> b' is of type 'error', which has no condition; make it conditional, or take the condition away"),
    ({"nodes": [NODE, B], "edges": [{"from_node": "a", "to_node": "b"}] * 2}, "edge 1 'a -> b' appears twice, as edge 0 too; take one away"),
    ({"nodes": [NODE, B], "edges": [{"to_node": "b"}]}, "edge 0: 'from_node' is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "fault"), REFUSALS, ids=[fault[:60] for _, fault in REFUSALS])
def test_a_fault_is_refused_in_these_words(data: dict[str, Any], fault: str) -> None:
    with pytest.raises(GraphError) as caught:
        GraphDefinition.model_validate(data)

    assert caught.value.faults == (fault,)
    assert str(caught.value) == fault


def test_a_condition_that_does_not_parse_is_refused_with_its_place() -> None:
    with pytest.raises(GraphError) as caught:
        GraphDefinition.model_validate(edge(condition="x >"))

    (fault,) = caught.value.faults
    assert fault.startswith("edge 0 'a -> b' has a condition that cannot be read: ")
    assert "\n  x >\n" in fault
    assert fault.splitlines()[-1].strip() == "^"


def test_what_is_no_graph_at_all_is_refused() -> None:
    for data in ([], 5, "text", None):
        with pytest.raises(GraphError):
            GraphDefinition.model_validate(data)


def test_one_error_lists_every_fault_each_with_its_place() -> None:
    with pytest.raises(GraphError) as caught:
        GraphDefinition.model_validate({
            "name": "g",
            "nodes": [NODE, {"node_id": "b", "tool": "t", "retries": -1}, {"node_id": "a", "tool": "t", "speed": 1}],
            "edges": [
                {"from_node": "a", "to_node": "nowhere", "type": "conditional"},
                {"from_node": "a", "to_node": "b", "condition": "x +"},
            ],
            "entry_node": "c",
        })  # fmt: skip

    error = caught.value
    assert isinstance(error, NbflowError)
    assert len(error.faults) == 7
    assert str(error).splitlines()[0] == "graph 'g': 7 faults:"
    for words in (
        "retries: ",
        "'speed'",
        "appears twice",
        "unknown node 'nowhere'",
        "has no condition",
        "read",
        "entry_node",
    ):
        assert sum(words in fault for fault in error.faults) == 1


def test_of_very_many_faults_the_first_hundred_are_listed() -> None:
    with pytest.raises(GraphError) as caught:
        GraphDefinition.model_validate({"nodes": [{"node_id": "a", "tool": "t"}] * 5000})

    assert len(caught.value.faults) == 100


def test_a_graph_error_of_one_fault_names_its_graph() -> None:
    with pytest.raises(GraphError, match=r"^graph 'g': a graph needs at least one node$"):
        GraphDefinition.model_validate({"name": "g", "nodes": []})
