"""The start of a node that a token has reached: `all`, `first`, `race`, `each`."""

from harness import Tool, computes, raises, run, takes

from nbflow.scheduler import EdgeTaken


def counts(key: str, *, duration: float = 1.0) -> Tool:
    """Return a tool that counts its firings in the state."""
    return computes(lambda state: {key: state.get(key, 0) + 1}, duration)


def test_a_pending_node_starts_when_nothing_live_can_still_reach_it() -> None:
    drive = run("a -> b & c -> d", {"b": takes(2), "c": takes(5)})
    assert drive.started("d") == [6]


def test_after_an_if_else_the_join_does_not_wait_for_the_branch_not_taken() -> None:
    drive = run("a -> b if n > 1 else c\nb -> d\nc -> d", state={"n": 3})
    assert drive.order == "a b d"


def test_a_join_waits_along_edges_of_every_type() -> None:
    drive = run("a -> b & c\nb -> d\nc -> END\nc -> d on error", {"c": takes(7)})
    assert drive.started("d") == [8]


def test_tokens_placed_by_the_same_completion_count_as_live() -> None:
    drive = run("a -> d & b\nb -> c -> d")
    assert drive.order == "a b c d"


def test_further_tokens_that_arrive_while_a_node_is_pending_join_it() -> None:
    drive = run("a -> b & c & d -> e", {"b": takes(1, x=1), "c": takes(2, y=2), "d": takes(3, z=3)})
    assert drive.saw("e") == [{"x": 1, "y": 2, "z": 3}]


def test_two_firings_of_a_node_never_run_at_the_same_time() -> None:
    # The head runs its next round through g while b still runs; the token that then reaches b waits for b itself.
    text = "f [join=first]\nf -> b & g\ng -> f if rounds < 2\nb -> f if false\nentry f"
    drive = run(text, {"f": counts("rounds"), "b": takes(5)})
    assert drive.started("f") == [0, 2]
    assert drive.started("b") == [1, 6]


def test_inside_a_loop_paths_through_its_head_belong_to_the_next_round_and_do_not_count() -> None:
    # c can reach d only through the head, so d does not wait for it; the head then waits for both.
    text = "h -> c & d\nc -> h if rounds < 2 else END\nd -> h if rounds < 2 else END"
    drive = run(text, {"h": counts("rounds"), "c": takes(5), "d": takes(1)})
    assert drive.started("d") == [1, 7]
    assert drive.started("h") == [0, 6]


def test_the_nodes_of_a_loop_wait_while_its_head_is_running() -> None:
    # x lies in the loop of a; the token that reaches it from y waits while a runs, and joins the token from a.
    text = "s -> a & y\na [join=first]\na -> x\ny -> x\nx -> a if rounds < 1 else END\nentry s"
    drive = run(text, {"a": counts("rounds", duration=9), "y": takes(1)})
    assert drive.started("x") == [10]


def test_a_head_that_does_not_wait_delays_the_pending_nodes_of_its_last_round() -> None:
    text = "h [join=each]\nh -> s & g\ns -> t\ng -> h if rounds < 2\nt -> h if false\nentry h"
    tools = {"h": lambda task: (10 if "rounds" in task.path else 1, {}), "g": counts("rounds"), "s": takes(5)}
    drive = run(text, tools)
    assert drive.started("h") == [0, 2]
    assert drive.started("s") == [1, 12]
    assert drive.started("t") == [17]


def test_the_head_waits_for_every_live_position_in_its_loop_so_rounds_do_not_overlap() -> None:
    text = "h -> a & b\na -> h if rounds < 3\nb -> c -> END"
    drive = run(text, {"h": counts("rounds"), "b": takes(2), "c": takes(2)})
    # b and c lie outside the loop, since neither leads back to h. Both wait for the end of the loop.
    assert drive.started("h") == [0, 2, 4]
    assert drive.started("b") == [6]
    text = "h -> a & b\na -> h if rounds < 3\nb -> c -> h if false else END"
    drive = run(text, {"h": counts("rounds"), "b": takes(2), "c": takes(2)})
    assert drive.started("h") == [0, 5, 10]


def test_parallel_branches_of_a_loop_run_in_parallel_and_join_once_a_round() -> None:
    text = "h -> a & b -> j\nj -> h if rounds < 3 else END"
    drive = run(text, {"h": counts("rounds"), "a": takes(4), "b": takes(2)})
    assert drive.started("j") == [5, 11, 17]
    assert drive.started("a") == drive.started("b") == [1, 7, 13]


def test_nested_loops_follow_the_same_rules_with_the_outer_head_removed() -> None:
    text = """
    o -> i -> a & b -> j
    j -> i if inner % 2 == 1
    j -> e
    e -> o if outer < 2 else END
    """
    drive = run(text, {"o": counts("outer"), "i": counts("inner"), "a": takes(3)})
    assert drive.started("j") == [5, 10, 17, 22]
    assert drive.started("i") == [1, 6, 13, 18]


def test_a_head_waits_for_tokens_that_enter_its_loop_at_other_nodes() -> None:
    drive = run("a -> b & c\nb -> d\nc -> d\nd -> b if rounds < 2 else e", {"d": counts("rounds"), "c": takes(5)})
    assert drive.order == "a c d b d e"


def test_a_self_loop_is_a_loop() -> None:
    drive = run("a -> a if rounds < 3 else b", {"a": counts("rounds")})
    assert drive.order == "a a a b"


def test_first_starts_on_the_first_arrival() -> None:
    drive = run("a -> b & c -> d\nd [join=first]", {"b": takes(2, x=1), "c": takes(5, y=2)})
    assert drive.started("d") == [3]
    assert drive.saw("d") == [{"x": 1}]


def test_first_absorbs_a_later_arrival_and_its_writes_with_it() -> None:
    drive = run("a -> b & c -> d\nd [join=first]", {"b": takes(2, x=1), "c": takes(5, y=2)})
    assert drive.state == {"x": 1}
    assert drive.makespan == 6


def test_of_two_arrivals_at_once_first_takes_one() -> None:
    drive = run("s [route=all]\nd [join=first]\ns -> d\ns -> d if true")
    assert drive.order == "s d"


def test_first_is_started_again_by_a_token_that_passed_its_last_start() -> None:
    text = "s -> a & b -> f\nf [join=first]\nf -> g\ng -> f if rounds < 3 else END\nentry s"
    drive = run(text, {"g": counts("rounds"), "b": takes(4)})
    assert drive.order == "s a b f g f g f g"


def test_one_of_two_tokens_that_passed_its_last_start_starts_first_again() -> None:
    text = "f [join=first]\nf -> a & b\na -> f if rounds < 2\nb -> f if rounds < 2\nentry f"
    drive = run(text, {"f": counts("rounds"), "b": takes(3)})
    assert drive.started("f") == [0, 2]


def test_a_joined_token_has_passed_the_latest_start_of_its_parts() -> None:
    # The token of x passed the first start of f, that of y the second; joined at j, they start f a third time.
    text = "f [join=first, route=all]\nf -> x if rounds == 1\nf -> a if rounds == 1\nf -> y if rounds == 2\na -> f"
    for edges in ("y -> j\nx -> j", "x -> j\ny -> j"):
        drive = run(f"{text}\n{edges}\nj -> f if rounds < 3\nentry f", {"f": counts("rounds"), "x": takes(5)})
        assert drive.order == "f x a f y j f"


def test_stragglers_continue_and_their_failure_counts_like_any_other() -> None:
    drive = run("a -> b & c -> d\nd [join=first]", {"c": raises(duration=3)})
    assert drive.started("d") == [2]
    assert str(drive.error) == "node 'c' failed: ValueError: broken"


def test_race_cancels_every_position_that_can_still_reach_it_with_tokens_and_writes() -> None:
    drive = run("a -> b & c -> d\nd [join=race]", {"b": takes(2, x=1), "c": takes(5, y=2)})
    assert drive.cancelled == [(3, "c")]
    assert drive.state == {"x": 1}
    assert drive.makespan == 4


def test_race_cancels_pending_nodes_too() -> None:
    drive = run("a -> b & c & p\nb -> d\nc -> p -> d\nd [join=race]", {"b": takes(2), "c": takes(5)})
    assert drive.order == "a b c d"


def test_race_does_not_cancel_positions_that_cannot_reach_it() -> None:
    drive = run("a -> b & c -> d\nd [join=race]\na -> y", {"c": takes(5), "y": takes(9)})
    assert drive.cancelled == [(2, "c")]
    assert drive.makespan == 10


def test_a_race_starts_before_the_nodes_of_the_same_completion_that_it_cancels() -> None:
    for text in ("a -> x & r", "a -> r & x"):
        drive = run(text + "\nx -> r\nr [join=race]")
        assert drive.order == "a r"


def test_race_in_a_loop_cancels_only_positions_that_can_reach_it_in_this_round() -> None:
    text = "h -> a & b -> r\nr [join=race]\nr -> h if rounds < 2 else END"
    drive = run(text, {"h": counts("rounds"), "a": takes(1), "b": takes(6)})
    assert drive.cancelled == [(2, "b"), (5, "b")]
    assert drive.started("r") == [2, 5]


def test_a_node_that_waited_for_a_cancelled_position_starts() -> None:
    # j waits for c, which the race cancels.
    drive = run("a -> b & c & d\nb -> r\nc -> r & j\nd -> j\nr [join=race]\n", {"b": takes(3), "c": takes(9)})
    assert drive.started("j") == [4]


def test_a_node_that_waited_for_a_cancelled_pending_node_starts() -> None:
    # p has been reached by x and waits for w; j waits for p; the race cancels both w and p.
    text = "a -> b & w & x & d\nb -> r\nw & x -> p -> r & j\nd -> j\nr [join=race]"
    drive = run(text, {"b": takes(3), "w": takes(9)})
    assert drive.order == "a b w x d r j"
    assert drive.started("j") == [4]


def test_each_starts_on_every_arrival_and_its_instances_run_in_parallel() -> None:
    drive = run("a -> b & c -> d\nd [join=each]", {"b": takes(1, x=1), "c": takes(2, x=2), "d": takes(5)})
    assert drive.started("d") == [2, 3]
    assert drive.saw("d") == [{"x": 1}, {"x": 2}]


def test_a_join_after_each_waits_for_all_its_instances() -> None:
    tools = {"b": takes(1), "c": takes(2), "d": takes(5, log="d")}
    drive = run("a -> b & c -> d -> e\nd [join=each]\nreduce log with append", tools)
    assert drive.started("e") == [8]
    assert drive.saw("e") == [{"log": ["d", "d"]}]


def test_keys_that_instances_of_each_write_need_a_reducer() -> None:
    drive = run("a -> b & c -> d -> e\nd [join=each]", {"d": takes(1, x=1)})
    assert str(drive.error).startswith("two firings of 'd' wrote 'x' side by side, and it is not known at the join 'e'")


def test_nodes_that_start_on_arrival_start_before_joins_are_tested_in_any_order_of_edges() -> None:
    # The head starts its next round at once, so n waits for it, in both orders of the edges.
    for edges in ("e -> n\ne -> e if k < 3", "e -> e if k < 3\ne -> n"):
        drive = run(f"e [join=each, route=all]\n{edges}\nn -> e if false\nentry e", {"e": counts("k")})
        assert drive.order == "e e e n"


def test_every_token_is_reported_once_and_in_order() -> None:
    drive = run("a -> b & c -> d")
    taken = [(a.edge.source.id, a.edge.definition.to_node) for a in drive.answers if isinstance(a, EdgeTaken)]
    assert taken == [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
