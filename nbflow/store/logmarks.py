"""Which write-ahead log belongs to which SQLite file.

SQLite checks a log against itself and never against the file: one that lies beside another file, or beside an older
copy of its own, is written over that page by page. So a log bears a mark drawn at random, and names the one before it,
in two fields of the file's first page that SQLite leaves to its users: `user_version` and `application_id`. The file
itself has the mark of the last log that went into it.

Rule: a log is refused if it surely belongs to another file; one without a mark is taken as it is. SQLite has no lock on
a log, so that may be opened and closed; the file itself is opened by SQLite alone.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

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
