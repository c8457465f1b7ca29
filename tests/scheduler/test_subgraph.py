"""A node that is a graph: a nested run."""

from typing import Any

import pytest
from harness import computes, graph, raises, run, takes

from nbflow.errors import ConditionError, GraphError, LoopError, NodeError, StateConflictError
from nbflow.scheduler import Close, Retry, Task, compile_plan

SUB = "a -> s -> z\ns = graph g"


def test_a_subgraph_starts_from_the_whole_state_with_the_nodes_params_over_it() -> None:
    drive = run("s = graph g(x=5)", graphs={"g": "p"}, state={"x": 1, "y": 2})
    assert drive.saw("s/p") == [{"x": 5, "y": 2}]


def test_the_update_of_a_subgraph_is_the_keys_written_in_it() -> None:
    drive = run("s = graph g(x=5)", {"p": takes(1, y=3)}, graphs={"g": "p -> q"}, state={"x": 1, "y": 2, "w": 0})
    (close,) = [a for a in drive.answers if isinstance(a, Close)]
    assert close.update == {"y": 3}
    assert drive.state == {"x": 1, "y": 3, "w": 0}


def test_a_key_written_with_the_value_it_had_is_written() -> None:
    text = "a -> s & b -> z\ns = graph g"
    drive = run(text, {"p": takes(1, x=1), "b": takes(1, x=1)}, graphs={"g": "p"}, state={"x": 1})
    assert isinstance(drive.error, StateConflictError)
    assert drive.error.writers == ("b", "s")


def test_the_updates_of_a_key_with_a_reducer_in_both_graphs_are_passed_up_one_by_one() -> None:
    text = SUB + "\nreduce log with append"
    tools = {"a": takes(1, log="a"), "p": takes(1, log="p"), "q": takes(1, log="q"), "z": takes(1, log="z")}
    drive = run(text, tools, graphs={"g": "p -> q\nreduce log with append"})
    assert drive.saw("s/q") == [{"log": ["a", "p"]}]
    assert drive.state == {"log": ["a", "p", "q", "z"]}


def test_updates_passed_up_count_once_each_at_a_join_outside() -> None:
    text = "a -> s & b -> z\ns = graph g\nreduce log with append"
    tools = {"b": takes(9, log="b"), "p": takes(1, log="p"), "q": takes(1, log="q")}
    drive = run(text, tools, graphs={"g": "p -> q\nreduce log with append"})
    assert drive.state == {"log": ["p", "q", "b"]}


def test_the_subgraphs_reducers_apply_inside() -> None:
    drive = run(SUB, {"p": takes(1, log="p")}, graphs={"g": "p\nreduce log with append"}, state={"log": [0]})
    assert drive.state == {"log": [0, "p"]}


def test_the_parents_reducers_apply_outside() -> None:
    drive = run(SUB + "\nreduce log with append", {"p": takes(1, log="p")}, graphs={"g": "p"}, state={"log": [0]})
    assert drive.saw("s/p") == [{"log": [0]}]
    assert drive.state == {"log": [0, "p"]}


def test_a_conflict_inside_needs_a_separate_reducer() -> None:
    sub = {"g": "p -> q & r -> t"}
    tools = {"q": takes(1, x=1), "r": takes(1, x=2)}
    drive = run(SUB + "\nreduce x with append", tools, graphs=sub)
    assert isinstance(drive.error, StateConflictError)
    assert drive.error.node == "s/t"


def test_an_error_handled_inside_is_passed_up_as_the_key_it_wrote() -> None:
    drive = run(SUB, {"p": raises("no")}, graphs={"g": "p -> q on error"})
    assert drive.state == {"error": {"node": "s/p", "type": "ValueError", "message": "no"}}


def test_edge_counts_are_per_run_of_a_subgraph() -> None:
    text = "o -> s -> o if rounds < 3\ns = graph g"
    tools = {"o": computes(lambda s: {"rounds": s.get("rounds", 0) + 1}), "p": computes(lambda s: {"n": s["n"] + 1})}
    drive = run(text, tools, graphs={"g": "p -> p if n % 3 > 0 [max=2]"}, state={"n": 0})
    assert drive.state == {"rounds": 3, "n": 9}


def test_an_unhandled_failure_inside_fails_the_node_and_names_the_inner_path() -> None:
    drive = run("a -> s & b\ns = graph g", {"q": raises("no"), "b": takes(9)}, graphs={"g": "p -> q & r"})
    assert isinstance(drive.error, NodeError)
    assert drive.error.node == "s/q"
    assert [name for _, name in drive.cancelled] == ["s/r", "b"]


def test_the_nodes_error_edges_take_a_failure_inside_with_the_nodes_input_state() -> None:
    drive = run(SUB + "\ns -> e on error", {"p": takes(1, x=1), "q": raises("no")}, graphs={"g": "p -> q"})
    assert drive.saw("e") == [{"error": {"node": "s/q", "type": "ValueError", "message": "no"}}]


def test_a_loop_limit_inside_fails_the_node() -> None:
    drive = run(SUB + "\ns -> e on error", graphs={"g": "p -> p [max=2]\nentry p"})
    assert drive.state["error"]["node"] == "s/p"
    assert drive.state["error"]["type"] == "LoopError"
    assert isinstance(run(SUB, graphs={"g": "p -> p [max=2]\nentry p"}).error, LoopError)


def test_an_error_in_a_condition_inside_ends_the_whole_run() -> None:
    drive = run(SUB + "\ns -> e on error", graphs={"g": "p -> q if missing"})
    assert isinstance(drive.error, ConditionError)
    assert drive.error.node == "s/p"


def test_a_retry_starts_the_subgraph_from_its_entry() -> None:
    seen: list[str] = []

    def flaky(task: Task) -> tuple[float, Any]:
        seen.append(task.scope)
        return 1, ValueError("no") if len(seen) < 3 else {"q": len(seen)}

    text = "s = graph g [retries=2]"
    drive = run(text, {"p": takes(1, p=1), "q": flaky}, graphs={"g": "p -> q"})
    assert drive.order == "s/p s/q s/p s/q s/p s/q"
    assert seen == ["s#1/", "s#1~2/", "s#1~3/"]
    assert drive.state == {"p": 1, "q": 3}
    assert [a.attempt for a in drive.answers if isinstance(a, Retry)] == [2, 3]


def test_a_subgraph_fails_after_its_last_retry() -> None:
    drive = run("s = graph g [retries=1]\ns -> e on error", {"p": raises()}, graphs={"g": "p"})
    assert drive.order == "s/p s/p e"


def test_subgraphs_inside_subgraphs_are_named_by_their_path() -> None:
    drive = run("s = graph g", {"p": takes(1, x=1)}, graphs={"g": "t = graph h\nt -> u", "h": "p -> q"})
    assert drive.order == "s/t/p s/t/q s/u"
    assert drive.state == {"x": 1}


def test_recursion_is_refused_when_the_graphs_are_known() -> None:
    with pytest.raises(GraphError, match="subgraph 'g' contains itself: g -> h -> g"):
        compile_plan(graph("s = graph g"), graphs={"g": graph("t = graph h", "g"), "h": graph("u = graph g", "h")})


def test_an_unknown_subgraph_is_refused_with_a_guess() -> None:
    with pytest.raises(GraphError, match="names unknown graph 'rview'; did you mean 'review'"):
        compile_plan(graph("s = graph rview"), graphs={"review": graph("p", "review")})


def test_a_race_cancels_the_tasks_inside() -> None:
    tools = {"b": takes(2), "p": takes(9), "q": takes(9)}
    drive = run("a -> b & s -> r\nr [join=race]\ns = graph g", tools, graphs={"g": "o -> p & q"})
    assert [name for _, name in drive.cancelled] == ["s/p", "s/q", "s"]


def test_a_subgraph_is_one_position_of_the_outer_run() -> None:
    drive = run("a -> s & b -> z\ns = graph g", {"q": takes(7)}, graphs={"g": "p -> q"})
    assert drive.started("z") == [9]
