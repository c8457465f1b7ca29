"""Guard an SQLite file and its write-ahead log against what other programs do to them.

A log that surely belongs to another file is refused before SQLite opens the two. While a store is open, each commit and
each read checks that the file and its log are still the ones that were opened.
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

# The pairing of a file and its log.
#
# SQLite checks a write-ahead log against itself (each frame repeats the salt of the log's header and has a checksum),
# but never against the database file. A log that lies beside another file, or beside an older copy of its file, is
# copied over that file page by page, which destroys both.
#
# Therefore each log carries a random mark and names the mark of the log before it. Both are fields of page 1 that
# SQLite leaves to its users: `user_version` (the own mark) and `application_id` (the mark before). The frames of the
# log hold its copies of page 1; the file holds the mark of the last log that was copied into it:
#
#     file, page 1          log, frames of page 1                     next log
#     user_version 17       application_id 17, user_version 42        application_id 42, user_version 99
#
# A log belongs to a file if the file's mark is among the log's marks: the mark before it (nothing was copied yet), or #
# one of the log's marks (a checkpoint copied a part). While a file is open, its mark may only move forward within a
# log.
#
# A log is read with ordinary file access, because SQLite takes no locks on it. The database file is opened by SQLite
# alone: POSIX drops all locks of a process on a file when the process closes any descriptor of it.
HEAD = 32
"""The size (bytes) of the header of a log."""
_FRAME = 24
_KINDS = (b"\x37\x7f\x06\x82\x00\x2d\xe2\x18", b"\x37\x7f\x06\x83\x00\x2d\xe2\x18")
"""The first 8 bytes of a log with checksums in little-endian and in big-endian order."""
_FIRST_PAGE = (1).to_bytes(4, "big")
_OWN, _BEFORE = slice(_FRAME + 60, _FRAME + 64), slice(_FRAME + 68, _FRAME + 72)
LOOKS, AGAIN_S = 5, 0.02
"""The attempts to compare file and log, and the pause between them (s): another process may change both meanwhile."""


class Log:
    """The write-ahead log of a file, read without SQLite. Not safe for several threads at once.

    No method calls `fstat` on the open log: since Linux 6.13 that makes the next write record its time, and a durable
    commit takes 1.5 times as long.

    Raises:
        FileNotFoundError: The file has no log.
    """

    def __init__(self, path: Path) -> None:
        self.path = f"{path}-wal"
        self._file = Path(self.path).open("rb", buffering=0)  # noqa: SIM115 - open until `close`
        self._link = f"/proc/self/fd/{self._file.fileno()}"
        self._scanned, self._at = b"", HEAD
        self._marks: dict[int, None] = {}

    def head(self) -> bytes:
        """Return the header; a new log has a new one."""
        return self._read(0, HEAD)

    def size(self) -> int:
        """Return the size in bytes."""
        return self._file.seek(0, os.SEEK_END)

    def place(self) -> object:
        """Return an identity of the log's path that changes once the log is deleted or replaced."""
        try:
            return os.readlink(self._link)  # noqa: PTH115 - at every commit, and Path takes twice as long
        except OSError:
            return identity(self.path)[0]

    def marks(self) -> list[int]:
        """Return the mark of the previous log and the marks of this one, oldest first; empty if the log has none."""
        head = self.head()
        if head != self._scanned:
            self._scanned, self._at, self._marks = head, HEAD, {}
        at, step = self._at, _FRAME + int.from_bytes(head[8:12], "big")
        while is_log(head) and (frame := self._read(at, _BEFORE.stop))[8:16] == head[16:24]:
            if frame[:4] == _FIRST_PAGE:
                found = [frame[_OWN]] if self._marks else [frame[_BEFORE], frame[_OWN]]
                self._marks |= dict.fromkeys(int.from_bytes(mark, "big") for mark in found)
            at += step
            if any(frame[4:8]):  # the last frame of a commit; SQLite may still roll back the frames after it
                self._at = at
        return list(self._marks)

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def identity(path: str) -> tuple[tuple[int, int] | None, int, int]:
    """Return the inode and device of a path, None without a file, its size (bytes), and its modification time (ns)."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit, and Path takes twice as long
    except FileNotFoundError:
        return None, 0, 0
    return (found.st_ino, found.st_dev), found.st_size, found.st_mtime_ns


def is_log(head: bytes) -> bool:
    """Return whether bytes are the header of a log."""
    return head[:8] in _KINDS


def size_of(*, frames: int, page: int) -> int:
    """Return the size (bytes) of a log with a number of frames, given the size of a page."""
    return HEAD + frames * (_FRAME + page) if frames else 0


def mark(connection: sqlite3.Connection) -> None:
    """Set a new mark for the log that is being written, within the open transaction."""
    (before,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA application_id = {before}")
    connection.execute(f"PRAGMA user_version = {secrets.randbits(31)}")


def mark_of(path: Path) -> int:
    """Return the mark in the file itself, without its log.

    Raises:
        sqlite3.Error: The file is missing, or no SQLite database.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # else SQLite refuses a file that is shorter than its header
        (own,) = connection.execute("PRAGMA user_version").fetchone()
        return int(own) & 0xFFFFFFFF


def is_foreign(path: Path) -> bool:
    """Return whether the log beside a file belongs to another file, or to another version of this one."""
    try:
        with closing(Log(path)) as log, suppress(sqlite3.Error):  # opening the store refuses other files
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
    """Return whether the file at the path of the log is not a log, so that SQLite ignores it."""
    try:
        with closing(Log(path)) as log:
            head = log.head()
            return bool(head) and not is_log(head)
    except FileNotFoundError:
        return False


class Judge(Protocol):
    """SQLite, queried through a new connection, which has nothing cached."""

    def is_sound(self) -> bool:
        """Return whether the file and its log hold every page that they refer to."""

    def size_of_log(self) -> int | None:
        """Return the most bytes of the log that SQLite would read; None if it cannot read the log."""


class FileWatch:
    """Detects that an open file or its log was deleted, replaced, overwritten or cut short by another program.

    SQLite itself does not notice: it continues with the files that it opened, and would write the rest of a log over
    the rest of a file. A change in the middle of a log whose header stays is not detected; SQLite reads it unchecked
    too.
    """

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
        # SQLite ignores a file there that is not a log, and writes over it.
        self._passed_over = head if self._log and not is_log(head := self._log.head()) else b""
        self._reached = 0
        self.written: int | None = None
        """When the file itself was last written (ns): a checkpoint copied its log, so that a new log may start."""

    def look(self) -> None:
        """Check the file and its log.

        Raises:
            StoreError: Another program deleted, replaced, overwrote or cut short the file or its log.
        """
        file, size, written = identity(self._name)
        if file is None:
            raise StoreError(f"the store {self._name} was deleted while it was open; nothing more is stored in it")
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
        """Record the size of the log after a commit of this process."""
        if self._log is not None:
            with self._lock:
                self._log_size = self._log.size()

    @property
    def log_size(self) -> int:
        """The size of the log (bytes) at the last check; 0 without one."""
        return self._log_size

    @contextmanager
    def shrinking(self) -> Iterator[None]:
        """Allow this process to shorten the log within the context; checks on other threads wait."""
        with self._lock:
            yield
            if self._log is not None:
                self._log_size = self._log.size()

    def _look_at_log(self, log: Log, written: int) -> None:
        if log.place() != self._log_place:
            raise StoreError(
                f"the log {log.path} of the store was deleted while it was open; the last commits are lost. "
                "Restart this session to continue with the rest of the store"
            )
        with self._lock:
            size = log.size()
            if self._harm is None and (size < self._log_size or written != self.written or log.head() != self._head):
                self._harm = self._look_closer(log)
            self._log_size = size
        if self._harm is not None:
            raise StoreError(self._harm)

    def _look_closer(self, log: Log) -> str | None:
        """Return the message of the damage to the log, None if SQLite itself changed the log."""
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
                f"the log {log.path} of the store was overwritten while it was open; the last commits are lost. "
                "Restart this session to continue with the rest of the store"
            )
        if not self._is_pair(log, head):
            return (
                f"the store {self._name} was overwritten with another, or its log was, while it was open; nothing more "
                "is written to it. Put back a file and the log that belongs to it, then restart this session"
            )
        size = log.size()
        if size < self._log_size and not self._is_whole(log):
            return (
                f"the log {log.path} of the store was cut short while it was open, from {self._log_size} to {size} "
                "bytes; the last commits are lost. Restart this session to continue with the rest of the store"
            )
        return None

    def _is_pair(self, log: Log, head: bytes) -> bool:
        """Return whether the log belongs to this file, whose mark must not return to an earlier one of the same log."""
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

    def _is_whole(self, log: Log) -> bool:
        """Return whether a log that has become smaller holds all frames that SQLite would read.

        Another process may write while this is asked. A frame is in the log before SQLite counts it, so the log is at
        least as large as the frames that were counted before its size is read; in the other order it may seem cut.
        """
        if not self._judge.is_sound():  # querying the size would copy a part of the log into the file
            return False
        wanted = self._judge.size_of_log()
        return wanted is not None and wanted <= log.size()

    def _look_at_smaller(self, size: int) -> None:
        """Refuse a file that was cut short; a pruned one is smaller too. SQLite takes an empty file for a new one."""
        if not size or not self._judge.is_sound():
            raise StoreError(
                f"the store {self._name} was cut short while it was open, from {self._size} to {size} bytes; "
                "nothing more is written to it. Put a copy in its place, or move it away to create a new store"
            )

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()
