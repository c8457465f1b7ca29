"""A written graph parses to an equal graph, and parsing raises only errors of nbflow."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbflow.errors import GraphError, NotationError
from nbflow.graph import GraphDefinition
from nbflow.notation import parse_constant, parse_run_line, read_flow, read_graph, to_text

from .graphs import graphs, values

TOOL_DEFAULTS = {"retries", "backoff", "timeout", "executor"}
FRAGMENTS = [
    "a", "b", "if", "else", "on error", "->", "&", "[", "]", "(", ")", "{", "}", "=", ",", ";", "\n", "\r", " ", "#",
    '"', "'", "\\", "max=5", "graph", "reduce", "with", "entry", "max_iterations", "1", "-1", "x > 1", "END", "[max=5]",
    "true", ":", "retries=3", "→", "\ufeff", '{"nodes":', "--flag", "k=", "None", "\ud800",
]  # fmt: skip
fragments = st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join) | st.text()
spaced = st.lists(st.sampled_from(FRAGMENTS), max_size=20).map(" ".join)


@settings(max_examples=100)
@given(graphs())
def test_what_is_written_reads_back_equal(graph: GraphDefinition) -> None:
    text = to_text(graph)

    read = read_graph(text, name=graph.name)

    assert read == graph
    assert [node.node_id for node in read.nodes] == [node.node_id for node in graph.nodes]
    for one, other in zip(read.nodes, graph.nodes, strict=True):
        assert one.model_fields_set & TOOL_DEFAULTS == other.model_fields_set & TOOL_DEFAULTS
    assert to_text(read) == text


@settings(max_examples=50)
@given(graphs())
def test_written_text_can_be_stored_as_utf_8(graph: GraphDefinition) -> None:
    assert to_text(graph).encode("utf-8").decode("utf-8") == to_text(graph)


@settings(max_examples=200)
@given(fragments | spaced)
@example("\u2028")
@example("a -> b if \\")
@example("{")
@example('{"nodes": [{"node_id": "\ud800", "tool": "a"}]}')
@example("a = b(x=0x)")
@example("a [retries='\\q']")
def test_any_text_reads_or_raises_an_error_of_ours(text: str) -> None:
    for read in (read_graph, read_flow):
        with suppress(NotationError, GraphError):
            read(text)


@settings(max_examples=300)
@given(fragments | spaced)
def test_any_line_and_any_constant_reads_or_raises_a_notation_error(text: str) -> None:
    for read in (parse_run_line, parse_constant):
        with suppress(NotationError):
            read(text)


@settings(max_examples=200)
@given(values)
def test_a_param_parses_to_an_equal_value(value: object) -> None:
    graph = GraphDefinition.model_validate({"nodes": [{"node_id": "a", "tool": "a", "params": {"x": value}}]})

    text = to_text(graph)

    assert read_graph(text) == graph
    assert repr(read_graph(text).nodes[0].params) == repr(graph.nodes[0].params)


def test_an_integer_with_more_digits_than_python_prints_reads_back() -> None:
    graph = GraphDefinition.model_validate({"nodes": [{"node_id": "a", "tool": "a", "params": {"x": 10**5000}}]})

    assert read_graph(to_text(graph)) == graph


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"x"])
def test_a_param_that_is_no_constant_cannot_be_written(value: object) -> None:
    graph = GraphDefinition.model_validate({"nodes": [{"node_id": "a", "tool": "a", "params": {"x": value}}]})

    with pytest.raises(GraphError, match="the param 'x' of node 'a' cannot be written"):
        to_text(graph)
