"""File permissions: only the owner of a store can read it, under any umask and any earlier modes."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stores import finished

from nbflow.errors import StoreError
from nbflow.store import Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX has these modes")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the mode of everything in a folder, and as `.` its own."""
    found = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    return {".": stat.S_IMODE(folder.stat().st_mode), **found}


def file_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_only_its_owner_can_read_a_new_store_under_any_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        store = Store.open(folder=tmp_path)
        finished(store, "r1")
        found = modes(tmp_path / ".nbflow")
        store.close()

    assert found == {
        ".": 0o700,
        ".gitignore": 0o600,
        "nbflow.db": 0o600,
        "nbflow.db-wal": 0o600,
        "nbflow.db-shm": 0o600,
    }


def test_no_file_of_a_new_store_is_wider_for_a_moment(tmp_path: Path) -> None:
    watch = (
        "import os, sys\n"
        "wide = set()\n"
        "def hook(event, args):\n"
        "    if event in ('open', 'sqlite3.connect', 'sqlite3.connect/handle', 'os.chmod', 'os.mkdir'):\n"
        "        for base, folders, files in os.walk('.nbflow'):\n"
        "            for path in [base, *(os.path.join(base, name) for name in files)]:\n"
        "                try:\n"
        "                    mode = os.stat(path).st_mode & 0o077\n"
        "                except FileNotFoundError:\n"
        "                    continue\n"
        "                if mode:\n"
        "                    wide.add((path, oct(mode)))\n"
        "from nbflow.store import Store\n"
        "os.umask(0)\n"
        "sys.addaudithook(hook)\n"
        "store = Store.open()\n"
        "store.close()\n"
        "print(sorted(wide))\n"
    )

    done = subprocess.run([sys.executable, "-c", watch], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_store_of_before_with_wider_modes_is_tightened_when_it_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / ".nbflow"
    Store.open(folder=tmp_path).close()
    folder.chmod(0o755)
    for each in folder.iterdir():
        each.chmod(0o644)

    with umask(0):
        store = Store.open(folder=tmp_path)
        finished(store, "r1")
        found = modes(folder)
        store.close()

    assert {name: mode & 0o077 for name, mode in found.items()} == dict.fromkeys(found, 0)
    assert "nbflow.db-wal" in found


def test_a_log_left_by_a_killed_process_is_tightened_too(tmp_path: Path) -> None:
    code = "import os; os.umask(0)\nfrom nbflow.store import Store\nstore = Store.open()\nos._exit(0)\n"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    log = tmp_path / ".nbflow" / "nbflow.db-wal"
    assert log.exists()
    log.chmod(0o666)

    store = Store.open(folder=tmp_path)
    found = modes(tmp_path / ".nbflow")
    store.close()

    assert found["nbflow.db-wal"] == 0o600


def test_the_mode_of_a_users_folder_is_unchanged_and_the_files_in_it_are_private(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o775)
    beside = shared / "notes.txt"
    beside.touch()
    beside.chmod(0o664)

    with umask(0):
        store = Store.open(file_url(shared / "runs.db"))
        finished(store, "r1")
        found = modes(shared)
        store.close()

    own = {"runs.db": 0o600, "runs.db-wal": 0o600, "runs.db-shm": 0o600}
    assert found == {".": 0o775, "notes.txt": 0o664, **own}


def test_parents_of_the_folder_follow_the_umask(tmp_path: Path) -> None:
    with umask(0o022):
        Store.open(folder=tmp_path / "project").close()

    assert stat.S_IMODE((tmp_path / "project").stat().st_mode) == 0o755


def test_a_file_of_another_program_is_refused_and_its_mode_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (n)")
    connection.close()
    path.chmod(0o644)

    with pytest.raises(StoreError, match="no store"):
        Store.open(file_url(path))

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_read_only_store_gains_no_rights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Store.open(folder=tmp_path).close()
    path = tmp_path / ".nbflow" / "nbflow.db"
    path.chmod(0o444)

    with caplog.at_level(logging.WARNING, "nbflow"):
        try:
            Store.open(folder=tmp_path).close()
        except StoreError:
            pass  # who is not root cannot write it

    assert stat.S_IMODE(path.stat().st_mode) & ~0o400 == 0


def test_many_threads_that_open_a_new_store_at_once_all_have_it(tmp_path: Path) -> None:
    made: list[Store] = []
    threads = [threading.Thread(target=lambda: made.append(Store.open(folder=tmp_path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number, store in enumerate(made):
        finished(store, f"r{number}")
    assert len(made[0].runs().result()) == 6
    for store in made:
        store.close()
