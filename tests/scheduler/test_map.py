"""A node that maps: one firing, an attempt per item."""

import pytest
from harness import Tool, computes, prepare, raises, resume, run, takes
from hypothesis import given
from hypothesis import strategies as st

from nbflow.errors import GraphError, NodeError, ToolError
from nbflow.graph import GraphDefinition
from nbflow.scheduler import Close, Open


def squares(*, broken: tuple[int, ...] = (), durations: tuple[float, ...] = (1,)) -> Tool:
    """Return a tool for items that squares them."""
    return lambda task: (
        durations[task.item % len(durations)],
        ValueError(f"no {task.value}") if task.value in broken else task.value**2,
    )


ITEMS = {"xs": [1, 2, 3]}


def test_an_items_result_is_the_tools_return_value_and_into_gets_the_list() -> None:
    drive = run("m [map=xs, into=out] -> z".replace(" -> z", "\nm -> z"), {"m": squares()}, state=ITEMS)
    assert drive.order == "m[0] m[1] m[2] z"
    assert drive.state == {"xs": [1, 2, 3], "out": [1, 4, 9]}


def test_the_key_of_the_list_is_the_nodes_id_by_default() -> None:
    assert run("m [map=xs]", {"m": squares()}, state=ITEMS).state["m"] == [1, 4, 9]


def test_a_dict_that_an_item_returns_updates_no_key() -> None:
    drive = run("m [map=xs]", {"m": takes(1, x=1)}, state={"xs": [1, 2]})
    assert drive.state == {"xs": [1, 2], "m": [{"x": 1}, {"x": 1}]}


def test_map_results_have_the_order_of_the_list_in_any_order_of_ends() -> None:
    drive = run("m [map=xs]", {"m": squares(durations=(5, 1, 3))}, state=ITEMS)
    assert drive.state["m"] == [1, 4, 9]
    assert drive.makespan == 5


def test_limit_bounds_the_number_of_items_that_run_at_once() -> None:
    drive = run("m [map=xs, limit=2]", {"m": squares(durations=(4, 1, 1))}, state={"xs": [1, 2, 3, 4]})
    assert [time for time, _, _ in drive.starts] == [0, 0, 1, 2]


def test_the_nodes_own_entry_comes_last() -> None:
    drive = run("m [map=xs]", {"m": squares()}, state=ITEMS)
    kinds = [type(a) for a in drive.answers]
    assert kinds.index(Open) == 0
    (close,) = [a for a in drive.answers if isinstance(a, Close)]
    assert close.update == {"m": [1, 4, 9]}


def test_the_first_item_to_fail_cancels_the_others_and_fails_the_node() -> None:
    drive = run("m [map=xs]", {"m": squares(broken=(2,), durations=(1, 2, 5))}, state=ITEMS)
    assert isinstance(drive.error, NodeError)
    assert drive.error.node == "m[1]"
    assert drive.cancelled == [(2, "m[2]")]


def test_the_error_edges_of_the_node_see_the_items_error() -> None:
    drive = run("m [map=xs]\nm -> z on error", {"m": squares(broken=(2,))}, state=ITEMS)
    assert drive.state == {"xs": [1, 2, 3], "error": {"node": "m[1]", "type": "ValueError", "message": "no 2"}}


def test_collect_puts_the_error_at_the_items_position() -> None:
    drive = run("m [map=xs, on_error=collect]", {"m": squares(broken=(2,))}, state=ITEMS)
    error = {"node": "m[1]", "type": "ValueError", "message": "no 2"}
    assert drive.state["m"] == [1, {"error": error}, 9]


def test_a_map_that_fails_from_outside_cancels_its_items() -> None:
    drive = prepare("m [map=xs, limit=2]\nm -> z on error", state=ITEMS)
    drive.carry_out(drive.scheduler.begin())
    m = drive.scheduler.leaves()[0].parent
    assert m is not None
    drive.carry_out(drive.scheduler.fail(m, TimeoutError("late")))
    assert [name for _, name in drive.cancelled] == ["m[0]", "m[1]"]
    assert drive.run().state["error"] == {"node": "m", "type": "TimeoutError", "message": "late"}


def test_a_missing_key_fails_the_node() -> None:
    drive = run("m [map=xs]", state={"y": 1})
    assert isinstance(drive.error, NodeError)
    assert isinstance(drive.error.__cause__, ToolError)
    assert str(drive.error.__cause__).startswith("node 'm' maps over 'xs', which is not in the state; it needs a list")


def test_a_value_that_is_not_a_list_fails_the_node_and_its_error_edges_are_taken() -> None:
    drive = run("m [map=xs]\nm -> z on error", state={"xs": "text"})
    assert drive.order == "z"
    assert drive.state["error"]["message"].startswith("node 'm' maps over 'xs', which holds str")


def test_an_empty_list_gives_an_empty_list() -> None:
    drive = run("m [map=xs]\nm -> z", state={"xs": []})
    assert drive.order == "z"
    assert drive.state == {"xs": [], "m": []}


def test_parallel_maps_are_joined_like_any_other_nodes() -> None:
    text = "a -> m & n -> z\nm [map=xs]\nn [map=xs]"
    drive = run(text, {"m": squares(durations=(1, 9)), "n": squares()}, state=ITEMS)
    assert drive.started("z") == [10]
    assert drive.saw("z") == [{"xs": [1, 2, 3], "m": [1, 4, 9], "n": [1, 4, 9]}]


def test_a_race_cancels_the_items_of_a_map() -> None:
    drive = run("a -> b & m -> r\nr [join=race]\nm [map=xs, limit=2]", {"m": takes(5)}, state=ITEMS)
    assert drive.cancelled == [(2, "m[0]"), (2, "m[1]"), (2, "m")]


def test_a_map_over_a_subgraph_runs_it_once_per_item() -> None:
    sub = {"g": "p -> q"}
    tools = {"p": computes(lambda s: {"r": s["x"] * 10}), "q": computes(lambda s: {"t": s["r"] + 1})}
    drive = run("m = graph g [map=xs, as=x, limit=2]", tools, state=ITEMS, graphs=sub)
    assert drive.order == "m[0]/p m[1]/p m[0]/q m[1]/q m[2]/p m[2]/q"
    assert drive.state["m"] == [{"r": 10, "t": 11}, {"r": 20, "t": 21}, {"r": 30, "t": 31}]


def test_collect_takes_a_failure_inside_a_subgraph_after_its_retries() -> None:
    tools = {"p": computes(lambda s: ValueError("no") if s["x"] == 2 else {"r": s["x"]})}
    text = "m = graph g [map=xs, as=x, on_error=collect, retries=1]"
    drive = run(text, tools, state=ITEMS, graphs={"g": "p"})
    assert drive.state["m"][1] == {"error": {"node": "m[1]/p", "type": "ValueError", "message": "no"}}
    assert len(drive.starts) == 4


def test_the_first_subgraph_of_a_map_to_fail_cancels_the_others() -> None:
    tools = {"p": computes(lambda s: ValueError("no") if s["x"] == 2 else {"r": 1}), "q": raises(duration=9)}
    drive = run("m = graph g [map=xs, as=x]", tools, state=ITEMS, graphs={"g": "p -> q"})
    assert isinstance(drive.error, NodeError)
    assert drive.error.node == "m[1]/p"
    assert (1, "m[0]/q") in drive.cancelled


@pytest.mark.parametrize(
    "option", [{"limit": 2}, {"on_error": "collect"}, {"errors": "drop"}, {"into": "k"}, {"as": "k"}]
)
def test_options_of_a_map_without_map_are_faults(option: dict[str, object]) -> None:
    with pytest.raises(GraphError, match="means something only beside 'map'"):
        GraphDefinition.model_validate({"nodes": [{"node_id": "a", "tool": "a", **option}]})


def test_as_is_required_with_a_subgraph() -> None:
    with pytest.raises(GraphError, match="needs 'as'"):
        GraphDefinition.model_validate({"nodes": [{"node_id": "a", "graph": "g", "map": "xs"}]})


ERROR = {"error": {"node": "m[1]", "type": "ValueError", "message": "no 2"}}
TWO_MAPS = "m [map=xs, on_error=collect, into=ys]\nm -> n\nn [map=ys, into=zs{}]"


def test_a_second_map_carries_the_error_of_an_item_and_does_not_run_it() -> None:
    drive = run(TWO_MAPS.format(""), {"m": squares(broken=(2,)), "n": squares()}, state=ITEMS)
    assert drive.order == "m[0] m[1] m[2] n[0] n[2]"
    assert drive.state["zs"] == [1, ERROR, 81]


def test_a_map_drops_errors_if_its_option_says_so() -> None:
    drive = run(TWO_MAPS.format(", errors=drop"), {"m": squares(broken=(2,)), "n": squares()}, state=ITEMS)
    assert drive.order == "m[0] m[1] m[2] n[0] n[1]"
    assert drive.state["zs"] == [1, 81]


def test_a_list_of_only_errors_is_carried_at_once() -> None:
    for tail, zs in (("", [ERROR]), (", errors=drop", [])):
        drive = run(f"n [map=ys, into=zs{tail}]\nn -> z", state={"ys": [ERROR]})
        assert drive.order == "z"
        assert drive.state["zs"] == zs


def test_a_limit_counts_the_items_that_run() -> None:
    drive = run("n [map=ys, limit=1]", {"n": squares()}, state={"ys": [ERROR, 2, ERROR, 3]})
    assert [(time, name) for time, name, _ in drive.starts] == [(0, "n[1]"), (1, "n[3]")]
    assert drive.state["n"] == [ERROR, 4, ERROR, 9]


def test_errors_are_carried_through_maps_over_subgraphs_and_maps_inside_of_these() -> None:
    tools = {"p": computes(lambda s: {"r": s["x"] * 10}), "q": squares()}
    drive = run("n = graph g [map=ys, as=x]", tools, state={"ys": [1, ERROR]}, graphs={"g": "p"})
    assert drive.state["n"] == [{"r": 10}, ERROR]

    drive = run("n = graph g [map=ys, as=x]", tools, state={"ys": [[1, ERROR], [ERROR]]}, graphs={"g": "q [map=x]"})
    assert drive.state["n"] == [{"q": [1, ERROR]}, {"q": [ERROR]}]

    drive = run("n = graph g", tools, state={"ys": [2, ERROR]}, graphs={"g": "q [map=ys]"})
    assert drive.state["q"] == [4, ERROR]


def test_errors_are_carried_through_joins_and_reducers() -> None:
    text = """start -> m & k -> both -> n
m [map=xs, on_error=collect]
k [map=xs, on_error=collect]
n [map=all]
reduce all with extend"""
    tools = {
        "m": squares(broken=(2,)), "k": squares(broken=(1,)), "n": squares(),
        "both": computes(lambda s: {"all": s["m"] + s["k"]}),
    }  # fmt: skip
    drive = run(text, tools, state=ITEMS)
    assert drive.state["n"] == [
        1,
        ERROR,
        81,
        {"error": {"node": "k[0]", "type": "ValueError", "message": "no 1"}},
        16,
        81,
    ]


@pytest.mark.parametrize("item", [
    {"error": "text"}, {"error": {"node": "m"}}, {"error": ERROR["error"], "x": 1}, {"error": ERROR["error"] | {"x": 1}},
    {"error": ERROR["error"] | {"node": None}}, [ERROR], "error",
])  # fmt: skip
def test_a_value_that_only_looks_like_an_error_is_a_value(item: object) -> None:
    drive = run("n [map=ys]", {"n": takes(1)}, state={"ys": [item]})
    assert drive.order == "n[0]"


def test_an_older_log_replays_by_the_rules_of_its_version() -> None:
    """Before version 2 of the rules, a map passed the error to its tool as a value."""
    from nbflow.scheduler import Outcome, Scheduler

    plan = prepare(TWO_MAPS.format(""), state=ITEMS).plan
    log = [
        Outcome("completed", firing=1, node="m", item=0, value=1),
        Outcome("failed", firing=1, node="m", item=1, value=ERROR["error"]),
        Outcome("completed", firing=1, node="m", item=2, value=9),
        Outcome("completed", firing=2, node="n", item=1, value="fed"),
        Outcome("completed", firing=2, node="n", item=0, value=1),
    ]
    old = Scheduler(plan, ITEMS, rules=1)
    assert [task.name for task in old.replay(log)] == ["n[2]"]
    with pytest.raises(Exception, match="does not fit"):
        Scheduler(plan, ITEMS).replay(log)


def test_an_edited_list_with_errors_starts_a_map_again_if_no_item_has_ended() -> None:
    drive = prepare("a -> n\nn [map=ys]", {"n": squares()}, state={"ys": [1, ERROR]})
    drive.carry_out(drive.scheduler.begin())
    (a,) = drive.scheduler.leaves()
    drive.carry_out(drive.scheduler.complete(a, {}))
    drive.scheduler.edit({"ys": [ERROR, 2, 3]})
    assert [task.name for task in drive.scheduler.leaves()] == ["n[1]", "n[2]"]


def through(values: list[object], broken: set[int], node: str, *, drops: bool) -> list[object]:
    """Return the result of a map with `collect` over a list, as the rules define it."""
    values = [value for value in values if not (drops and isinstance(value, dict))]
    error = {"type": "ValueError", "message": "no"}
    return [
        value if isinstance(value, dict) else {"error": {"node": f"{node}[{at}]", **error}} if at in broken else value
        for at, value in enumerate(values)
    ]


@given(
    st.lists(st.integers(0, 9) | st.just(ERROR), max_size=6),
    st.lists(st.tuples(st.sets(st.integers(0, 5)), st.booleans(), st.integers(1, 3)), min_size=1, max_size=4),
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
)
def test_maps_after_each_other_follow_the_rules_in_any_order_of_ends_and_so_does_each_replay(
    values: list[object], maps: list[tuple[set[int], bool, int]], durations: list[int]
) -> None:
    lines, tools, expected, key = [], {}, values, "xs"
    for number, (broken, drops, limit) in enumerate(maps):
        node = f"m{number}"
        errors = "drop" if drops else "carry"
        lines.append(f"{node} [map={key}, on_error=collect, errors={errors}, limit={limit}]")
        tools[node] = _fails(broken, durations)
        expected, key = through(expected, broken, node, drops=drops), node
    text = "\n".join([" -> ".join([*tools, "END"]), *lines])

    drive = run(text, tools, state={"xs": values})

    assert drive.state[key] == expected
    for number in range(len(drive.log) + 1):
        assert resume(drive, drive.log[:number], {"xs": values}).run().state == drive.state


def _fails(broken: set[int], durations: list[int]) -> Tool:
    return lambda task: (
        durations[(task.item or 0) % len(durations)],
        ValueError("no") if task.item in broken else task.value,
    )
