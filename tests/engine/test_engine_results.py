"""The result of a run, or the error that ended it."""

from __future__ import annotations

import asyncio

from running import engine_of, graph, run, until

from nbflow import ExecutionResult, Run, ToolRegistry, WorkflowEngine
from nbflow.errors import NodeError
from nbflow.events import Kind, Status


async def add(n: int) -> dict[str, int]:
    return {"n": n + 1}


async def broken() -> None:
    await asyncio.sleep(0)
    raise ValueError("no rows")


async def naps() -> None:
    await asyncio.sleep(0.02)


def test_a_result_has_run_id_status_state_logs_and_seconds() -> None:
    result = run("add -> naps", add, naps, n=1)

    assert isinstance(result, ExecutionResult)
    assert isinstance(result.run_id, str)
    assert result.run_id
    assert result.status is Status.COMPLETED
    assert result.status == "completed"
    assert result.state == {"n": 2}
    assert [row.node_id for row in result.logs] == ["add", "naps"]
    assert result.execution_time >= 0.019
    assert result.error is None


def test_the_initial_state_is_not_changed_and_is_optional() -> None:
    given = {"n": 1}

    async def main() -> ExecutionResult:
        await engine_of(add).execute(graph("add"), given)
        return await engine_of().execute(graph("pass"))

    assert asyncio.run(main()).state == {}
    assert given == {"n": 1}


def test_a_run_shows_its_status_while_it_runs_and_afterwards() -> None:
    async def main() -> None:
        engine = engine_of(add, naps)
        definition = graph("add -> naps", name="counting")
        started = engine.start(definition, {"n": 1})
        assert isinstance(started, Run)
        assert started.graph is definition
        assert started.name == "counting"
        assert started.loop is asyncio.get_running_loop()
        assert (started.status, started.result, started.error, started.done) == ("running", None, None, False)
        assert repr(started) == f"<Run {started.id} of counting: running>"
        await asyncio.sleep(0.005)
        assert started.state == {"n": 2}
        assert started.execution_time > 0

        result = await started
        assert (started.status, started.done, started.result) == ("completed", True, result)
        assert result.run_id == started.id
        assert started.state == result.state == {"n": 2}
        assert started.execution_time == result.execution_time
        assert await started is result

    asyncio.run(main())


def test_ids_of_runs_differ_unless_given() -> None:
    async def main() -> None:
        engine = engine_of()
        assert engine.start(graph("pass")).id != engine.start(graph("pass")).id
        numbered = WorkflowEngine(ToolRegistry(), new_id=iter("abc").__next__)
        assert [numbered.start(graph("pass")).id for _ in range(3)] == ["a", "b", "c"]
        await asyncio.gather(*(numbered.execute(graph("pass")) for _ in range(0)))

    asyncio.run(main())


def test_times_come_from_the_clock_that_is_given() -> None:
    ticks = iter(range(0, 10**6, 10))

    async def main() -> ExecutionResult:
        registry = ToolRegistry()
        return await WorkflowEngine(registry, clock=lambda: float(next(ticks))).execute(graph("pass"))

    result = asyncio.run(main())
    assert result.execution_time % 10 == 0
    assert (result.logs[0].duration_ms or 0) % 10_000 == 0


def test_a_run_that_nobody_awaits_goes_to_its_end() -> None:
    async def main() -> None:
        started = engine_of(broken).start(graph("broken"))
        await asyncio.sleep(0.02)
        assert started.status == "failed"
        assert isinstance(started.error, NodeError)

    asyncio.run(main())


def test_every_awaiter_of_a_run_gets_the_same_result() -> None:
    async def main() -> None:
        started = engine_of(naps).start(graph("naps"))

        async def wait() -> ExecutionResult:
            return await started

        first, second = await asyncio.gather(wait(), wait())
        assert first is second

    asyncio.run(main())


def test_a_moment_shows_the_later_of_a_keys_writes_beside_a_branch_that_has_the_older() -> None:
    slow = asyncio.Event()

    async def split() -> dict[str, str]:
        return {"k": "before the split"}

    async def quick() -> dict[str, str]:
        return {"k": "after the split"}

    async def waits() -> None:
        await slow.wait()

    async def meet() -> None:
        pass

    async def main() -> Run:
        started = engine_of(split, quick, waits, meet).start(graph("split -> quick & waits -> meet"))
        await until(lambda: started.state.get("k") == "after the split")
        slow.set()
        await started
        return started

    run = asyncio.run(main())

    ends = {event.node: event.seq for event in run.events if event.kind is Kind.NODE_COMPLETE}
    shown = [run.at(seq).state.get("k") for seq in range(1, len(run.events) + 1)]
    since, then = ends["split"] - 1, ends["quick"] - 1
    assert shown == [None] * since + ["before the split"] * (then - since) + ["after the split"] * (len(shown) - then)
    assert run.at(ends["waits"]).state == {"k": "after the split"}
