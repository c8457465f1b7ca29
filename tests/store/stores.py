"""Helpers for tests of the store: runs, rows and batches by number, and stores on real files, processes and servers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from nbflow.errors import StoreError
from nbflow.store import Store
from nbflow.store.rows import Batch, Blob, Ending, GraphRow, LogRow, NewRun

WAIT_S = 300
GRAPH = GraphRow("g", "hash of g", '{"name": "g"}')


def new_run(run_id: str = "r1", **changed: Any) -> NewRun:
    """Return a run at its start."""
    given = {"graph": GRAPH, "subgraphs": "{}", "initial": '{"n": 1}', "started": 1000.0, "durability": "async"}
    return NewRun(run_id, **(given | changed))


def row(seq: int) -> LogRow:
    """Return an event that is like no other."""
    return LogRow(seq, "node_start", 1000.0 + seq, f"node_{seq}", f'{{"n": {seq}}}')


def batch(first: int, last: int, **more: Any) -> Batch:
    """Return the events from `first` to `last`."""
    return Batch(tuple(row(seq) for seq in range(first, last + 1)), **more)


def blob(text: str) -> Blob:
    """Return a value whose hash is its own text."""
    return Blob(f"hash of {text}", "json", text.encode())


def create(store: Store, run_id: str = "r1", **changed: Any) -> int:
    """Insert a run; return its epoch."""
    return store.create(lambda: new_run(run_id, **changed)).result(WAIT_S)


def add(store: Store, run_id: str, epoch: int, first: int, last: int, **more: Any) -> Batch:
    """Add events to a run, and wait for them."""
    durable = more.pop("durable", False)
    return store.append(run_id, epoch, lambda: batch(first, last, **more), durable=durable).result(WAIT_S)


def refused(store: Store, first: int = 4, run_id: str = "r1") -> str:
    """Return the error that an append gets."""
    error = store.append(run_id, 1, lambda: batch(first, first)).exception(WAIT_S)
    assert isinstance(error, StoreError)
    return str(error)


def end(store: Store, run_id: str, epoch: int, seq: int, status: str = "completed") -> None:
    """End a run with its last event."""
    add(store, run_id, epoch, seq, seq, ending=Ending(status, 1009.0, 9.0, '{"n": 2}', None))


def finished(store: Store, run_id: str, **changed: Any) -> None:
    """Insert a run of one event."""
    end(store, run_id, create(store, run_id, **changed), 1)


def seqs(store: Store, run_id: str, **part: Any) -> list[int]:
    """Return the numbers of a run's events."""
    return [entry.seq for entry in store.log(run_id, **part).result(WAIT_S)]


def file_url(path: Path) -> str:
    """Return the URL of a file."""
    return f"sqlite+aiosqlite:///{path}"


def log_of(path: Path) -> Path:
    """Return the path of the write-ahead log of a file."""
    return path.with_name(f"{path.name}-wal")


def checkpoint(store: Store, kind: str = "TRUNCATE") -> None:
    """Move the log of a store into its file."""
    busy, *_ = store._database._connection.driver.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()
    assert not busy


def is_sound(path: Path) -> bool:
    """Return whether SQLite finds nothing wrong with a file."""
    with sqlite3.connect(path) as connection:
        found: tuple[str] = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return found == ("ok",)


def process(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process of Python that shares this module."""
    head = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom stores import *\nargs = sys.argv[1:]\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def line_of(started: subprocess.Popen[str]) -> str:
    """Wait for the next line that a process prints."""
    assert started.stdout is not None
    line = started.stdout.readline()
    assert line, started.communicate()[1]
    return line.strip()


def go_on(started: subprocess.Popen[str]) -> None:
    """Send the line that a process waits for."""
    assert started.stdin is not None
    started.stdin.write("\n")
    started.stdin.flush()


def at_once(started: list[subprocess.Popen[str]]) -> None:
    """Wait until all processes are ready, then release them at the same moment."""
    for each in started:
        assert line_of(each) == "ready"
    for each in started:
        go_on(each)


def result_of(started: subprocess.Popen[str]) -> str:
    """Wait for a process to end well; return what it printed."""
    out, err = started.communicate(timeout=WAIT_S)
    assert started.returncode == 0, err
    return out.strip()
