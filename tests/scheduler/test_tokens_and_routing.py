"""The start of a run, the edges taken, and the ends of paths."""

from harness import raises, run, takes

from nbflow.graph import GraphDefinition


def test_a_run_starts_with_one_token_at_the_entry_node() -> None:
    drive = run("a -> b\nx -> b\nentry a")
    assert drive.order == "a b"


def test_without_an_entry_every_node_with_an_edge_out_and_none_in_gets_a_token() -> None:
    drive = run("a -> c\nb -> c\nlonely")
    assert drive.order == "a b c"
    assert drive.started("c") == [1]


def test_without_an_entry_and_without_such_a_node_the_first_gets_the_token() -> None:
    drive = run("a -> b\nb -> a if false")
    assert drive.order == "a b"


def test_several_entries_behave_like_successors_of_a_pass_node() -> None:
    roots = run("a -> c\nb -> c", {"a": takes(1, x=1), "b": takes(2, y=2)}, state={"z": 0})
    split = run("s -> a & b -> c", {"s": takes(0), "a": takes(1, x=1), "b": takes(2, y=2)}, state={"z": 0})
    assert roots.saw("a") == roots.saw("b") == split.saw("b") == [{"z": 0}]
    assert roots.state == split.state == {"x": 1, "y": 2, "z": 0}


def test_the_walk_that_finds_heads_starts_at_the_entries_in_order() -> None:
    # b and c are a cycle entered at both; the walk from a meets c first, so c is its head and waits for b.
    drive = run("a -> c\nx -> b\nb -> c\nc -> b if false")
    assert drive.order == "a x b c"


def test_a_node_sees_only_the_writes_on_the_paths_that_led_to_it() -> None:
    tools = {"a": takes(1, x=1), "b": takes(1, y=2), "c": takes(5, z=3)}
    drive = run("a -> b & c\nb -> d\nc -> e", tools)
    assert drive.saw("d") == [{"x": 1, "y": 2}]
    assert drive.saw("e") == [{"x": 1, "z": 3}]


def test_only_the_first_conditional_edge_that_is_true_is_taken() -> None:
    drive = run("a -> b if n > 5\na -> c if n > 1\na -> d if n > 0\na -> e", state={"n": 3})
    assert drive.order == "a c"


def test_if_no_condition_is_true_every_normal_edge_is_taken() -> None:
    drive = run("a -> b if n > 5\na -> c\na -> d", state={"n": 3})
    assert drive.order == "a c d"


def test_no_condition_is_evaluated_after_the_first_that_is_true() -> None:
    drive = run("a -> b if n > 1\na -> c if missing > 1", state={"n": 3})
    assert drive.order == "a b"


def test_route_all_takes_every_true_conditional_edge_and_every_normal_edge_in_the_order_of_the_definition() -> None:
    drive = run("a [route=all]\na -> b if n > 1\na -> c\na -> d if n > 5\na -> e if n > 2", state={"n": 3})
    assert drive.order == "a b c e"


def test_edges_of_all_types_are_taken_in_the_order_of_the_definition() -> None:
    drive = run("a [route=all]\na -> z\na -> b if n > 1\na -> y", state={"n": 3})
    assert drive.order == "a z b y"


def test_conditions_see_the_state_with_the_nodes_own_output() -> None:
    drive = run("a -> b if n == 7\na -> c", {"a": takes(1, n=7)}, state={"n": 0})
    assert drive.order == "a b"


def test_error_edges_are_not_taken_by_a_node_that_completed() -> None:
    assert run("a -> b on error\na -> c").order == "a c"


def test_a_path_ends_where_no_edge_is_taken() -> None:
    drive = run("a -> b if n > 5", {"a": takes(1, x=1)}, state={"n": 3})
    assert drive.order == "a"
    assert drive.state == {"n": 3, "x": 1}


def test_an_edge_to_end_next_to_others_ends_a_copy() -> None:
    drive = run("a -> END\na -> b", {"a": takes(1, x=1), "b": takes(1, y=2)})
    assert drive.order == "a b"
    assert drive.state == {"x": 1, "y": 2}


def test_the_run_ends_when_nothing_is_live() -> None:
    drive = run("a -> b & c\nb -> END", {"b": takes(1), "c": takes(9)})
    assert drive.makespan == 10


def test_the_final_state_merges_ended_paths_in_the_order_their_last_nodes_are_defined() -> None:
    tools = {"b": takes(9, log="b"), "c": takes(1, log="c"), "d": takes(4, log="d")}
    drive = run("b; c; d\na -> d & c & b\nreduce log with append\nentry a", tools)
    assert [name for _, name in drive.ends] == ["a", "c", "d", "b"]
    assert drive.state["log"] == ["b", "c", "d"]


def test_if_no_path_ended_the_final_state_is_the_initial_state() -> None:
    # a cancels the second start of b; the token that a then sends passed the first start, and b absorbs it.
    drive = run("a -> b -> b & a\na [join=race]\nb [join=race]\nentry a", {"b": takes(1, x=1)}, state={"n": 1})
    assert drive.order == "a b b a"
    assert drive.state == {"n": 1}


def test_a_run_of_one_node_ends_with_its_output() -> None:
    assert run("a", {"a": takes(1, x=1)}).state == {"x": 1}


def test_a_node_without_edges_that_fails_ends_the_run() -> None:
    assert str(run("a", {"a": raises()}).error) == "node 'a' failed: ValueError: broken"


def test_two_edges_to_one_node_bring_it_two_tokens_that_it_joins() -> None:
    data = {
        "nodes": [{"node_id": "a", "tool": "a", "route": "all"}, {"node_id": "b", "tool": "b"}],
        "edges": [{"from_node": "a", "to_node": "b"}, {"from_node": "a", "to_node": "b", "condition": "true"}],
    }
    drive = run(GraphDefinition.model_validate(data), {"a": takes(1, log="a")})
    assert drive.order == "a b"
