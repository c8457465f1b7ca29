"""The networkx form of a graph, and warnings about likely mistakes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lines import lines

from nbflow import GraphDefinition, ToolRegistry
from nbflow.graph.analysis import lint


def load(path: str) -> dict[str, str]:
    return {"code": path}


def check(code: str) -> dict[str, int]:
    return {"fixable": 1, "score": 2}


def fix(code: str, fixable: int) -> Any:
    return {"code": code} | {}


@pytest.fixture
def registry() -> ToolRegistry:
    registry = ToolRegistry()
    for function in (load, check, fix):
        registry.register(function.__name__, function)
    return registry


def warnings(text: str, registry: ToolRegistry, **options: Any) -> list[str]:
    return lint(GraphDefinition.from_text(text), registry, options.pop("graphs", {}), **options)


def test_the_networkx_form_has_every_node_and_edge_with_their_fields() -> None:
    drawn = GraphDefinition.from_text(
        "a = load(path='x') [retries=2]\na -> b if n > 1 else END [max=3]", name="g"
    ).to_networkx()

    assert drawn.name == "g"
    assert list(drawn.nodes) == ["a", "b", "END"]
    assert drawn.nodes["a"]["tool"] == "load"
    assert drawn.nodes["a"]["params"] == {"path": "x"}
    assert drawn.nodes["a"]["retries"] == 2
    assert list(drawn.edges(keys=True)) == [("a", "b", 0), ("a", "END", 1)]
    assert drawn.edges["a", "b", 0] == {"type": "conditional", "condition": "n > 1", "max_iterations": 3}


def test_edges_between_the_same_nodes_stay_apart_in_networkx() -> None:
    drawn = GraphDefinition.from_text("a -> b if x\na -> b on error").to_networkx()

    assert [data["type"] for _, _, data in drawn.edges(data=True)] == ["conditional", "error"]


def test_a_sound_graph_has_no_warnings(registry: ToolRegistry) -> None:
    assert warnings("load -> check\ncheck -> fix if fixable > 0\nfix -> check [max=5]", registry) == []


def test_params_that_a_tool_does_not_take_are_named_with_the_most_alike(registry: ToolRegistry) -> None:
    registry.register("any", lambda **options: None)
    registry.register("whole", lambda state: None)
    text = "load = load(pth='x')\nany = any(pth=1)\nwhole = whole(pth=1)\nload -> any -> whole"

    assert warnings(text, registry, given={"path": "a"}) == [
        "node 'load' gives 'pth', and tool 'load' has no such parameter; did you mean 'path'?; its parameters: path"
    ]


def test_unknown_tools_and_graphs_are_named_with_the_most_alike(registry: ToolRegistry) -> None:
    told = warnings("loda -> sub\nsub = graph iner", registry, graphs={"inner": None})

    assert told[0].startswith(
        "node 'loda' names unknown tool 'loda'; did you mean 'load'?; known tools: pass, load, check, fix"
    )
    assert told[1] == "node 'sub' names unknown graph 'iner'; did you mean 'inner'?; known graphs: inner"


def test_nodes_that_no_path_reaches_are_named(registry: ToolRegistry) -> None:
    told = warnings("load -> check\nfix -> check\nentry load", registry, given={"path": ""})

    assert told == ["no path from 'load' reaches 'fix'; add an edge to it, or take it away"]


def test_a_cycle_that_only_its_limit_can_end_is_named(registry: ToolRegistry) -> None:
    (told,) = warnings("load -> check -> a\na = pass\na -> check", registry)

    assert told == (
        "cycle check -> a -> check has no way out but its limit; give one of its edges an 'if', or add an edge that leaves it"
    )


@pytest.mark.parametrize(
    "text", ["load -> check\ncheck -> check if fixable", "load -> check -> check\ncheck -> END if fixable"]
)
def test_a_cycle_with_a_condition_or_a_way_out_is_not(registry: ToolRegistry, text: str) -> None:
    assert warnings(text, registry) == []


def test_a_parameter_that_no_path_provides_is_named(registry: ToolRegistry) -> None:
    told = warnings("load -> fix", registry)

    assert told == [
        "node 'fix' needs 'fixable', which no path provides; give it at the start (fixable=…), or as a param"
    ]


def test_what_is_given_at_the_start_or_as_a_param_is_provided(registry: ToolRegistry) -> None:
    assert warnings("load -> fix", registry, given={"path": 1, "fixable": 1}) == []
    assert warnings("load -> f\nf = fix(fixable=1)", registry) == []


def test_where_the_state_at_the_start_is_known_entries_are_looked_at_too(registry: ToolRegistry) -> None:
    (told,) = warnings("load -> check", registry, given={"pth": 1})

    assert (
        told
        == "node 'load' needs 'path', which no path provides; did you mean 'pth'?; give it at the start (path=…), or as a param"
    )


def test_there_is_no_warning_where_a_source_does_not_show_its_writes(registry: ToolRegistry) -> None:
    def unclear() -> Any:
        return make()

    def make() -> dict[str, int]:
        return {"fixable": 1}

    registry.register("unclear", unclear)

    assert warnings("load -> unclear -> fix", registry) == []


def test_a_map_provides_its_list_and_binds_its_item(registry: ToolRegistry) -> None:
    def total(m: list[Any]) -> int:
        return len(m)

    registry.register("total", total)

    text = "load -> m -> total\nm = check [map=items]"

    assert warnings(text, registry, given={"path": "", "items": []}) == []
    assert [told.partition(",")[0] for told in warnings(text, registry)] == ["node 'm' needs 'items'"]


def test_a_value_that_is_no_dict_provides_the_key_of_its_node(registry: ToolRegistry) -> None:
    def count(code: str) -> int:
        return len(code)

    def use(n: int) -> None: ...

    registry.register("count", count)
    registry.register("use", use)

    assert warnings("load -> n -> use\nn = count", registry) == []


def test_error_is_there_where_an_error_edge_is(registry: ToolRegistry) -> None:
    def alert(error: dict[str, str]) -> None: ...

    registry.register("alert", alert)

    assert warnings("load -> check\ncheck -> alert on error", registry) == []


@pytest.mark.parametrize(
    ("returned", "warned"),
    [("items", True), ("[*items, 1]", True), ("items + [1]", True), ("[1]", False), ("[len(items)]", False)],
)
def test_an_update_that_repeats_the_value_of_its_key_under_a_reducer_is_a_warning(
    returned: str, warned: bool, tmp_path: Path
) -> None:
    (tmp_path / "repeating.py").write_text(f'def grow(items: list) -> dict:\n    return {{"items": {returned}}}\n')
    spec = importlib.util.spec_from_file_location("repeating", tmp_path / "repeating.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    registry = ToolRegistry()
    registry.register("grow", module.grow)

    warnings = lint(GraphDefinition.from_text("grow\nreduce items with extend"), registry, {})

    assert warnings == (
        [
            "node 'grow' returns 'items' with the value that it was given in it, and the reducer 'extend' adds it to that "
            "value once more; return only what is new"
        ]
        if warned
        else []
    )


def takes_all(state) -> None: ...  # type: ignore[no-untyped-def]


def takes_dict(state: dict[str, Any]) -> None: ...


def takes_key(state: str) -> None: ...


def writes_state() -> dict[str, str]:
    return {"state": "Ohio"}


@pytest.fixture
def states(registry: ToolRegistry) -> ToolRegistry:
    for function in (takes_all, takes_dict, takes_key, writes_state):
        registry.register(function.__name__, function)
    return registry


def test_a_parameter_state_without_an_annotation_is_named_where_there_is_a_key_state(states: ToolRegistry) -> None:
    told = [
        "node 'takes_all': the parameter 'state' of tool 'takes_all' gets the whole state, though there is a key "
        "'state'; annotate it with the type of that key to get the key, or as dict"
    ]

    assert warnings("writes_state -> takes_all -> takes_dict -> takes_key", states) == told
    assert warnings("takes_all", states, given={"state": "Ohio"}) == told
    assert warnings("takes_all(state=1)", states, given={"state": "Ohio"}) == []
    assert warnings("takes_all", states, given={"x": 1}) == []
    assert warnings("takes_key", states, given={"x": 1}) == [
        "node 'takes_key' needs 'state', which no path provides; give it at the start (state=…), or as a param"
    ]


@pytest.mark.parametrize("value", ["state['items'] + [1]", "[*state.get('items', []), 1]", "state.items"])
def test_an_update_that_repeats_a_key_of_the_whole_state_is_named(
    value: str, registry: ToolRegistry, tmp_path: Path
) -> None:
    source = tmp_path / "tool.py"
    source.write_text(f"def tool(state):\n    return {{'items': {value}}}\n")
    space: dict[str, Any] = {}
    exec(compile(source.read_text(), str(source), "exec"), space)
    registry.register("tool", space["tool"])

    (warning,) = warnings("tool\nreduce items with extend", registry, given={"items": []})
    assert "returns 'items' with the value that it was given in it" in warning


def test_four_times_as_many_cycles_without_a_way_out_take_at_most_six_times_the_steps(registry: ToolRegistry) -> None:
    def linted(count: int) -> Callable[[], object]:
        text = "\n".join(f"a{n} = pass\nb{n} = pass\na{n} -> b{n} -> a{n}" for n in range(count))
        graph = GraphDefinition.from_text(text)
        return lambda: lint(graph, registry, {})

    assert lines(linted(80)) < 6 * lines(linted(20))


def test_of_many_warnings_the_first_hundred_are_given(registry: ToolRegistry) -> None:
    assert len(warnings("\n".join(f"n{n} = nothing" for n in range(150)), registry)) == 100


def test_subgraphs_that_many_run_are_looked_into_once(registry: ToolRegistry) -> None:
    text = "a = graph {0}\nb = graph {0}\na -> b"
    graphs = {f"g{n}": GraphDefinition.from_text(text.format(f"g{n + 1}"), name=f"g{n}") for n in range(60)}
    graphs["g60"] = GraphDefinition.from_text("add", name="g60")

    found = lint(graphs["g0"], registry, graphs)

    assert found == []


def test_a_tool_without_a_return_is_named_where_a_key_is_not_provided(registry: ToolRegistry) -> None:
    registry.register("silent", lambda path: None)

    def forgets(path: str) -> Any:
        code = path  # noqa: F841 - never returned

    registry.register("forgets", forgets)

    (warning,) = warnings("forgets -> check", registry, given={"path": 1})

    assert warning.endswith("or as a param; forgets returns nothing (is a 'return' missing?)")


def test_a_value_changed_in_place_and_not_returned_is_named(registry: ToolRegistry) -> None:
    def clean(df: Any, rows: Any, other: Any, state: dict[str, Any]) -> Any:
        df["x"] = 1
        df.drop(columns="y", inplace=True)
        rows.append(1)
        state["n"] = 2
        other = [other]
        other[0] = 3

    registry.register("clean", clean)

    assert [
        warning.partition(", so")[0]
        for warning in warnings("clean", registry, given=dict.fromkeys(("df", "rows", "other")))
    ] == [
        f"node 'clean': tool 'clean' changes {name!r} in place and returns nothing" for name in ("df", "rows", "state")
    ]


def test_a_change_in_place_that_is_returned_or_meant_is_not_named(registry: ToolRegistry) -> None:
    def returned(df: Any) -> Any:
        df["x"] = 1
        return {"df": df}

    def meant(log: Any) -> None:
        log.append("sent")

    registry.register("returned", returned)
    registry.register("meant", meant)

    assert warnings("returned -> meant", registry, given={"df": 1, "log": 1}) == []
