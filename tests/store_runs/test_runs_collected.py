"""Errors that a map collected, in the maps after it: carried by runs of now, also resumed and forked; and runs that
were stored before maps carried them."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nbflow.engine import Run
from nbflow.scheduler import Scheduler
from nbflow.session import Session

GRAPH = """
m [map=xs, on_error=collect, into=ys]
m -> n -> gate -> last
n [map=ys, into=zs]
last [map=ys, into=ends]
"""
ERROR = {"error": {"node": "m[1]", "type": "ValueError", "message": "no 2"}}


def session(*, closed: bool, seen: list[str] | None = None) -> Session:
    made, seen = Session(), [] if seen is None else seen

    @made.tool
    async def m(x: int) -> int:
        seen.append("m")
        if x == 2:
            raise ValueError("no 2")
        return x * x

    @made.tool
    async def n(y: Any) -> Any:
        seen.append("n")
        return y if isinstance(y, dict) else y + 1

    @made.tool
    async def gate() -> None:
        if closed:
            raise OSError("closed")

    @made.tool
    async def last(y: Any) -> Any:
        seen.append("last")
        return "given" if isinstance(y, dict) else y

    made.graph("g", GRAPH)
    return made


async def _ended(run: Run) -> Run:
    await run.wait()
    return run


def failed() -> Run:
    async def main() -> Run:
        made = session(closed=True)
        run = await _ended(made.start("g", {"xs": [1, 2, 3]}, durability="sync"))
        made.history.close()
        return run

    return asyncio.run(main())


def resumed(run_id: str, **how: Any) -> tuple[Run, list[str], Any]:
    async def main() -> tuple[Run, list[str], Any]:
        seen: list[str] = []
        made = session(closed=False, seen=seen)
        run = await _ended(await made.reopen(run_id, **how))
        stored = await asyncio.to_thread(session(closed=False).read, run.id)
        made.history.close()
        return run, seen, stored

    return asyncio.run(main())


@pytest.fixture
def of_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start runs under rules 1, before rules were stored: a map passes errors to its tool as values."""
    with monkeypatch.context() as patched:
        patched.setattr("nbflow.engine.execution.Scheduler", partial(Scheduler, rules=1))
        patched.setattr("nbflow.engine.execution.RULES", 1)
        run = failed()
    assert run.state["zs"] == [2, ERROR, 10]
    assert [row.node_id for row in run.logs if row.node_id.startswith("n[")] == ["n[0]", "n[1]", "n[2]"]
    return run


def test_a_resumed_run_carries_errors_as_an_uninterrupted_one() -> None:
    run = failed()
    assert run.state["zs"] == [2, ERROR, 10]
    assert [row.node_id for row in run.logs if row.node_id.startswith("n[")] == ["n[0]", "n[2]"]

    after, seen, stored = resumed(run.id)

    assert (after.status, after.state["ends"], seen) == ("completed", [1, ERROR, 9], ["last", "last"])
    assert stored.state == after.state


def test_a_fork_may_end_the_failed_item_well_and_then_nothing_is_carried() -> None:
    run = failed()
    seq = next(event.seq for event in run.events if event.node == "m[1]" and event.kind == "node_error")

    async def main() -> Run:
        made = session(closed=False)
        made.registry.register("m", lambda x: x * x)
        return await _ended(await made.reopen(run.id, at=seq - 1))

    fork = asyncio.run(main())

    assert (fork.state["ys"], fork.state["zs"], fork.state["ends"]) == ([1, 4, 9], [2, 5, 10], [1, 4, 9])


def test_a_run_under_earlier_rules_reads_unchanged_and_its_further_maps_carry(of_before: Run) -> None:
    after, seen, stored = resumed(of_before.id)

    assert after.status == "completed"
    assert (after.state["zs"], after.state["ends"], seen) == ([2, ERROR, 10], [1, ERROR, 9], ["last", "last"])
    assert stored.state == after.state
    assert [moment.state.get("zs") for moment in (stored.at(len(of_before.events)),)] == [[2, ERROR, 10]]


def test_a_fork_within_a_map_of_a_run_under_earlier_rules_continues_with_its_items(of_before: Run) -> None:
    seq = next(event.seq for event in of_before.events if event.node == "n[0]" and event.kind == "node_complete")

    after, seen, stored = resumed(of_before.id, at=seq)

    assert (after.status, after.state["zs"]) == ("completed", [2, ERROR, 10])
    assert seen.count("n") == 2  # n[1] too, because it had started
    assert stored.state == after.state


def test_the_view_counts_carried_items_as_done(tmp_path: Path) -> None:
    from nbflow.view import RunView

    run = failed()
    view = RunView(run.graph)
    view.apply(run.events)

    assert view.nodes["n"].items() == {"done": 3, "total": 3, "failed": 0}
    assert view.nodes["m"].items() == {"done": 3, "total": 3, "failed": 1}
