"""Whatever belongs together is one commit: a process killed after any of its commits leaves nothing half done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fault_graph import Witness, session
from warm_process import Warm
from wreck import Left, check_whole, look

from nbflow.events import Kind
from nbflow.store import Store

pytestmark = pytest.mark.slow

MOST = 60
"""Commits of one short run: a process that makes more is taken for one that never ends."""


class Climb:
    """Runs of the graph `climb` in one store, each in a process that kills itself after so many commits."""

    def __init__(self, warm: Warm, folder: Path, url: str, durability: str) -> None:
        self._warm, self._url, self._durability = warm, url, durability
        self._result = folder / "result"
        self._base = {"url": url, "witness": str(folder / "ran"), "result": str(self._result), "graph": "climb"}

    def go(self, **order: Any) -> bool:
        """Have a process do something; return whether it was killed at it."""
        self._result.unlink(missing_ok=True)
        answer = self._warm.order(**self._base, durability=self._durability, sitting=0, opened=True, **order)
        assert answer["code"] in (0, -9)
        return answer["code"] == -9

    def result(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._result.read_text())
        return told

    def ids(self) -> set[str]:
        store = Store.open(self._url)
        try:
            return {row.id for row in store.runs(limit=10_000).result(60)}
        finally:
            store.close()

    def new(self, known: set[str]) -> Left | None:
        """Return the one run that is in the store and not among `known`; None without one."""
        left = look(self._url, known)
        if left is not None:
            check_whole(left)
        return left


@pytest.fixture(params=["file", "server"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"sqlite+aiosqlite:///{tmp_path / 'runs.db'}"
    else:
        yield request.getfixturevalue("fresh_server_url")


@pytest.fixture(params=["sync", "async"])
def climb(request: pytest.FixtureRequest, warm: Warm, url: str, tmp_path: Path) -> Climb:
    return Climb(warm, tmp_path, url, request.param)


def killed_after_each_commit(order: Callable[[int], bool]) -> Iterator[int]:
    """Kill a process after its first commit, another after its second, until one ends by itself; yield each number."""
    for commits in count(1):
        assert commits < MOST
        if not order(commits):
            assert commits > 2, "it has to commit something for this to prove anything"
            return
        yield commits


def test_a_fork_is_there_with_its_edits_or_not_at_all(climb: Climb) -> None:
    assert not climb.go(do="start")
    (parent,) = known = climb.ids()
    reader, whole = session(Witness("/dev/null", 0)), climb.new(set())
    assert whole is not None
    at = next(event.seq for event in whole.events if (event.kind, event.node) == (Kind.NODE_COMPLETE, "up_2"))
    fork = {"do": "fork", "run": parent, "at": at, "state": {"n": 100, "text": "x" * 5000}}
    there = 0

    for _ in killed_after_each_commit(lambda commits: climb.go(**fork, commits=commits)):
        left = climb.new(known)
        if left is None:
            continue
        there += 1
        resumed = [event for event in left.events if event.kind is Kind.EXECUTION_RESUMED]
        assert [event.data["parent"] for event in resumed] == [parent]
        assert resumed[0].data["edited"] == fork["state"]
        climb.go(do="resume", run=left.id)
        if "error" not in climb.result():  # it had come to its end before it was killed
            assert climb.result()["state"]["n"] == "103"
        final = climb.new(known)
        assert final is not None
        assert final.state(reader)["n"] == "103"
        known.add(left.id)

    assert there > 0


def test_a_run_is_there_with_its_start_or_not_at_all(climb: Climb) -> None:
    known: set[str] = set()

    for _ in killed_after_each_commit(lambda commits: climb.go(do="start", commits=commits)):
        left = climb.new(known)
        assert left is not None
        assert left.events[0].kind is Kind.EXECUTION_START
        known.add(left.id)


def test_a_resume_that_is_killed_after_any_commit_leaves_a_run_that_reaches_the_same_end(climb: Climb) -> None:
    assert climb.go(do="start", commits=2)
    (run_id,) = climb.ids()

    for _ in killed_after_each_commit(lambda commits: climb.go(do="resume", run=run_id, commits=commits)):
        left = climb.new(set())
        assert left is not None
        assert (left.status == "completed") is (left.events[-1].kind is Kind.EXECUTION_COMPLETE)
        # An answer that was committed is not asked for again.
        assert sum(event.kind is Kind.NODE_ANSWERED for event in left.events) <= 1

    final = climb.new(set())
    assert final is not None
    assert final.status == "completed"
    state = final.state(session(Witness("/dev/null", 0)))
    assert (state["n"], state["said"]) == ("5", "42")
