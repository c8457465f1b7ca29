"""A store that makes its writer wait is logged meanwhile, with the cause and the duration."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from stores import WAIT_S, add, batch, create, file_url, line_of, process
from surroundings import database

from nbflow.errors import StoreError
from nbflow.store import Store, db_errors, delays, sqlite

Open = Callable[[str], Store]
LOCKS = """
import sqlite3
connection = sqlite3.connect(args[0], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
input()
connection.execute("COMMIT")
"""
SECONDS = r"for \d+(\.\d+)? s"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delays, "SLOW_S", 0.05)
    monkeypatch.setattr(delays, "LOOK_S", 0.02)


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Have another process lock a file; give its number."""
    locking = process(LOCKS, path)
    assert line_of(locking) == "locked"
    yield locking.pid
    locking.communicate("\n")


def logged(caplog: pytest.LogCaptureFixture, pattern: str) -> str:
    """Wait until a message that matches is logged; return it."""
    while True:
        for record in caplog.records:
            if re.search(pattern, record.getMessage()):
                return record.getMessage()
        time.sleep(0.01)


def test_a_locked_file_is_named_with_how_long_by_whom_and_which_runs_wait(
    path: Path, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(file_url(path))
    add(store, "r1", create(store), 1, 3)

    with locked(path) as holder:
        waiting = store.append("r1", 1, lambda: batch(4, 4))
        said = logged(caplog, "has been locked by another process")
        assert not waiting.done()
    waiting.result(WAIT_S)

    assert re.match(rf"the store {re.escape(str(path))} has been locked by another process {SECONDS}, ", said)
    assert "and run r1 cannot be stored meanwhile" in said
    assert f"(process {holder})" in said
    logged(caplog, rf"the store {re.escape(str(path))} responds again after about \d")


def test_a_lock_that_stays_is_named_again_only_when_it_has_lasted_much_longer(
    path: Path, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(file_url(path))
    epoch = create(store)

    with locked(path):
        waiting = store.append("r1", epoch, lambda: batch(1, 1))
        times = []
        while len(times) < 3:
            times = [
                float(found[1]) for r in caplog.records if (found := re.search(r"for ([\d.]+) s,", r.getMessage()))
            ]
            time.sleep(0.01)
    waiting.result(WAIT_S)

    assert times[2] >= 4 * times[0]


def test_a_change_that_is_written_slowly_is_not_called_locked(
    path: Path, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store, done = opened(file_url(path)), threading.Event()

    waiting = store._change(lambda _: done.wait(WAIT_S))
    said = logged(caplog, "has been writing")
    done.set()
    waiting.result(WAIT_S)

    assert re.search(rf"has been writing to its disk {SECONDS}$", said)


def test_a_store_that_is_quick_logs_nothing(
    path: Path, opened: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delays, "SLOW_S", 60.0)
    store = opened(file_url(path))
    epoch = create(store)

    for number in range(1, 20):
        add(store, "r1", epoch, number, number)
    time.sleep(5 * delays.LOOK_S)

    assert caplog.records == []


def test_a_store_that_is_locked_while_it_is_opened_is_named(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.touch()  # to be made a store, which takes the lock
    with locked(path) as holder:
        opening = threading.Thread(target=lambda: Store.open(file_url(path)).close())
        opening.start()
        said = logged(caplog, "has not opened")
    opening.join()

    assert re.search(
        rf"the store {re.escape(str(path))} is locked or slow, and has not opened {SECONDS}; open in ", said
    )
    assert f"(process {holder})" in said


def test_the_error_of_a_file_locked_for_too_long_says_how_long_and_gives_no_advice_to_resume(
    path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 20)
    monkeypatch.setattr(db_errors, "PATIENCE_S", 0.2)
    store = opened(file_url(path))
    epoch = create(store)

    with locked(path):
        error = store.append("r1", epoch, lambda: batch(1, 1)).exception(WAIT_S)

    assert isinstance(error, StoreError)
    assert re.search(rf"was locked by another program all the time, {SECONDS}; open in ", str(error))
    assert "resume" not in str(error)


@pytest.fixture
def server() -> Iterator[str]:
    """Give a database of PostgreSQL."""
    named = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
    if not named:
        pytest.skip("NBFLOW_TEST_POSTGRES_URL names no server")
    with database(named) as url:
        yield url


@contextmanager
def table_locked(url: str) -> Iterator[int]:
    """Hold the lock of the table of runs; give the session of the server."""
    import asyncpg

    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url.replace("+asyncpg", "")))
        runner.run(connection.execute("BEGIN; LOCK TABLE nbflow_executions IN ACCESS EXCLUSIVE MODE"))
        yield connection.get_server_pid()
        runner.run(connection.execute("ROLLBACK"))
        runner.run(connection.close())


def test_a_lock_on_a_server_is_named_with_its_session(
    server: str, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(server)
    epoch = create(store)

    with table_locked(server) as session:
        waiting = store.append("r1", epoch, lambda: batch(1, 1))
        said = logged(caplog, "; it waits for a lock")
    waiting.result(WAIT_S)

    assert re.search(rf"has not answered {SECONDS}, and run r1 cannot be stored meanwhile", said)
    assert f"; it waits for a lock that session {session} of the server holds" in said


def test_a_lock_on_a_server_is_waited_for_with_an_end(
    server: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_errors, "PATIENCE_S", 2.0)
    store = opened(server)
    epoch = create(store)

    with table_locked(server):
        error = store.append("r1", epoch, lambda: batch(1, 1)).exception(WAIT_S)

    assert isinstance(error, StoreError)
    assert re.search(rf"was locked by another session all the time, {SECONDS}", str(error))
    add(store, "r1", epoch, 1, 1)
    assert store._read(lambda connection: connection.scalar(text("SELECT 1"))).result(WAIT_S) == 1
