"""Nodes with `cache`: what is taken from the store, and what is computed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cached_runs import CALLED, calls, define, exact, from_cache, ran, run, session_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow import GraphDefinition, Run, ToolRegistry, WorkflowEngine
from nbflow.errors import GraphError, NotationError
from nbflow.events import Event, Kind
from nbflow.session import Session

WORK = CALLED + "def work(n, log):\n    called(log)\n    return {'out': helper(n)}\ndef helper(n): return n * 2\n"
Open = Callable[..., Session]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the file that counts the calls."""
    return tmp_path / "calls"


def test_the_output_of_the_same_tool_and_inputs_is_reused_in_another_session(log: Path) -> None:
    first, second = (ran(WORK, n=3, log=str(log)) for _ in range(2))

    assert [from_cache(first), from_cache(second)] == [{"work": False}, {"work": True}]
    assert first.state == second.state == {"n": 3, "log": str(log), "out": 6}
    assert calls(log) == 1


@pytest.mark.slow
def test_it_is_reused_in_another_process(tmp_path: Path, url: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio\nfrom nbflow import session, tool\nfrom enum import Enum\n"
        "class Kind(Enum):\n    A = 'a'\n"
        "@tool\ndef work(words: set, kind: Kind) -> dict: return {'out': sorted(words), 'kind': kind}\n"
        "session.graph('g', 'work [cache=true]')\n"
        "run = asyncio.run(session.run('g', words={'a', 'b', 'c', 'd'}, kind=Kind.A))\n"
        "print(run.logs[0].cached, run.state['out'], run.state['kind'])\n"
    )

    def printed(seed: str) -> str:
        env = {**os.environ, "NBFLOW_DATABASE_URL": url, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, str(program)], env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert printed("1") == "False ['a', 'b', 'c', 'd'] Kind.A"
    assert printed("2") == "True ['a', 'b', 'c', 'd'] Kind.A"


def test_a_node_without_cache_is_computed_each_time(log: Path) -> None:
    for _ in range(2):
        done = ran(WORK, "work", n=3, log=str(log))

    assert from_cache(done) == {"work": False}
    assert calls(log) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [("helper(n)}", "-helper(n)}"), ("n * 2", "n * 3"), ("def work(n, log)", "def work(n, log, more=1)")],
    ids=["the tool", "a function that it calls", "a default"],
)
def test_a_change_of_what_runs_is_a_miss(old: str, new: str, log: Path) -> None:
    ran(WORK, n=3, log=str(log))

    done = ran(WORK.replace(old, new), n=3, log=str(log))

    assert from_cache(done) == {"work": False}
    assert calls(log) == 2


def test_a_change_of_an_input_is_a_miss_and_the_way_back_a_hit(log: Path) -> None:
    found = [from_cache(ran(WORK, n=n, log=str(log)))["work"] for n in (3, 4, 3, 3.0, True)]

    assert found == [False, False, True, False, False]


def test_a_key_that_the_tool_does_not_ask_for_is_no_input(log: Path) -> None:
    ran(WORK, n=3, log=str(log), other=1)

    assert from_cache(ran(WORK, n=3, log=str(log), other=2)) == {"work": True}


def test_a_tool_that_takes_the_state_has_all_of_it_for_an_input() -> None:
    source = "def work(state): return {**state, 'sum': sum(state.values())}"
    first = ran(source, a=1, b=2)

    assert from_cache(ran(source, a=1, b=2)) == {"work": True}
    assert from_cache(ran(source, a=1, b=3)) == {"work": False}
    assert first.state == {"a": 1, "b": 2, "sum": 3}


def test_where_the_inputs_come_from_does_not_matter(log: Path) -> None:
    ran(WORK, n=3, log=str(log))

    done = ran(WORK, "work = work(n=3) [cache=true]", log=str(log))

    assert from_cache(done) == {"work": True}
    assert done.state == {"log": str(log), "out": 6}


def test_a_tool_by_another_name_that_does_the_same_has_the_same_output(log: Path) -> None:
    ran(WORK, n=3, log=str(log))

    done = ran(WORK.replace("def work", "def labour"), "a = labour [cache=true]", n=3, log=str(log))

    assert from_cache(done) == {"a": True}
    assert done.state["out"] == 6


def test_a_redefined_tool_counts_from_the_moment_on(opened: Open, log: Path) -> None:
    session = opened(WORK)
    run(session, n=3, log=str(log))

    session.registry.register("work", define(WORK.replace("n * 2", "n * 3"))["work"])
    changed = run(session, n=3, log=str(log))
    session.registry.register("work", define(WORK)["work"])
    back = run(session, n=3, log=str(log))

    assert [from_cache(changed), from_cache(back)] == [{"work": False}, {"work": True}]
    assert [changed.state["out"], back.state["out"]] == [9, 6]


def test_a_helper_that_is_redefined_where_the_tool_finds_it_is_a_miss(opened: Open, log: Path) -> None:
    session = opened(WORK)
    run(session, n=3, log=str(log))

    exec("def helper(n): return n * 5", session.registry.get("work").function.__globals__)
    done = run(session, n=3, log=str(log))

    assert from_cache(done) == {"work": False}
    assert done.state["out"] == 15


# -- without reading ----------------------------------------------------------------------------------------------


def test_no_cache_computes_and_keeps_the_new_output(log: Path, tmp_path: Path) -> None:
    source = "from pathlib import Path\ndef work(path): return {'out': Path(path).read_text()}"
    path = tmp_path / "text"
    path.write_text("old")
    ran(source, path=str(path))
    path.write_text("new")

    stale, anew, after = (ran(source, path=str(path), cache=cache) for cache in (True, False, True))

    assert [done.state["out"] for done in (stale, anew, after)] == ["old", "new", "new"]
    assert [from_cache(done)["work"] for done in (stale, anew, after)] == [True, False, True]


# -- what a hit is like -------------------------------------------------------------------------------------------


def untimed(event: Event) -> tuple[Any, ...]:
    """Return what an event says, less what differs from run to run."""
    return event.kind, event.node, {k: v for k, v in event.data.items() if k not in ("cached", "duration_ms")}


MIXED = """
reduce found with append
start [cache=true]
start -> left & right -> both
left = grow(by=1) [cache=true]
right = grow(by=10) [cache=true]
both [cache=true]
both -> big if total > 3 else small
each = double [map=found, as=n, into=doubled, cache=true]
big = pass
small = pass
big -> each
small -> each
"""
TOOLS = """
async def start(n): return {'seen': n}
async def grow(seen, by): return {'found': seen + by}
async def both(found, state): return {**state, 'total': sum(found)}
async def double(n): return n * 2
"""


def test_a_cached_run_gives_the_same_events_and_state() -> None:
    first, second = (ran(TOOLS, MIXED, n=1) for _ in range(2))

    assert sorted(from_cache(second)) == sorted(from_cache(first))
    assert {node for node, cached in from_cache(second).items() if not cached} <= {"big", "small", "each"}
    assert sorted(repr(untimed(each)) for each in first.events) == sorted(repr(untimed(each)) for each in second.events)
    assert first.state == second.state


def test_in_a_chain_the_order_of_events_is_the_same_too() -> None:
    chain = "start [cache=true]\ngrow = grow(by=1) [cache=true]\nstart -> grow -> end\nend = pass"

    first, second = (ran(TOOLS, chain, n=1) for _ in range(2))

    assert [*map(untimed, first.events)] == [*map(untimed, second.events)]


def test_a_hit_is_one_start_and_one_end_without_retries_or_timeout(log: Path) -> None:
    source = CALLED + (
        "def work(n, log):\n    called(log)\n    if len(open(log).readlines()) < 2: raise ValueError('not yet')\n"
        "    print('said')\n    return n\n"
    )
    graph = "work [cache=true, retries=3, backoff=0, timeout=20]"

    first, second = (ran(source, graph, n=1, log=str(log)) for _ in range(2))

    assert [(row.status, row.attempt, row.cached) for row in first.logs] == [
        ("failed", 1, False),
        ("completed", 2, False),
    ]
    assert [(row.status, row.attempt, row.cached) for row in second.logs] == [("completed", 1, True)]
    assert [event.kind.value for event in second.events] == [
        "execution_start", "node_start", "node_complete", "execution_complete",
    ]  # fmt: skip
    assert second.state["work"] == 1


def test_the_log_shows_it_as_cached(log: Path) -> None:
    ran(WORK, n=3, log=str(log))

    table = ran(WORK, n=3, log=str(log)).logs.table()

    assert [row[2] for row in table.rows] == ["cached"]


def test_a_failure_is_never_cached(log: Path) -> None:
    source = CALLED + "def work(log):\n    called(log)\n    raise ValueError('no')"

    for _ in range(2):
        done = ran(source, log=str(log))

    assert [row.status for row in done.logs] == ["failed"]
    assert calls(log) == 2


def test_what_is_returned_as_it_was_given_is_no_update_in_a_cached_run_either() -> None:
    source = (
        "def start(): return {'rows': ['r']}\n"
        "def left(rows): return {'rows': rows, 'l': 1}\n"
        "def right(rows): return {'rows': [*rows, 'right']}\n"
    )
    graph = "start -> left & right -> both\nboth = pass\nleft [cache=true]\nright [cache=true]"

    first, second = (ran(source, graph) for _ in range(2))

    assert from_cache(second) == {"start": False, "left": True, "right": True, "both": False}
    assert first.state == second.state == {"rows": ["r", "right"], "l": 1}


def test_an_async_generators_text_is_cached_and_not_streamed_again() -> None:
    source = "async def work(n):\n    for i in range(n): yield str(i)"

    first, second = (ran(source, n=3) for _ in range(2))

    assert first.state["work"] == second.state["work"] == "012"
    assert Kind.NODE_OUTPUT not in {event.kind for event in second.events}


def test_a_pause_holds_a_hit_back(opened: Open, log: Path) -> None:
    session = opened(WORK)
    run(session, n=3, log=str(log))
    find, paused = session.outputs.find, threading.Event()

    async def main() -> tuple[int, Any]:
        started = session.start("g", {"n": 3, "log": str(log)})

        def pause() -> None:
            started.pause()
            paused.set()

        def found(*call: Any) -> Any:
            place = find(*call)
            started.loop.call_soon_threadsafe(pause)
            paused.wait()
            return place

        session.outputs.find = found  # type: ignore[method-assign]  # to pause when it has been asked
        await asyncio.to_thread(paused.wait)
        for _ in range(100):
            await asyncio.sleep(0)
        before = len(started.logs)
        started.unpause()
        return before, await started

    before, result = asyncio.run(main())

    assert before == 0
    assert result.logs[0].cached


def test_cancelling_while_the_cache_is_asked_ends_the_run(opened: Open, log: Path) -> None:
    session = opened(WORK)
    find, asked, go_on, answered = session.outputs.find, threading.Event(), threading.Event(), threading.Event()

    def slowly(*call: Any) -> Any:
        asked.set()
        go_on.wait()
        try:
            return find(*call)
        finally:
            answered.set()

    async def main() -> Run:
        session.outputs.find = slowly  # type: ignore[method-assign]  # to cancel while it is being asked
        started = session.start("g", {"n": 3, "log": str(log)})
        await asyncio.to_thread(asked.wait)
        started.cancel("by the test")
        await started.wait()
        return started

    done = asyncio.run(main())
    go_on.set()
    answered.wait()

    assert (done.status, done.logs, calls(log)) == ("cancelled", [], 0)


# -- maps, subgraphs, engines -------------------------------------------------------------------------------------


def test_the_items_of_a_map_are_cached_one_by_one(log: Path) -> None:
    source = CALLED + "def double(n, log):\n    called(log)\n    return {'twice': n * 2, 'n': n}\n"
    graph = "double [map=items, as=n, cache=true]"
    ran(source, graph, items=[1, 2, 3], log=str(log))

    done = ran(source, graph, items=[3, 4, 1], log=str(log))

    assert from_cache(done) == {"double[0]": True, "double[1]": False, "double[2]": True, "double": False}
    assert done.state["double"] == [{"twice": 6, "n": 3}, {"twice": 8, "n": 4}, {"twice": 2, "n": 1}]
    assert calls(log) == 4


def test_a_node_inside_a_subgraph_is_cached(log: Path) -> None:
    def once() -> dict[str, bool]:
        session = session_of(WORK, "sub = graph inner", inner="work [cache=true]")
        try:
            return from_cache(run(session, n=1, log=str(log)))
        finally:
            session.history.close()

    assert [once()["sub/work"], once()["sub/work"]] == [False, True]


def test_cache_on_a_subgraph_is_refused() -> None:
    with pytest.raises(GraphError) as caught:
        GraphDefinition.model_validate({"nodes": [{"node_id": "sub", "graph": "inner", "cache": True}]})
    with pytest.raises(NotationError, match="'cache' is for tools"):
        GraphDefinition.from_text("sub = graph inner [cache=true]")

    assert caught.value.faults == ("node 'sub': 'cache' is for tools; set it on the nodes of graph 'inner'",)


def test_an_engine_without_a_cache_computes() -> None:
    registry = ToolRegistry()
    registry.register("work", define("def work(n): return {'out': n}")["work"])

    async def main() -> Any:
        return await WorkflowEngine(registry).execute(GraphDefinition.from_text("work [cache=true]"), {"n": 1})

    assert asyncio.run(main()).state == {"n": 1, "out": 1}


def test_two_nodes_that_ask_for_the_same_at_once_both_come_to_it() -> None:
    graph = "a = work [cache=true]\nb = work [cache=true]\nend = pass\na -> end\nb -> end"

    done = ran("def work(n): return n + 1", graph, n=1)

    assert (done.state["a"], done.state["b"]) == (2, 2)


# -- values -------------------------------------------------------------------------------------------------------

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.dates()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.frozensets(st.integers() | st.text(), max_size=3)
    ),
    max_leaves=6,
)


def test_arrays_are_inputs_and_outputs() -> None:
    numpy = pytest.importorskip("numpy")
    source = "def work(rows): return {'twice': rows * 2}"

    first, second, other = (ran(source, rows=numpy.array([1, 2, last])) for last in (3, 3, 4))

    assert [from_cache(done)["work"] for done in (first, second, other)] == [False, True, False]
    assert [second.state["twice"].tolist(), other.state["twice"].tolist()] == [[2, 4, 6], [2, 4, 8]]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values, values)
def test_a_cached_output_is_the_computed_one(opened: Open, item: Any, other: Any) -> None:
    source = "def work(state): return {**state, 'again': [state['item']], 'other': (state['other'],)}"
    session = opened(source)

    first, second = (run(session, item=item, other=other) for _ in range(2))

    assert second.logs[0].cached
    assert exact(first.state) == exact(second.state)


@pytest.mark.parametrize(
    "value", ["None", "7", "'text'", "[1, 2]", "{}", "{1: 2}", "(1,)", "'long' * 1000", "{'$': 1, '=': 2, '': 3}"]
)
def test_every_kind_of_return_comes_back_in_its_place(value: str) -> None:
    source = f"def work(): return {{'held': {value}}}\ndef bare(): return {value}\n"
    graph = "a = work [cache=true]\nb = bare [cache=true]\na -> b" if value != "{1: 2}" else "a = work [cache=true]"

    first, second = (ran(source, graph) for _ in range(2))

    assert set(from_cache(second).values()) == {True}
    assert first.state == second.state


def test_a_cached_output_that_is_no_dict_goes_to_the_key_of_the_node_that_asks() -> None:
    graph = "a = work [cache=true]\nb = work [cache=true]\na -> b"

    first = ran("def work(n): return [n + 1]", graph, n=1)
    second = ran("def work(n): return [n + 1]", "c = work [cache=true]", n=1)

    assert (first.state["a"], first.state["b"], second.state["c"]) == ([2], [2], [2])
