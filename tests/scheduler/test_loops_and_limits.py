"""Loops: the counted edges, the effect of the limit, and the edge out of the loop."""

from harness import computes, raises, run, takes

from nbflow.errors import LoopError
from nbflow.scheduler import EdgeTaken

ROUND = {"b": computes(lambda s: {"n": s.get("n", 0) + 1})}


def test_exactly_max_iterations_are_allowed() -> None:
    drive = run("a -> b\nb -> a if n < 4 [max=3]\nb -> c", ROUND)
    assert drive.order == "a b a b a b a b c"


def test_more_than_max_iterations_is_an_error_with_the_edge_the_count_and_the_cure() -> None:
    drive = run("a -> b -> a if true [max=3]", ROUND)
    error = drive.error
    assert isinstance(error, LoopError)
    assert (error.node, error.target, error.limit) == ("b", "a", 3)
    assert str(error).startswith("edge 'b -> a' was taken 3 times, its limit; raise it with [max=6] on the edge")
    assert drive.order == "a b a b a b a b"


def test_the_limit_is_the_edges_or_the_graphs_or_100() -> None:
    loop = "a -> a if n < 200\nentry a"
    tools = {"a": ROUND["b"]}
    assert len(run(loop, tools).starts) == 101
    assert len(run(loop + "\nmax_iterations 7", tools).starts) == 8
    assert len(run("a -> a if n < 200 [max=3]\nentry a\nmax_iterations 7", tools).starts) == 4


def test_only_edges_that_lie_on_a_cycle_count() -> None:
    # s -> e has a limit of 1 and is on no cycle: three tokens pass it.
    text = "a -> s & b\nb -> s & c\nc -> s\ns [join=each]\ns -> e [max=1]\ne [join=each]"
    assert run(text).order.split().count("e") == 3


def test_each_edge_has_a_separate_count() -> None:
    text = "a -> b & c\nb -> a if n < 3 [max=2]\nc -> a if n < 3 [max=2]\nb -> d\nc -> d"
    drive = run(text, {"a": computes(lambda s: {"n": s.get("n", 0) + 1})})
    assert drive.order.split().count("a") == 3
    assert drive.order.endswith("d")


def test_an_inner_loops_counts_start_again_each_time_it_is_entered_from_outside() -> None:
    text = "o -> i\ni -> i if n % 3 > 0 [max=2]\ni -> e\ne -> o if n < 9 [max=2]\ne -> END"
    drive = run(text, {"i": computes(lambda s: {"n": s.get("n", 0) + 1})})
    assert drive.order == "o i i i e o i i i e o i i i e"


def test_an_outer_loops_counts_do_not_start_again() -> None:
    text = "o -> i\ni -> i if n % 2 > 0 [max=1]\ni -> e\ne -> o [max=2]"
    drive = run(text, {"i": computes(lambda s: {"n": s.get("n", 0) + 1})})
    assert isinstance(drive.error, LoopError)
    assert (drive.error.node, drive.error.limit) == ("e", 2)


def test_if_one_edge_of_a_routing_would_exceed_none_is_taken() -> None:
    drive = run("a -> b & a [max=1]\na -> c\nb -> END\nentry a")
    assert isinstance(drive.error, LoopError)
    taken = [answer.edge.definition.to_node for answer in drive.answers if isinstance(answer, EdgeTaken)]
    assert taken == ["b", "a", "c"]


def test_at_the_limit_the_error_edges_are_taken_with_the_nodes_output_and_error_in_the_state() -> None:
    drive = run("a -> b -> a [max=2]\nb -> out on error", ROUND)
    (state,) = drive.saw("out")
    assert state["n"] == 3
    assert state["error"]["node"] == "b"
    assert state["error"]["type"] == "LoopError"
    assert drive.order == "a b a b a b out"


def test_a_self_loop_at_its_limit_takes_its_error_edge() -> None:
    drive = run("a -> a [max=2]\na -> out on error\nentry a", {"a": ROUND["b"]})
    assert drive.order == "a a a out"


def test_an_error_edge_is_not_offered_for_its_own_exhaustion() -> None:
    drive = run("a -> b -> END\na -> a on error [max=1]\nentry a", {"a": raises()})
    assert isinstance(drive.error, LoopError)
    assert str(drive.error).startswith("edge 'a -> a on error' was taken 1 times")
    assert isinstance(drive.error.__cause__, ValueError), "what the edge was to be taken for is told too"
    assert drive.order == "a a"


def test_when_an_error_edge_is_exhausted_the_nodes_others_are_taken() -> None:
    drive = run("a -> END\na -> a on error [max=1]\na -> out on error\nentry a", {"a": raises(), "out": takes(1, x=1)})
    # The first failure takes both edges, the second only the edge out, which has then seen two errors.
    assert drive.order == "a a out"
    assert drive.saw("out")[0]["error"]["type"] == "LoopError"


def test_a_loop_of_error_edges_retries_through_another_node() -> None:
    fails = computes(lambda s: ValueError("no") if s.get("n", 0) < 2 else {"done": True})
    drive = run("a -> END\na -> mend on error\nmend -> a", {"a": fails, "mend": ROUND["b"]})
    assert drive.order == "a mend a mend a"
    assert drive.state["done"] is True


def test_limits_do_not_depend_on_which_branch_of_a_round_is_faster() -> None:
    text = "h -> a & b -> j\nj -> h if n < 5 [max=3]\nj -> out on error\nj -> out"
    orders = []
    for a, b in ((1, 4), (4, 1)):
        drive = run(text, {"a": takes(a), "b": takes(b), "j": ROUND["b"]})
        orders.append((drive.state["n"], drive.order.split().count("out")))
    assert orders == [(4, 1), (4, 1)]
