"""Runs that have ended stay in memory up to a number and a size; the others are released, and the store has them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from nbflow import Run
from nbflow.errors import NodeError, RunNotFoundError
from nbflow.session import Session
from nbflow.session.retention import estimate


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Give a session that stores its runs and retains three that have ended."""
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    monkeypatch.setenv("NBFLOW_RETAIN_RUNS", "3")
    session = Session()

    @session.tool
    def grow(n: int, size: int = 1) -> dict[str, object]:
        return {"text": str(n) * size, "n": n}

    @session.tool
    def breaks(n: int) -> None:
        raise ValueError(n)

    session.graph("grows", "grow")
    session.graph("fails", "grow -> breaks")
    yield session
    session.history.close()


def ran(made: Session, count: int, graph: str = "grows", *, durability: str = "async", size: int = 1) -> list[str]:
    """Run a graph so many times; return the ids of the runs."""

    async def main() -> list[str]:
        ids = []
        for n in range(count):
            run = made.start(graph, {"n": n, "size": size}, durability=durability)
            await run.wait()
            ids.append(run.id)
        await asyncio.sleep(0)
        return ids

    return asyncio.run(main())


@pytest.mark.parametrize("durability", ["off", "async", "sync"])
def test_the_newest_runs_stay_and_the_others_are_freed_without_a_garbage_collection(
    made: Session, durability: str
) -> None:
    refs: list[weakref.ref[Run]] = []
    made.memory.holders.add(holder := Holder(refs))
    gc.collect()
    gc.disable()
    try:
        ids = ran(made, 8, durability=durability)
    finally:
        gc.enable()

    assert list(made.live) == ids[-3:]
    assert holder.count == 5
    assert [each() for each in refs] == [None] * 5


class Holder:
    """A listener for released runs."""

    def __init__(self, refs: list[weakref.ref[Run]]) -> None:
        self.refs, self.count = refs, 0

    def release(self, run: Run) -> None:
        self.refs.append(weakref.ref(run))
        self.count += 1


class Large:
    """A value that can be watched."""


@pytest.mark.parametrize("durability", ["off", "async"])
@pytest.mark.parametrize("graph", ["makes", "inner = graph makes", "all = graph makes [map=items, as=item]"])
def test_the_values_of_a_released_run_are_freed_without_a_garbage_collection(
    made: Session, graph: str, durability: str
) -> None:
    refs: list[weakref.ref[Large]] = []

    @made.tool
    def makes() -> dict[str, Large]:
        refs.append(weakref.ref(value := Large()))
        return {"value": value}

    made.graph("makes", "makes")
    made.graph("grows", graph)
    gc.collect()
    gc.disable()
    try:

        async def main() -> None:
            for _ in range(8):
                await made.start("grows", {"items": [1, 2]}, durability=durability)

        asyncio.run(main())
    finally:
        gc.enable()

    count = len(refs) // 8
    assert [each() is None for each in refs] == [True] * (5 * count) + [False] * (3 * count)


def test_a_failed_run_is_freed_too(made: Session) -> None:
    refs: list[weakref.ref[Run]] = []
    made.memory.holders.add(holder := Holder(refs))

    ran(made, 8, "fails")
    gc.collect()

    assert holder.count == 5
    assert [each() for each in refs] == [None] * 5


def test_a_released_run_is_read_from_the_store(made: Session) -> None:
    first, *_ = ran(made, 6)

    found = made.read(first[:9])

    assert not isinstance(found, Run)
    assert (found.id, found.status, found.state) == (first, "completed", {"n": 0, "size": 1, "text": "0"})
    assert len(made.runs()) == 6


def test_a_released_run_that_is_not_stored_is_an_error_that_names_the_settings(made: Session) -> None:
    first, *_ = ran(made, 6, durability="off")

    for ask in (lambda: made.read(first), lambda: asyncio.run(made.reopen(first, at="grow"))):
        with pytest.raises(RunNotFoundError, match=r"no longer in memory, and it was not stored.*NBFLOW_RETAIN_RUNS"):
            ask()


def test_a_released_run_that_somebody_holds_stays_usable_in_full(made: Session) -> None:
    async def main() -> tuple[Run, Run]:
        held = made.start("fails", {"n": 1, "size": 5}, durability="off")
        with pytest.raises(NodeError):
            await held
        for n in range(6):
            await made.start("grows", {"n": n})
        assert held.id not in made.live
        assert made.read(held.id) is held
        fork = await made.reopen(held.id, at="breaks", state={"n": 7})
        await fork.wait()
        return held, fork

    held, fork = asyncio.run(main())

    assert held.state["text"] == "11111"
    assert held.at(3).nodes == {"grow": "completed"}
    assert [row.status for row in held.logs] == ["completed", "failed"]
    assert "ValueError: 7" in str(fork.error)


def test_the_size_of_the_runs_counts_too(made: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_RETAIN_RUNS", "50")
    monkeypatch.setenv("NBFLOW_RETAIN_BYTES", "3MB")

    ids = ran(made, 6, size=1_000_000)

    assert list(made.live) == ids[-2:]


@pytest.mark.parametrize("runs", ["0", "3"])
def test_the_last_run_is_never_released(made: Session, runs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_RETAIN_RUNS", runs)
    monkeypatch.setenv("NBFLOW_RETAIN_BYTES", "0")

    ids = ran(made, 3, durability="off")

    assert made.last is not None
    assert made.last.id == ids[-1]
    assert list(made.live) == ids[-1:]


def test_a_running_run_is_not_released(made: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_RETAIN_RUNS", "0")
    going = asyncio.Event()

    @made.tool
    async def waits() -> None:
        await going.wait()

    made.graph("waits", "waits")

    async def main() -> None:
        run = made.start("waits")
        for n in range(3):
            await made.start("grows", {"n": n})
        assert made.live[run.id] is run
        going.set()
        await run

    asyncio.run(main())


def test_a_run_that_is_resumed_counts_once(made: Session) -> None:
    async def main() -> Run:
        run = made.start("fails", {"n": 1})
        await run.wait()
        for _ in range(5):
            run = await made.reopen(run.id)
            await run.wait()
        return run

    run = asyncio.run(main())

    assert made.live == {run.id: run}


@pytest.mark.parametrize(
    ("value", "about"),
    [
        ("a" * 1_000_000, 1_000_000),
        (np.zeros(1_000_000), 8_000_000),
        ([b"b" * 1000] * 5 + [bytes([n % 250]) * 1000 for n in range(1000)], 1_000_000),
        ({"deep": [{"er": ["c" * 500_000]}]}, 500_000),
        ([float(n) for n in range(100_000)], 4_000_000),
    ],
    ids=["text", "array", "list of bytes", "nested", "numbers"],
)
def test_the_size_of_a_run_is_estimated_from_its_values(made: Session, value: object, about: int) -> None:
    made.graph("nothing", "pass")

    run = asyncio.run(made.run("nothing", value=value))

    assert about / 2 < estimate(run) < about * 2


def test_a_stored_run_that_was_released_is_only_in_the_store(made: Session) -> None:
    async def one() -> tuple[str, weakref.ref[Run]]:
        run = made.start("grows", {"n": 1})
        await made.until_stored(run)
        await run.wait()
        return run.id, weakref.ref(run)

    run_id, left = asyncio.run(one())
    made.history.close()  # by now all of it is written
    made.forget(made.live[run_id])
    gc.collect()

    assert left() is None
    assert made.read(run_id).status == "completed"
