"""Failures: error edges, the end of the run, the cancelled nodes, and the retained completions."""

from harness import computes, prepare, raises, resume, run, takes

from nbflow.errors import ConditionError, ExecutionCancelled, NodeError
from nbflow.scheduler import Cancel, Ended, Task


def test_error_edges_are_taken_with_the_nodes_input_state_and_the_error() -> None:
    drive = run("a -> b -> d\nb -> c on error", {"a": takes(1, x=1), "b": raises("no")})
    assert drive.order == "a b c"
    assert drive.saw("c") == [{"x": 1, "error": {"node": "b", "type": "ValueError", "message": "no"}}]


def test_all_error_edges_of_a_node_are_taken() -> None:
    assert run("a -> b & c on error", {"a": raises()}).order == "a b c"


def test_an_error_edge_to_end_ends_the_path_with_the_error() -> None:
    drive = run("a -> b & c\nb -> END on error", {"b": raises("no"), "c": takes(5, y=1)})
    assert drive.state == {"y": 1, "error": {"node": "b", "type": "ValueError", "message": "no"}}


def test_otherwise_the_run_fails_and_the_tools_own_exception_is_the_cause() -> None:
    boom = ValueError("no")
    drive = run("a -> b", {"b": lambda task: (1, boom)})
    assert isinstance(drive.error, NodeError)
    assert drive.error.node == "b"
    assert drive.error.__cause__ is boom


def test_when_the_run_fails_siblings_are_cancelled() -> None:
    drive = run("a -> b & c & d", {"b": raises(), "c": takes(5), "d": takes(1)})
    assert drive.cancelled == [(2, "c"), (2, "d")]


def test_of_two_failures_at_once_the_first_processed_is_the_one_raised() -> None:
    drive = run("a -> b & c", {"b": raises("b"), "c": raises("c")})
    assert "node 'b' failed" in str(drive.error)


def test_earlier_completions_stay_and_a_resume_runs_siblings_and_the_failed_node_again() -> None:
    tools = {"b": takes(1, x=1), "c": raises(duration=2), "d": takes(9, y=2)}
    drive = run("a -> b & c & d -> e", tools)
    assert [(o.kind, o.node) for o in drive.log] == [("completed", "a"), ("completed", "b")]
    again = resume(drive, drive.log)
    assert again.order == "c d"
    again.tools = {**tools, "c": takes(2)}
    assert [task.node.id for task in again.scheduler.leaves()] == ["c", "d"]


def test_the_state_of_a_failed_run_lays_ended_pending_and_running_tokens_over_each_other() -> None:
    tools = {"b": takes(1, x="ended", p=1), "c": takes(1, x="pending", q=1), "d": raises(duration=5)}
    drive = run("a -> b & c & d\nc -> e\nd -> e\nreduce x with last", tools, state={"n": 0})
    assert drive.ended is not None
    assert drive.ended.state == {"n": 0, "x": "pending", "p": 1, "q": 1}


def test_the_result_of_a_cancelled_firing_is_dropped() -> None:
    drive = prepare("a -> b & c\nb -> d\nc -> d\nd [join=race]", {"c": takes(5)})
    drive.carry_out(drive.scheduler.begin())
    drive.step()
    c = next(task for task in drive.scheduler.leaves() if task.node.id == "c")
    drive.step()
    assert not c.live
    assert drive.scheduler.complete(c, {"x": 1}) == []
    assert drive.scheduler.fail(c, ValueError()) == []
    assert drive.run().state == {}


def test_an_error_in_a_condition_ends_the_run_without_error_edges_and_names_the_node() -> None:
    drive = run("a -> b & c\nb -> d if missing > 1\nb -> e on error\nc -> END", {"b": takes(1, x=1), "c": takes(5)})
    assert isinstance(drive.error, ConditionError)
    assert drive.error.node == "b"
    assert drive.cancelled == [(2, "c")]
    assert "e" not in drive.order


def test_after_an_error_in_a_condition_a_corrected_graph_resumes_behind_the_completion() -> None:
    drive = prepare("a -> b if missing > 1\na -> c", {"a": takes(1, x=1)})
    (task,) = [a for a in drive.scheduler.begin() if isinstance(a, Task)]
    (ended,) = drive.scheduler.complete(task, {"x": 1})
    assert isinstance(ended, Ended)
    drive.start(task)
    log = run("a -> c", {"a": takes(1, x=1)}).log[:1]
    mended = prepare("a -> b if x > 1\na -> c")
    assert [task.node.id for task in mended.scheduler.replay(log)] == ["c"]


def test_a_name_is_read_only_when_reached() -> None:
    assert run("a -> b if x == 1 or missing > 1\na -> c", state={"x": 1}).order == "a b"


def test_a_failure_in_a_loop_takes_the_nodes_error_edges_out_of_it() -> None:
    fails = computes(lambda s: ValueError("no") if s["n"] == 2 else {"n": s["n"] + 1})
    drive = run("a -> a if n < 9\na -> out on error\nentry a", {"a": fails}, state={"n": 0})
    assert drive.order == "a a a out"


def test_a_run_stopped_from_outside_cancels_every_live_firing() -> None:
    drive = prepare("a -> b & c -> d", {"b": takes(5)})
    drive.carry_out(drive.scheduler.begin())
    drive.step()
    answers = drive.scheduler.stop(ExecutionCancelled("stop"))
    assert [a.task.node.id for a in answers if isinstance(a, Cancel)] == ["b", "c"]
    assert isinstance(answers[-1], Ended)
    assert isinstance(answers[-1].error, ExecutionCancelled)
    assert drive.scheduler.leaves() == []
    assert drive.scheduler.stop(ExecutionCancelled("again")) == []
