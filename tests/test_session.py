"""The session: the object that holds the tools, graphs and runs of a process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import nbflow
from nbflow import GraphDefinition, session
from nbflow.errors import GraphError, NodeError, NotationError
from nbflow.session import Session
from nbflow.values import Owned


@pytest.fixture
def own() -> Session:
    made = Session()

    @made.tool
    async def add(n: int, by: int = 1) -> dict[str, int]:
        return {"n": n + by}

    return made


def test_a_text_a_dict_and_a_definition_define_the_same_graph(own: Session) -> None:
    text = own.graph("g", "add -> pass")
    data = own.graph(
        "g",
        {
            "nodes": [{"node_id": "add", "tool": "add"}, {"node_id": "pass", "tool": "pass"}],
            "edges": [{"from_node": "add", "to_node": "pass"}],
        },
    )
    definition = own.graph("g", GraphDefinition.from_text("add -> pass"))

    assert text == data == definition
    assert definition.name == "g"
    assert own.graphs == {"g": definition}


def test_json_text_defines_a_graph_too(own: Session) -> None:
    assert own.graph("g", '{"nodes": [{"node_id": "add", "tool": "add"}]}').name == "g"


@pytest.mark.parametrize(
    "source",
    [{"name": "other", "nodes": [{"node_id": "a", "tool": "t"}]}, GraphDefinition.from_text("a", name="other")],
)
def test_a_graph_with_two_different_names_is_refused(own: Session, source: Any) -> None:
    with pytest.raises(GraphError, match="it is defined as 'g' and its own name is 'other'; use one name for both"):
        own.graph("g", source)

    assert own.graphs == {}


def test_a_graph_needs_a_name_and_a_valid_text(own: Session) -> None:
    with pytest.raises(GraphError, match="a graph of a session needs a name"):
        own.graph(" ", "add")
    with pytest.raises(NotationError):
        own.graph("g", "add ->")

    assert own.graphs == {}


def test_an_unknown_reducer_is_a_warning_until_it_is_registered(own: Session) -> None:
    own.graph("g", "add\nreduce n with extand")
    before = own.lint("g", given={"n": 1})

    @own.reducer
    def extand(one: int, other: int) -> int:
        return one

    assert len(before) == 1
    assert before[0].startswith("key 'n' names unknown reducer 'extand'; did you mean 'extend'?; known reducers: ")
    assert own.lint("g", given={"n": 1}) == []


def test_defining_again_replaces_the_graph(own: Session) -> None:
    own.graph("g", "add")
    own.graph("g", "add -> pass")

    assert len(own.find("g").nodes) == 2


def test_an_unknown_graph_is_an_error_with_the_names_most_alike(own: Session) -> None:
    own.graph("review", "add")

    with pytest.raises(GraphError, match="unknown graph 'reviw'; did you mean 'review'\\?; known graphs: review"):
        own.find("reviw")


def test_run_returns_a_run_that_has_finished(own: Session) -> None:
    own.graph("g", "add")

    run = asyncio.run(own.run("g", n=1))

    assert (run.status, run.state) == ("completed", {"n": 2})
    assert own.live == {run.id: run}


def test_a_state_may_have_keys_named_as_parameters_of_run_itself(own: Session) -> None:
    own.graph("g", "pass")

    run = asyncio.run(own.run("g", name="x", self=1))

    assert run.state == {"name": "x", "self": 1}


def test_run_raises_the_error_of_the_run_and_retains_the_run(own: Session) -> None:
    own.graph("g", "add")

    with pytest.raises(NodeError) as caught:
        asyncio.run(own.run("g", n=None))

    (kept,) = own.live.values()
    assert kept.result is caught.value.result


def test_start_returns_at_once_and_takes_a_limit(own: Session) -> None:
    own.graph("g", "add")

    async def main() -> None:
        run = own.start("g", {"n": 1}, max_parallel=1)
        assert run.status == "running"
        await run
        assert run.state == {"n": 2}

    asyncio.run(main())


@pytest.mark.parametrize("durability", ["off", "async"])
def test_a_state_is_copied_unless_no_other_code_refers_to_it(own: Session, durability: Any) -> None:
    own.graph("g", "add")
    rows = [[1]]

    async def initial(state: dict[str, Any]) -> Any:
        run = own.start("g", state, durability=durability)
        await run
        return run.initial["rows"]

    copied, taken = (asyncio.run(initial(kind({"n": 1, "rows": rows}))) for kind in (dict, Owned))

    assert copied == taken == rows
    assert taken is rows is not copied
    assert copied[0] is not rows[0]


def test_graphs_of_a_session_are_subgraphs_of_each_other(own: Session) -> None:
    own.graph("outer", "sub = graph inner(by=10)")
    own.graph("inner", "add")

    assert asyncio.run(own.run("outer", n=1)).state == {"n": 11}


def test_tools_are_listed_in_the_order_of_their_registration(own: Session) -> None:
    names = [spec.name for spec in own.tools()]

    assert names[:2] == ["pass", "add"]


def test_lint_warns_of_the_named_graph(own: Session) -> None:
    own.graph("g", "ad")

    assert own.lint("g")[0].startswith("node 'ad' names unknown tool 'ad'; did you mean 'add'?")


def test_a_session_uses_its_registered_predicates_and_reducers(own: Session) -> None:
    @own.predicate
    def small(n: int) -> bool:
        return n < 3

    @own.reducer
    def largest(value: int, update: int) -> int:
        return max(value, update)

    own.graph("g", "add -> add if small(n)\nreduce n with largest")

    assert asyncio.run(own.run("g", n=0)).state == {"n": 3}


def test_sessions_do_not_see_each_other(own: Session) -> None:
    other = Session()
    own.graph("g", "add")

    assert "add" not in other.registry
    assert other.graphs == {}


def test_the_process_has_one_session_that_the_module_exposes() -> None:
    current = session.current()
    before, graphs = current.registry.snapshot(), dict(current.graphs)
    try:

        @nbflow.tool
        async def of_the_process() -> int:
            return 1

        session.graph("test_session_graph", "of_the_process")
        run = asyncio.run(session.run("test_session_graph"))

        assert "of_the_process" in current.registry
        assert session.graphs()["test_session_graph"] is current.graphs["test_session_graph"]
        assert session.read(run.id) is run
        assert nbflow.session is session
    finally:
        current.registry.restore(before)
        current.graphs.clear()
        current.graphs.update(graphs)
        current.live.clear()
