"""Opening a store: where it is, what version it has, and what is refused and left as it is."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from stores import WAIT_S, add, at_once, create, file_url, finished, process, result_of, seqs

from nbflow.errors import StoreError
from nbflow.store import Store, sqlite

Open = Callable[[str], Store]


def test_the_default_is_a_hidden_file_that_version_control_passes_over(tmp_path: Path) -> None:
    store = Store.open(folder=tmp_path)
    store.close()

    assert store.place == str(tmp_path / ".nbflow" / "nbflow.db")
    assert (tmp_path / ".nbflow" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / ".nbflow" / "nbflow.db").exists()


def test_without_a_folder_it_is_in_the_folder_of_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    store = Store.open()
    store.close()

    assert store.place == str(tmp_path / ".nbflow" / "nbflow.db")


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?#.db", "größe.db"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = Store.open(folder=tmp_path / name)
    finished(store, "r1")
    assert seqs(store, "r1") == [1]
    store.close()

    assert (tmp_path / name / ".nbflow" / "nbflow.db").exists()


def test_what_was_written_is_there_when_the_store_is_opened_again(url: str, opened: Open) -> None:
    first = opened(url)
    finished(first, "r1")
    first.close()

    assert seqs(opened(url), "r1") == [1]


def test_two_stores_in_memory_are_two(opened: Open) -> None:
    first, second = opened("sqlite+aiosqlite://"), opened("sqlite+aiosqlite://")
    create(first)

    assert second.runs().result(WAIT_S) == []
    assert first.place == "in memory"


def test_importing_the_part_loads_no_database() -> None:
    code = "import sys, nbflow.store, nbflow.store.rows; print({'sqlalchemy', 'alembic', 'psutil'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True)

    assert done.stdout == "set()\n"


def test_opening_a_store_of_this_version_loads_no_migrations(tmp_path: Path) -> None:
    url = file_url(tmp_path / "runs.db")
    Store.open(url).close()

    assert result_of(process("Store.open(args[0]).close(); print('alembic' in sys.modules)", url)) == "False"


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_all_have_it(url: str) -> None:
    code = """
print("ready", flush=True)
input()
store = Store.open(args[0])
finished(store, args[1])
store.close()
"""
    opening_it = [process(code, url, f"r{n}") for n in range(4)]

    at_once(opening_it)
    for each in opening_it:
        result_of(each)

    store = Store.open(url)
    assert sorted(run.id for run in store.runs().result(WAIT_S)) == ["r0", "r1", "r2", "r3"]
    store.close()


@pytest.mark.parametrize("lines", [1, 1000])
def test_a_file_that_is_no_sqlite_database_is_refused_and_not_changed(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * lines)

    with pytest.raises(StoreError, match=f"the store {path} could not be used: it is no SQLite database"):
        Store.open(file_url(path))

    assert path.read_text() == "my notes\n" * lines
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sessions (n INTEGER)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match=f"the file {path} is no store: another program has its data in it .sessions"):
        Store.open(file_url(path))

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["history.sqlite"]


def filled(path: Path) -> bytes:
    """Make a store with a run of many events; return its bytes."""
    store = Store.open(file_url(path))
    add(store, "r1", create(store), 1, 2000)
    store.close()
    return path.read_bytes()


def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    damaged = bytearray(filled(path))
    damaged[100:4096] = b"\xff" * 3996
    path.write_bytes(damaged)

    with pytest.raises(StoreError, match=f"the store {path} could not be used: the file is damaged"):
        Store.open(file_url(path))

    assert path.read_bytes() == bytes(damaged)


def test_a_file_that_was_cut_short_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    cut = filled(path)[:-5000]
    path.write_bytes(cut)

    with pytest.raises(StoreError, match=f"the store {path} could not be used: the file is damaged"):
        Store.open(file_url(path))

    assert path.read_bytes() == cut


def test_an_empty_file_becomes_a_store(tmp_path: Path, opened: Open) -> None:
    path = tmp_path / "runs.db"
    path.touch()

    finished(opened(file_url(path)), "r1")


def test_the_error_for_a_missing_folder_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="its folder does not exist"):
        Store.open(file_url(tmp_path / "nowhere" / "runs.db"))
    with pytest.raises(StoreError, match="it is a folder"):
        Store.open(file_url(tmp_path))


def test_a_folder_that_cannot_be_made_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / ".nbflow").write_text("a file in its place")

    with pytest.raises(StoreError, match=r"the folder .* of the store cannot be created: File exists"):
        Store.open(folder=tmp_path)


def test_a_server_that_cannot_be_reached_is_an_error_without_the_password() -> None:
    pytest.importorskip("asyncpg")

    with pytest.raises(StoreError, match="cannot be reached") as caught:
        Store.open("postgresql+asyncpg://user:secret@127.0.0.1:1/x")

    assert "secret" not in str(caught.value)


def test_without_the_driver_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(ImportError, match=r"pip install -e '\.\[postgres\]'"):
        Store.open("postgresql+asyncpg://user@localhost/x")


def journal(path: Path) -> str:
    connection = sqlite3.connect(path)
    mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    connection.close()
    return mode


def test_a_file_has_a_write_ahead_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "nbflow"):
        filled(tmp_path / "runs.db")

    assert journal(tmp_path / "runs.db") == "wal"
    assert caplog.messages == []


def test_in_a_network_folder_it_has_none_and_that_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, opened: Open
) -> None:
    mounts = [mount for mount in psutil.disk_partitions(all=True) if tmp_path.is_relative_to(mount.mountpoint)]
    monkeypatch.setattr(sqlite, "NETWORK", {max(mounts, key=lambda mount: len(mount.mountpoint)).fstype})
    path = tmp_path / "runs.db"

    with caplog.at_level(logging.WARNING, "nbflow"):
        store, other = opened(file_url(path)), None
        for n in range(20):
            finished(store, f"r{n}")
            other = other or opened(file_url(path))
            finished(other, f"s{n}")
            assert len(store.runs(limit=100).result(WAIT_S)) == 2 * n + 2

    assert journal(path) == "delete"
    assert [
        message.startswith(f"the store {path} is in a folder where SQLite cannot") for message in caplog.messages
    ] == [True]
