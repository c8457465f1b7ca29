"""The scheduler alone, without an event loop or a clock: one completion among many branches that join."""

from __future__ import annotations

import asyncio

import pytest
from figures import Figures, micro
from timing import awaitable, interleave
from workloads import fan

from nbflow.scheduler import Plan, Scheduler, Task, compile_plan

SAMPLE = 500
"""The number of branches that complete during a measurement; the join never starts within one."""


def branches(plan: Plan) -> tuple[Scheduler, list[Task]]:
    scheduler = Scheduler(plan, {})
    (split,) = scheduler.begin()
    assert isinstance(split, Task)
    return scheduler, [answer for answer in scheduler.complete(split, None) if isinstance(answer, Task)]


def bare(tasks: list[Task]) -> None:
    """Do the least work of a completion: remove a task from one table, and add it to another."""
    running, arrived = {task.firing: task for task in tasks}, []
    for task in tasks:
        del running[task.firing]
        arrived.append((task.order, task))


@pytest.mark.parametrize("count", [1_000, 10_000, 100_000])
@pytest.mark.parametrize("last_first", [False, True], ids=["in-order", "last-first"])
def test_one_completion(count: int, last_first: bool, figures: Figures) -> None:
    plan = compile_plan(fan(count))
    ready: list[tuple[Scheduler, list[Task]]] = []

    def prepare() -> None:
        ready[:] = [branches(plan)]

    def complete() -> None:
        scheduler, tasks = ready[0]
        for task in tasks[: -SAMPLE - 1 : -1] if last_first else tasks[:SAMPLE]:
            scheduler.complete(task, None)

    rest = awaitable(lambda: bare(ready[0][1][:SAMPLE]))
    found = asyncio.run(interleave(5, awaitable(prepare), awaitable(complete), rest))
    order = "the last first" if last_first else "in order"
    note = f"bare tables {micro(found.median(2) / SAMPLE)}; starting all of them {micro(found.median() / count)} each"
    figures.add(f"one completion among {count}, {order}", micro(found.median(1) / SAMPLE), note)
    assert len(ready[0][0].leaves()) == count - SAMPLE
