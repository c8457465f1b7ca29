"""Names that are identifiers are normalised to NFKC at every entry; stored names are read unchanged.

MICRO is the sign on the keyboard, MU the Greek letter to which Python normalises it. Both look the same on a page.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from nbflow.conditions import compile_condition
from nbflow.engine import Run
from nbflow.errors import GraphError, NameClashError, NbflowError, NotationError, RunStateError
from nbflow.graph import GraphDefinition
from nbflow.graph.model import AS_STORED
from nbflow.names import identifier, node_path
from nbflow.notation import parse_run_line, read_graph
from nbflow.notation.parser import read_flow
from nbflow.session import Session
from nbflow.store import stored_graph

MICRO, MU = "\xb5", "\u03bc"
LIGATURE, PLAIN = "\ufb01le", "file"


def ran(source: Any, *tools: Any, state: dict[str, Any] | None = None) -> Run:
    async def main() -> Run:
        session = Session()
        for tool in tools:
            session.registry.register(*tool)
        session.graph("g", source)
        run = session.start("g", state, durability="off")
        await run.wait()
        return run

    return asyncio.run(main())


def test_only_identifiers_are_normalised() -> None:
    assert [identifier(name) for name in (MICRO, LIGATURE, "x")] == [MU, PLAIN, "x"]
    assert [identifier(name) for name in (f"{MICRO} m", f"2{MICRO}", "\u2460")] == [f"{MICRO} m", f"2{MICRO}", "\u2460"]
    assert node_path(f"{MICRO}[3]/{LIGATURE}") == f"{MU}[3]/{PLAIN}"


GRAPHS = {
    "notation": f"{MICRO} = {LIGATURE}({MICRO}=1) [map={MICRO}, as={LIGATURE}, into={MICRO}]\n"
    f"{MICRO} -> x\nreduce {MICRO} with {LIGATURE}\nentry {MICRO}",
    "quoted": f'"{MICRO}" = "{LIGATURE}"("{MICRO}"=1) [map="{MICRO}", as="{LIGATURE}", into="{MICRO}"]\n'
    f'"{MICRO}" -> x\nreduce "{MICRO}" with "{LIGATURE}"\nentry "{MICRO}"',
    "JSON": json.dumps(
        {
            "nodes": [
                {
                    "node_id": MICRO, "tool": LIGATURE, "params": {MICRO: 1},
                    "map": MICRO, "as": LIGATURE, "into": MICRO,
                },
                {"node_id": "x", "tool": "x"},
            ],
            "edges": [{"from_node": MICRO, "to_node": "x"}],
            "reducers": {MICRO: LIGATURE},
            "entry_node": MICRO,
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", GRAPHS)
def test_all_names_of_a_graph_are_normalised(form: str) -> None:
    graph = read_graph(GRAPHS[form], name=MICRO)

    node = graph.nodes[0]
    assert (graph.name, node.node_id, node.tool, node.params) == (MU, MU, PLAIN, {MU: 1})
    assert (node.map, node.as_, node.into) == (MU, PLAIN, MU)
    assert (graph.edges[0].from_node, graph.reducers, graph.entry_node) == (MU, {MU: PLAIN}, MU)


def test_a_graph_built_in_python_is_normalised_and_so_are_subgraphs() -> None:
    graph = GraphDefinition.model_validate({"nodes": [{"node_id": MICRO, "graph": LIGATURE, "params": {MICRO: 1}}]})

    assert (graph.nodes[0].node_id, graph.nodes[0].graph, graph.nodes[0].params) == (MU, PLAIN, {MU: 1})
    assert read_flow(f"graph {MICRO}\nx")[0].name == MU


def test_two_params_and_two_reducers_that_become_one_are_faults_that_name_both() -> None:
    with pytest.raises(GraphError) as caught:
        GraphDefinition.model_validate(
            {
                "nodes": [{"node_id": "a", "tool": "t", "params": {MICRO: 1, MU: 2}}],
                "reducers": {MICRO: "add", MU: "add"},
            }
        )

    assert len(caught.value.faults) == 2
    for fault in caught.value.faults:
        assert "'\\xb5'" in fault
        assert "'\\u03bc'" in fault
    with pytest.raises(NotationError, match="appears twice"):
        read_graph(f"a = t({MICRO}=1, {MU}=2)")


def test_nested_keys_are_unchanged_and_a_path_tries_the_exact_key_too() -> None:
    graph = GraphDefinition.model_validate({"nodes": [{"node_id": "a", "tool": "t", "params": {"x": {MICRO: 1}}}]})
    assert graph.nodes[0].params == {"x": {MICRO: 1}}

    for key in (MICRO, MU):
        assert compile_condition(f"x.{MICRO} == 1").evaluate({"x": {key: 1}})[0]
    assert compile_condition(f"x.{MICRO} == 1").evaluate({"x": {MICRO: 1, MU: 2}})[0]
    assert compile_condition(f"x.{LIGATURE}.y == 1").evaluate({"x": {LIGATURE: {"y": 1}}})[0]
    assert compile_condition(f"x['{MICRO}'] == 1").evaluate({"x": {MICRO: 1, MU: 2}})[0]


def test_an_error_after_a_normalised_name_has_the_right_column() -> None:
    with pytest.raises(NbflowError) as caught:
        compile_condition(f"x.{LIGATURE} > 1").evaluate({"x": {"other": 1}})

    assert caught.value.column == 3  # type: ignore[attr-defined]  # of a ConditionError


@pytest.mark.parametrize(
    "text", ["{} == 1", "state.{} == 1", "state['{}'] == 1", "'{}' in state", "state[k] == 1", "k in state"]
)
def test_conditions_read_keys_of_the_state_by_their_normalised_names(text: str) -> None:
    assert compile_condition(text.format(MICRO)).evaluate({MU: 1, "k": MICRO})[0]


def test_the_initial_state_params_and_results_of_tools_are_normalised() -> None:
    def first(μ: int) -> dict[str, Any]:
        return {LIGATURE: μ + 1, "nested": {MICRO: 1}}

    async def second(file: int, **rest: Any) -> dict[str, Any]:
        return {"got": [file, rest]}

    run = ran(f"first -> second if {LIGATURE} == 2\nsecond = second({MICRO}=5)", ("first", first), ("second", second),
              state={MICRO: 1})  # fmt: skip

    assert run.state == {MU: 1, "file": 2, "nested": {MICRO: 1}, "got": [2, {MU: 5}]}


def test_a_tool_that_returns_the_state_under_unnormalised_names_updates_nothing() -> None:
    def same(μ: list[int]) -> dict[str, Any]:
        return {MICRO: μ}

    run = ran("same", ("same", same), state={MU: [1]})

    assert run.logs[0].output == {MU: [1]}
    assert [event.data.get("unchanged") for event in run.events if event.kind == "node_complete"] == [[MU]]


def returned() -> dict[str, Any]:
    return {MICRO: 1, MU: 2}


def yielded() -> Any:
    yield {MICRO: 1, MU: 2}


@pytest.mark.parametrize("function", [returned, yielded])
def test_a_tool_that_returns_two_keys_that_become_one_fails(function: Any) -> None:
    run = ran("t", ("t", function))

    assert run.status == "failed"
    assert "'\\xb5'" in str(run.error)
    assert "'\\u03bc'" in str(run.error)


def test_two_keys_of_the_initial_state_that_become_one_are_refused() -> None:
    with pytest.raises(NameClashError, match=r"the initial state: .*'\\xb5'.*'\\u03bc'"):
        ran("pass", state={MICRO: 1, MU: 2})


def test_tools_predicates_and_reducers_are_found_under_either_name() -> None:
    def total(value: int, update: int) -> int:
        return value + update

    def is_large(value: int) -> bool:
        return value > 1

    async def main() -> Run:
        session = Session()
        session.tool(name=MICRO)(lambda: {"n": 2})
        total.__name__ = is_large.__name__ = MICRO
        session.reducer(total)
        session.predicate(is_large)
        session.graph(MICRO, f"{MICRO} -> again if {MICRO}(n)\nagain = {MU}\nreduce n with {MICRO}")
        assert session.find(MICRO) is session.find(MU)
        assert MICRO in session.registry
        run = session.start(MU, {"n": 1}, durability="off")
        await run.wait()
        return run

    run = asyncio.run(main())
    assert (run.name, run.state) == (MU, {"n": 5})


def test_the_run_line_normalises_keys() -> None:
    assert parse_run_line(f"g {MICRO}=1").assignments == ((MU, "1"),)
    with pytest.raises(NotationError, match="appears twice"):
        parse_run_line(f"g {MICRO}=1 {MU}=2")


def test_commands_to_a_run_find_nodes_by_either_name() -> None:
    async def main() -> dict[str, Any]:
        session = Session()
        hold = asyncio.Event()

        async def waits() -> None:
            await hold.wait()

        session.registry.register("waits", waits)
        session.graph("g", f"{MU} = waits\n{MU} -> last\nlast = pass")
        run = session.start("g", durability="off", breaks=[MICRO])
        assert run.breaks == {MU}
        run.break_at(MICRO, on=False)
        await run.changed()
        run.skip(MICRO, {LIGATURE: 1})
        await run.wait()
        with pytest.raises(RunStateError):
            run.skip(MICRO)
        fork = await session.reopen(run.id, at=MICRO, state={MICRO: 3})
        fork.skip(MU, 4)
        await fork.wait()
        return {"run": run.state, "fork": fork.state}

    assert asyncio.run(main()) == {"run": {PLAIN: 1}, "fork": {MU: 4}}


def test_edits_that_become_one_are_refused() -> None:
    async def main() -> None:
        session = Session()
        session.graph("g", "pass")
        run = session.start("g", durability="off")
        await run.wait()
        await session.reopen(run.id, at="pass", state={MICRO: 3, MU: 4})

    with pytest.raises(NameClashError, match="the edits"):
        asyncio.run(main())


def test_secrets_are_recognised_by_either_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbflow.session.serialization import plain

    monkeypatch.setenv("NBFLOW_SECRET_KEYS", f"{MICRO}_key")

    assert plain({f"{MU}_key": "secret"}) == {f"{MU}_key": "***"}
    assert plain({"x": {f"{MICRO}_key": "secret"}}) == {"x": {f"{MICRO}_key": "***"}}


def test_a_stored_graph_and_its_run_are_read_unchanged_and_resume(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'runs.db'}")
    fail = [True]

    def first(μ: int) -> dict[str, Any]:
        return {"n": μ}

    def last(n: int) -> dict[str, Any]:
        if fail.pop() if fail else False:
            raise ValueError("not yet")
        return {"done": n}

    def session() -> Session:
        made = Session()
        made.registry.register("first", first)
        made.registry.register("last", last)
        return made

    async def main() -> tuple[Any, Any, Any]:
        # The record of an earlier version, which did not normalise names.
        old = session()
        old.graphs["g"] = GraphDefinition.model_validate(
            {
                "name": "g",
                "nodes": [{"node_id": MICRO, "tool": "first"}, {"node_id": "last", "tool": "last"}],
                "edges": [{"from_node": MICRO, "to_node": "last"}],
            },
            context=AS_STORED,
        )
        with monkeypatch.context() as patched:
            patched.setattr("nbflow.session.session.normalised", lambda values, _: dict(values))
            run = old.start("g", {MICRO: 1}, durability="sync")
        await run.wait()
        old.history.close()
        new = session()
        new.graph("g", f"{MICRO} = first\n{MICRO} -> last")
        stored = await asyncio.to_thread(new.read, run.id)
        resumed = await new.reopen(run.id)
        await resumed.wait()
        new.history.close()
        return run, stored, resumed

    run, stored, resumed = asyncio.run(main())
    assert run.status == "failed"
    assert (stored.state, [row.node_id for row in stored.logs]) == ({MICRO: 1, "n": 1}, [MICRO, "last"])
    assert (resumed.status, resumed.state["done"]) == ("completed", 1)
    assert [row.node_id for row in resumed.logs] == [MICRO, "last", "last"]
    assert stored_graph.graph_of(stored_graph.text_of(run.graph)) == run.graph


def test_a_key_set_on_the_command_line_wins_over_the_file_under_either_name(tmp_path: Any) -> None:
    from nbflow.cli.options import assignments, state_file

    path = tmp_path / "state.json"
    path.write_text(json.dumps({MICRO: 1}), encoding="utf-8")

    assert {**state_file(path), **assignments([f"{MU}=2"])} == {MU: 2}
    with pytest.raises(NameClashError, match="--set"):
        assignments([f"{MU}=2", f"{MICRO}=3"])
    path.write_text(json.dumps({MICRO: 1, MU: 2}), encoding="utf-8")
    with pytest.raises(NameClashError, match="--state"):
        state_file(path)
