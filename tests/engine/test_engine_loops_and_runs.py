"""One engine: many runs, several loops, graphs as they were at the start."""

from __future__ import annotations

import asyncio
from typing import Any

from running import engine_of, graph

from nbflow import ExecutionResult, GraphDefinition, ToolRegistry, WorkflowEngine


async def add(n: int) -> dict[str, int]:
    return {"n": n + 1}


async def naps() -> None:
    await asyncio.sleep(0.02)


def test_a_run_retains_the_graphs_that_it_was_started_with() -> None:
    async def main() -> None:
        graphs = {"inner": graph("add", "inner")}
        registry = ToolRegistry()
        registry.register("add", add)
        registry.register("naps", naps)
        engine = WorkflowEngine(registry, graphs=graphs)
        definition = graph("naps -> sub\nsub = graph inner")
        started = engine.start(definition, {"n": 0})
        graphs["inner"] = graph("add -> two\ntwo = add", "inner")
        assert (await started).state == {"n": 1}
        assert (await engine.execute(definition, {"n": 0})).state == {"n": 2}

    asyncio.run(main())


def test_an_engine_runs_on_different_loops_one_after_the_other() -> None:
    def work(n: int) -> dict[str, int]:
        return {"n": n + 1}

    engine, definition = engine_of(work, add, max_threads=1), graph("work -> add")

    for _ in range(3):
        assert asyncio.run(_execute(engine, definition)).state == {"n": 2}


def test_an_engine_runs_on_two_loops_at_once() -> None:
    import threading

    engine, definition = engine_of(add, naps), graph("add -> naps -> again\nagain = add")
    states: list[Any] = []
    threads = [
        threading.Thread(target=lambda: states.append(asyncio.run(_execute(engine, definition)).state))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert states == [{"n": 2}] * 3


async def _execute(engine: WorkflowEngine, definition: GraphDefinition) -> ExecutionResult:
    return await engine.execute(definition, {"n": 0})


def test_runs_side_by_side_do_not_see_each_other() -> None:
    async def count(n: int) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"n": n + 1}

    async def main() -> list[int]:
        engine, definition = engine_of(count), graph("count -> count if n < 50")
        results = await asyncio.gather(*(engine.execute(definition, {"n": start}) for start in (0, 10, 49)))
        assert [len(result.logs) for result in results] == [50, 40, 1]
        return [result.state["n"] for result in results]

    assert asyncio.run(main()) == [50, 50, 50]
