"""Which write-ahead log belongs to which SQLite file.

SQLite checks a log against itself and never against the file: one that lies beside another file, or beside an older
copy of its own, is written over that page by page. So a log bears a mark drawn at random, and names the one before it,
in two fields of the file's first page that SQLite leaves to its users: `user_version` and `application_id`. The file
itself has the mark of the last log that went into it.

Rule: a log is refused if it surely belongs to another file; one without a mark is taken as it is. SQLite has no lock on
a log, so that may be opened and closed; the file itself is opened by SQLite alone.


Whether an SQLite file, with the write-ahead log beside it, is still the one that was opened.

Rule: this looks from outside, as SQLite goes on with the files that it opened: it would write what is left of a log
over what is left of a file. The file itself is never opened here: to close it would give up SQLite's locks.

What is changed in the midst of a log, its beginning left as it was, is not seen: SQLite too reads it unchecked.

"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Protocol

from nbflow.errors import StoreError

HEAD = 32
_FRAME = 24
_KINDS = (b"\x37\x7f\x06\x82\x00\x2d\xe2\x18", b"\x37\x7f\x06\x83\x00\x2d\xe2\x18")
"""How logs begin, by the order of bytes of the machine that made them."""
_FIRST_PAGE = (1).to_bytes(4, "big")
_OWN, _BEFORE = slice(_FRAME + 60, _FRAME + 64), slice(_FRAME + 68, _FRAME + 72)
LOOKS, AGAIN_S = 5, 0.02
"""Another process may move both on between a look at the file and one at the log; then they are looked at again."""


class Log:
    """The log of a file, read from outside. Not for several threads at once.

    Nothing here asks `stat` of an open log: since Linux 6.13 the next write then notes its time too, which makes a
    durable commit take half as long again.

    Raises:
        FileNotFoundError: It has none.
    """

    def __init__(self, path: Path) -> None:
        self.path = f"{path}-wal"
        self._file = Path(self.path).open("rb", buffering=0)  # noqa: SIM115 - looked at until `close`
        self._link = f"/proc/self/fd/{self._file.fileno()}"
        self._scanned, self._at = b"", HEAD
        self._marks: dict[int, None] = {}

    def head(self) -> bytes:
        """Return how it begins: another beginning is another log."""
        return self._read(0, HEAD)

    def size(self) -> int:
        """Return its size in bytes."""
        return self._file.seek(0, os.SEEK_END)

    def place(self) -> object:
        """Return what is another once the log is deleted, or another file is in its place."""
        try:
            return os.readlink(self._link)  # noqa: PTH115 - at every commit, and Path takes twice as long
        except OSError:
            return identity(self.path)[0]

    def marks(self) -> list[int]:
        """Return the marks that are in it, oldest first, after that of the log before it; none where it bears none."""
        head = self.head()
        if head != self._scanned:
            self._scanned, self._at, self._marks = head, HEAD, {}
        at, step = self._at, _FRAME + int.from_bytes(head[8:12], "big")
        while is_log(head) and (frame := self._read(at, _BEFORE.stop))[8:16] == head[16:24]:
            if frame[:4] == _FIRST_PAGE:
                found = [frame[_OWN]] if self._marks else [frame[_BEFORE], frame[_OWN]]
                self._marks |= dict.fromkeys(int.from_bytes(mark, "big") for mark in found)
            at += step
            if any(frame[4:8]):  # the end of a commit; what follows may yet be undone
                self._at = at
        return list(self._marks)

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


def identity(path: str) -> tuple[tuple[int, int] | None, int, int]:
    """Return which file lies there, None without one, its size, and when it was written (ns)."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit, and Path takes twice as long
    except FileNotFoundError:
        return None, 0, 0
    return (found.st_ino, found.st_dev), found.st_size, found.st_mtime_ns


def is_log(head: bytes) -> bool:
    """Return whether a log begins so."""
    return head[:8] in _KINDS


def size_of(*, frames: int, page: int) -> int:
    """Return the size (bytes) of a log of so many pages of a size."""
    return HEAD + frames * (_FRAME + page) if frames else 0


def mark(connection: sqlite3.Connection) -> None:
    """Give the log that is written now a mark of its own, in the transaction that is open."""
    (before,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA application_id = {before}")
    connection.execute(f"PRAGMA user_version = {secrets.randbits(31)}")


def mark_of(path: Path) -> int:
    """Return the mark that the file itself has, whatever its log says.

    Raises:
        sqlite3.Error: It is no file of SQLite, or is not there.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # else a file shorter than its head says cannot be asked
        (own,) = connection.execute("PRAGMA user_version").fetchone()
        return int(own) & 0xFFFFFFFF


def is_foreign(path: Path) -> bool:
    """Return whether the log that lies beside a file belongs to another, or to this one as it was at another time."""
    try:
        with closing(Log(path)) as log, suppress(sqlite3.Error):  # what is no file of SQLite, its opening refuses
            for _ in range(LOOKS):
                own, marks = mark_of(path), log.marks()
                if not marks or own in marks:
                    return False
                time.sleep(AGAIN_S)
            return True
    except FileNotFoundError:
        pass
    return False


def is_damaged(path: Path) -> bool:
    """Return whether what lies beside a file as its log is none, so that SQLite passes over it."""
    try:
        with closing(Log(path)) as log:
            head = log.head()
            return bool(head) and not is_log(head)
    except FileNotFoundError:
        return False


class Judge(Protocol):
    """SQLite, asked by a connection that remembers nothing."""

    def is_sound(self) -> bool:
        """Return whether the file holds all that its head and its log speak of."""

    def size_of_log(self) -> int | None:
        """Return how many bytes of log SQLite would read, at the most; None where it cannot read them."""


class FileWatch:
    """Looks at the file and at its log, where there is one."""

    def __init__(self, path: Path, judge: Judge) -> None:
        self._path, self._judge = path, judge
        self._name = os.fspath(path)
        self._file, self._size, _ = identity(self._name)
        self._lock = Lock()
        self._harm: str | None = None
        try:
            self._log: Log | None = Log(path)
        except FileNotFoundError:
            self._log = None
            self._log_place, self._log_size = None, 0
        else:
            self._log_place, self._log_size = self._log.place(), self._log.size()
        self._head = b""
        # What was there and is no log is nothing to SQLite, which writes over it.
        self._passed_over = head if self._log and not is_log(head := self._log.head()) else b""
        self._reached = 0
        self.written: int | None = None
        """When the file itself was written last, in which its log went into it, so that a new one may begin."""

    def look(self) -> None:
        """Raise StoreError if the file was deleted, replaced or cut short, or its log is not as SQLite left it."""
        file, size, written = identity(self._name)
        if file is None:
            raise StoreError(f"the store {self._name} was deleted while it was open; nothing more is kept in it")
        if file != self._file:
            raise StoreError(
                f"the store {self._name} was replaced by another while it was open; nothing was written to that one"
            )
        if size < self._size:
            self._look_at_smaller(size)
        self._size = size
        if self._log is not None:
            self._look_at_log(self._log, written)

    def written_to(self) -> None:
        """Know the log as it is now, after a commit of this process."""
        if self._log is not None:
            with self._lock:
                self._log_size = self._log.size()

    @property
    def log_size(self) -> int:
        """The size of the log (bytes) when it was looked at last; 0 without one."""
        return self._log_size

    @contextmanager
    def shrinking(self) -> Iterator[None]:
        """Let this process shorten the log within; who looks at it meanwhile waits."""
        with self._lock:
            yield
            if self._log is not None:
                self._log_size = self._log.size()

    def _look_at_log(self, log: Log, written: int) -> None:
        if log.place() != self._log_place:
            raise StoreError(
                f"the log {log.path} of the store was deleted while it was open; what was committed last is lost. "
                "Restart this session to go on with what the store itself holds"
            )
        with self._lock:
            size = log.size()
            if self._harm is None and (size < self._log_size or written != self.written or log.head() != self._head):
                self._harm = self._look_closer(log)
            self._log_size = size
        if self._harm is not None:
            raise StoreError(self._harm)

    def _look_closer(self, log: Log) -> str | None:
        """Return what befell the log, None if SQLite itself changed it."""
        problem = None
        for _ in range(LOOKS):
            written, head = identity(self._name)[2], log.head()
            problem = self._problem(log, head)
            if problem is None:
                self.written, self._head = written, head
                if is_log(head):
                    self._passed_over = b""
                return None
            time.sleep(AGAIN_S)
        return problem

    def _problem(self, log: Log, head: bytes) -> str | None:
        if not is_log(head) and head not in (b"", self._passed_over):
            return (
                f"the log {log.path} of the store was overwritten while it was open; what was committed last is lost. "
                "Restart this session to go on with what the store itself holds"
            )
        if not self._is_pair(log, head):
            return (
                f"the store {self._name} was overwritten with another, or its log was, while it was open; nothing more "
                "is written to it. Put back a file and the log that belongs to it, then restart this session"
            )
        size = log.size()
        if size < self._log_size and not self._is_whole(size):
            return (
                f"the log {log.path} of the store was cut short while it was open, from {self._log_size} to {size} "
                "bytes; what was committed last is lost. Restart this session to go on with what the store itself holds"
            )
        return None

    def _is_pair(self, log: Log, head: bytes) -> bool:
        """Return whether the log goes into this file, whose mark never becomes an earlier one of the same log."""
        try:
            own, marks = mark_of(self._path), log.marks()
        except sqlite3.Error:
            return False
        least = self._reached if head == self._head else 0
        at = 0 if not marks else marks.index(own) if own in marks else -1
        if at < least:
            return False
        self._reached = at
        return True

    def _is_whole(self, size: int) -> bool:
        """Return whether a log that is smaller than it was holds all that SQLite would read of it."""
        if not self._judge.is_sound():  # then to ask for the size would bring a part of the log into the file
            return False
        wanted = self._judge.size_of_log()
        return wanted is not None and wanted <= size

    def _look_at_smaller(self, size: int) -> None:
        """Tell a file that was pruned from one that was cut short. SQLite takes an empty one for new."""
        if not size or not self._judge.is_sound():
            raise StoreError(
                f"the store {self._name} was cut short while it was open, from {self._size} to {size} bytes; "
                "nothing more is written to it. Put a copy in its place, or move it away to begin a new one"
            )

    def close(self) -> None:
        """Let go of the log."""
        if self._log is not None:
            self._log.close()
