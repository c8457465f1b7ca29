"""Large runs end, take a number of steps proportional to their size, and may have any depth."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from harness import graph, prepare, resume, run, takes

from nbflow.graph import GraphDefinition
from nbflow.scheduler import Scheduler, Task, compile_plan


def fan(width: int) -> GraphDefinition:
    """Return a graph that splits into many branches and joins them."""
    names = [f"b{n}" for n in range(width)]
    return GraphDefinition.model_validate({
        "nodes": [{"node_id": name, "tool": "t"} for name in ("s", *names, "j")],
        "edges": [{"from_node": "s", "to_node": n} for n in names] + [{"from_node": n, "to_node": "j"} for n in names],
    })  # fmt: skip


def chain(length: int, **node: Any) -> GraphDefinition:
    """Return a chain of nodes."""
    return GraphDefinition.model_validate({
        "nodes": [{"node_id": f"n{n}", **node} for n in range(length)],
        "edges": [{"from_node": f"n{n}", "to_node": f"n{n + 1}"} for n in range(length - 1)],
    })  # fmt: skip


def calls(action: Callable[[], Any]) -> int:
    """Return the number of calls of Python functions in an action."""
    count = 0

    def profile(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def branches(width: int) -> tuple[Scheduler, list[Task]]:
    """Return a scheduler whose branches all run."""
    scheduler = Scheduler(compile_plan(fan(width)), {})
    (first,) = [a for a in scheduler.begin() if isinstance(a, Task)]
    return scheduler, [a for a in scheduler.complete(first, {}) if isinstance(a, Task)]


@pytest.mark.parametrize("order", ["as they began", "last first", "from both ends"])
def test_completions_of_many_branches_into_one_join_cost_the_same_each(order: str) -> None:
    costs = []
    for width in (100, 1000):
        scheduler, tasks = branches(width)
        if order == "last first":
            tasks.reverse()
        elif order == "from both ends":
            tasks = [task for pair in zip(tasks, reversed(tasks), strict=True) for task in pair][:width]

        def complete_all(scheduler: Scheduler = scheduler, tasks: list[Task] = tasks) -> None:
            for task in tasks:
                scheduler.complete(task, {task.node.id: 1})

        costs.append(calls(complete_all) / width)
        assert [task.node.id for task in scheduler.leaves()] == ["j"]
    assert costs[1] < 1.5 * costs[0]


def test_ten_thousand_branches_join() -> None:
    drive = run(fan(10_000), default=lambda task: (1, {task.node.id: 1}))
    assert drive.makespan == 3
    assert len(drive.state) == 10_002


def test_replay_of_many_branches_costs_the_same_for_each_outcome() -> None:
    costs = []
    for width in (100, 1000):
        log = run(fan(width)).log[:-1]
        again = prepare(fan(width))
        costs.append(calls(lambda again=again, log=log: again.scheduler.replay(log)) / width)
        assert [task.node.id for task in again.scheduler.leaves()] == ["j"]
    assert costs[1] < 1.5 * costs[0]


def test_a_loop_of_a_hundred_thousand_firings_costs_the_same_at_its_end() -> None:
    scheduler = Scheduler(compile_plan(graph("a -> a if n < 100000 [max=100001]\na -> b\nentry a")), {"n": 0})
    (task,) = scheduler.begin()
    costs = []
    for n in range(1, 100_001):
        answers: list[Any] = []

        def complete(task: Task = task, n: int = n, answers: list[Any] = answers) -> None:
            answers.extend(scheduler.complete(task, {"n": n}))

        if n in (10, 99_990):
            costs.append(calls(complete))
        else:
            complete()
        (task,) = [a for a in answers if isinstance(a, Task)]
    assert costs[0] == costs[1]
    assert task.node.id == "b"
    assert task.firing == 100_001


def test_a_loop_with_branches_retains_nothing_of_its_rounds() -> None:
    text = "h -> a & b -> j\nj -> h if n < 3000 [max=3000]\nj -> END\nmax_iterations 3000"
    drive = run(text, {"a": takes(1, x=1), "j": lambda task: (1, {"n": task.path["n"] + 1})}, state={"n": 0})
    assert drive.state == {"n": 3000, "x": 1}
    path = next(a for a in reversed(drive.answers) if isinstance(a, Task)).path
    at, depth = path.layer, 0
    while at is not None:
        at, depth = at.parent, depth + 1
    assert depth < 10


def test_a_chain_of_a_thousand_empty_maps_does_not_grow_the_stack() -> None:
    drive = run(chain(1000, tool="t", map="xs"), state={"xs": []})
    assert drive.starts == []
    assert drive.state["n999"] == []


def test_a_chain_of_a_thousand_maps_that_fail_does_not_grow_the_stack() -> None:
    definition = chain(1000, tool="t", map="none")
    edges = [edge.model_copy(update={"type": "error"}) for edge in definition.edges]
    drive = run(definition.model_copy(update={"edges": tuple(edges)}))
    assert str(drive.error).startswith("node 'n999' failed: ToolError")


def test_a_chain_of_a_thousand_subgraphs_does_not_grow_the_stack() -> None:
    drive = run(chain(1000, graph="g"), graphs={"g": "m [map=xs]"}, state={"xs": []})
    assert drive.state == {"xs": [], "m": []}


def test_a_thousand_retries_of_a_subgraph_that_fails_at_once_do_not_grow_the_stack() -> None:
    drive = run("s = graph g [retries=1000]\ns -> e on error", graphs={"g": "m [map=none]"})
    assert drive.order == "e"
    assert resume(drive, drive.log[:-1]).scheduler.leaves()[0].node.id == "e"


def test_subgraphs_a_hundred_deep_run() -> None:
    graphs = {f"g{n}": f"s = graph g{n + 1}" for n in range(100)} | {"g100": "p -> q"}
    drive = run("s = graph g0", {"p": takes(1, x=1)}, graphs=graphs)
    assert drive.state == {"x": 1}
    assert drive.starts[0][1] == "s/" * 101 + "p"


def test_a_loop_of_an_each_node_retains_no_more_the_longer_it_runs() -> None:
    tools = {"a": lambda task: (1, {"n": task.path["n"] + 1})}
    drive = run("a [join=each]\na -> a if n < 1000 [max=1000]\nentry a", tools, state={"n": 0})
    last = [a for a in drive.answers if isinstance(a, Task)][-1]
    assert last.firing == 1000
    assert len(last.order) == 1


def test_a_long_loop_next_to_an_ended_path_ends() -> None:
    text = "s -> END\ns -> h\nh -> a & b -> j\nj -> h if n < 10000 [max=10000]\nentry s\nmax_iterations 10000"
    tools = {"a": takes(1, x=1), "j": lambda task: (1, {"n": task.path["n"] + 1})}
    assert run(text, tools, state={"n": 0}).state == {"n": 10_000, "x": 1}
