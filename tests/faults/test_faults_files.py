"""Damage to the file of a store during a run: the run ends as its durability promises."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import surroundings
from live import WHOLE, Live
from wreck import check_whole, look

from nbflow.errors import StoreError
from nbflow.store import Store, sqlite

MODES = pytest.mark.parametrize("durability", ["sync", "async"])
BEFORE = ["one", "two", "three"]
ALL = [*BEFORE, "four", "five"]


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a store's file without runs; all of it is in the file itself, and nothing in a log."""
    path = tmp_path / "runs.db"
    Store.open(url_of(path)).close()
    return path


@pytest.fixture
def live(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    made = Live(url_of(file), tmp_path, monkeypatch)
    yield made
    made.session.history.close()


def delete(file: Path) -> None:
    file.unlink()


def replace(file: Path) -> None:
    other = file.with_name("other.db")
    shutil.copy(file, other)
    other.replace(file)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def delete_log(file: Path) -> None:
    file.with_name(f"{file.name}-wal").unlink()


def empty_log(file: Path) -> None:
    os.truncate(file.with_name(f"{file.name}-wal"), 0)


def overwrite_log(file: Path) -> None:
    file.with_name(f"{file.name}-wal").write_bytes(os.urandom(20_000))


def overwrite(file: Path) -> None:
    other = file.with_name("other.db")
    Store.open(url_of(other)).close()
    shutil.copyfile(other, file)


FAULTS = pytest.mark.parametrize(
    ("fault", "words"),
    [
        (delete, "was deleted while it was open"),
        (replace, "was replaced by another while it was open"),
        (cut, "was cut short while it was open"),
        (delete_log, "of the store was deleted while it was open"),
        (empty_log, "of the store was cut short while it was open"),
        (overwrite_log, "of the store was overwritten while it was open"),
        (overwrite, "was overwritten with another, or its log was"),
    ],
)


@FAULTS
def test_a_sync_run_stops_where_its_file_is_damaged(
    live: Live, file: Path, fault: Callable[[Path], None], words: str
) -> None:
    live.faults["three"] = lambda: fault(file)

    run = live.start("sync")

    assert isinstance(run.error, StoreError)
    assert words in str(run.error)
    assert str(file) in str(run.error)
    assert live.ran() == BEFORE


def test_a_sync_run_whose_end_cannot_be_stored_does_not_count_as_stored(live: Live, file: Path) -> None:
    live.faults["five"] = lambda: delete(file)

    run = live.start("sync")

    assert isinstance(run.error, StoreError)
    assert run.state == WHOLE


@FAULTS
def test_an_async_run_ends_in_memory_where_its_file_is_damaged_and_reports_it(
    live: Live, file: Path, fault: Callable[[Path], None], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    live.faults["three"] = lambda: fault(file)

    run = live.start("async")

    assert (run.status, run.state, live.ran()) == ("completed", WHOLE, ALL)
    warnings = [record.getMessage() for record in caplog.records if record.name == "nbflow"]
    (warning,) = [
        told
        for told in warnings
        if told.startswith(f"run {run.id}") and "in memory alone, and cannot be resumed" in told
    ]
    assert words in warning


@MODES
@pytest.mark.parametrize("fault", [replace, cut, empty_log, overwrite_log, overwrite])
def test_nothing_more_is_written_to_a_file_that_was_harmed(
    live: Live, file: Path, fault: Callable[[Path], None], durability: str
) -> None:
    harmed: list[bytes] = []

    def harm() -> None:
        fault(file)
        harmed.append(file.read_bytes())

    live.faults["three"] = harm
    live.start(durability)
    live.session.history.close()

    assert file.read_bytes() == harmed[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a separate file system of 4 MB."""
    with surroundings.small_disk(tmp_path / "disk", 4) as folder:
        yield folder


def fill(disk: Path) -> None:
    """Write until nothing more fits."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


@MODES
def test_a_full_disk_stops_the_storing_and_the_run_resumes_once_there_is_space(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    live = Live(url_of(small_disk / "runs.db"), tmp_path, monkeypatch)
    live.faults["three"] = lambda: fill(small_disk)

    live.start(durability)

    check_failed_as_promised(live, durability, "the disk is full. Earlier commits are not affected. Free some space")
    (small_disk / "filler").unlink()
    check_goes_on(live)


@MODES
def test_a_file_that_may_not_grow_stops_the_storing_and_the_run_resumes_once_it_may(
    live: Live, file: Path, durability: str
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.with_name(f"{file.name}-wal").stat().st_size, hard))

    live.faults["three"] = limit
    try:
        live.start(durability)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    check_failed_as_promised(live, durability, "the disk failed to read or write it. Earlier commits are not affected")
    check_goes_on(live)


def check_failed_as_promised(live: Live, durability: str, words: str) -> None:
    """Check that the run stopped, or ended in memory, and that what was committed before can be read."""
    if durability == "sync":
        assert isinstance(live.run.error, StoreError)
        assert words in str(live.run.error)
        assert live.ran() == BEFORE
    else:
        assert (live.run.state, live.ran()) == (WHOLE, ALL)
    left = look(os.environ["NBFLOW_DATABASE_URL"])
    assert left is not None
    check_whole(left)
    assert [event.node for event in left.events if event.kind == "node_complete"] == ["one", "two"]


def check_goes_on(live: Live) -> None:
    """Check that the same session resumes the run from its last stored event, and stores the rest."""
    before = len(live.ran())
    live.faults.clear()

    run = live.resume()

    assert run.state == WHOLE
    assert live.ran()[before:] == ["three", "four", "five"]
    left = look(os.environ["NBFLOW_DATABASE_URL"])
    assert left is not None
    assert left.status == "completed"
    check_whole(left)
    live.session.history.close()


LOCKS = """
import sqlite3, sys, time
from pathlib import Path
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
Path(sys.argv[3]).touch()
connection.execute("COMMIT")
"""


@MODES
@pytest.mark.parametrize("seconds", [1.0, pytest.param(10.0, marks=pytest.mark.faults)])
def test_a_file_that_another_process_locks_is_waited_for(
    live: Live, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, seconds: float,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    if seconds < 10:
        monkeypatch.setattr(sqlite, "BUSY_MS", 100)  # so that SQLite gives up, and is asked again
    freed, seen = tmp_path / "freed", {}
    locking: list[subprocess.Popen[str]] = []

    def lock() -> None:
        command = [sys.executable, "-c", LOCKS, str(file), str(seconds), str(freed)]
        locking.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert locking[0].stdout is not None
        assert locking[0].stdout.readline() == "locked\n"

    def note() -> None:
        seen["four"] = freed.exists()

    live.faults["three"] = lock
    live.unkept["four"] = note
    run = live.start(durability)
    left = look(os.environ["NBFLOW_DATABASE_URL"])

    assert locking[0].wait() == 0
    assert (run.status, run.state, live.ran()) == ("completed", WHOLE, ALL)
    assert seen["four"] or durability == "async"
    assert left is not None
    assert len(left.rows) == len(run.events)
    check_whole(left)
    assert not [record for record in caplog.records if "memory alone" in record.getMessage()]
