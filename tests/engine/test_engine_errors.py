"""The error that a run raises, with its cause and its result."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from running import graph, others, run

from nbflow import ToolRegistry, WorkflowEngine
from nbflow.errors import ConditionError, ExecutionError, LoopError, NodeError, StateConflictError


async def add(n: int) -> dict[str, int]:
    return {"n": n + 1}


async def broken() -> None:
    await asyncio.sleep(0)
    raise ValueError("no rows")


def test_a_failed_node_raises_node_error_with_its_cause_and_the_result() -> None:
    with pytest.raises(NodeError) as caught:
        run("add -> broken -> pass", add, broken, n=1)

    error = caught.value
    assert isinstance(error, ExecutionError)
    assert str(error) == "node 'broken' failed: ValueError: no rows"
    assert error.node == "broken"
    assert isinstance(error.__cause__, ValueError)
    assert error.result is not None
    assert (error.result.status, error.result.state, error.result.error) == ("failed", {"n": 2}, str(error))
    assert [row.status for row in error.result.logs] == ["completed", "failed"]


def test_the_state_of_a_failed_run_lays_what_its_paths_reached_over_each_other() -> None:
    async def first() -> dict[str, str]:
        return {"a": "ended", "b": "ended"}

    async def second() -> dict[str, str]:
        return {"b": "running", "c": "running"}

    with pytest.raises(NodeError) as caught:
        run("pass -> first & second\nfirst -> end\nsecond -> broken\nend = pass", first, second, broken)

    assert caught.value.result is not None
    assert caught.value.result.state == {"a": "ended", "b": "running", "c": "running"}


def test_an_error_inside_a_subgraph_names_the_inner_path() -> None:
    with pytest.raises(NodeError) as caught:
        run("outer = graph middle", broken, graphs={"middle": "inner = graph leaf", "leaf": "broken"})

    assert caught.value.node == "outer/inner/broken"
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_condition_that_cannot_be_evaluated_raises_condition_error_with_node_and_result() -> None:
    with pytest.raises(ConditionError) as caught:
        run("add -> pass if missing > 1\nadd -> broken on error", add, broken, n=1)

    assert caught.value.node == "add"
    assert caught.value.result is not None
    assert caught.value.result.status == "failed"
    assert caught.value.result.state == {"n": 2}
    assert [(row.node_id, row.status) for row in caught.value.result.logs] == [("add", "completed")]


def test_a_condition_error_inside_a_subgraph_ends_the_run_too() -> None:
    with pytest.raises(ConditionError) as caught:
        run("sub = graph inner\nsub -> pass on error", add, graphs={"inner": "add -> pass if missing"}, n=1)

    assert caught.value.node == "sub/add"
    assert caught.value.result is not None


def test_a_loop_beyond_its_limit_raises_loop_error_with_the_result() -> None:
    with pytest.raises(LoopError) as caught:
        run("add -> add if n < 99 [max=3]", add, n=0)

    assert (caught.value.node, caught.value.target, caught.value.limit) == ("add", "add", 3)
    assert caught.value.result is not None
    assert caught.value.result.state == {"n": 4}


def test_writes_side_by_side_raise_state_conflict_error_with_the_result() -> None:
    async def a() -> dict[str, str]:
        return {"x": "a"}

    async def b() -> dict[str, str]:
        await asyncio.sleep(0)
        return {"x": "b"}

    with pytest.raises(StateConflictError) as caught:
        run("a & b -> pass", a, b)

    assert (caught.value.key, caught.value.writers) == ("x", ("a", "b"))
    assert caught.value.result is not None
    assert caught.value.result.status == "failed"


def test_a_reducer_that_fails_ends_the_run_and_names_the_key() -> None:
    async def a() -> dict[str, int]:
        return {"x": 1}

    with pytest.raises(ExecutionError, match="the reducer of 'x' failed on what node 'a' wrote: TypeError"):
        run("a\nreduce x with extend", a)


def test_what_breaks_the_engine_itself_ends_the_run_and_leaves_nobody_waiting() -> None:
    async def main() -> None:
        registry = ToolRegistry()

        @registry.reducer
        def stops(value: Any, update: Any) -> Any:
            raise KeyboardInterrupt

        async def a() -> dict[str, int]:
            return {"x": 1}

        registry.register("a", a)
        engine = WorkflowEngine(registry)
        with pytest.raises(ExecutionError, match="run of the graph broke off: KeyboardInterrupt") as caught:
            await engine.execute(graph("pass -> a & naps\nnaps = pass\nreduce x with stops"), {"x": 0})
        assert caught.value.result is not None
        assert caught.value.result.status == "failed"
        assert not others()

    asyncio.run(main())


def test_two_failures_at_once_raise_the_first_that_was_taken_note_of() -> None:
    async def one() -> None:
        raise ValueError("one")

    async def two() -> None:
        raise ValueError("two")

    with pytest.raises(NodeError, match="node 'one' failed: ValueError: one"):
        run("pass -> one & two", one, two)
