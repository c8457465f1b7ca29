"""SEMANTICS rule 9 in the engine: the values that a tool owns, those that it hands over, and its updates."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from running import engine_of, finished, graph, run

from nbflow import GraphDefinition, Run, ToolRegistry, WorkflowEngine
from nbflow.engine.replay import Replay
from nbflow.errors import NodeError
from nbflow.scheduler import compile_plan


def both(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """Return a sync tool as it is, and as an async one that waits within."""

    async def later(**given: Any) -> Any:
        await asyncio.sleep(0)
        return function(**given)

    later.__name__, later.__signature__ = function.__name__, __import__("inspect").signature(function)  # type: ignore[attr-defined]
    return [function, later]


# what a tool gets is its own


def spoil(rows: list[Any], table: dict[str, Any], frame: pd.DataFrame, state: dict[str, Any]) -> dict[str, Any]:
    """Change everything in place."""
    rows.append(1)
    rows[0]["x"] = "spoilt"
    table["new"] = 1
    frame["new"] = 1
    frame.iloc[0, 0] = 99
    state["rows"].clear()
    state["extra"] = 1
    del state["table"]
    return {"done": True}


@pytest.mark.parametrize("tool", both(spoil), ids=["thread", "loop"])
def test_what_a_tool_changes_in_place_changes_nothing_outside_its_call(tool: Callable[..., Any]) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    mine: dict[str, Any] = {"rows": [{"x": 1}], "table": {}, "frame": frame}

    done = finished("spoil", tool, **mine)

    assert done.error is None
    assert mine["rows"] == [{"x": 1}]
    assert list(frame.columns) == ["a"]
    assert done.state["rows"] == [{"x": 1}]
    assert done.state["table"] == {}
    assert list(done.state["frame"].columns) == ["a"]
    assert done.logs[0].input["rows"] == [{"x": 1}]
    assert done.logs[0].input["state"].keys() == {"rows", "table", "frame"}
    assert "extra" not in done.state


def test_the_initial_state_is_the_engines_own_from_the_start() -> None:
    rows = [1]

    async def look(rows: list[int]) -> dict[str, Any]:
        return {"seen": list(rows)}

    async def main() -> Run:
        started = engine_of(look).start(graph("look"), {"rows": rows})
        rows.append(2)
        await started
        return started

    done = asyncio.run(main())

    assert done.state == {"rows": [1], "seen": [1]}
    assert done.events[0].data["input"] == {"rows": [1]}


def test_params_defaults_and_items_are_copied_for_every_attempt() -> None:
    failures = iter([True, True, False, False])

    async def tool(item: list[int], extra: list[int], more: list[int] = []) -> Any:  # noqa: B006 - the case in hand
        item.append(0)
        extra.append(0)
        more.append(0)
        if next(failures):
            raise ValueError("again")
        return [len(item), len(extra), len(more)]

    done = run("m = tool(extra=[1]) [map=items, as=item, retries=1, backoff=0]", tool, items=[[1], [1]])

    assert done.state == {"items": [[1], [1]], "m": [[2, 2, 1], [2, 2, 1]]}


def test_an_array_is_given_read_only_and_the_error_says_what_to_do() -> None:
    async def write(values: np.ndarray[Any, Any]) -> None:
        values[0] = 1

    done = finished("write", write, values=np.zeros(3))

    assert isinstance(done.error, NodeError)
    cause = done.error.__cause__
    assert cause is not None
    assert "values = values.copy()" in "".join(getattr(cause, "__notes__", []))


def test_a_tool_that_promises_not_to_change_a_value_gets_it_uncopied() -> None:
    seen: list[Any] = []

    async def look(table: Mapping[str, Any], rows: Sequence[Any] | None, other: dict[str, Any]) -> None:
        seen.append((table, rows, other))

    done = finished("a = look\nb = look\na -> b", look, table={"x": [1]}, rows=[[1]], other={"x": [1]})

    (first, second), engines = seen, done.events[0].data["input"]
    assert first[0] is second[0] is engines["table"]
    assert first[1] is second[1] is engines["rows"]
    assert first[2] is not second[2]


def test_the_state_is_handed_to_the_caller_as_a_copy() -> None:
    async def make() -> dict[str, Any]:
        return {"rows": [[1]]}

    async def main() -> tuple[Run, Any]:
        started = engine_of(make).start(graph("make"))
        result = await started
        result.state["rows"].append("caller")
        started.at(len(started.events)).state["rows"].append("caller")
        return started, started.events[-1].data["result"]

    done, stored = asyncio.run(main())

    assert stored == {"rows": [[1]]}
    assert done.logs[0].output == {"rows": [[1]]}


# what a tool returns it gives up


def test_a_list_that_a_tool_retains_and_returns_each_time_is_logged_with_its_items_then() -> None:
    kept: list[int] = []

    async def grow(n: int = 0) -> dict[str, Any]:
        kept.append(n)
        return {"kept": kept, "n": n + 1}

    done = finished("grow -> grow if n < 3 [max=5]", grow)

    assert [row.output["kept"] for row in done.logs] == [[0], [0, 1], [0, 1, 2]]
    assert done.state["kept"] == [0, 1, 2]
    ends = [event.seq for event in done.events if event.kind == "node_complete"]
    assert [done.at(seq).state["kept"] for seq in ends] == [[0], [0, 1], [0, 1, 2]]


def test_an_array_that_nobody_else_holds_is_taken_without_a_copy_and_any_other_is_copied() -> None:
    retained: list[Any] = []
    places: dict[str, int] = {}

    def new() -> dict[str, Any]:
        made = np.arange(10)
        places["new"] = made.__array_interface__["data"][0]
        return {"new": made}

    def held() -> dict[str, Any]:
        made = np.arange(10)
        retained.append(made)
        return {"held": made}

    def cached() -> dict[str, Any]:
        return CACHE

    def alone() -> Any:
        made = np.arange(5)
        places["alone"] = made.__array_interface__["data"][0]
        return made

    done = finished("new -> held -> cached -> alone", new, held, cached, alone)
    retained[0][0] = 99
    CACHE["array"][0] = 99

    assert done.state["new"].__array_interface__["data"][0] == places["new"]
    assert done.state["alone"].__array_interface__["data"][0] == places["alone"]
    assert done.state["held"][0] == 0
    assert done.state["array"][0] == 0


CACHE: dict[str, Any] = {"array": np.arange(10)}


def test_reducers_and_predicates_get_copies_and_what_they_return_is_copied() -> None:
    registry = ToolRegistry()
    kept: list[Any] = []

    @registry.reducer
    def spoiling(value: Any, update: Any) -> Any:
        value.append(update[0])
        update.clear()
        kept.append(value)
        return value

    @registry.predicate
    def clears(rows: Any) -> bool:
        rows.clear()
        return True

    @registry.tool
    def one(n: int) -> dict[str, Any]:
        return {"rows": [n], "n": n + 1}

    text = "one -> one if clears(rows) and n < 3 [max=5]\nreduce rows with spoiling"
    engine = WorkflowEngine(registry)
    done = asyncio.run(engine.execute(GraphDefinition.from_text(text), {"n": 0, "rows": []}))
    kept[-1].append("late")

    assert done.state["rows"] == [0, 1, 2]
    assert [row.output["rows"] for row in done.logs] == [[0], [1], [2]]


# updates


def test_a_counter_counts_though_its_update_equals_its_value() -> None:
    def vote() -> dict[str, Any]:
        return {"votes": 1}

    def vote_seeing(votes: int) -> dict[str, Any]:
        return {"votes": 1}

    def vote_with_state(state: dict[str, Any]) -> dict[str, Any]:
        return {"votes": 1}

    for tool in (vote, vote_seeing, vote_with_state):
        text = f"a = {tool.__name__}\nb = {tool.__name__}\nc = {tool.__name__}\na -> b -> c\nreduce votes with add"
        assert run(text, tool, votes=0).state["votes"] == 3


def test_a_frame_changed_in_place_and_returned_is_an_update_and_an_unchanged_one_is_none() -> None:
    def adds(df: pd.DataFrame) -> dict[str, Any]:
        df["x"] = 1
        return {"df": df}

    def leaves(df: pd.DataFrame) -> dict[str, Any]:
        return {"df": df}

    done = finished("adds -> leaves", adds, leaves, df=pd.DataFrame({"a": [1]}))

    assert list(done.state["df"].columns) == ["a", "x"]
    completions = [event.data for event in done.events if event.kind == "node_complete"]
    assert ["unchanged" in data for data in completions] == [False, True]
    assert completions[1]["unchanged"] == ["df"]
    assert list(completions[1]["output"]["df"].columns) == ["a", "x"]
    assert list(done.logs[1].output) == ["df"]


def test_branches_that_hand_back_what_they_got_do_not_conflict_and_those_that_changed_it_do() -> None:
    def left(rows: list[int]) -> dict[str, Any]:
        return {"rows": rows, "left": 1}

    def right(rows: list[int]) -> dict[str, Any]:
        return {"rows": [*rows], "right": 1}

    def changes(rows: list[int]) -> dict[str, Any]:
        rows.append(1)
        return {"rows": rows}

    tools = [left, right, changes]
    assert run("start = pass\nend = pass\nstart -> left & right -> end", *tools, rows=[1]).state["rows"] == [1]
    assert run("start = pass\nend = pass\nstart -> left & changes -> end", *tools, rows=[1]).state["rows"] == [1, 1]


def test_equal_numbers_and_texts_from_branches_that_were_given_them_are_no_updates() -> None:
    big = 10**20

    def same_again(n: int, word: str) -> dict[str, Any]:
        return {"n": int(str(n)), "word": "".join(word)}

    def new(n: int) -> dict[str, Any]:
        return {"n": n + 1}

    text = "start = pass\nend = pass\na = same_again\nb = new\nstart -> a & b -> end"
    assert run(text, same_again, new, n=big, word="xy").state["n"] == big + 1


def test_a_key_that_comes_from_params_is_an_update_though_it_has_the_states_value() -> None:
    def echo(n: int) -> dict[str, Any]:
        return {"n": n}

    done = finished("e = echo(n=1)", echo, n=1)

    assert "unchanged" not in next(event.data for event in done.events if event.kind == "node_complete")


WAYS: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda state: state,
    dict,
    lambda state: {**state},
    lambda state: state.copy(),
    lambda state: state | {},
    lambda state: {} | state,
    lambda state: {key: value for key, value in state.items()},  # noqa: C416 - as users write it
    lambda state: {key: state[key] for key in state},
    copy.copy,
]


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("mode", ["thread", "loop"])
def test_a_state_handed_back_repeats_no_key_that_has_a_reducer(way: int, mode: str) -> None:
    def hand(state: dict[str, Any]) -> dict[str, Any]:
        output = WAYS[way](state)
        output["new"] = 1
        return output

    async def hand_on_loop(state: dict[str, Any]) -> dict[str, Any]:
        return hand(state)

    tool = hand if mode == "thread" else hand_on_loop
    text = f"a = {tool.__name__}\nreduce votes with add\nreduce rows with extend\nreduce name with add"
    done = finished(text, tool, votes=2, rows=[[1]], name="x", other=[1])

    assert done.state == {"votes": 2, "rows": [[1]], "name": "x", "other": [1], "new": 1}
    assert set(done.events[2].data["unchanged"]) == {"votes", "rows", "name", "other"}


def test_a_container_handed_back_changed_under_a_reducer_fails_without_retry_and_says_what_to_return() -> None:
    calls = []

    def adds(state: dict[str, Any]) -> dict[str, Any]:
        calls.append(1)
        state["rows"].append(2)
        return state

    done = finished("a = adds [retries=3, backoff=0]\nreduce rows with extend", adds, rows=[1])

    assert len(calls) == 1
    assert str(done.error).endswith(
        "node 'a' handed the state back with 'rows' changed in place, and 'rows' has the reducer 'extend'; return only "
        "what is new, as {'rows': ...}"
    )


def test_a_key_deleted_from_the_state_that_is_handed_back_stays_and_others_are_updates() -> None:
    def deletes(state: dict[str, Any]) -> dict[str, Any]:
        del state["a"]
        state["b"] = 3
        return state

    assert run("deletes", deletes, a=1, b=2).state == {"a": 1, "b": 3}


def test_a_new_container_under_a_reducer_is_an_update_though_the_state_was_read() -> None:
    def adds(state: dict[str, Any]) -> dict[str, Any]:
        json.dumps(state)
        return {"rows": [9]}

    assert run("adds\nreduce rows with extend", adds, rows=[1], n=1).state["rows"] == [1, 9]


def test_the_state_is_a_dict_for_libraries_that_look() -> None:
    import pickle

    def looks(state: dict[str, Any]) -> dict[str, Any]:
        return {
            "is": isinstance(state, dict),
            "json": json.loads(json.dumps(state)) == {"a": [1]},
            "pickle": type(pickle.loads(pickle.dumps(state))) is dict,
            "deep": type(copy.deepcopy(state)) is dict,
            "repr": repr(state) == "{'a': [1]}",
        }

    assert all(run("looks", looks, a=[1]).state.values())


def test_items_of_a_map_write_what_they_return_as_it_is() -> None:
    async def item(item: int, n: int) -> dict[str, Any]:
        return {"n": n}

    done = finished("m = item [map=items, as=item]", item, items=[1, 2], n=5)

    assert done.state["m"] == [{"n": 5}, {"n": 5}]
    assert not any("unchanged" in event.data for event in done.events)


# replay


def test_replay_takes_the_update_from_the_log_and_applies_no_rule_again() -> None:
    def hand(state: dict[str, Any]) -> dict[str, Any]:
        return {**state, "n": state["n"] + 1}

    text = "a = hand\nb = hand\na -> b\nreduce votes with add"
    done = finished(text, hand, votes=1, n=0)
    replay = Replay(compile_plan(graph(text)), done.initial)
    replay.feed(list(done.events))
    assert replay.scheduler.state() == done.state == {"votes": 1, "n": 2}

    before = [copy.deepcopy(event) for event in done.events]
    for event in before:
        event.data.pop("unchanged", None)  # as a store of before has it: the output is the update
        if event.kind == "node_complete":
            event.data["output"] = {"n": event.data["output"]["n"]}
    older = Replay(compile_plan(graph(text)), done.initial)
    older.feed(before)
    assert older.scheduler.state() == done.state


# threads and notices


def test_a_value_that_another_thread_changes_while_it_is_copied_fails_the_attempt_and_names_the_key() -> None:
    stop = threading.Event()

    def start() -> dict[str, Any]:
        shared = {str(n): [n] for n in range(50_000)}

        def change() -> None:
            while not stop.is_set():
                # A thread gives way between two rounds, so one of two changes the size.
                if shared.pop("new", None) is None:
                    shared["new"] = [1]

        threading.Thread(target=change, daemon=True).start()
        return {"shared": shared}

    try:
        for _ in range(20):
            done = finished("start", start)
            if done.error is not None:
                break
    finally:
        stop.set()

    assert "'shared'" in str(done.error)
    assert "another thread changed the value while it was copied" in str(done.error)


def test_slow_copies_are_noticed_once_a_node_with_the_annotation_that_avoids_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    big = {str(n): {"cells": [{"x": n}]} for n in range(30_000)}

    def look(table: dict[str, Any], n: int) -> dict[str, Any]:
        return {"n": n + 1}

    def promises(table: Mapping[str, Any], n: int) -> dict[str, Any]:
        return {"n": n + 1}

    with caplog.at_level(logging.WARNING, logger="nbflow"):
        run("look -> look if n < 3 [max=5]", look, table=big, n=0)
        run("promises", promises, table=big, n=0)

    (line,) = [record.getMessage() for record in caplog.records if "copying its arguments" in record.getMessage()]
    assert line.startswith("node 'look': copying its arguments took ")
    assert "'table'" in line
    assert line.endswith("annotate the parameter as collections.abc.Mapping, and it is not copied")


def test_large_values_are_copied_off_the_loop() -> None:
    big = {str(n): {"cells": [{"x": n}]} for n in range(30_000)}
    turns = 0

    async def look(table: dict[str, Any]) -> dict[str, Any]:
        return {"table": table}

    async def main() -> int:
        nonlocal turns
        started = engine_of(look).start(graph("look"), {"table": big})
        while not started.done:
            turns += 1
            await asyncio.sleep(0.001)
        return turns

    assert asyncio.run(main()) > 3


def test_how_long_a_tool_takes_does_not_hide_what_it_changes() -> None:
    async def slow(rows: list[int]) -> None:
        rows.append(1)
        await asyncio.sleep(0.01)
        rows.append(2)

    async def fast(rows: list[int]) -> dict[str, Any]:
        return {"n": len(rows)}

    def blocks(rows: list[int]) -> dict[str, Any]:
        time.sleep(0.005)
        return {"m": len(rows)}

    done = run("start = pass\nend = pass\nstart -> slow & fast & blocks -> end", slow, fast, blocks, rows=[])

    assert done.state == {"rows": [], "n": 0, "m": 0}


WITHOUT_LIBRARIES = """
import sys
sys.modules |= dict.fromkeys(["numpy", "pandas", "polars", "pyarrow", "PIL", "matplotlib"])
import asyncio
from nbflow import GraphDefinition, ToolRegistry, WorkflowEngine

registry = ToolRegistry()

@registry.tool
def fetch(n: int) -> dict:
    return {"rows": [{"a": n}], "n": n + 1, "text": "x" * 100}

@registry.tool
def count(rows: list, n: int) -> dict:
    rows.append({"a": n})
    return {"rows": rows, "total": len(rows)}

run = asyncio.run(WorkflowEngine(registry).execute(GraphDefinition.from_text("fetch -> count"), {"n": 1}))
print(run.status, run.state["total"])
"""


def test_tools_run_where_no_library_for_data_is_installed() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_LIBRARIES], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("completed 2\n", "")
