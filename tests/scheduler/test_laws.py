"""Laws of every run, tested on random graphs in virtual time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from harness import Drive, prepare, resume
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import INITIAL, Case, Kinds, random_case, state_tool
from structured import structured

from nbflow.errors.failures import error_data
from nbflow.graph import GraphDefinition
from nbflow.scheduler import EdgeTaken, Retry, Task, compile_plan

WAITING = Kinds(joins=("all", "all", "each"), odd_conditions=False, failures=0.04, shared_writes=0.05)
EVERY = Kinds()
RANDOMS = st.randoms(use_true_random=False)
several = settings(max_examples=60)


def begun(case: Case) -> Drive:
    drive = case.drive()
    drive.carry_out(drive.scheduler.begin())
    return drive


def ending(drive: Drive) -> Any:
    """Return the final state without the text of its error, or a mark that the run failed."""
    assert drive.ended is not None
    if drive.ended.error is not None:
        return "failed"
    state = dict(drive.ended.state)
    if isinstance(state.get("error"), dict):
        state["error"] = {**state["error"], "message": ""}
    return state


@several
@given(random=RANDOMS)
def test_the_outcome_does_not_depend_on_durations(random: Random) -> None:
    case = random_case(random, WAITING)
    timed = state_tool(random, len(case.graph.nodes), WAITING)
    durations = [Random(n) for n in range(4)]
    endings = [ending(begun(replace(case, tool=timed(each))).run()) for each in durations]
    assert endings == endings[:1] * 4


def composite(random: Random) -> tuple[GraphDefinition, dict[str, GraphDefinition]]:
    """Return a random graph and its subgraphs; some nodes are maps, subgraphs, or maps over subgraphs."""

    def patched(case: Case, kinds: list[dict[str, Any]], share: float) -> GraphDefinition:
        data = case.definition().model_dump(by_alias=True, exclude_unset=True)
        for node in data["nodes"]:
            if random.random() < share:
                node.update(random.choice(kinds))
                if "graph" in node:
                    del node["tool"]
        return GraphDefinition.model_validate({**data, "reducers": data["reducers"] | {"each": "last"}})

    maps = [{"map": "xs", "limit": 2}, {"map": "xs", "on_error": "collect"}, {"map": "none"}]
    small = replace(WAITING, most_nodes=4)
    inner = patched(random_case(random, small), maps, 0.3)
    per_item = {"graph": "inner", "map": "xs", "as": "y", "on_error": "collect"}
    subgraphs = [{"graph": "inner"}, {"graph": "inner", "retries": 1}, per_item]
    return patched(random_case(random, replace(WAITING, most_nodes=6)), maps + subgraphs * 2, 0.5), {"inner": inner}


def composite_drive(random: Random) -> Drive:
    """Return a drive of such a graph that has not started; its tools depend on the state and the item alone."""
    definition, graphs = composite(random)
    timed = state_tool(random, 12, WAITING)(random)
    plan = compile_plan(definition, graphs=graphs)
    return prepare(plan, state=START, default=lambda task: timed(task.node.index, task.item or 0, dict(task.path)))


START = {**INITIAL, "xs": [1, 2, 3]}


def live(drive: Drive) -> list[tuple[Any, ...]]:
    """Return the running tasks: scope, firing, item, node, and the state of each."""
    return sorted(
        ((t.scope, t.firing, -1 if t.item is None else t.item, t.node.id, repr(sorted(t.path.items())))
         for t in drive.scheduler.leaves()),
    )  # fmt: skip


def assert_prefixes_replay(drive: Drive, start: dict[str, Any]) -> None:
    """Run a started drive, and replay each prefix of its log."""
    seen = [(live(drive), drive.scheduler.state())]

    def look(drive: Drive) -> None:
        if len(drive.log) == len(seen):
            seen.append((live(drive), drive.scheduler.state()))

    drive.on_step = look
    drive.run()
    tried = not any(isinstance(answer, Retry) for answer in drive.answers)
    for number, (tasks, state) in enumerate(seen):
        again = resume(drive, drive.log[:number], start)
        if tried and not (again.ended and again.ended.error):
            assert live(again) == tasks
            assert again.scheduler.state() == state
        assert ending(again.run()) == ending(drive)


@several
@given(random=RANDOMS)
def test_any_prefix_of_a_log_replays_to_the_live_state_and_continues_to_the_same_end(random: Random) -> None:
    case = random_case(random, WAITING)
    timed = state_tool(random, len(case.graph.nodes), WAITING)(random)
    drive = prepare(case.definition(), state=INITIAL, default=lambda task: timed(task.node.index, 0, dict(task.path)))
    drive.carry_out(drive.scheduler.begin())
    assert_prefixes_replay(drive, INITIAL)


@pytest.mark.slow
@several
@given(random=RANDOMS)
def test_any_prefix_of_a_log_of_maps_and_subgraphs_replays(random: Random) -> None:
    drive = composite_drive(random)
    drive.carry_out(drive.scheduler.begin())
    assert_prefixes_replay(drive, START)


@several
@given(random=RANDOMS)
def test_a_full_log_replays_for_all_joins(random: Random) -> None:
    drive = begun(random_case(random, EVERY)).run()
    assert drive.ended is not None
    again = resume(drive, drive.log, INITIAL)
    if drive.ended.error is None:
        assert again.ended == drive.ended
        assert again.scheduler.leaves() == []


@several
@given(random=RANDOMS)
def test_no_token_is_lost(random: Random) -> None:
    case = random_case(random, replace(WAITING, failures=0, shared_writes=0))
    reducers = {**case.graph.reducers, "trail": "append"}
    case = replace(case, graph=replace(case.graph, reducers=reducers, limit=4), tool=_marked(case))
    drive = begun(case).run()
    starts = Counter(name for _, name, _ in drive.starts)
    into = Counter(a.edge.target.id for a in drive.answers if isinstance(a, EdgeTaken) and a.edge.target)
    into.update(str(entry) for entry in case.graph.entries)
    for number, node in enumerate(case.graph.nodes):
        name = str(number)
        assert starts[name] <= into[name], "a start without a token"
        if drive.ended is not None and drive.ended.error is None:
            assert bool(starts[name]) == bool(into[name]), "a token that started nothing"
            assert node.join != "each" or starts[name] == into[name]
    if drive.ended is not None and drive.ended.error is None:
        trail = drive.ended.state.get("trail", [])
        assert Counter(trail) == Counter(f"{name}.{n + 1}" for name, count in starts.items() for n in range(count))


def _marked(case: Case) -> Callable[[int, int, Any], tuple[float, Any]]:
    """Return the case's tool, which also adds a different mark to the trail with each firing."""

    def tool(node: int, nth: int, state: Any) -> tuple[float, Any]:
        duration, update = case.tool(node, nth, state)
        return duration, {**update, "trail": f"{node}.{nth}"}

    return tool


@several
@given(random=RANDOMS)
def test_a_run_with_a_live_token_has_a_running_task(random: Random) -> None:
    drive = begun(random_case(random, EVERY))
    while drive.scheduler.ended is None:
        running = drive.scheduler.leaves()
        assert running
        assert all(task.live for task in running)
        single = [task.node.id for task in running if not task.node.each]
        assert len(single) == len(set(single)), "a node runs beside itself"
        assert drive.step()
    assert drive.scheduler.leaves() == []


@several
@given(random=RANDOMS)
def test_maps_and_subgraphs_never_deadlock(random: Random) -> None:
    drive = composite_drive(random)
    drive.carry_out(drive.scheduler.begin())
    drive.run()
    assert drive.ended is not None
    started = [a for a in drive.answers if isinstance(a, Task)]
    assert not any(task.live for task in started)


@settings(max_examples=100)
@given(random=RANDOMS, depth=st.integers(1, 4))
def test_structured_loops_run_their_branches_in_parallel_and_join_them_once_a_round(random: Random, depth: int) -> None:
    block, drive = structured(random, depth)
    assert drive.makespan == block.length
    assert Counter(drive.state["trail"]) == Counter(block.firings)


@pytest.mark.parametrize("text", ["a -> b & c -> d\nd -> a if n < 3 [max=2]\nd -> e on error"])
def test_a_replayed_failure_is_the_error_that_an_error_edge_wrote(text: str) -> None:
    drive = prepare(text, {"d": lambda task: (1, KeyError("n"))}, state={"n": 0})
    drive.carry_out(drive.scheduler.begin())
    drive.run()
    (failed,) = [outcome for outcome in drive.log if outcome.kind == "failed"]
    assert failed.value == error_data("d", KeyError("n"))
    assert resume(drive, drive.log, {"n": 0}).ended == drive.ended
