"""Whether an SQLite file is still the one that was opened.

Rule: this looks at the file from outside, as SQLite goes on with the one that it opened, and never opens it: to close
it again would give up SQLite's locks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from nbflow.errors import StoreError


class FileWatch:
    """Looks at the file and at its write-ahead log, where there is one; `is_sound` reads all of it by SQLite."""

    def __init__(self, path: Path, is_sound: Callable[[], bool]) -> None:
        self._path, self._is_sound = os.fspath(path), is_sound
        self._log = f"{self._path}-wal"
        self._file, self._size = _identity(self._path)
        self._log_file = _identity(self._log)[0]

    def look(self) -> None:
        """Raise StoreError if the file was deleted, replaced or cut short, or its log was deleted."""
        file, size = _identity(self._path)
        if file is None:
            raise StoreError(f"the store {self._path} was deleted while it was open; nothing more is kept in it")
        if file != self._file:
            raise StoreError(
                f"the store {self._path} was replaced by another while it was open; nothing was written to that one"
            )
        if size < self._size:
            self._look_at_smaller(size)
        self._size = size
        if self._log_file is not None and _identity(self._log)[0] != self._log_file:
            raise StoreError(
                f"the log {self._log} of the store was deleted while it was open; what was committed last is lost. "
                "Restart this session to go on with what the store itself holds"
            )

    def _look_at_smaller(self, size: int) -> None:
        """Tell a file that was pruned from one that was cut short. SQLite takes an empty one for new."""
        if not size or not self._is_sound():
            raise StoreError(
                f"the store {self._path} was cut short while it was open, from {self._size} to {size} bytes; "
                "nothing more is written to it. Put a copy in its place, or move it away to begin a new one"
            )


def _identity(path: str) -> tuple[tuple[int, int] | None, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit, and Path takes twice as long
    except FileNotFoundError:
        return None, 0
    return (found.st_ino, found.st_dev), found.st_size
