"""Damage to a file during a run: each kind is a wait or a clear error, and earlier commits are safe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import surroundings
from stores import (
    WAIT_S,
    add,
    batch,
    blob,
    create,
    file_url,
    finished,
    go_on,
    line_of,
    process,
    refused,
    result_of,
    seqs,
)

from nbflow.errors import StoreError
from nbflow.store import Store, db_errors, sqlite
from nbflow.store.rows import Batch, Blob

Open = Callable[[str], Store]
LOCKED_S = float(os.environ.get("NBFLOW_TEST_LOCKED_S", "3"))

LOCKS = """
import sqlite3, time
connection = sqlite3.connect(args[0], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
input()
time.sleep(float(args[1]))
connection.execute("COMMIT")
"""


@pytest.fixture
def store(path: Path, opened: Open) -> Store:
    """Give a store with a run `r1` of three events, at epoch 1."""
    store = opened(file_url(path))
    add(store, "r1", create(store), 1, 3)
    return store


@pytest.mark.slow
def test_a_file_locked_by_another_process_is_waited_for(path: Path, store: Store) -> None:
    locking = process(LOCKS, path, LOCKED_S)
    assert line_of(locking) == "locked"

    waiting = [store.append("r1", 1, lambda n=n: batch(n, n), durable=n % 2 == 0) for n in range(4, 9)]
    assert not any(future.done() for future in waiting)
    go_on(locking)

    assert all(future.exception(WAIT_S) is None for future in waiting)
    result_of(locking)
    assert seqs(store, "r1") == list(range(1, 9))


def test_the_error_for_a_file_locked_for_too_long_names_the_process(
    path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 20)
    monkeypatch.setattr(db_errors, "PATIENCE_S", 0.2)
    store = opened(file_url(path))
    add(store, "r1", create(store), 1, 3)
    locking = process(LOCKS, path, 0)
    line_of(locking)

    told = refused(store)

    assert f"the store {path} was locked by another program all the time" in told
    assert f"(process {locking.pid})" in told
    locking.communicate("\n")
    add(store, "r1", 1, 4, 4)
    assert seqs(store, "r1") == [1, 2, 3, 4]


def test_reading_continues_while_another_process_writes(path: Path, store: Store) -> None:
    locking = process(LOCKS, path, 0)
    line_of(locking)

    assert seqs(store, "r1") == [1, 2, 3]

    locking.communicate("\n")


def test_a_second_store_on_the_file_does_not_give_up_the_locks_of_the_first(path: Path, store: Store) -> None:
    Store.open(file_url(path)).close()

    # Whoever closes the file as its last user clears its log away; another process is not the last.
    result_of(process("Store.open(args[0]).close()", file_url(path)))

    assert path.with_name("runs.db-wal").exists()
    add(store, "r1", 1, 4, 4)


def test_a_deleted_file_is_an_error_and_is_not_created_again(path: Path, store: Store) -> None:
    for file in path.parent.iterdir():
        file.unlink()

    assert isinstance(store.log("r1").exception(WAIT_S), StoreError)
    assert refused(store) == f"the store {path} was deleted while it was open; nothing more is stored in it"
    assert "was deleted" in refused(store)
    store.close()
    assert list(path.parent.iterdir()) == []


def test_a_deleted_folder_is_an_error(path: Path, store: Store) -> None:
    shutil.rmtree(path.parent)

    assert "was deleted" in refused(store)


def test_a_file_put_in_its_place_is_left_as_it_is(path: Path, store: Store, opened: Open) -> None:
    for file in path.parent.iterdir():
        file.unlink()
    other = opened(file_url(path))
    add(other, "r2", create(other, "r2"), 1, 5)

    assert "was replaced by another while it was open" in refused(store)
    store.close()

    add(other, "r2", 1, 6, 6)
    other.close()
    again = opened(file_url(path))
    assert [run.id for run in again.runs().result(WAIT_S)] == ["r2"]
    assert seqs(again, "r2") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("left", [0, 5000])
def test_a_file_that_is_cut_short_is_an_error(path: Path, store: Store, left: int) -> None:
    add(store, "r1", 1, 4, 4000)
    store._database._connection.driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # from its log into the file itself
    add(store, "r1", 1, 4001, 4001)
    size = path.stat().st_size
    os.truncate(path, left)

    assert f"was cut short while it was open, from {size} to {left} bytes" in refused(store, 4002)
    assert path.stat().st_size == left


def test_a_deleted_log_is_an_error(path: Path, store: Store) -> None:
    path.with_name("runs.db-wal").unlink()

    assert "was deleted while it was open; the last commits are lost" in refused(store)


def test_a_file_that_another_made_smaller_in_order_is_the_same_store(path: Path, store: Store, opened: Open) -> None:
    other = opened(file_url(path))
    create(other, "big")
    add(other, "big", 1, 1, 20_000)
    add(store, "r1", 1, 4, 4)
    other._change(lambda c: c.exec_driver_sql("DELETE FROM nbflow_log WHERE execution = 2")).result(WAIT_S)
    other._database._connection.driver.execute("VACUUM")
    other._database._connection.driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    add(store, "r1", 1, 5, 5)

    assert seqs(store, "r1") == [1, 2, 3, 4, 5]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of 2 MB."""
    with surroundings.small_disk(tmp_path / "small", 2) as folder:
        yield folder


def test_a_full_disk_is_an_error_and_earlier_commits_are_safe(small_disk: Path, opened: Open) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    store = opened(file_url(small_disk / "runs.db"))
    epoch, kept = create(store), 0

    def big() -> Batch:
        return batch(kept + 1, kept + 1, blobs=(Blob(f"h{kept + 1}", "json", os.urandom(30_000)),))

    while (error := store.append("r1", epoch, big).exception(WAIT_S)) is None:
        kept += 1

    assert isinstance(error, StoreError)
    assert "the disk is full. Earlier commits are not affected" in str(error)
    assert kept > 0
    assert seqs(store, "r1") == list(range(1, kept + 1))
    assert len(store.blobs([f"h{n}" for n in range(1, kept + 1)]).result(WAIT_S)) == kept
    ballast.unlink()
    add(store, "r1", epoch, kept + 1, kept + 1)
    assert len(seqs(store, "r1")) == kept + 1


def test_a_run_released_on_a_full_disk_can_be_claimed_again(small_disk: Path, opened: Open) -> None:
    store = opened(file_url(small_disk / "runs.db"))
    epoch = create(store)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"x" * 4_000_000)
    fills = store.append("r1", epoch, lambda: batch(1, 1, blobs=(blob("x" * 200_000),)))
    assert isinstance(fills.exception(WAIT_S), StoreError)
    store.release("r1", epoch).exception(WAIT_S)
    ballast.unlink()

    assert store.claim("r1").result(WAIT_S) == 2


ENDS = """
import nbflow.store.store as module
module.EXIT_S = float(args[1])
store = Store.open(args[0])
create(store)
for n in range(1, 201):
    store.append("r1", 1, lambda n=n: batch(n, n))
print("queued", flush=True)
input()
"""


def test_a_process_that_ends_without_closing_writes_what_is_queued(url: str, opened: Open) -> None:
    ending = process(ENDS, url, 60)
    ending.communicate("\n", timeout=WAIT_S)

    assert ending.returncode == 0
    assert seqs(opened(url), "r1") == list(range(1, 201))


def test_a_process_ends_even_if_nothing_can_be_written(path: Path, store: Store) -> None:
    code = ENDS.replace("create(store)", "create(store, 'r2')").replace(
        'print("queued"', 'print("queued", flush=True); input(); print("queued"'
    )
    code = code.replace("for n in", 'print("made", flush=True)\ninput()\nfor n in').replace('"r1", 1', '"r2", 1')
    ending = process(code, file_url(path), 0.2)
    assert line_of(ending) == "made"
    locking = process(LOCKS, path, 0)
    assert line_of(locking) == "locked"

    out, err = ending.communicate("\n\n\n", timeout=WAIT_S)

    assert (ending.returncode, err) == (0, "")
    assert out.count("queued") == 2
    locking.communicate("\n")


WRITES = """
store = Store.open(args[0])
first = int(args[1])
epoch = store.claim("r1").result(WAIT_S) if first > 1 else create(store)
for n in range(first, 100_000):
    add(store, "r1", epoch, n, n, durable=True)
    print(n, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_while_it_writes_leaves_all_acknowledged_commits(url: str, opened: Open) -> None:
    store, last = opened(url), 0
    for kill_after in (1, 7, 12, 3):
        writing = process(WRITES, url, last + 1)
        for _ in range(kill_after):
            told = int(line_of(writing))
        writing.kill()
        assert writing.stdout is not None
        out = writing.stdout.read()  # `communicate` would pass over what was read ahead with the lines
        writing.communicate()

        kept = seqs(store, "r1")
        told = max([told, *map(int, out.split("\n")[:-1])])
        assert kept == list(range(1, len(kept) + 1))
        assert told <= len(kept) <= told + 1
        last = len(kept)


MANY = """
store = Store.open(args[0])
for n in range(50):
    run_id = f"{args[1]}-{n}"
    epoch = create(store, run_id)
    for first in (1, 4, 7):
        store.append(run_id, epoch, lambda first=first: batch(first, first + 2, nodes=1, blobs=(blob(f"{n}-{first}"),)))
    end(store, run_id, epoch, 10)
store.close()
"""


@pytest.mark.slow
def test_eight_processes_write_fifty_runs_each_and_every_row_is_there(url: str, opened: Open) -> None:
    writing = [process(MANY, url, n) for n in range(8)]

    for each in writing:
        result_of(each)

    store = opened(url)
    runs = store.runs(limit=1000).result(WAIT_S)
    assert {run.id for run in runs} == {f"{n}-{m}" for n in range(8) for m in range(50)}
    assert {(run.status, run.seq, run.nodes) for run in runs} == {("completed", 10, 3)}
    told = store.info().result(WAIT_S).rows
    assert (told["log"], told["values"], told["value_uses"]) == (4000, 150, 1200)
    assert all(seqs(store, run.id) == list(range(1, 11)) for run in runs[::20])
    finished(store, "after")
