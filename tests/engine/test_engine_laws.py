"""Laws: the result of the engine does not depend on timing, and equals that of the scheduler."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import others

from nbflow import GraphDefinition, Run, ToolRegistry, WorkflowEngine
from nbflow.scheduler import Cancel, Command, Ended, Scheduler, Task, compile_plan

Work = Callable[[str, Mapping[str, Any]], Any]
REDUCERS = {"log": "append", "total": "add", "seen": "merge"}
CONDITIONS = ["total > 3", "total % 2 == 0", "'a' in seen", "len(log) < 4", "true"]


@st.composite
def graphs(draw: st.DrawFn) -> GraphDefinition:
    """Small graphs with splits, joins, conditions, error edges and loops."""
    count = draw(st.integers(1, 6))
    names = "abcdef"[:count]
    nodes = [
        {"node_id": name, "tool": name, "route": draw(st.sampled_from(["first", "first", "all"]))} for name in names
    ]
    pairs = [(names[draw(st.integers(0, i - 1))], names[i]) for i in range(1, count)]
    pairs += draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from([*names, "END"])), max_size=5))
    edges: dict[Any, dict[str, Any]] = {}
    for source, target in pairs:
        kind = draw(st.sampled_from(["normal", "normal", "conditional", "error"]))
        condition = draw(st.sampled_from(CONDITIONS)) if kind == "conditional" else None
        edges[source, target, kind, condition] = {
            "from_node": source, "to_node": target, "type": kind, "condition": condition,
        }  # fmt: skip
    return GraphDefinition.model_validate({
        "nodes": nodes, "edges": list(edges.values()), "entry_node": "a", "max_iterations": draw(st.integers(1, 3)),
        "reducers": REDUCERS,
    })  # fmt: skip


def work(name: str, state: Mapping[str, Any]) -> Any:
    """What a node does: a function of its name and of what it sees."""
    seen = len(state["log"]) + ord(name)
    if seen % 7 == 0:
        raise ValueError(f"{name} after {len(state['log'])}")
    return {"log": name, "total": seen % 3, "seen": {name: seen}, f"own_{name}": seen}


def updates(output: dict[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an output is an update: a key without a reducer that has the state's value is none (rule 9)."""
    absent = object()
    return {key: value for key, value in output.items() if key in REDUCERS or state.get(key, absent) != value}


INITIAL: dict[str, Any] = {"log": [], "total": 0, "seen": {}}


def by_scheduler(graph: GraphDefinition) -> tuple[Any, ...]:
    """Run a graph by the scheduler alone, each node ending in the order of its start."""
    scheduler = Scheduler(compile_plan(graph), INITIAL)
    queue: list[Task] = []
    ended: list[Ended] = []

    def carry_out(answers: list[Command]) -> None:
        for answer in answers:
            if isinstance(answer, Task):
                queue.append(answer)
            elif isinstance(answer, Ended):
                ended.append(answer)
            elif isinstance(answer, Cancel) and answer.task in queue:
                queue.remove(answer.task)

    carry_out(scheduler.begin())
    while queue:
        task = queue.pop(0)
        state = dict(task.path)
        try:
            update = updates(work(task.node.id, state), state)
        except ValueError as error:
            carry_out(scheduler.fail(task, error))
        else:
            carry_out(scheduler.complete(task, update))
    (end,) = ended
    return outcome(end.state, end.error)


def outcome(state: Mapping[str, Any], error: BaseException | None) -> tuple[Any, ...]:
    """Return what a run came to; of a failed one only how, as what ran beside the failure may differ."""
    return ("completed", dict(state)) if error is None else (type(error).__name__,)


def by_engine(graph: GraphDefinition, pause: Callable[[], float | None], **options: Any) -> Run:
    """Run a graph by the engine, each node taking as long as `pause` says; None for no wait, below 0 for a thread."""
    registry = ToolRegistry()
    for node in graph.nodes:
        registry.register(node.node_id, tool(node.node_id, pause))

    async def main() -> Run:
        run = WorkflowEngine(registry).start(graph, INITIAL, **options)
        await run.wait()
        assert not others()
        return run

    return asyncio.run(main())


def tool(name: str, pause: Callable[[], float | None]) -> Callable[..., Any]:
    async def on_loop(state: dict[str, Any]) -> Any:
        seconds = pause()
        if seconds is not None:
            await asyncio.sleep(seconds)
        return work(name, state)

    return on_loop


@settings(max_examples=150)
@given(graphs())
def test_the_engine_comes_to_what_the_scheduler_comes_to(graph: GraphDefinition) -> None:
    run = by_engine(graph, lambda: 0.0)

    expected = by_scheduler(graph)
    if expected[0] == "completed" or run.error is None:
        assert outcome(run.state, run.error) == expected


@settings(max_examples=60)
@given(graphs(), st.integers(0, 2**32))
def test_how_long_nodes_take_does_not_change_what_a_run_comes_to(graph: GraphDefinition, seed: int) -> None:
    rng = random.Random(seed)

    at_once = by_engine(graph, lambda: None)
    slept = by_engine(graph, lambda: rng.choice([None, 0.0, 0.001, 0.002]))
    narrow = by_engine(graph, lambda: rng.choice([None, 0.0, 0.001]), max_parallel=1)

    if at_once.error is None:
        assert outcome(slept.state, slept.error) == outcome(at_once.state, None)
        assert outcome(narrow.state, narrow.error) == outcome(at_once.state, None)
    else:
        assert slept.error is not None
        assert narrow.error is not None


@settings(max_examples=60)
@given(graphs(), st.integers(0, 30))
def test_a_run_cancelled_at_any_moment_is_logged_to_its_end(graph: GraphDefinition, turns: int) -> None:
    registry = ToolRegistry()
    for node in graph.nodes:
        registry.register(node.node_id, tool(node.node_id, lambda: 0.0))

    async def main() -> Run:
        run = WorkflowEngine(registry).start(graph, INITIAL)
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        await run.wait()
        assert not others()
        return run

    run = asyncio.run(main())

    assert [event.seq for event in run.events] == list(range(1, len(run.events) + 1))
    assert run.events[-1].kind in ("execution_complete", "execution_error", "execution_cancelled")
    assert all(row.status != "started" for row in run.logs)


@settings(max_examples=60)
@given(graphs())
def test_every_event_of_a_node_lies_between_its_start_and_its_end(graph: GraphDefinition) -> None:
    run = by_engine(graph, lambda: 0.0)

    under_way: set[str | None] = set()
    for event in run.events:
        if event.kind == "node_start":
            assert event.node not in under_way
            under_way.add(event.node)
        elif event.kind in ("node_complete", "node_error", "node_cancelled"):
            under_way.remove(event.node)
    assert not under_way


@pytest.mark.parametrize("seed", range(5))
def test_sync_tools_in_threads_come_to_the_same(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcdefgh"
    edges = [{"from_node": rng.choice(names[:i]), "to_node": names[i]} for i in range(1, len(names))]
    graph = GraphDefinition.model_validate({
        "nodes": [{"node_id": name, "tool": name} for name in names], "edges": edges, "reducers": REDUCERS,
    })  # fmt: skip

    def sync(name: str) -> Callable[..., Any]:
        return lambda state: {"log": name, "total": len(state["log"]), "seen": {name: len(state["log"])}}

    def loop(name: str) -> Callable[..., Any]:
        async def on_loop(state: dict[str, Any]) -> Any:
            return sync(name)(state)

        return on_loop

    def result(make: Callable[[str], Any]) -> dict[str, Any]:
        registry = ToolRegistry()
        for name in names:
            registry.register(name, make(name))

        async def main() -> dict[str, Any]:
            return (await WorkflowEngine(registry).execute(graph, INITIAL)).state

        return asyncio.run(main())

    assert result(sync) == result(loop)
