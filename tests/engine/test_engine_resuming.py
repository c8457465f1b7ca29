"""A run resumed from any prefix of its events has the same end, and repeats nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from running import engine_of, graph, kinds

from nbflow import Run, WorkflowEngine
from nbflow.engine.replay import Replay, ResumePoint
from nbflow.engine.result import key_of
from nbflow.errors import NodeError
from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition


async def add(n: int, by: int = 1) -> dict[str, int]:
    return {"n": n + by}


async def left(n: int) -> dict[str, Any]:
    return {"seen": [f"left {n}"]}


def right(n: int) -> dict[str, Any]:
    return {"seen": [f"right {n}"]}


async def double(x: int) -> int:
    return 2 * x


async def odd(n: int) -> None:
    if n % 2:
        raise ValueError("odd")


TEXT = """
add -> left & right -> join -> add if n < 3 else maps
join = pass
maps = double [map=xs, limit=2]
maps -> inner -> odd
inner = graph sub
odd -> END on error
reduce seen with extend
"""
SUB = {"sub": "a -> many -> b\na = add(by=10)\nb = add(by=100)\nmany = double [map=xs]"}
START = {"n": 0, "xs": [1, 2, 3]}


def past_of(engine: WorkflowEngine, definition: GraphDefinition, events: Sequence[Event], **told: Any) -> ResumePoint:
    replay = Replay(engine.plan(definition), START)
    replay.feed(events)
    return ResumePoint(replay, events, data=told)


def whole(engine: WorkflowEngine, definition: GraphDefinition) -> Run:
    async def main() -> Run:
        run = engine.start(definition, START)
        await run.wait()
        return run

    return asyncio.run(main())


def resumed(engine: WorkflowEngine, definition: GraphDefinition, past: ResumePoint) -> Run:
    async def main() -> Run:
        run = engine.start(definition, START, resume_from=past)
        await run.wait()
        return run

    return asyncio.run(main())


def ended(events: Sequence[Event]) -> Counter[Any]:
    """Count the completions that came from a tool, by firing."""
    done = (event for event in events if event.kind is Kind.NODE_COMPLETE and not event.data.get("derived"))
    return Counter(key_of(event) for event in done)


@pytest.fixture
def setting() -> tuple[WorkflowEngine, GraphDefinition]:
    return engine_of(add, left, right, double, odd, graphs=SUB), graph(TEXT)


def test_any_prefix_of_its_events_resumes_to_the_same_end_and_runs_nothing_twice(
    setting: tuple[WorkflowEngine, GraphDefinition],
) -> None:
    engine, definition = setting
    first = whole(engine, definition)
    events = list(first.events)
    assert first.result is not None
    for length in range(1, len(events)):
        run = resumed(engine, definition, past_of(engine, definition, events[:length]))
        assert run.state == first.state, length
        assert set(ended(run.events).values()) == {1}, length
        assert [event.seq for event in run.events] == list(range(1, len(run.events) + 1))


def test_a_replay_of_all_events_is_the_live_state_at_each_of_them(
    setting: tuple[WorkflowEngine, GraphDefinition],
) -> None:
    engine, definition = setting
    run = whole(engine, definition)
    assert run.at(len(run.events)).state == run.state
    assert run.at(1).state == START
    halfway = next(event.seq for event in run.events if event.node == "maps")
    assert run.at(halfway).state["n"] == 3
    assert run.at(halfway).nodes["maps"] == "running"


def test_attempts_continue_counting_and_open_attempts_of_a_dead_process_are_logged_as_cancelled(
    setting: tuple[WorkflowEngine, GraphDefinition],
) -> None:
    engine, definition = setting
    events = list(whole(engine, definition).events)
    start = next(event for event in events if event.node == "left")
    run = resumed(engine, definition, past_of(engine, definition, events[: start.seq]))
    rows = [(row.status, row.attempt) for row in run.logs if row.node_id == "left" and row.firing == 2]
    assert rows == [("cancelled", 1), ("completed", 2)]


def test_a_failed_run_resumes_from_its_failed_node_once_the_tool_is_fixed() -> None:
    engine = engine_of(add, odd)
    definition = graph("add -> odd -> b\nb = add")
    failed = whole(engine, definition)
    assert isinstance(failed.error, NodeError)
    ran: list[int] = []

    async def mended(n: int) -> None:
        ran.append(n)

    engine.registry.register("odd", mended)
    run = resumed(engine, definition, past_of(engine, definition, list(failed.events)))
    assert run.state == {"n": 2, "xs": [1, 2, 3]}
    assert ran == [1]
    assert kinds(run)[-1] == "execution_complete"


def test_an_edit_of_a_fork_is_seen_by_what_runs_next(setting: tuple[WorkflowEngine, GraphDefinition]) -> None:
    engine, _ = setting
    definition = graph("add -> b -> c\nb = add\nc = add")
    events = list(whole(engine, definition).events)
    begun = next(event.seq for event in events if event.node == "c")
    past = past_of(engine, definition, events[: begun - 1])
    edit: Mapping[str, Any] = {"n": 40}
    past.replay.scheduler.edit(dict(edit))
    past.data["edited"] = edit
    run = resumed(engine, definition, past)
    assert run.state["n"] == 41
    assert run.at(len(run.events)).state["n"] == 41
    assert run.diff(whole(engine, definition)).state == {"n": (41, 3)}


def edited(engine: WorkflowEngine, text: str, until: tuple[Kind, str], **edit: Any) -> Run:
    """Fork a run after an event, with other values, and run it to its end."""
    definition = graph(text)
    events = list(whole(engine, definition).events)
    seq = next(event.seq for event in events if (event.kind, event.node) == until)
    past = past_of(engine, definition, events[:seq])
    past.replay.scheduler.edit(edit)
    past.data["edited"] = edit
    return resumed(engine, definition, past)


@pytest.mark.parametrize("each", ["add", "graph sub"])
@pytest.mark.parametrize("items", [[5, 6, 7, 8], [5], []])
def test_a_map_over_a_key_that_a_fork_writes_maps_over_what_it_holds_now(each: str, items: list[int]) -> None:
    engine = engine_of(add, graphs={"sub": "b -> c\nb = add\nc = add"})
    text = f"add -> m -> b\nb = add\nm = {each} [map=xs, as=n]"
    run = edited(engine, text, (Kind.NODE_START, "m"), xs=items)

    more = 1 if each == "add" else 2
    assert [one["n"] for one in run.state["m"]] == [n + more for n in items]
    assert run.at(len(run.events)).state == run.state
    begun = next(event.seq for event in run.events if event.kind is Kind.EXECUTION_RESUMED)
    for length in range(begun, len(run.events)):
        again = resumed(engine, graph(text), past_of(engine, graph(text), list(run.events)[:length]))
        assert again.state == run.state


def test_a_map_fails_over_what_a_fork_writes_and_is_no_list() -> None:
    run = edited(engine_of(add), "add -> m\nm = add [map=xs, as=n]", (Kind.NODE_START, "m"), xs=3)

    assert "maps over 'xs', which holds int; it needs a list" in str(run.error)


@pytest.mark.parametrize(
    ("each", "ended"),
    [("add", "m[0]"), ("graph sub", "m[0]/b"), ("graph deep", "m[0]/s/b"), ("graph maps", "m[0]/k[0]")],
)
def test_a_map_with_an_ended_item_retains_its_list(each: str, ended: str) -> None:
    graphs = {"sub": "b -> c\nb = add\nc = pass", "deep": "s = graph sub", "maps": "k = add [map=xs, as=n]"}
    text = f"add -> m\nm = {each} [map=xs, as=n, limit=1]"
    run = edited(engine_of(add, graphs=graphs), text, (Kind.NODE_COMPLETE, ended), xs=[9])

    assert run.state["xs"] == [9]
    assert len(run.state["m"]) == 3
    assert [event.node for event in run.events if event.kind is Kind.NODE_COMPLETE].count(ended) == 1


def test_a_subgraph_that_took_too_long_replays_as_a_failure_from_outside() -> None:
    async def slow() -> None:
        await asyncio.sleep(60)

    engine = engine_of(add, slow, graphs={"sub": "slow"})
    definition = graph("s -> b on error\ns = graph sub [timeout=0.01]\nb = add")
    first = whole(engine, definition)
    assert first.state["error"]["type"] == "TimeoutError"
    for length in range(len(first.events) - 5, len(first.events)):
        run = resumed(engine, definition, past_of(engine, definition, list(first.events)[:length]))
        assert (run.state["n"], run.state["error"]["type"]) == (1, "TimeoutError")


def test_a_started_retry_of_a_subgraph_is_not_started_again() -> None:
    tries: list[int] = []

    async def flaky(n: int) -> dict[str, int]:
        tries.append(n)
        if len(tries) == 1:
            raise ValueError("once")
        return {"n": n + 1}

    engine = engine_of(add, flaky, graphs={"sub": "add -> flaky -> b\nb = add"})
    definition = graph("s = graph sub [retries=2, backoff=0]")
    first = whole(engine, definition)
    assert first.state["n"] == 3
    events = list(first.events)
    again = next(event.seq for event in events if event.data.get("begun") == 2)
    for length in range(again, len(events)):
        tries[:] = [0]
        assert resumed(engine, definition, past_of(engine, definition, events[:length])).state["n"] == 3


def test_the_time_of_all_sittings_is_added_up(setting: tuple[WorkflowEngine, GraphDefinition]) -> None:
    engine, definition = setting
    events = list(whole(engine, definition).events)
    past = past_of(engine, definition, events[:4])
    run = resumed(engine, definition, ResumePoint(past.replay, past.events, seconds=100.0))
    assert run.result is not None
    assert run.result.execution_time > 100.0
    assert run.started_at == events[0].time
