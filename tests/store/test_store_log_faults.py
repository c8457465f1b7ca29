"""Damage to the log of an open file, or to both: it is detected before the next write, and the file is safe."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from stores import (
    WAIT_S,
    add,
    blob,
    checkpoint,
    create,
    file_url,
    finished,
    is_sound,
    line_of,
    log_of,
    process,
    refused,
    result_of,
    seqs,
)

from nbflow.errors import StoreError
from nbflow.store import Store
from nbflow.store.sqlite_guard import is_foreign

Open = Callable[[str], Store]
Fault = Callable[[Path], None]


@pytest.fixture
def store(path: Path, opened: Open) -> Store:
    """Give a store with a run `r1`, of whose four events the last is in the log alone."""
    store = opened(file_url(path))
    add(store, "r1", create(store), 1, 3)
    checkpoint(store)
    add(store, "r1", 1, 4, 4)
    return store


def other_log(path: Path) -> bytes:
    """Return the log of another store, as long as that of this one."""
    other = path.with_name("other.db")
    store = Store.open(file_url(other))
    add(store, "r1", create(store), 1, 3)
    data = log_of(other).read_bytes()
    store.close()
    return data


def cut_to_nothing(path: Path) -> None:
    os.truncate(log_of(path), 0)


def cut_in_its_midst(path: Path) -> None:
    os.truncate(log_of(path), 5000)


def overwrite_log(path: Path) -> None:
    with log_of(path).open("r+b") as file:
        file.write(os.urandom(log_of(path).stat().st_size))


def overwrite_its_head(path: Path) -> None:
    with log_of(path).open("r+b") as file:
        file.write(b"\0" * 4096)


def write_text_to_it(path: Path) -> None:
    log_of(path).write_text("my notes\n")


def put_anothers_content_in_it(path: Path) -> None:
    log_of(path).write_bytes(other_log(path))


LOG_FAULTS = pytest.mark.parametrize(
    ("fault", "words"),
    [
        (cut_to_nothing, "of the store was cut short while it was open, from"),
        (cut_in_its_midst, "of the store was cut short while it was open, from"),
        (overwrite_log, "of the store was overwritten while it was open; the last commits are lost"),
        (overwrite_its_head, "of the store was overwritten while it was open"),
        (write_text_to_it, "of the store was overwritten while it was open"),
        (put_anothers_content_in_it, "was overwritten with another, or its log was, while it was open"),
    ],
)


@LOG_FAULTS
def test_a_log_that_was_harmed_is_an_error_and_the_file_is_left_as_it_is(
    path: Path, store: Store, fault: Fault, words: str
) -> None:
    fault(path)
    before = path.read_bytes()

    assert words in refused(store, 5)
    assert words in refused(store, 5)
    assert words in str(store.log("r1").exception(WAIT_S))
    store.close()

    assert path.read_bytes() == before


@pytest.mark.parametrize("fault", [cut_to_nothing, cut_in_its_midst, overwrite_log, overwrite_its_head])
def test_a_store_whose_log_was_harmed_opens_with_what_its_file_holds(
    path: Path, store: Store, opened: Open, fault: Fault
) -> None:
    fault(path)
    refused(store, 5)
    store.close()

    again = opened(file_url(path))

    assert seqs(again, "r1") == [1, 2, 3]
    finished(again, "r2")
    again.close()
    again = opened(file_url(path))
    assert seqs(again, "r2") == [1]
    again.close()
    assert is_sound(path)


def test_anothers_content_in_the_log_is_refused_on_open_and_can_be_moved_away(
    path: Path, store: Store, opened: Open
) -> None:
    put_anothers_content_in_it(path)
    refused(store, 5)
    store.close()

    with pytest.raises(StoreError, match=f"the log {log_of(path)} does not belong to the store {path}: "):
        opened(file_url(path))

    log_of(path).rename(path.with_name("moved"))
    assert seqs(opened(file_url(path)), "r1") == [1, 2, 3]


@pytest.mark.parametrize("reading", [False, True])
def test_a_log_cut_to_nothing_after_all_of_it_went_into_the_file_is_an_error(
    path: Path, store: Store, opened: Open, reading: bool
) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    if reading:  # so that SQLite cannot restart its log, and would append behind the cut
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM nbflow_log").fetchone()
    checkpoint(store, "PASSIVE")
    cut_to_nothing(path)
    before = path.read_bytes()

    assert "was cut short while it was open" in refused(store, 5)

    store.close()
    reader.close()
    assert path.read_bytes() == before
    assert seqs(opened(file_url(path)), "r1") == [1, 2, 3, 4]


def test_every_process_that_has_the_file_open_notices(path: Path, store: Store) -> None:
    other = process(
        'store = Store.open(args[0])\nepoch = create(store, "r2")\nprint("open", flush=True)\ninput()\n'
        'print(store.append("r2", epoch, lambda: batch(1, 1)).exception(WAIT_S))\nstore.close()',
        file_url(path),
    )
    line_of(other)
    overwrite_log(path)
    before = path.read_bytes()

    refused(store, 5)
    out, _ = other.communicate("\n", timeout=WAIT_S)

    assert "was overwritten while it was open" in out
    store.close()
    assert path.read_bytes() == before


MOVES_ON = """
import sqlite3
store = Store.open(args[0])
for n in range(int(args[1])):
    finished(store, f"{args[2]}-{n}", initial='{"n": "' + "x" * 200_000 + '"}')
connection = sqlite3.connect(args[0].removeprefix("sqlite+aiosqlite:///"), isolation_level=None)
for command in args[3:]:
    connection.execute(command)
store.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "commands",
    [
        [],
        ["PRAGMA wal_checkpoint(TRUNCATE)"],
        ["PRAGMA wal_checkpoint(RESTART)"],
        [
            "PRAGMA journal_size_limit = 1000",
            "PRAGMA wal_checkpoint(RESTART)",
            "CREATE INDEX more ON nbflow_log (time)",
        ],
        ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"],
    ],
)
def test_a_log_that_another_process_restarted_properly_belongs_to_the_store(
    path: Path, store: Store, commands: list[str]
) -> None:
    for round_ in range(2):
        result_of(process(MOVES_ON, file_url(path), 60, f"round-{round_}", *commands[: 3 - round_]))

        add(store, "r1", 1, 5 + round_, 5 + round_)

    assert seqs(store, "r1") == [1, 2, 3, 4, 5, 6]
    store.close()
    assert is_sound(path)


@pytest.mark.slow
def test_many_logs_of_several_processes_at_once_are_all_the_stores(path: Path, store: Store) -> None:
    moving = [process(MOVES_ON, file_url(path), 100, name) for name in ("one", "two")]

    for n in range(5, 805):
        add(store, "r1", 1, n, n, blobs=(blob(f"{n}" * 5000),))
    for each in moving:
        result_of(each)

    assert len(store.runs(limit=1000).result(WAIT_S)) == 201
    assert not is_foreign(path)


@pytest.fixture
def copy(path: Path, store: Store) -> Path:
    """Return a copy of the file with the first three events, and continue with the store itself."""
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    checkpoint(store)
    add(store, "r1", 1, 5, 400)
    return copy


@pytest.mark.parametrize("kind", [None, "PASSIVE", "TRUNCATE"])
def test_an_older_copy_written_over_an_open_file_is_an_error(
    path: Path, store: Store, copy: Path, kind: str | None
) -> None:
    if kind:
        checkpoint(store, kind)
        add(store, "r1", 1, 401, 401)
    size = path.stat().st_size
    shutil.copyfile(copy, path)
    os.truncate(path, max(size, copy.stat().st_size))
    before = path.read_bytes()

    assert f"the store {path} was overwritten with another, or its log was" in refused(store, 402)

    store.close()
    assert path.read_bytes() == before


def test_a_copy_from_before_the_log_went_into_the_file_is_an_error_too(path: Path, store: Store) -> None:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    checkpoint(store, "PASSIVE")
    assert seqs(store, "r1") == [1, 2, 3, 4]
    shutil.copyfile(copy, path)

    assert "was overwritten with another" in refused(store, 5)
