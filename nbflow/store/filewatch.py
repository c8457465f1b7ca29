"""Whether an SQLite file, with the write-ahead log beside it, is still the one that was opened.

Rule: this looks from outside, as SQLite goes on with the files that it opened: it would write what is left of a log
over what is left of a file. The file itself is never opened here: to close it would give up SQLite's locks.

What is changed in the midst of a log, its beginning left as it was, is not seen: SQLite too reads it unchecked.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Protocol

from nbflow.errors import StoreError
from nbflow.store.logmarks import AGAIN_S, LOOKS, Log, identity, is_log, mark_of


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
