"""A log replays through the methods of a live run: every prefix, skips, edits, and mismatched outcomes."""

import pytest
from harness import Drive, computes, prepare, raises, resume, run, takes

from nbflow.errors import RunStateError
from nbflow.scheduler import Outcome, Retry, Task


def prefixes(drive: Drive, state: dict[str, object] | None = None) -> list[Drive]:
    """Return a resumed drive for every prefix of a drive's log, run to its end."""
    return [resume(drive, drive.log[:n], state).run() for n in range(len(drive.log) + 1)]


def test_any_prefix_of_a_log_replays_and_continues_to_the_same_end() -> None:
    text = "a -> b & c -> d\nd -> a if n < 3\nd -> e\nreduce log with append"
    tools = {"b": takes(1, log="b"), "c": takes(2, log="c"), "d": computes(lambda s: {"n": s["n"] + 1})}
    drive = run(text, tools, state={"n": 0})
    assert len(drive.log) == 13
    assert all(again.state == drive.state for again in prefixes(drive, {"n": 0}))


def test_a_log_row_has_the_number_of_the_start_within_its_run_and_the_scope() -> None:
    text = "a -> s -> m\ns = graph g\nm [map=xs]"
    drive = run(text, {"m": lambda task: (1, task.value)}, graphs={"g": "p -> q"}, state={"xs": [7]})
    assert [(o.scope, o.firing, o.node, o.item) for o in drive.log] == [
        ("", 1, "a", None), ("s#2/", 1, "p", None), ("s#2/", 2, "q", None), ("", 3, "m", 0),
    ]  # fmt: skip


def test_handled_failures_replay() -> None:
    drive = run("a -> b on error\na -> c\nb -> d", {"a": raises("no")})
    assert [(o.kind, o.node) for o in drive.log] == [("failed", "a"), ("completed", "b"), ("completed", "d")]
    assert [again.state for again in prefixes(drive)] == [drive.state] * 4


def test_an_unhandled_failure_is_not_in_the_log_and_its_node_runs_again() -> None:
    drive = run("a -> b", {"b": raises("no")})
    assert [o.node for o in drive.log] == ["a"]
    again = resume(drive, drive.log)
    assert again.order == "b"


def test_finished_items_of_a_map_are_retained() -> None:
    tools = {"m": lambda task: (1, ValueError("no") if task.value == 3 else task.value * 2)}
    drive = run("m [map=xs, limit=1]", tools, state={"xs": [1, 2, 3]})
    assert [(o.item, o.value) for o in drive.log] == [(0, 2), (1, 4)]
    again = resume(drive, drive.log, {"xs": [1, 2, 3]})
    assert again.order == "m[2]"


def test_a_log_of_maps_subgraphs_and_maps_of_subgraphs_replays() -> None:
    text = "a -> m & s & t -> z\nm [map=xs, limit=2, on_error=collect]\ns = graph g\nt = graph g [map=xs, as=x]"
    tools = {
        "m": lambda task: (task.value, ValueError("no") if task.value == 2 else task.value),
        "p": computes(lambda s: {"x": s["x"] + 1}), "q": takes(2, y=1),
    }  # fmt: skip
    drive = run(text + "\nreduce y with last", tools, graphs={"g": "p -> q"}, state={"xs": [1, 2, 3], "x": 5})
    ends = [again.state for again in prefixes(drive, {"xs": [1, 2, 3], "x": 5})]
    assert ends == [drive.state] * (len(drive.log) + 1)


def test_a_failure_inside_a_subgraph_that_the_outer_node_handles_replays() -> None:
    drive = run("s = graph g\ns -> e on error", {"q": raises("no")}, graphs={"g": "p -> q & r"})
    assert [again.state for again in prefixes(drive)] == [drive.state] * (len(drive.log) + 1)


def test_a_log_continues_with_a_later_attempt_at_a_subgraph() -> None:
    drive = prepare("a -> s -> z\ns = graph g [retries=3]", graphs={"g": "p -> q"})
    log = [
        Outcome("completed", "", 1, "a", None, {}),
        Outcome("completed", "s#2/", 1, "p", None, {"x": 1}),
        Outcome("retried", "", 2, "s", None, 2),
        Outcome("retried", "", 2, "s", None, 3),
        Outcome("completed", "s#2~3/", 1, "p", None, {"x": 2}),
        Outcome("completed", "s#2~3/", 2, "q", None, {}),
    ]
    (task,) = drive.scheduler.replay(log)
    assert (task.node.id, dict(task.path)) == ("z", {"x": 2})
    again = prepare("a -> s -> z\ns = graph g [retries=3]", graphs={"g": "p -> q"})
    (task,) = again.scheduler.replay(log[:5])
    assert (task.scope, task.node.id, dict(task.path)) == ("s#2~3/", "q", {"x": 2})


def test_node_ids_may_contain_the_separators_of_scopes() -> None:
    sub = {"g": "p -> q"}
    drive = run('"s#1~2" = graph g [map=xs, as=x]\n"s#1~2" -> z', graphs=sub, state={"xs": [1]})
    assert [again.state for again in prefixes(drive, {"xs": [1]})] == [drive.state] * 4


def test_an_attempt_that_failed_before_any_task_ran_is_retried_after_a_replay() -> None:
    drive = run("s = graph g [retries=2]\ns -> e on error", graphs={"g": "m [map=xs]"})
    assert drive.order == "e"
    assert [again.state for again in prefixes(drive)] == [drive.state] * 4


def test_events_during_the_backoff_of_a_subgraph_replay_before_its_next_attempt() -> None:
    drive = prepare("a -> s & b -> c\ns = graph g [retries=1]\ns -> e on error", graphs={"g": "m [map=xs]"})
    log = [
        Outcome("completed", "", 1, "a", None, {}),
        Outcome("completed", "", 3, "b", None, {"x": 1}),
        Outcome("retried", "", 2, "s", None, 2),
    ]
    assert {task.node.id for task in drive.scheduler.replay(log)} == {"c", "e"}
    waiting = prepare("a -> s & b -> c\ns = graph g [retries=1]\ns -> e on error", graphs={"g": "m [map=xs]"})
    assert waiting.scheduler.replay(log[:2]) == []
    assert [repr(answer.task) for answer in waiting.scheduler.open_commands() if isinstance(answer, Retry)] == [
        "Task(s#2)"
    ]


def test_a_skipped_firing_is_a_completion_with_the_given_output() -> None:
    drive = prepare("a -> b -> c")
    log = [Outcome("completed", "", 1, "a", None, {"x": 1}), Outcome("skipped", "", 2, "b", None, {"y": 2})]
    (task,) = drive.scheduler.replay(log)
    assert (task.node.id, dict(task.path)) == ("c", {"x": 1, "y": 2})


def test_a_subgraph_or_a_map_may_be_skipped_as_a_whole() -> None:
    drive = prepare("s -> m -> z\ns = graph g\nm [map=xs]", graphs={"g": "p -> q & r"}, state={"xs": [1, 2]})
    log = [
        Outcome("completed", "s#1/", 1, "p", None, {"x": 1}),
        Outcome("skipped", "", 1, "s", None, {"y": 2}),
        Outcome("completed", "", 2, "m", 0, "first"),
        Outcome("skipped", "", 2, "m", None, {"m": ["by", "hand"]}),
    ]
    (task,) = drive.scheduler.replay(log)
    assert (task.node.id, dict(task.path)) == ("z", {"xs": [1, 2], "y": 2, "m": ["by", "hand"]})


def test_a_subgraph_that_failed_from_outside_replays_for_any_number_of_retries() -> None:
    drive = prepare("s = graph g [retries=2]\ns -> z on error", graphs={"g": "p"})
    late = {"node": "s", "type": "TimeoutError", "message": "late"}
    (task,) = drive.scheduler.replay([Outcome("failed", "", 1, "s", None, late)])
    assert (task.node.id, dict(task.path)) == ("z", {"error": late})


def test_an_edit_writes_keys_into_every_live_token_and_counts_as_having_seen_all_writes() -> None:
    drive = prepare("a -> b & c -> d", {"b": takes(1), "c": takes(2)})
    log = [
        Outcome("completed", "", 1, "a", None, {"x": 1}),
        Outcome("completed", "", 2, "b", None, {"x": 2}),
        Outcome("edited", value={"x": 9}),
    ]
    for task in drive.scheduler.replay(log):
        drive.start(task)
    assert drive.saw("c") == [{"x": 9}]
    assert drive.run().state == {"x": 9}


def test_an_edit_settles_earlier_concurrent_writes() -> None:
    drive = prepare("a -> b & c & e -> d")
    log = [
        Outcome("completed", "", 1, "a", None, {}),
        Outcome("completed", "", 2, "b", None, {"x": 2}),
        Outcome("completed", "", 3, "c", None, {"x": 3}),
        Outcome("edited", value={"x": 9}),
    ]
    for task in drive.scheduler.replay(log):
        drive.start(task)
    assert drive.run().state == {"x": 9}


def test_a_write_after_an_edit_has_seen_it() -> None:
    tools = {"c": takes(1, x=5)}
    drive = prepare("a -> b & c -> d", tools)
    log = [Outcome("completed", "", 1, "a", None, {}), Outcome("edited", value={"x": 9})]
    for task in drive.scheduler.replay(log):
        drive.start(task)
    assert drive.run().state == {"x": 5}


def test_updates_after_an_edit_of_a_reduced_key_fold_over_its_value() -> None:
    drive = prepare("a -> b & c -> d\nreduce x with append", {"b": takes(1, x="b"), "c": takes(1, x="c")})
    log = [Outcome("completed", "", 1, "a", None, {"x": "a"}), Outcome("edited", value={"x": ["edit"]})]
    for task in drive.scheduler.replay(log):
        drive.start(task)
    assert drive.run().state == {"x": ["edit", "b", "c"]}


def test_an_edit_reaches_paths_that_have_ended_too() -> None:
    drive = prepare("a -> b & c", {"c": takes(5)})
    log = [
        Outcome("completed", "", 1, "a", None, {}),
        Outcome("completed", "", 2, "b", None, {"x": 2}),
        Outcome("edited", value={"x": 9}),
    ]
    for task in drive.scheduler.replay(log):
        drive.start(task)
    assert drive.run().state == {"x": 9}


def test_the_error_of_a_mismatched_outcome_names_it_and_the_running_task() -> None:
    drive = run("a -> b -> c")
    with pytest.raises(RunStateError, match=r"outcome 2 of the log, b#2 completed, .* running there is x#2"):
        prepare("a -> x -> c").scheduler.replay(drive.log)
    with pytest.raises(RunStateError, match=r"outcome 3 of the log, c#3 completed, .* running there is none"):
        prepare("a -> b").scheduler.replay(drive.log)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("completed", "", 2, "s"),
        Outcome("completed", "s#2/", 1, "s"),
        Outcome("completed", "s#2/", 2, "p"),
        Outcome("completed", "s#1/", 1, "p"),
        Outcome("completed", "t#2/", 1, "p"),
        Outcome("completed", "s#2[0]/", 1, "p"),
        Outcome("completed", "s/", 1, "p"),
        Outcome("completed", "s#2/p#1/", 1, "p"),
        Outcome("completed", "s#2/", 1, "p", 0),
    ],
)
def test_an_outcome_matches_only_the_task_it_names(outcome: Outcome) -> None:
    drive = prepare("a -> s -> z\ns = graph g", graphs={"g": "p"})
    with pytest.raises(RunStateError, match=r"running there is s#2/p#1"):
        drive.scheduler.replay([Outcome("completed", "", 1, "a"), outcome])


def test_a_log_replays_on_a_graph_whose_edits_are_in_parts_not_reached_yet() -> None:
    drive = run("a -> b -> c")
    (task,) = prepare("a -> b -> x -> c").scheduler.replay(drive.log[:2])
    assert task.node.id == "x"


def test_the_same_outcomes_give_the_same_commands() -> None:
    texts = []
    for _ in range(2):
        drive = run("a -> b & c -> d\nd -> a if n < 2", {"d": computes(lambda s: {"n": s.get("n", 0) + 1})})
        texts.append([repr(a) if isinstance(a, Task) else type(a).__name__ for a in drive.answers])
    assert texts[0] == texts[1]
