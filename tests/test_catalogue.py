"""The runs and graphs that a session lists and finds, in memory and in the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import GraphError, RunNotFoundError, StoreError
from nbflow.session import Session
from nbflow.session.run_list import position


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that stores its runs in a new folder."""
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    monkeypatch.delenv("NBFLOW_DATABASE_URL", raising=False)
    made = session_in(tmp_path)
    yield made
    made.history.close()


def session_in(folder: Path) -> Session:
    made = Session()
    made.history.folder = folder

    @made.tool
    def add(n: int, by: int = 1) -> dict[str, int]:
        return {"n": n + by}

    @made.tool
    def breaks(n: int) -> None:
        raise ValueError(f"{n} is too much")

    made.graph("adds", "add -> pass")
    made.graph("breaks", "add -> breaks")
    return made


def run(own: Session, name: str, **state: Any) -> str:
    """Run a graph to its end, with any status; return the run's id."""

    async def main() -> str:
        started = own.start(name, state)
        await started.wait()
        return started.id

    return asyncio.run(main())


def test_reading_creates_no_store(own: Session, tmp_path: Path) -> None:
    assert own.runs() == []
    assert own.stored_graphs() == []
    with pytest.raises(RunNotFoundError):
        own.read("abc")
    with pytest.raises(StoreError, match="no graph 'adds' in the store"):
        own.load_graph("adds")
    assert [*tmp_path.iterdir()] == []


def test_runs_are_listed_newest_first_and_can_be_filtered(own: Session) -> None:
    first, second = run(own, "adds", n=1), run(own, "breaks", n=1)

    assert [row.id for row in own.runs()] == [second, first]
    assert [row.id for row in own.runs(graph="adds")] == [first]
    assert [row.id for row in own.runs(status="failed")] == [second]
    assert [row.id for row in own.runs(limit=1)] == [second]
    assert own.runs(since=own.runs()[0].started + 1) == []


def test_pages_list_stored_and_other_runs_once_in_one_order(own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    for durability in ("off", "sync", "off", "off", "sync", "off"):
        monkeypatch.setenv("NBFLOW_DURABILITY", durability)
        begun.append(run(own, "adds", n=1))

    found, before = [], None
    while page := own.runs(limit=1, before=before):
        found.append(page[0].id)
        before = position(page[0])

    assert found == begun[::-1]


def test_a_running_fork_is_listed_once(own: Session) -> None:
    parent = run(own, "adds", n=1)

    async def main() -> tuple[list[str], list[str], str]:
        fork = await own.reopen(parent, at=2)
        await own.until_stored(fork)
        first = await asyncio.to_thread(own.runs, limit=1)
        rest = await asyncio.to_thread(own.runs, before=position(first[0]))
        await fork.wait()
        return [row.id for row in first], [row.id for row in rest], fork.id

    first, rest, fork = asyncio.run(main())

    assert (first, rest) == ([fork], [parent])


def test_a_run_that_is_not_stored_is_listed_like_a_stored_one(own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = run(own, "breaks", n=1)
    monkeypatch.setenv("NBFLOW_DURABILITY", "off")
    loose = run(own, "breaks", n=1)

    rows = {row.id: row for row in own.runs()}

    for name in ("graph", "status", "nodes", "seq", "error", "parent"):
        assert getattr(rows[kept], name) == getattr(rows[loose], name)
    assert (rows[kept].durability, rows[loose].durability) == ("async", "off")


def test_a_run_of_this_process_is_returned_itself_and_another_is_read_from_the_store(
    own: Session, tmp_path: Path
) -> None:
    run_id = run(own, "breaks", n=1)
    here = own.read(run_id)
    other = session_in(tmp_path)

    there = other.read(run_id[:8])

    assert here is own.live[run_id]
    assert (there.status, there.state, there.name) == (here.status, here.state, here.name)
    assert there.logs == here.logs
    assert there.result == here.result
    assert [event.kind for event in there.events] == [event.kind for event in here.events]
    assert there.at(5).state == here.at(5).state
    assert there.diff(here).state == {}
    assert [span.node for span in there.timeline] == ["add", "breaks"]
    other.history.close()


def test_the_error_of_a_run_is_the_same_when_the_run_is_read_from_the_store(own: Session, tmp_path: Path) -> None:
    own.graph("loops", "add -> add if n > 0 [max=2]")
    own.graph("conflicts", "start = pass\nup = add(by=1)\ndown = add(by=-1)\nstart -> up & down -> pass")
    other = session_in(tmp_path)

    for name in ("adds", "breaks", "loops", "conflicts"):
        run_id = run(own, name, n=1)
        assert other.read(run_id).result == own.read(run_id).result
    other.history.close()


def test_the_picture_of_a_run_is_the_same_from_the_store(own: Session, tmp_path: Path) -> None:
    run_id = run(own, "breaks", n=1)
    other = session_in(tmp_path)

    mine, theirs = own.show(run_id), other.show(run_id)
    mine.deterministic = theirs.deterministic = True

    assert mine._repr_mimebundle_() == theirs._repr_mimebundle_()
    assert repr(mine) == "breaks: failed, 2 nodes (1 failed), breaks: ValueError: 2 is too much"
    other.history.close()


def test_show_finds_graphs_before_runs(own: Session) -> None:
    run_id = run(own, "adds", n=1)
    own.graph(run_id, "pass")

    assert own.show(run_id).title == run_id
    with pytest.raises(GraphError, match="unknown graph 'addz'; did you mean 'adds'"):
        own.show("addz")
    with pytest.raises(RunNotFoundError):
        own.show("0123456789ab")


def test_a_fork_names_the_run_and_the_event_it_was_made_from(own: Session) -> None:
    parent = run(own, "adds", n=1)

    fork = asyncio.run(own.resume(parent, at="pass", state={"n": 7}))

    row = own.runs(limit=1)[0]
    assert (row.id, row.parent, row.nodes) == (fork.id, parent, 2)
    assert f"{parent} at {row.parent_seq}" in repr(own.runs())
    assert parent not in repr(own.runs(limit=1).table(stable=True))


def test_a_fork_without_a_run_id_is_of_the_newest_run(own: Session) -> None:
    run(own, "breaks", n=1)
    newest = run(own, "adds", n=1)

    asyncio.run(own.resume(state={"n": 7}))

    assert own.runs(limit=1)[0].parent == newest


def test_a_stored_version_of_a_graph_is_loaded_by_its_number(own: Session) -> None:
    first = own.find("adds")
    run(own, "adds", n=1)
    second = own.graph("adds", "add -> pass -> pass2\npass2 = pass")
    run(own, "adds", n=1)

    assert [(one.row.version, one.row.runs) for one in own.stored_graphs("adds")] == [(2, 1), (1, 1)]
    assert [one.is_same(second) for one in own.stored_graphs("adds")] == [True, False]
    assert own.load_graph("adds", 1) == first
    assert own.find("adds") == first
    assert own.load_graph("adds") == second


def test_a_graph_with_runs_is_deleted_only_together_with_them(own: Session) -> None:
    run_id = run(own, "adds", n=1)

    with pytest.raises(StoreError, match="has 1 run"):
        own.delete_graph("adds")
    assert own.delete_graph("adds", force=True) == 1

    own.live.clear()
    assert own.runs() == []
    with pytest.raises(RunNotFoundError):
        own.read(run_id)
    assert "adds" in own.graphs


def test_the_list_marks_a_running_run_whose_process_ended(own: Session) -> None:
    async def main() -> str:
        started = own.start("waits", durability="sync")
        while not started.timeline:  # the run starts once its start is stored
            await asyncio.sleep(0.01)
        running = repr(own.runs())
        own.history.close()  # as at the end of the process
        own.live.clear()
        left = repr(own.runs())
        started.cancel()
        await started.wait()
        return f"{running}\n{left}"

    @own.tool
    async def waits() -> None:
        await asyncio.sleep(60)

    own.graph("waits", "waits")
    running, left = (line for line in asyncio.run(main()).splitlines() if "waits" in line)
    assert "running, process ended" not in running
    assert "running, process ended" in left
