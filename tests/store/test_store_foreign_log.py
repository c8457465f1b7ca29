"""A log that a killed process left: it opens with the file that it belongs to, and with no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stores import WAIT_S, add, checkpoint, create, file_url, finished, is_sound, line_of, log_of, process, seqs

from nbflow.errors import StoreError
from nbflow.store import Store, migrations
from nbflow.store.sqlite_guard import is_foreign

Open = Callable[[str], Store]


LEAVES = """
import os
store = Store.open(args[0])
add(store, "r1", store.claim("r1").result(WAIT_S), 401, 420)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def left(path: Path, opened: Open) -> Path:
    """Give a file and its log as a killed process left them; `copy.db` is an older copy of the file."""
    store = opened(file_url(path))
    add(store, "r1", create(store), 1, 3)
    checkpoint(store)
    shutil.copyfile(path, path.with_name("copy.db"))
    add(store, "r1", 1, 4, 400)
    store.close()
    process(LEAVES, file_url(path)).communicate(timeout=WAIT_S)
    assert log_of(path).stat().st_size > 0
    return path


def put_older_copy(path: Path) -> None:
    path.with_name("copy.db").replace(path)


def put_other_store(path: Path) -> None:
    other = path.with_name("other.db")
    store = Store.open(file_url(other))
    finished(store, "other")
    store.close()
    other.replace(path)


def put_new_store(path: Path) -> None:
    other = path.with_name("other.db")
    Store.open(file_url(other)).close()
    other.replace(path)


@pytest.mark.slow
@pytest.mark.parametrize("put", [put_older_copy, put_other_store, put_new_store])
def test_a_file_put_beside_the_log_of_another_is_refused_and_both_are_left_as_they_are(
    left: Path, opened: Open, put: Callable[[Path], None]
) -> None:
    put(left)
    before = {file.name: file.read_bytes() for file in left.parent.iterdir()}

    with pytest.raises(StoreError, match=f"the log {log_of(left)} does not belong to the store {left}: "):
        opened(file_url(left))
    assert migrations.version_of(file_url(left), left.parent) is None

    assert {file.name: file.read_bytes() for file in left.parent.iterdir()} == before
    log_of(left).rename(left.with_name("moved"))
    opened(file_url(left)).close()
    assert is_sound(left)


def test_the_file_put_back_beside_its_log_opens_with_all_that_was_committed(left: Path, opened: Open) -> None:
    kept = left.with_name("kept.db")
    shutil.copyfile(left, kept)
    put_older_copy(left)
    with pytest.raises(StoreError, match="does not belong"):
        opened(file_url(left))

    kept.replace(left)

    assert seqs(opened(file_url(left)), "r1") == list(range(1, 421))


@pytest.mark.parametrize("empty", [False, True])
def test_a_log_whose_file_is_gone_is_refused_and_left_as_it_is(left: Path, opened: Open, empty: bool) -> None:
    log, kept = log_of(left).read_bytes(), left.rename(left.with_name("kept.db"))
    if empty:
        left.touch()

    with pytest.raises(StoreError, match=f"the store {left} is gone, and its log {log_of(left)} is still there"):
        opened(file_url(left))

    assert log_of(left).read_bytes() == log
    kept.replace(left)
    assert seqs(opened(file_url(left)), "r1") == list(range(1, 421))


BIG = """
store = Store.open(args[0])
last = int(args[1])
epoch = store.claim("r1").result(WAIT_S)
print("open", flush=True)
for n in range(last + 1, last + 2000):
    add(store, "r1", epoch, n, n, blobs=(blob(f"{n}" * 20_000),))
"""


@pytest.mark.slow
def test_a_log_that_a_killed_process_left_is_always_the_stores(path: Path, opened: Open) -> None:
    first, last = opened(file_url(path)), 0
    first.release("r1", create(first)).result(WAIT_S)
    first.close()
    for kill_after in range(12):
        writing = process(BIG, file_url(path), last)
        line_of(writing)
        size, grown = path.stat().st_size, kill_after * 700_000
        while writing.poll() is None and path.stat().st_size < size + grown:
            pass
        writing.kill()
        writing.communicate()

        assert not is_foreign(path)
        store = Store.open(file_url(path))
        kept = seqs(store, "r1")
        store.close()
        assert kept == list(range(1, len(kept) + 1))
        assert len(kept) >= last
        last = len(kept)
    assert is_sound(path)
