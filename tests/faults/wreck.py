"""Read the store that a killed process left, without changing it, and check its invariants.

A file is read from a copy, so that the resume finds the original and its write-ahead log unchanged.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fault_graph import plain

from nbflow.engine.replay import Replay
from nbflow.engine.result import Key, key_of
from nbflow.events import Event, Kind
from nbflow.scheduler import Plan, Task
from nbflow.session import Session
from nbflow.store import Store
from nbflow.store.archive import Archived, StoredRun, read
from nbflow.store.codecs import Codecs
from nbflow.store.rows import LogRow

WAIT_S = 300
ENDED = {Kind.NODE_COMPLETE, Kind.NODE_ERROR, Kind.NODE_CANCELLED}


@dataclass(frozen=True)
class Left:
    """A run as it lies in a store: rows, and all that they say, decoded."""

    archived: Archived
    rows: list[LogRow]

    @property
    def id(self) -> str:
        return self.archived.head.row.id

    @property
    def status(self) -> str:
        return self.archived.head.row.status

    @property
    def events(self) -> list[Event]:
        return self.archived.events

    def state(self, session: Session) -> dict[str, str]:
        """Return the state that its log leads to."""
        return plain(StoredRun(session.engine.plan(self.archived.graph), self.archived).state)


def look(url: str, known: set[str] | None = None) -> Left | None:
    """Return the one run of a store that is not yet known; None without one."""
    store = Store.open(url)
    try:
        ids = [row.id for row in store.runs(limit=10_000).result(WAIT_S) if row.id not in (known or ())]
        if not ids:
            return None
        (run_id,) = ids
        return Left(read(store, Codecs(), run_id), store.log(run_id).result(WAIT_S))
    finally:
        store.close()


def look_at_file(path: Path) -> Left | None:
    """Return the only run in a copy of a store's file, whose pages are sound; None without one."""
    if not path.exists():
        return None
    copy = path.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        if (path.parent / name).exists():
            shutil.copy(path.parent / name, copy / name)
    with sqlite3.connect(copy / path.name) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return look(f"sqlite+aiosqlite:///{copy / path.name}")


def has_unfinished_commit(log: Path) -> bool:
    """Return whether an SQLite write-ahead log ends in the midst of a transaction."""
    data = log.read_bytes() if log.exists() else b""
    if len(data) < 32:
        return len(data) > 0
    page, salts, at, whole = int.from_bytes(data[8:12], "big"), data[16:24], 32, True
    while at < len(data):
        head = data[at : at + 24]
        if len(head) == 24 and head[8:16] != salts:
            break  # a frame from before the log was restarted
        at += 24 + page
        whole = at <= len(data) and head[4:8] != b"\0\0\0\0"
    return not whole


def completed(events: Sequence[Event]) -> set[Key]:
    """Return the firings whose outcome is in the log, of those that a tool ran for."""
    return {
        key_of(event)
        for event in events
        if (event.kind is Kind.NODE_COMPLETE or (event.kind is Kind.NODE_ERROR and event.data["handled"]))
        and not event.data.get("derived")
    }


def standing(plan: Plan, initial: Mapping[str, Any], events: Sequence[Event]) -> set[Key]:
    """Return the firings that a replay of events says are to run."""
    replay = Replay(plan, initial)
    replay.feed(events)
    tasks = [answer for answer in replay.open_commands() if isinstance(answer, Task)]
    return {(task.scope, task.firing, task.item) for task in tasks}


def before_last_sitting(events: Sequence[Event]) -> Sequence[Event]:
    """Return the events before the last resume of the run."""
    seqs = [event.seq for event in events if event.kind is Kind.EXECUTION_RESUMED]
    return events[: seqs[-1] - 1] if seqs else ()


def check_whole(left: Left) -> None:
    """Check that the log has no gap and no torn row, and that starts and ends of attempts belong together."""
    assert [row.seq for row in left.rows] == list(range(1, len(left.rows) + 1))
    assert left.archived.notes == []
    if left.rows:
        assert left.events[0].kind is Kind.EXECUTION_START
    tried: Counter[Key] = Counter()
    live: dict[Key, int] = {}
    done: set[Key] = set()
    for event in left.events:
        if event.kind is Kind.EXECUTION_RESUMED:
            live.clear()
        elif event.kind is Kind.NODE_START:
            key = key_of(event)
            assert key not in live.keys() | done, event
            tried[key] += 1
            live[key] = event.data["attempt"]
            assert event.data["attempt"] == tried[key], event
        elif event.kind is Kind.NODE_RETRY:
            assert live.pop(key_of(event)) + 1 == event.data["attempt"], event
        elif event.kind in ENDED:
            key = key_of(event)
            began = live.pop(key, None)
            assert began == event.data["attempt"] or (began is None and event.data.get("derived")), event
            assert key not in done, event
            done.add(key)
    if left.status == "completed":
        assert not live
    nodes = sum(event.kind is Kind.NODE_COMPLETE and "item" not in event.data for event in left.events)
    assert left.archived.head.row.nodes == nodes
