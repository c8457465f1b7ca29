"""The writes that a path sees, and the merge of writes where paths join."""

import operator
from typing import Any

import pytest
from harness import computes, graph, prepare, raises, run, takes

from nbflow.errors import ExecutionError, GraphError, StateConflictError
from nbflow.scheduler import compile_plan

SPLIT = "a -> b & c -> d"


def test_the_same_write_on_two_branches_stays() -> None:
    assert run(SPLIT, {"a": takes(1, x=1)}).state == {"x": 1}


def test_a_write_that_saw_the_other_wins() -> None:
    for durations in ((1, 5), (5, 1)):
        drive = run(SPLIT, {"a": takes(1, x=1), "b": takes(durations[0], x=2), "c": takes(durations[1])})
        assert drive.saw("d") == [{"x": 2}]


def test_a_later_write_wins_over_one_seen_at_an_earlier_join() -> None:
    text = "a -> b & c & e\nb & c -> d\nd & e -> f"
    drive = run(text, {"b": takes(1, x=1), "d": takes(1, x=2), "e": takes(9)})
    assert drive.saw("f") == [{"x": 2}]
    text = "s -> a -> b & c -> d\na -> d"
    assert run(text, {"a": takes(1, x=1), "b": takes(1, x=2)}).saw("d") == [{"x": 2}]


def test_two_concurrent_writes_are_a_conflict_that_names_the_key_and_both_nodes() -> None:
    drive = run(SPLIT, {"b": takes(1, x=1), "c": takes(2, x=2)})
    error = drive.error
    assert isinstance(error, StateConflictError)
    assert (error.key, error.writers, error.node) == ("x", ("b", "c"), "d")


def test_equal_values_written_twice_are_two_writes() -> None:
    assert isinstance(run(SPLIT, {"b": takes(1, x=1), "c": takes(2, x=1)}).error, StateConflictError)


def test_a_write_concurrent_with_an_overwritten_one_is_still_a_conflict() -> None:
    drive = run("a -> b & c\nb -> e -> d\nc -> d", {"b": takes(1, x=1), "e": takes(1, x=2), "c": takes(1, x=3)})
    assert isinstance(drive.error, StateConflictError)
    assert drive.error.writers == ("c", "e")


def test_a_conflict_at_the_end_ends_the_run_when_all_paths_have_ended() -> None:
    drive = run("a -> b & c", {"b": takes(1, x=1), "c": takes(7, x=2)})
    assert isinstance(drive.error, StateConflictError)
    assert drive.error.node is None
    assert drive.makespan == 8


def test_a_conflict_ends_the_run_when_the_node_would_start_and_takes_no_error_edge() -> None:
    tools = {"b": takes(1, x=1), "c": takes(2, x=2), "e": takes(9)}
    drive = run("a -> b & c -> d\na -> e\nd -> f on error\nc -> f on error", tools)
    assert isinstance(drive.error, StateConflictError)
    assert drive.cancelled == [(3, "e")]
    assert "f" not in drive.order


def test_after_a_conflict_the_log_replays_under_a_graph_with_a_reducer() -> None:
    drive = run(SPLIT, {"b": takes(1, x=1), "c": takes(2, x=2)})
    mended = prepare(SPLIT + "\nreduce x with append")
    (task,) = mended.scheduler.replay(drive.log)
    assert task.node.id == "d"
    mended.start(task)
    assert mended.run().state == {"x": [1, 2]}


@pytest.mark.parametrize(
    ("reducer", "first", "second", "expected"),
    [
        ("append", 1, 2, [1, 2]),
        ("extend", [1], [2, 3], [1, 2, 3]),
        ("add", 1, 2, 3),
        ("merge", {"p": 1, "q": 1}, {"q": 2}, {"p": 1, "q": 2}),
        ("last", 1, 2, 2),
    ],
)
def test_a_reducer_folds_updates_in_the_order_of_the_joining_edges(
    reducer: str, first: Any, second: Any, expected: Any
) -> None:
    for durations in ((1, 5), (5, 1)):
        tools = {"b": takes(durations[0], x=first), "c": takes(durations[1], x=second)}
        assert run(f"{SPLIT}\nreduce x with {reducer}", tools).state == {"x": expected}


def test_a_registered_function_reduces_too() -> None:
    drive = run(
        SPLIT + "\nreduce x with mul", {"b": takes(1, x=3), "c": takes(1, x=5)}, state={"x": 2},
        reducers={"mul": operator.mul},
    )  # fmt: skip
    assert drive.state == {"x": 30}


def test_an_unknown_reducer_is_refused_with_a_guess() -> None:
    with pytest.raises(GraphError, match="unknown reducer 'appnd'; did you mean 'append'"):
        compile_plan(graph("a\nreduce x with appnd"))


def test_a_reducer_folds_at_every_write_along_one_path() -> None:
    drive = run("a -> b -> c\nreduce x with append", {"a": takes(1, x=1), "b": takes(1, x=2)}, state={"x": [0]})
    assert drive.saw("b") == [{"x": [0, 1]}]
    assert drive.state == {"x": [0, 1, 2]}


def test_over_no_value_append_and_extend_start_with_a_list_and_the_others_take_the_update() -> None:
    tools = {"a": takes(1, p=1, q=[1], r=1, s={"k": 1}, t=1)}
    text = "a\nreduce p with append\nreduce q with extend\nreduce r with add\nreduce s with merge\nreduce t with last"
    assert run(text, tools).state == {"p": [1], "q": [1], "r": 1, "s": {"k": 1}, "t": 1}


def test_a_reducer_does_not_change_the_value_it_is_given() -> None:
    start = [0]
    run("a\nreduce x with extend", {"a": takes(1, x=[1])}, state={"x": start})
    assert start == [0]


def test_at_a_join_each_update_counts_once_however_many_paths_bring_it() -> None:
    text = "a -> b & c & d -> e\nreduce x with append"
    tools = {node: takes(1, x=node) for node in "abcde"}
    assert run(text, tools).state == {"x": ["a", "b", "c", "d", "e"]}
    text = "a -> b & c\nb -> p & q\nc -> p & q\np & q -> z\nreduce x with append"
    tools = {node: takes(1, x=node) for node in "abcpqz"}
    assert run(text, tools).state == {"x": ["a", "b", "c", "p", "q", "z"]}


def test_updates_have_the_order_of_the_joining_edges_not_of_the_nodes_or_of_time() -> None:
    text = "b; c\na -> b & c\nc -> d\nb -> d\nreduce x with append"
    assert run(text, {"b": takes(1, x="b"), "c": takes(5, x="c")}).state == {"x": ["c", "b"]}


def test_on_one_edge_updates_have_the_order_of_the_firings() -> None:
    text = "a [route=all]\na -> j if true\na -> a if n < 3\nreduce x with append\nreduce n with add\nentry a"
    drive = run(text, {"a": computes(lambda s: {"x": s["n"], "n": 1})}, state={"n": 0})
    assert drive.state == {"n": 3, "x": [0, 1, 2]}


def test_instances_of_each_have_the_order_of_their_edges() -> None:
    text = "a -> b & c -> d -> e\nd [join=each]\nreduce x with append"
    tools = {"b": takes(5, who="b"), "c": takes(1, who="c"), "d": computes(lambda s: {"x": s["who"]})}
    assert run(text + "\nreduce who with last", tools).state["x"] == ["b", "c"]


def test_a_reducer_that_fails_ends_the_run_and_names_key_and_node() -> None:
    drive = run("a -> b\na -> c on error\nreduce x with add", {"a": takes(1, x="text")}, state={"x": 1})
    assert isinstance(drive.error, ExecutionError)
    assert str(drive.error).startswith("the reducer of 'x' failed on what node 'a' wrote: TypeError")


def test_error_merges_as_by_last() -> None:
    drive = run("a -> b & c\nb -> d on error\nc -> d on error", {"b": raises("one", 5), "c": raises("two", 1)})
    assert drive.saw("d")[0]["error"] == {"node": "c", "type": "ValueError", "message": "two"}


def test_error_uses_the_reducer_declared_for_it() -> None:
    text = "a -> b & c\nb -> d on error\nc -> d on error\nreduce error with append"
    drive = run(text, {"b": raises("one"), "c": raises("two")})
    assert [e["message"] for e in drive.state["error"]] == ["one", "two"]


def test_values_are_passed_unchanged() -> None:
    thing = object()
    drive = run(SPLIT, {"a": takes(1, x=thing)})
    assert drive.state["x"] is thing
