"""Ownership of runs when processes are killed, stopped or late, or claim the same run at the same time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fault_graph import START, Witness, session, witnessed
from live import WHOLE
from sqlalchemy import text
from warm_process import Warm
from wreck import Left, check_whole, look

from nbflow.errors import RunStateError, StoreError
from nbflow.session import Session, resume_source
from nbflow.store import Store, owners

pytestmark = pytest.mark.slow

PLACES = pytest.mark.parametrize("place", ["file", "server"])
MODES = pytest.mark.parametrize("durability", ["sync", "async"])
WAIT_S = 300


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path, place: str) -> Iterator[str]:
    """Give the URL of a store without runs."""
    if place == "file":
        yield f"sqlite+aiosqlite:///{tmp_path / 'runs.db'}"
    else:
        yield request.getfixturevalue("fresh_server_url")


@pytest.fixture
def second(warm: Warm) -> Iterator[Warm]:
    """Give another process to fork from, for what happens at the same time."""
    started = Warm()
    yield started
    started.close()


class Scene:
    """A run of the graph `chain` whose third node waits for a file, in processes that have what they leave in common."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.hold = folder / "hold"

    def orders(self, sitting: int, **more: Any) -> dict[str, Any]:
        return {
            "url": self.url, "witness": str(self.folder / "ran"), "result": str(self.folder / f"result {sitting}"),
            "sitting": sitting, "graph": "chain", "hold": str(self.hold), "opened": True,
        } | more  # fmt: skip

    def told(self, sitting: int) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / f"result {sitting}").read_text())
        return told

    def ran(self, sitting: int) -> list[str]:
        return [ran.node for ran in witnessed(str(self.folder / "ran")) if ran.sitting == sitting]

    def left(self) -> Left:
        found = look(self.url)
        assert found is not None
        return found

    def until_started(self, node: str) -> None:
        """Wait until the store has the start of a node."""
        store = Store.open(self.url)
        try:
            while not any(row.node == node for run in store.runs().result(WAIT_S) for row in rows(store, run.id)):
                time.sleep(0.01)
        finally:
            store.close()

    def until_ran(self, node: str) -> None:
        """Wait until a node has started."""
        while node not in self.ran(0):
            time.sleep(0.01)

    def session(self, sitting: int) -> Session:
        """Return a session of this process, whose nodes wait for nothing."""
        return session(Witness(str(self.folder / "ran"), sitting))

    def resume(self, made: Session) -> Any:
        try:
            return asyncio.run(made.resume())
        finally:
            made.history.close()


def rows(store: Store, run_id: str) -> list[Any]:
    return store.log(run_id).result(WAIT_S)


@pytest.fixture
def scene(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("NBFLOW_DATABASE_URL", url)
    return Scene(tmp_path, url)


def killed(warm: Warm, scene: Scene) -> None:
    """Kill a process whose run has committed two nodes and started the third."""
    warm.send(**scene.orders(0, do="start", durability="sync"))
    scene.until_ran("three")
    os.kill(forked(warm).pid, signal.SIGKILL)
    assert warm.answer()["code"] == -signal.SIGKILL


def forked(warm: Warm) -> psutil.Process:
    """Return the process that carries an order out."""
    (child,) = psutil.Process(warm.pid).children()
    return child


@PLACES
@pytest.mark.parametrize("time_", [0, *(pytest.param(n, marks=pytest.mark.faults) for n in range(1, 10))])
def test_of_two_processes_that_resume_a_run_at_once_exactly_one_does(
    warm: Warm, second: Warm, scene: Scene, time_: int
) -> None:
    killed(warm, scene)
    gates = [scene.folder / "gate 1", scene.folder / "gate 2"]
    for number, (process, gate) in enumerate(zip([warm, second], gates, strict=True), start=1):
        os.mkfifo(gate)
        process.send(**scene.orders(number, do="resume", gate=str(gate)))
    for opened in [gate.open("w") for gate in gates]:  # open as soon as both wait there
        opened.close()

    first = Warm.first_to_answer(warm, second)
    loser, winner = (1, 2) if first is warm else (2, 1)
    owner = forked(second if first is warm else warm).pid
    first.answer()
    scene.hold.touch()
    (second if first is warm else warm).answer()

    said = scene.told(loser)["error"]
    assert said.startswith("RunStateError: run ")
    assert f"is owned by process {owner} on {socket.gethostname()}" in said
    assert scene.told(winner)["status"] == "completed"
    assert (scene.ran(loser), scene.ran(winner)) == ([], ["three", "four", "five"])
    assert scene.left().status == "completed"
    check_whole(scene.left())


def between_reading_and_claiming(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Have something happen once a run has been read to be resumed, and is not yet taken over."""
    replayed, first = resume_source.past_of, [True]

    def past_of(*given: Any, **named: Any) -> Any:
        if first and first.pop():
            happens()
        return replayed(*given, **named)

    monkeypatch.setattr(resume_source, "past_of", past_of)


@PLACES
def test_a_run_that_another_completed_since_it_was_read_is_not_resumed(
    warm: Warm, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(warm, scene)
    scene.hold.touch()
    between_reading_and_claiming(monkeypatch, lambda: warm.order(**scene.orders(1, do="resume")))

    with pytest.raises(RunStateError, match="is completed"):
        scene.resume(scene.session(2))

    assert (scene.ran(1), scene.ran(2)) == (["three", "four", "five"], [])
    assert scene.left().archived.head.row.owner is None


@PLACES
def test_what_another_committed_since_a_run_was_read_is_not_run_again(
    warm: Warm, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(warm, scene)
    order = scene.orders(1, do="resume", holds="five", after=2, wait_us=0)  # killed once "four" has started
    between_reading_and_claiming(monkeypatch, lambda: warm.order(**order))

    run = scene.resume(scene.session(2))

    assert run.state == START | WHOLE
    assert scene.ran(2) in (["four", "five"], ["five"])  # the completion of "four" was committed, or not
    check_whole(scene.left())


def as_if_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be on another machine, where a process is only known by the lease that it renews."""
    monkeypatch.setattr(owners, "_machine", lambda: "another machine")


@PLACES
@MODES
def test_a_process_that_was_stopped_beyond_its_lease_writes_nothing_more(
    warm: Warm, scene: Scene, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    warm.send(**scene.orders(0, do="start", durability=durability, lease_s=1.0))
    scene.until_started("three")
    forked(warm).suspend()
    as_if_elsewhere(monkeypatch)

    taken = taken_over(scene, forked(warm))
    scene.hold.touch()
    forked(warm).resume()
    warm.answer()

    assert taken.state == START | WHOLE
    assert scene.ran(1) == ["three", "four", "five"]
    assert "was taken over" in scene.told(0)["error"]
    if durability == "sync":
        assert scene.ran(0) == ["one", "two", "three"]
    check_whole(scene.left())
    assert [row.seq for row in scene.left().rows] == [event.seq for event in taken.events]


def taken_over(scene: Scene, owner: psutil.Process) -> Any:
    """Resume a run as soon as the lease of its stopped owner lets us; return it at its end."""
    while True:
        try:
            return scene.resume(scene.session(1))
        except RunStateError:
            time.sleep(0.05)
        except StoreError:  # the owner was stopped in the midst of a commit, and its lock is never released
            owner.resume()
            time.sleep(0.1)
            owner.suspend()


@PLACES
def test_a_cell_that_blocks_the_loop_for_longer_than_the_lease_still_owns_its_run(
    warm: Warm, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm.send(**scene.orders(0, do="start", durability="sync", lease_s=2.0, blocks=True))
    scene.until_ran("three")
    as_if_elsewhere(monkeypatch)
    store = Store.open(scene.url)

    began = lease_of(store)
    while lease_of(store) < began + 3 * 2.0:
        (run,) = store.runs().result(WAIT_S)
        with pytest.raises(RunStateError, match=f"owned by process {forked(warm).pid}"):
            store.claim(run.id).result(WAIT_S)
    store.close()
    scene.hold.touch()
    warm.answer()

    assert scene.told(0)["status"] == "completed"
    assert scene.ran(0) == ["one", "two", "three", "four", "five"]


def lease_of(store: Store) -> float:
    """Return until when the run is held, as the store has it."""
    query = text("SELECT lease_until FROM nbflow_executions")
    until: float = store._read(lambda connection: connection.execute(query).scalar_one()).result(WAIT_S)
    return until


def test_a_killed_process_that_nobody_has_buried_loses_its_runs_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'runs.db'}")
    monkeypatch.setenv("NBFLOW_DATABASE_URL", scene.url)
    parent = Warm()
    parent.send(**scene.orders(0, do="start", durability="sync"))
    scene.until_ran("three")
    killed = forked(parent)
    psutil.Process(parent.pid).suspend()  # so that it does not wait for its child
    try:
        killed.kill()
        while killed.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)

        run = scene.resume(scene.session(1))

        assert run.state == START | WHOLE
    finally:
        psutil.Process(parent.pid).resume()
        parent.answer()
        parent.close()
