"""Attempts at one node never overlap silently: the next start waits for a thread that outlived its attempt (rule 15a)."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from running import Gauge, engine_of, finished, graph, rows, say, until

from nbflow import Run
from nbflow.errors import NbflowError, NodeError


class Stuck:
    """A sync tool whose first call runs on until it is released, by itself after a while where that is given (s).

    It records each call's time, and how many overlap.
    """

    def __init__(self, after: float = 30) -> None:
        self.release, self.gauge, self.calls, self._after = threading.Event(), Gauge(), 0, after
        self.begun: list[float] = []
        self.ended: list[float] = []

    def tool(self) -> Any:
        def work() -> dict[str, int]:
            self.calls += 1
            number = self.calls
            self.begun.append(time.monotonic())
            with self.gauge:
                if number == 1:
                    self.release.wait(self._after)
                    say(f"printed late by {number}")
            self.ended.append(time.monotonic())
            return {"by": number}

        return work


def overlaps(run: Run) -> list[Any]:
    return [event for event in run.events if event.kind == "node_output" and event.data.get("overlaps")]


def test_a_retry_waits_for_the_thread_of_the_attempt_that_timed_out() -> None:
    stuck = Stuck(0.15)

    done = finished("work [timeout=0.05, retries=1]", stuck.tool())

    assert rows(done) == [("work", "failed", 1), ("work", "completed", 2)]
    assert stuck.gauge.most == 1
    assert done.state == {"by": 2}
    assert not overlaps(done)
    assert not [event for event in done.events if event.kind == "node_output"]
    assert done.logs[0].error is not None
    assert done.logs[0].error.endswith("; its thread cannot be stopped and still runs")


def test_a_start_that_waits_long_for_a_thread_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbflow.engine.execution.WAIT_UNNOTICED_S", 0.05)

    finished("work [timeout=0.05, retries=1]", Stuck(0.5).tool())

    waits = [record.getMessage() for record in caplog.records if "waits for the thread" in record.getMessage()]
    assert len(waits) == 1
    assert waits[0].startswith("node 'work' waits for the thread of an earlier attempt, which still runs, for up to ")


def test_the_attempt_that_timed_out_fails_at_once() -> None:
    stuck = Stuck()

    async def main() -> Run:
        started = engine_of(stuck.tool()).start(graph("work [timeout=0.05, retries=1]"))
        await until(lambda: any(event.kind == "node_retry" for event in started.events))
        assert not stuck.release.is_set()
        stuck.release.set()
        await started
        return started

    assert rows(asyncio.run(main()))[0] == ("work", "failed", 1)


def test_the_next_firing_in_a_loop_waits_too() -> None:
    stuck = Stuck(0.15)

    done = finished("work [timeout=0.05]\nwork -> again on error\nagain = pass\nagain -> work", stuck.tool())

    assert (done.status, stuck.gauge.most) == ("completed", 1)


def test_after_the_grace_it_starts_with_a_row_and_a_line_that_say_the_old_one_still_runs() -> None:
    stuck = Stuck()

    async def main() -> Run:
        started = engine_of(stuck.tool(), attempt_grace=0.05).start(graph("work [timeout=0.05, retries=1]"))
        await started
        stuck.release.set()
        await until(lambda: len(stuck.ended) == 2)
        return started

    done = asyncio.run(main())
    (line,) = overlaps(done)
    assert done.state == {"by": 2}
    assert stuck.begun[1] < stuck.ended[1]
    assert (line.node, line.data["stream"], line.data["attempt"]) == ("work", "stderr", 2)
    assert line.data["text"] == (
        "attempt 2 started although the thread of an earlier attempt still runs, after waiting 0.05 s "
        "(NBFLOW_ATTEMPT_GRACE); the values and the text of earlier attempts are dropped\n"
    )
    assert [row.overlaps for row in done.logs] == [False, True]
    assert "started although the thread of an earlier attempt still ran" in str(done.logs.table())


def test_the_grace_counts_for_no_timeout_of_the_node_or_of_a_subgraph_around_it() -> None:
    stuck = Stuck(0.5)

    done = finished("sub = graph inner [timeout=0.3]", stuck.tool(), graphs={"inner": "work [timeout=0.05, retries=1]"})

    assert (done.status, stuck.gauge.most) == ("completed", 1)


def test_a_subgraph_is_timed_again_once_the_wait_is_over() -> None:
    stuck = Stuck(0.3)

    async def slow(by: int) -> None:
        await asyncio.sleep(60)

    text = "work [timeout=0.05, retries=1]\nwork -> slow"
    done = finished("sub = graph inner [timeout=0.25]", stuck.tool(), slow, graphs={"inner": text})

    assert done.result is not None
    assert done.result.error == (
        "node 'sub' failed: TimeoutError: node 'sub' timed out after 0.25 s; raise timeout= on the node"
    )
    assert ("sub/slow", "cancelled", 1) in rows(done)


def test_an_item_waits_for_its_own_thread_and_for_no_other_items() -> None:
    release, gauges = threading.Event(), {item: Gauge() for item in range(3)}

    def work(item: int) -> int:
        with gauges[item]:
            if gauges[item].total == 1 and item == 1:
                release.wait(30)
        return item

    async def main() -> Run:
        started = engine_of(work).start(
            graph("m = work [map=items, into=out, timeout=0.05, retries=1]"), {"items": [0, 1, 2]}
        )
        await until(lambda: len([row for row in started.logs if row.status == "completed"]) == 2)
        release.set()
        await started
        return started

    assert asyncio.run(main()).state["out"] == [0, 1, 2]
    assert [gauges[item].most for item in range(3)] == [1, 1, 1]


def test_instances_of_an_each_node_do_not_wait_for_each_other() -> None:
    release, gauge = threading.Event(), Gauge()

    def work() -> None:
        with gauge:
            release.wait(30) if gauge.total <= 2 else None

    async def main() -> Run:
        started = engine_of(work).start(
            graph("pass -> a & b -> w -> END\na = pass\nb = pass\nw = work [join=each, timeout=0.1, retries=1]")
        )
        await until(lambda: gauge.now == 2)
        await until(lambda: len([event for event in started.events if event.kind == "node_retry"]) == 2)
        release.set()
        await started
        return started

    assert asyncio.run(main()).status == "completed"
    assert (gauge.most, gauge.total) == (2, 4)


def test_a_thread_that_outlived_its_attempt_takes_no_thread_from_other_nodes() -> None:
    stuck = Stuck()

    def other() -> str:
        return "there"

    async def main() -> Run:
        engine = engine_of(stuck.tool(), other, max_threads=1)
        started = engine.start(graph("pass -> work & naps\nwork [timeout=0.05, retries=1]\nnaps = pass\nnaps -> other"))
        await until(lambda: "other" in started.state)
        assert not stuck.release.is_set()
        stuck.release.set()
        await started
        return started

    assert asyncio.run(main()).status == "completed"


@pytest.mark.parametrize("how", ["cancelled", "skipped"])
def test_the_wait_ends_at_once_where_the_node_is_cancelled_or_skipped(how: str) -> None:
    stuck = Stuck()

    async def main() -> Run:
        started = engine_of(stuck.tool()).start(graph("work [timeout=0.05, retries=1]"))
        await until(lambda: any(event.kind == "node_retry" for event in started.events))
        await asyncio.sleep(0.05)
        started.cancel() if how == "cancelled" else started.skip("work")
        await started.wait()
        assert not stuck.release.is_set()
        return started

    done = asyncio.run(main())
    stuck.release.set()
    assert (done.status, stuck.calls) == ("cancelled" if how == "cancelled" else "completed", 1)


def test_a_run_paused_during_the_wait_starts_nothing_until_it_continues() -> None:
    stuck = Stuck()

    async def main() -> Run:
        started = engine_of(stuck.tool()).start(graph("work [timeout=0.05, retries=1]"))
        await until(lambda: any(event.kind == "node_retry" for event in started.events))
        started.pause()
        stuck.release.set()
        await asyncio.sleep(0.05)
        assert stuck.calls == 1
        started.unpause()
        await started
        return started

    assert asyncio.run(main()).state == {"by": 2}


def test_a_cancelled_siblings_thread_is_waited_for_by_the_same_node_of_the_resumed_run_alone() -> None:
    stuck = Stuck()
    work = stuck.tool()

    def fails(broken: bool) -> None:
        assert not broken

    async def main() -> None:
        engine = engine_of(work, fails)
        text = graph("pass -> work & fails")
        first = engine.start(text, {"broken": False}, run_id="one")
        await until(lambda: stuck.calls == 1)
        first.cancel()
        await first.wait()
        other = await engine.start(text, {"broken": False}, run_id="two")
        assert other.state["by"] == 2
        again = engine.start(text, {"broken": False}, run_id="one")
        await asyncio.sleep(0.1)
        assert (stuck.calls, again.status) == (2, "running")
        stuck.release.set()
        assert (await again).state["by"] == 3

    asyncio.run(main())


def test_the_setting_gives_the_grace_and_is_refused_where_it_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()
    monkeypatch.setenv("NBFLOW_ATTEMPT_GRACE", "0.01")
    assert len(overlaps(finished("work [timeout=0.05, retries=1]", stuck.tool()))) == 1
    stuck.release.set()

    for wrong in ("soon", "-1", "nan", "inf", ""):
        monkeypatch.setenv("NBFLOW_ATTEMPT_GRACE", wrong)
        with pytest.raises(NbflowError, match=r"the setting NBFLOW_ATTEMPT_GRACE is '.*': it must be a number"):
            finished("pass")


def test_a_tool_that_ended_in_time_is_not_timed_out_as_something_else_held_the_loop() -> None:
    entered = threading.Event()

    def brief() -> str:
        entered.set()
        time.sleep(0.02)
        return "in time"

    async def holds() -> None:
        while not entered.is_set():
            await asyncio.sleep(0)
        time.sleep(0.5)

    done = finished("pass -> brief & holds\nbrief [timeout=0.3]", brief, holds)

    assert done.state["brief"] == "in time"


def test_a_thread_that_no_attempt_waits_for_fails_nothing() -> None:
    release = threading.Event()

    def late() -> None:
        release.wait(30)
        raise ValueError("too late")

    async def main() -> None:
        with pytest.raises(NodeError, match="timed out"):
            await engine_of(late).execute(graph("late [timeout=0.05]"))
        release.set()

    asyncio.run(main())
