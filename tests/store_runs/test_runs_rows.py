"""Events as rows and back: a stored run answers with the same events as the live one did."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nbflow import progress
from nbflow.engine import Run
from nbflow.errors import RunNotFoundError, RunStateError, StoreError
from nbflow.events import Event
from nbflow.session import Session
from nbflow.store.archive import StoredRun


def session(text: str, graphs: dict[str, str] | None = None) -> Session:
    made = Session()

    @made.tool
    async def add(n: int, by: int = 1) -> dict[str, Any]:
        progress(0.5, "half")
        return {"n": n + by, "seen": [n]}

    @made.tool
    def double(x: int, factor: int = 2) -> int:
        return x * factor

    @made.tool
    async def fail(n: int, tries: int = 0) -> None:
        raise ValueError("no 'n' \"here\"\n" + "é\ud800\0")

    @made.tool
    def whole(state: dict[str, Any]) -> dict[str, Any]:
        return {"keys": sorted(state)}

    for name, source in (graphs or {}).items():
        made.graph(name, source)
    made.graph("g", text)
    return made


async def ended(made: Session, **state: Any) -> Run:
    run = made.start("g", state)
    await run.wait()
    return run


async def stored(made: Session, run_id: str) -> StoredRun:
    archived = await asyncio.to_thread(made.history.read, run_id)
    return StoredRun(made.engine.plan(made.graphs["g"]), archived)


GRAPHS = [
    ("add -> double_it -> whole\ndouble_it = double [map=xs]", {}),
    ("add -> b if n > 1 else c\nb = add(by=5)\nc = add\nb -> add [max=2]\nreduce seen with extend", {}),
    ("add -> fail -> whole\nfail -> whole on error\nfail = fail [retries=2, backoff=0]", {}),
    ("a -> many -> none -> whole\na = graph sub [retries=1]\nmany = graph sub [map=xs, as=x, limit=2]\n"
     "none = double [map=empty]", {"sub": "add -> deep\ndeep = graph deeper", "deeper": "double -> whole\ndouble = double(x=3)"}),
    ("add -> fail", {}),
    ('"a#1" -> "c#1~2"\n"a#1" = graph sub\n"c#1~2" = double [map=xs]', {"sub": '"é #x" -> whole\n"é #x" = add'}),
]  # fmt: skip


def plain(events: Any) -> list[tuple[Any, ...]]:
    return [(e.seq, e.kind, round(e.time, 6), e.node, e.data) for e in events]


@pytest.mark.parametrize(("text", "graphs"), GRAPHS)
def test_a_stored_run_answers_with_the_same_events_and_logs(text: str, graphs: dict[str, str]) -> None:
    async def main() -> tuple[list[Event], list[Event], Any, Any]:
        made = session(text, graphs)
        run = await ended(made, n=1, xs=[1, 2, 3], empty=[])
        read = await stored(made, run.id)
        made.history.close()
        return (
            list(run.events),
            list(read.events),
            (run.state, run.logs, run.status),
            (read.state, read.logs, read.status),
        )

    live, read, live_told, read_told = asyncio.run(main())
    assert plain(read) == plain(live)
    assert read_told == live_told


def test_the_state_at_any_moment_is_that_of_the_live_run() -> None:
    async def main() -> None:
        made = session("add -> b -> c\nb = add\nc = add")
        run = await ended(made, n=0)
        read = await stored(made, run.id)
        for seq in range(1, len(run.events) + 1):
            assert read.at(seq) == run.at(seq)
        made.history.close()

    asyncio.run(main())


def test_a_completed_run_is_not_resumed_and_an_unknown_one_is_not_found() -> None:
    async def main() -> None:
        made = session("add")
        run = await ended(made, n=0)
        with pytest.raises(RunStateError, match="is completed, so there is nothing to resume"):
            await made.resume(run.id)
        with pytest.raises(RunNotFoundError, match="no run 'ffff'"):
            await made.resume("ffff")
        made.history.close()

    asyncio.run(main())


def test_a_fork_knows_its_parent_and_starts_from_the_given_event() -> None:
    async def main() -> None:
        made = session("add -> b -> c\nb = add\nc = add")
        run = await ended(made, n=0)
        fork = await made.resume(run.id, at="c", state={"n": 10})
        assert fork.state["n"] == 11
        head = made.history.open().head(fork.id).result()
        assert (head.row.parent, head.row.parent_seq) == (run.id, fork.events[head.row.parent_seq].seq - 1)
        third = await made.resume(fork.id, at="b#1")
        assert third.state["n"] == 3
        again = Session()
        again.registry.register("add", made.registry.get("add").function)
        assert (await again.resume(fork.id, at=len(fork.events))).state["n"] == 11
        made.history.close()
        again.history.close()

    asyncio.run(main())


def test_a_fork_names_the_node_or_event_that_is_not_there() -> None:
    async def main() -> None:
        made = session("add -> b\nb = add")
        run = await ended(made, n=0)
        with pytest.raises(RunStateError, match=r"node 'ad' never started .* did you mean 'add'\?; these did: add, b"):
            await made.resume(run.id, at="ad")
        with pytest.raises(RunStateError, match=r"node 'b' started 1 times in run .*, so there is no b#3"):
            await made.resume(run.id, at="b#3")
        with pytest.raises(RunStateError, match=r"has events 1 to .*, and no event 99"):
            await made.resume(run.id, at=99)
        made.history.close()

    asyncio.run(main())


def test_a_row_changed_by_hand_is_refused_by_its_number(tmp_path: Path) -> None:
    import sqlite3

    async def main() -> None:
        made = session("add -> b\nb = add")
        run = await ended(made, n=0)
        made.history.close()
        with sqlite3.connect(tmp_path / "runs.db") as connection:
            connection.execute("UPDATE nbflow_log SET data = '{\"firing\":1,' WHERE seq = 4")
        with pytest.raises(StoreError, match=r"row 4 of the log .* is not as nbflow writes it"):
            await asyncio.to_thread(made.history.read, run.id)
        made.history.close()

    asyncio.run(main())


def test_a_run_under_an_edited_graph_resumes_if_its_log_still_replays_and_else_names_the_event() -> None:
    async def main() -> None:
        made = session("add -> fail -> whole")
        run = await ended(made, n=0)
        made.graph("g", "add -> b -> fail\nb = add")
        with pytest.raises(RunStateError, match=r"running there is b#2|does not fit"):
            made.graph("g", "whole -> add")
            await made.resume(run.id)
        made.graph("g", "add -> b\nb = add")
        resumed = await made.resume(run.id)
        assert resumed.state["n"] == 2
        made.history.close()

    asyncio.run(main())
