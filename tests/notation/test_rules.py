"""The notation, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.errors import GraphError, NotationError
from nbflow.graph import END, GraphDefinition
from nbflow.notation import parse_constant, read_flow, read_graph, to_text

Drawn = list[tuple[str, str] | tuple[str, str, str]]


def drawn(text: str) -> Drawn:
    """Return the edges as pairs, with what makes them more than normal as a third."""
    edges: Drawn = []
    for edge in read_graph(text).edges:
        tail = f"if {edge.condition}" if edge.type == "conditional" else "on error" if edge.type == "error" else ""
        tail += f" [max={edge.max_iterations}]" if edge.max_iterations is not None else ""
        edges.append((edge.from_node, edge.to_node, tail.strip()) if tail else (edge.from_node, edge.to_node))
    return edges


def ids(text: str) -> list[str]:
    return [node.node_id for node in read_graph(text).nodes]


def node(text: str) -> dict[str, Any]:
    return read_graph(text).nodes[0].model_dump(exclude_defaults=True)


def refused(text: str) -> str:
    with pytest.raises(NotationError) as caught:
        read_graph(text)
    return str(caught.value).splitlines()[0]


# 1. Lines


@pytest.mark.parametrize("separator", ["\n", ";", "\r\n", "\r", " ; ", "\n\n# text\n", ";;", " # a -> z; b\n"])
def test_a_statement_ends_at_a_lines_end_or_a_semicolon(separator: str) -> None:
    assert drawn(f"a -> b{separator}c -> d{separator}") == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    "text",
    [
        "a ->\nb &\nc",
        "a\n-> b &\n\n  c",
        "a -> # text\n# more\nb & c",
        "a\n# text\n\n  -> b & # text\r\nc",
        "a\r-> b & c",
    ],
)
def test_a_lines_end_counts_for_nothing_after_arrow_and_ampersand_and_before_an_arrow(text: str) -> None:
    assert drawn(text) == [("a", "b"), ("a", "c")]


def test_a_lines_end_counts_for_nothing_inside_brackets_and_after_if() -> None:
    assert drawn("a -> b if\n  # text\n x > 1 [\nmax=5\n]") == [("a", "b", "if x > 1 [max=5]")]
    assert node("a(\n x=[1, # one\n 2],\n)")["params"] == {"x": [1, 2]}


def test_a_semicolon_ends_a_statement_even_before_an_arrow() -> None:
    assert refused("a;\n-> b") == "line 2, column 1: no node before '->'; a chain begins with a node: 'a -> b'"


def test_tabs_no_break_spaces_and_a_bom_are_white_space() -> None:
    assert drawn("\ufeffa\t->\u00a0b\ufeff if\tx ;c->d") == [("a", "b", "if x"), ("c", "d")]


def test_a_hash_in_quotes_starts_no_comment() -> None:
    assert drawn("a -> b if x == '#' # text") == [("a", "b", "if x == '#'")]
    assert ids('"#1" -> b # text') == ["#1", "b"]


# 2. Tails


def test_a_tail_belongs_to_the_last_arrow() -> None:
    assert drawn("a -> b -> c [max=5]") == [("a", "b"), ("b", "c", "[max=5]")]
    assert drawn("a -> b -> c on error") == [("a", "b"), ("b", "c", "on error")]
    assert drawn("a -> b -> c if x else d") == [("a", "b"), ("b", "c", "if x"), ("b", "d")]


def test_options_of_an_arrow_with_else_are_those_of_both_its_edges() -> None:
    assert drawn("a -> b if x else c [max=5]") == [("a", "b", "if x [max=5]"), ("a", "c", "[max=5]")]


def test_a_tail_ends_its_line_and_options_come_last() -> None:
    assert "start a new line with 'b -> …'" in refused("a -> b on error -> c")
    assert "'if' comes after the options, which are last" in refused("a -> b [max=5] if x")


# 3. Conditions


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("x > 1", "x > 1"),
        ("any([x > 1,\n y])", "any([x > 1,  y])"),
        ("any([x, # text ]\r\n y])", "any([x,   y])"),
        ("x == '; # else [max=5]'", "x == '; # else [max=5]'"),
        ('x in ["else"]', 'x in ["else"]'),
        ("x[i] == [1]", "x[i] == [1]"),
        ("[x == 1]", "[x == 1]"),
        ("elsewhere", "elsewhere"),
        ("known(x)", "known(x)"),
    ],
)
def test_a_condition_is_stored_as_written_with_spaces_for_line_ends(condition: str, kept: str) -> None:
    for end in ("", "  # text", "; c -> d", "\nc -> d", " [max=5]", " else c"):
        assert read_graph(f"a -> b if {condition}{end}").edges[0].condition == kept


@pytest.mark.parametrize("condition", [" x\n", "\ufeffx", "\tx\r\n "])
def test_a_condition_in_json_is_stored_as_that_of_the_notation(condition: str) -> None:
    edge = {"from_node": "a", "to_node": "a", "condition": condition}

    graph = GraphDefinition.model_validate({"nodes": [{"node_id": "a", "tool": "a"}], "edges": [edge]})

    assert graph.edges[0].condition == "x"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a -> b if x = 1", 1, 13),
        ("\r\n\r\na -> b\n -> c if x ==", 4, 12),
        ("a -> b if any([x,\n  y +* 2])", 2, 6),
        ("a -> b if all([x, # ( text\r  y z])", 2, 5),
        ("a & b -> c if x ! y", 1, 17),
    ],
)
def test_a_fault_in_a_condition_is_shown_at_its_own_column(text: str, line: int, column: int) -> None:
    with pytest.raises(NotationError) as caught:
        read_graph(text)

    assert (caught.value.line, caught.value.column) == (line, column)


# 4. Targets


def test_a_condition_has_one_target() -> None:
    assert refused("a -> b & c if x") == (
        "line 1, column 10: a condition has one target, because only the first true condition is taken; "
        "let it lead to a node that leads to both: 'b_and_c = pass'"
    )


def test_else_may_have_several_targets_and_sources() -> None:
    assert drawn("a -> b if x else c & d") == [("a", "b", "if x"), ("a", "c"), ("a", "d")]
    assert drawn("a & b -> c if x else d") == [("a", "c", "if x"), ("a", "d"), ("b", "c", "if x"), ("b", "d")]


def test_else_follows_an_arrow_where_its_condition_is_on_another_line() -> None:
    text = "a -> b if x\nc -> b\na -> else d\n"

    assert drawn(text) == [("a", "b", "if x"), ("c", "b"), ("a", "d")]
    assert to_text(read_graph(text)) == text


def test_else_needs_a_condition_on_every_node_left_of_it() -> None:
    text = "a -> b if x; a & b -> else c"

    assert refused(text) == "line 1, column 28: 'else' needs a condition on 'b': 'a -> b if … else c'"


def test_else_is_refused_under_route_all() -> None:
    assert "'a' has route=all" in refused("a -> b if x else c\na [route=all]")


def test_else_is_always_written() -> None:
    assert to_text(read_graph("a -> b if x; a -> c")) == "a -> b if x else c\n"
    assert to_text(read_graph("a -> c; a -> b if x")) == "a -> else c\na -> b if x\n"
    assert to_text(read_graph("a [route=all]; a -> b if x; a -> c")) == "a [route=all]\na -> b if x\na -> c\n"


# 5. Entry


def test_entry_names_a_node_of_another_line() -> None:
    assert read_graph("entry b\na -> b").entry_node == "b"
    assert refused("entry abd\nabc -> x") == (
        "line 1, column 7: 'entry' names 'abd', which no other line names; did you mean 'abc'?; nodes: abc, x"
    )


def test_without_entry_every_node_with_an_edge_out_and_none_in_is_one() -> None:
    assert read_graph("a & b -> c; d").entries() == ("a", "b")
    assert read_graph("a -> b -> a").entries() == ("a",)


# 6. pass


def test_pass_is_a_tool_like_any_other() -> None:
    assert node("start = pass\nstart -> a & b") == {"node_id": "start", "tool": "pass"}


# 7. Declarations


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", {"tool": "a"}),
        ("a = b", {"tool": "b"}),
        ("a = graph b", {"graph": "b"}),
        ("a = graph", {"tool": "graph"}),
        ("a(x=1)", {"tool": "a", "params": {"x": 1}}),
        ("a()", {"tool": "a"}),
        ("a = b(x=1,)[retries=2,]", {"tool": "b", "params": {"x": 1}, "retries": 2}),
        ("a -> b; a = c", {"tool": "c"}),
    ],
)
def test_a_node_is_declared_on_its_own(text: str, said: dict[str, Any]) -> None:
    assert node(text) == {"node_id": "a", **said}


def test_a_node_never_declared_is_its_own_tool() -> None:
    assert [node.tool for node in read_graph("a -> b").nodes] == ["a", "b"]


def test_words_of_the_notation_are_names_anywhere_else() -> None:
    text = "graph -> reduce -> on -> error -> with\nentry -> max_iterations\non & with -> graph"

    assert ids(text) == ["graph", "reduce", "on", "error", "with", "entry", "max_iterations"]
    assert read_graph("a\nreduce with with reduce\nentry a").reducers == {"with": "reduce"}
    assert node("entry = graph graph") == {"node_id": "entry", "graph": "graph"}


# 8. Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("True", True), ("null", None), ("None", None), ("-1", -1), ("+2", 2), ("1e3", 1000.0),
        (".5", 0.5), ("1_000", 1000), ("0x10", 16), ("[1, 'a', [],]", [1, "a", []]), ("(1, 2)", (1, 2)), ("(1)", 1),
        ("(1,)", (1,)), ("()", ()), ('{"a": {1: null}}', {"a": {1: None}}), ("{}", {}),
        (r"'\'\u00e9\x41\101\U0001f600'", "'éAA😀"),
        (r'"\ud83d\ude00\/\b"', "😀/\b"), (' # text\n "a"\n', "a"),
        ("[" * 50 + "]" * 50, eval("[" * 50 + "]" * 50)),
    ],
)  # fmt: skip
def test_a_value_is_a_constant_in_json_or_python(text: str, value: object) -> None:
    assert parse_constant(text) == value
    assert repr(parse_constant(text)) == repr(value)
    assert node(f"a(x={text})")["params"] == {"x": value}


@pytest.mark.parametrize(
    "text",
    ["", "x", "1+1", "1 2", "nan", "NaN", "inf", "-inf", "1e999", "f(1)", "a.b", "[1", "1]", "{1}", "{[]: 1}", "'a",
     "b'a'", "'a' 'b'", "--1", "007", "1;2", "[" * 51 + "]" * 51, '{"a": 1, "a": 2}',
     r"'\q'", "1j", "...", "lambda: 1", "[x]"],
)  # fmt: skip
def test_what_is_no_constant_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_constant(text)


def test_an_option_reads_the_same_bare_or_quoted() -> None:
    bare = "a [join=race, retries=3, timeout=1.5, executor=thread, cache=true, map=files, as=f, limit=4]"
    quoted = bare.replace("=", '="').replace(",", '",').replace("]", '"]')

    assert read_graph(bare) == read_graph(quoted)
    assert node(bare) == {
        "node_id": "a", "tool": "a", "join": "race", "retries": 3, "timeout": 1.5, "executor": "thread", "cache": True,
        "map": "files", "as": "f", "limit": 4,
    }  # fmt: skip


def test_what_comes_from_the_tool_unless_it_is_set_is_written_when_it_is_set() -> None:
    text = "a [retries=0, backoff=0, timeout=null, executor=auto]\n"

    read = read_graph(text)

    assert read.nodes[0].model_fields_set >= {"retries", "backoff", "timeout", "executor"}
    assert to_text(read) == text
    assert to_text(read_graph("a [join=all, cache=false]")) == "a\n"


# 9. What is refused


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a -> b\n\na -> b", "line 3, column 6: the edge 'a -> b' appears twice, on lines 1 and 3; keep one"),
        ("a -> b if x\na -> b if x",
         "line 2, column 6: the edge 'a -> b if x' appears twice, on lines 1 and 2; keep one"),
        ("a & a -> b", "line 1, column 10: the edge 'a -> b' appears twice, both on line 1; keep one"),
        ("a -> b on error\ra -> b on error",
         "line 2, column 6: the edge 'a -> b on error' appears twice, on lines 1 and 2; keep one"),
        ("a\na = b", "line 2, column 1: the node 'a' is declared twice, on lines 1 and 2; keep one"),
        ("reduce k with x\nreduce k with x",
         "line 2, column 1: the reducer of 'k' appears twice, on lines 1 and 2; keep one"),
        ("a [retries=1,\nretries=1]",
         "line 2, column 1: the option 'retries' appears twice, on lines 1 and 2; keep one"),
        ("a(x=1,\n'x'=1)", "line 2, column 1: the param 'x' appears twice, on lines 1 and 2; keep one"),
        ("a(x={1: 1,\n1: 2})", "line 2, column 1: the key 1 appears twice, on lines 1 and 2; keep one"),
        ("entry a\na\nentry a", "line 3, column 1: 'entry' appears twice, on lines 1 and 3; keep one"),
        ("max_iterations 5\na\nmax_iterations 5",
         "line 3, column 1: 'max_iterations' appears twice, on lines 1 and 3; keep one"),
    ],
)  # fmt: skip
def test_a_repeated_part_is_refused_with_both_lines(text: str, problem: str) -> None:
    assert refused(text) == problem


def test_edges_that_differ_in_type_or_condition_are_two() -> None:
    assert len(drawn("a -> b; a -> b on error; a -> b if x; a -> b if y")) == 4


@pytest.mark.parametrize(
    "text", ["a -> b [max=0]", "a [map=x, limit=0]", "max_iterations 0", "a [timeout=0]", "a [timeout=-1]"]
)
def test_limits_below_1_and_timeouts_not_above_0_are_refused(text: str) -> None:
    assert "from 1" in refused(text) or "above 0" in refused(text)


def test_a_condition_on_an_error_edge_is_refused() -> None:
    assert refused("a -> b on error if x") == "line 1, column 17: an error edge has no condition"
    assert "an error edge has no condition" in refused("a -> b if x on error")


def test_a_json_edge_with_a_condition_and_no_type_is_conditional() -> None:
    graph = read_graph(
        '{"nodes": [{"node_id": "a", "tool": "a"}], "edges": [{"from_node": "a", "to_node": "END", "condition": "x"}]}'
    )

    assert graph.edges[0].type == "conditional"


def test_nodes_are_in_order_of_first_mention_and_edges_source_by_source() -> None:
    text = "a & b -> c & d\ne = x"

    assert ids(text) == ["a", "b", "c", "d", "e"]
    assert drawn(text) == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]


# 11. Names


@pytest.mark.parametrize("name", ["fetch-pages", "v1.2", "größe", "हिन्दी", "a.b-c.d_e", "_", "x1", "a-1"])
def test_a_bare_name_is_an_identifier_with_dots_and_dashes(name: str) -> None:
    assert ids(f"{name} -> b") == [name, "b"]
    assert to_text(read_graph(name)) == f"{name}\n"


@pytest.mark.parametrize(
    ("quoted", "name"),
    [
        ('"a b"', "a b"),
        ("'if'", "if"),
        (r'"\u00e9\"\'"', "é\"'"),
        ('"1"', "1"),
        ('"a->b"', "a->b"),
        (r"'a\\b'", "a\\b"),
    ],
)
def test_anything_else_is_quoted(quoted: str, name: str) -> None:
    text = f"{quoted} = {quoted}({quoted}=1)\n{quoted} -> b"

    read = read_graph(text).nodes[0]

    assert (read.node_id, read.tool, list(read.params)) == (name, name, [name])


@pytest.mark.parametrize("name", ["if", "else"])
def test_if_and_else_are_quoted_as_names(name: str) -> None:
    assert to_text(read_graph(f'"{name}" -> b')) == f'"{name}" -> b\n'
    with pytest.raises(NotationError):
        read_graph(f"{name} -> b")


@pytest.mark.parametrize("name", ['""', '" a"', '"a/b"', '"[1]"', r'"a\n"', r'"\u2028"', r'"\ud800"'])
def test_an_id_without_place_in_paths_is_refused(name: str) -> None:
    assert refused(f"{name} -> b").startswith("line 1, column 1: a n")


def test_end_is_no_node() -> None:
    assert drawn("a -> END") == [("a", END)]
    assert ids("a -> END if x") == ["a"]
    for text in ("END -> a", "END [retries=1]", "a -> END -> b", "a & END -> b"):
        assert "END" in refused(text)


# 12. and 13. are rules of running; 14. Texts


def test_a_text_over_1_mb_is_refused() -> None:
    assert refused("#" * 1_000_001) == "line 1, column 1: the text is over 1 MB, the most that is read"
    assert "over 1 MB" in refused("é" * 500_001)


def test_a_text_of_over_200_000_words_is_refused() -> None:
    assert "a text has at most 200000 words and signs" in refused("a->" * 150_000)


def test_a_product_of_too_many_edges_is_refused_before_it_is_made() -> None:
    sources, targets = (" & ".join(f"{side}{at}" for at in range(20_000)) for side in "ab")

    assert "a graph has at most 50000 edges" in refused(f"{sources} -> {targets}")


# JSON and files


def test_a_cell_that_starts_with_a_brace_is_json() -> None:
    graph = read_graph(' \n{"nodes": [{"node_id": "a", "tool": "t"}]}', name="g")

    assert (graph.name, graph.nodes[0].tool) == ("g", "t")


def test_the_magics_name_wins_and_another_inside_is_refused() -> None:
    text = '{"name": "%s", "nodes": [{"node_id": "a", "tool": "t"}]}'

    assert read_graph(text % "g", name="g").name == "g"
    assert read_graph(text % "g").name == "g"
    with pytest.raises(GraphError, match="the text names the graph 'h', the magic 'g'"):
        read_graph(text % "h", name="g")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"nodes": [],\n "nodes": []}', "line 2, column 2: the key 'nodes' appears twice, on lines 1 and 2; keep one"),
        ('{"nodes": [{"a": 1, "a": 2}]}', "line 1, column 21: the key 'a' appears twice, both on line 1; keep one"),
        ('{"x": NaN}', "line 1, column 7: NaN is refused as a number: it is not finite, or too long"),
        ('{"x": [1e999]}', "line 1, column 8: 1e999 is refused as a number: it is not finite, or too long"),
        ('{"nodes": [],}', "line 1, column 13: this is no JSON: the ',' before '}' is one too many"),
        ('\ufeff{"nodes": [1,\n ]}', "line 1, column 14: this is no JSON: the ',' before ']' is one too many"),
        ('{"a": "x,]", "b": ,}', "line 1, column 19: this is no JSON: expecting value"),
        ("{\n'nodes': []}", "line 2, column 1: this is no JSON: expecting property name enclosed in double quotes; "
                            "JSON has double quotes"),
        ('{"a": ' + "[" * 201, "line 1, column 1: the JSON is nested too deep"),
        ('{"a": ' + "[" * 5000, "line 1, column 1: the JSON is nested too deep"),
    ],
)  # fmt: skip
def test_json_is_refused_at_its_place(text: str, problem: str) -> None:
    assert refused(text) == problem


def test_a_param_in_json_is_nested_at_most_50_deep() -> None:
    text = '{"nodes": [{"node_id": "a", "tool": "a", "params": {"x": %s}}]}'

    assert read_graph(text % ("[" * 50 + "]" * 50)).nodes
    with pytest.raises(GraphError, match="node 'a', param 'x': a value is nested at most 50 deep"):
        read_graph(text % ("[" * 51 + "]" * 51))


def test_a_header_in_a_cell_is_refused_and_says_where_the_name_goes() -> None:
    assert refused("graph x\na -> b") == (
        "line 1, column 1: a cell's graph has its name from the magic: '%%flow_graph NAME'; take this line away "
        "(a .flow file has one such line above each graph)"
    )


def test_a_file_holds_several_graphs() -> None:
    graphs = read_flow('# text\ngraph one\na -> b\n\ngraph "the other" ; a = graph one\n')

    assert [(graph.name, len(graph.nodes)) for graph in graphs] == [("one", 2), ("the other", 1)]


def test_a_file_without_headers_is_one_graph_without_a_name() -> None:
    assert [graph.name for graph in read_flow("a -> b")] == [""]


def test_a_file_may_be_json_of_one_graph_or_a_list() -> None:
    one = '{"name": "%s", "nodes": [{"node_id": "a", "tool": "a"}]}'

    assert [graph.name for graph in read_flow(one % "x")] == ["x"]
    assert [graph.name for graph in read_flow(f"[{one % 'x'}, {one % 'y'}]")] == ["x", "y"]
    with pytest.raises(GraphError, match="two graphs have the name 'x'"):
        read_flow(f"[{one % 'x'}, {one % 'x'}]")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\ngraph x\nb", "line 2, column 1: there are statements above this first 'graph NAME'; move it to the top"),
        ("graph x\na\ngraph x\nb", "line 3, column 1: the graph 'x' appears twice, on lines 1 and 3; keep one"),
        ("graph x\ngraph y\na", "line 1, column 1: the graph 'x' is empty; write at least one node under it"),
        ("# text", "line 1, column 1: there is no node here; write for instance 'fetch -> parse'"),
    ],
)
def test_a_file_whose_sections_are_not_clear_is_refused(text: str, problem: str) -> None:
    with pytest.raises(NotationError) as caught:
        read_flow(text)

    assert str(caught.value).splitlines()[0] == problem
