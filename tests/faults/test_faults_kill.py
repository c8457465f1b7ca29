"""A run that is killed at any moment and resumed reaches the same end, and repeats nothing that was committed."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fault_graph import Ran, Witness, session, witnessed
from warm_process import Warm
from wreck import (
    Left,
    before_last_sitting,
    check_whole,
    completed,
    has_unfinished_commit,
    look,
    look_at_file,
    standing,
)

from nbflow.events import Event
from nbflow.store import Store

pytestmark = pytest.mark.slow

Tally = Counter[tuple[str, str]]
GOLDEN = 0.6180339887498949
"""Its multiples, less whole numbers, lie evenly however many are taken."""
MOMENTS = {("file", "sync"): 200, ("file", "async"): 200, ("server", "sync"): 50, ("server", "async"): 50}
SAMPLE = {"file": 6, "server": 2}
NOTHING_LEFT = "nothing to resume"


def moments(rule: str) -> list[Any]:
    """Return the kills as parameters: all except a sample have the marker `faults`."""
    found = []
    for (place, durability), count in MOMENTS.items():
        for index in range(count if rule == "once" else count // 10):
            marks = [] if index < (SAMPLE[place] if rule == "once" else 1) else [pytest.mark.faults]
            found.append(pytest.param(place, durability, index, marks=marks, id=f"{place}-{durability}-{index}"))
    return found


@cache
def reference(warm: Warm, folder: Path) -> dict[str, Any]:
    """Run the graph without a kill; return its result, the number of executions, and the bytes written."""
    answer = warm.order(**orders(folder, f"sqlite+aiosqlite:///{folder / 'whole.db'}"), do="start", durability="off")
    return json.loads((folder / "result").read_text()) | {"executions": answer["seen"] - 1}


def orders(folder: Path, url: str) -> dict[str, Any]:
    return {"url": url, "witness": str(folder / "ran"), "result": str(folder / "result"), "sitting": 0}


@dataclass
class Trial:
    """One run in one store, in as many processes as it takes."""

    warm: Warm
    folder: Path
    url: str
    durability: str
    file: Path | None
    known: set[str]
    opened: bool = True
    sitting: int = 0
    found: list[Left | None] = field(default_factory=list)
    """What lay in the store before each sitting."""

    def go(self, do: str, **when: Any) -> dict[str, Any]:
        """Run a process to its end, or until the given kill; return its answer."""
        order = orders(self.folder, self.url) | {"sitting": self.sitting, "opened": self.opened}
        answer = self.warm.order(**order, do=do, durability=self.durability, **when)
        self.sitting += 1
        assert answer["code"] == (-9 if "wait_us" in when else 0)
        return answer

    def result(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "result").read_text())
        return told

    def look(self) -> Left | None:
        """Return the run as it lies in the store."""
        return look(self.url, self.known) if self.file is None else look_at_file(self.file)

    def ran(self, *sittings: int) -> list[Ran]:
        return [ran for ran in witnessed(str(self.folder / "ran")) if ran.sitting in sittings]


def file_for(folder: Path, template: Path | None) -> Path:
    """Return the path for a store: nothing exists there, or a store without runs."""
    if template is not None:
        shutil.copy(template, folder / "runs.db")
    return folder / "runs.db"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store's file without runs."""
    path = tmp_path_factory.mktemp("empty") / "runs.db"
    Store.open(f"sqlite+aiosqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def whole(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give what the graph comes to where nobody kills it."""
    return reference(warm, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def trial(
    request: pytest.FixtureRequest, warm: Warm, empty: Path, tmp_path: Path, place: str, durability: str, index: int
) -> Iterator[Trial]:
    """Give a trial; one in ten on a file has its store made by the run itself."""
    if place == "file":
        path = file_for(tmp_path, None if index % 10 == 9 else empty)
        yield Trial(warm, tmp_path, f"sqlite+aiosqlite:///{path}", durability, path, set(), index % 10 != 9)
    else:
        url = request.getfixturevalue("server_url")
        yield Trial(warm, tmp_path, url, durability, None, known_runs(url), index % 10 != 9)
    shutil.rmtree(tmp_path)


def known_runs(url: str) -> set[str]:
    store = Store.open(url)
    try:
        return {row.id for row in store.runs(limit=10_000).result(60)}
    finally:
        store.close()


def moment(trial: Trial, whole: dict[str, Any], index: int, salt: str = "") -> dict[str, Any]:
    """Return when to kill: so many executions after the start, or at so many bytes of the write-ahead log."""
    chance = random.Random(f"{trial.durability} {index} {salt}")
    part = (index * GOLDEN + 0.3) % 1 if not salt else chance.random()
    if trial.file is not None and index % 3 == 1:
        written = 1_100_000 if trial.durability == "sync" else 180_000
        log = f"{trial.file}-wal"
        return {"file": log, "size": 1 + int(part * written), "wait_us": chance.choice([0, 0, chance.randrange(60)])}
    first_ms = 3 if trial.opened else 300
    after = int(part * (whole["executions"] + 5))
    return {"after": after, "wait_us": chance.randrange(first_ms * 1000 if after == 0 else 9000)}


@pytest.mark.parametrize(("place", "durability", "index"), moments("once"))
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(
    trial: Trial, whole: dict[str, Any], place: str, index: int, tally: Tally
) -> None:
    trial.go("start", **moment(trial, whole, index))
    if trial.file is not None:
        trial.found.append(trial.look())
        if has_unfinished_commit(Path(f"{trial.file}-wal")):
            tally[f"{place} {trial.durability}", "in the midst of a write"] += 1

    trial.go("resume")

    if NOTHING_LEFT in trial.result().get("error", ""):
        tally[f"{place} {trial.durability}", check_nothing_left(trial, whole)] += 1
        return
    tally[f"{place} {trial.durability}", "within"] += 1
    final = check_end(trial, whole)
    if trial.found:
        left = trial.found[0]
        assert left is not None
        assert final.rows[: len(left.rows)] == left.rows
        assert final.rows[len(left.rows)].kind == ("execution_resumed" if left.rows else "execution_start")
    check_not_again(trial, final, before_last_sitting(final.events), sitting=1)


def check_nothing_left(trial: Trial, whole: dict[str, Any]) -> str:
    """Check a store without a run to resume: the kill came before the first commit, or after the end."""
    left = trial.look()
    if left is not None:
        check_end(trial, whole)
        return "after"
    if trial.durability == "sync":
        assert trial.ran(0) == []
    trial.go("start")
    check_end(trial, whole)
    return "before"


def check_end(trial: Trial, whole: dict[str, Any]) -> Left:
    """Check that the run is complete, with the state it should have, in every place where it can be read."""
    told, final = trial.result(), trial.look()
    assert final is not None
    assert final.status == "completed"
    assert final.state(session(Witness("/dev/null", 0))) == whole["state"]
    assert told.get("state", whole["state"]) == whole["state"]
    assert final.archived.head.row.owner is None
    check_whole(final)
    return final


def check_not_again(trial: Trial, left: Left, before: Sequence[Event], *, sitting: int) -> None:
    """Check that an incarnation repeats no committed node, and under `sync` starts none before its commit."""
    counted = Counter(ran.key for ran in trial.ran(sitting) if ran.node != "stumbles")
    assert set(counted.values()) <= {1}
    committed = completed(before)
    assert not committed & {ran.key for ran in trial.ran(sitting)}
    if trial.durability == "sync":
        plan = session(Witness("/dev/null", 0)).engine.plan(left.archived.graph)
        began = {ran.key for ran in trial.ran(*range(sitting))}
        assert began - committed <= standing(plan, left.archived.initial, before)


@pytest.mark.parametrize(("place", "durability", "index"), moments("again"))
def test_a_run_killed_again_while_it_is_resumed_ends_as_if_it_had_not_been(
    trial: Trial, whole: dict[str, Any], place: str, index: int, tally: Tally
) -> None:
    trial.go("start", **moment(trial, whole, index, "first"))
    for nth in ("second", "third"):
        trial.found.append(settled(trial))
        trial.go("start" if trial.found[-1] is None else "resume", **moment(trial, whole, index, nth))
    trial.found.append(settled(trial))

    final = gone_on(trial, whole)

    tally[f"{place} {trial.durability}", "killed three times"] += 1
    for sitting, left in enumerate(trial.found, start=1):
        if left is not None and left.status != "completed":
            assert final.rows[: len(left.rows)] == left.rows
            check_not_again(trial, left, left.events, sitting=sitting)


def gone_on(trial: Trial, whole: dict[str, Any]) -> Left:
    """Resume the run to its end, or start it again if the store has nothing of it."""
    trial.go("start" if trial.found[-1] is None else "resume")
    if NOTHING_LEFT in trial.result().get("error", ""):
        assert trial.found[-1] is not None
        assert trial.found[-1].status == "completed"
    return check_end(trial, whole)


def settled(trial: Trial) -> Left | None:
    """Return the contents of the store once the server, too, has noticed that the process is gone."""
    if trial.file is None:
        wait_for_server(trial.url)
    return trial.look()


def wait_for_server(url: str) -> None:
    """Wait until nobody is connected to a database of a server any longer."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    async def main() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            while await connection.fetchval(others):
                await asyncio.sleep(0.01)
        finally:
            await connection.close()

    asyncpg = pytest.importorskip("asyncpg")
    asyncio.run(main())
