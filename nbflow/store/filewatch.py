"""Whether an SQLite file is still the one that was opened.

Rule: nothing here asks SQLite, which keeps its own file open and knows nothing of what is at the path by now.
"""

from __future__ import annotations

import os
from pathlib import Path

from nbflow.errors import StoreError

MAGIC = b"SQLite format 3\0"


class FileWatch:
    """Looks at the file and at its write-ahead log, where there is one."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._log = f"{self._path}-wal"
        self._file, self._size = _identity(self._path)
        self._log_file = _identity(self._log)[0]

    def look(self) -> None:
        """Raise StoreError if the file was deleted, replaced or cut short, or its log was."""
        file, size = _identity(self._path)
        if file is None:
            raise StoreError(f"the store {self._path} was deleted while it was open; nothing more is kept in it")
        if file != self._file:
            raise StoreError(
                f"the store {self._path} was replaced by another while it was open; nothing was written to that one"
            )
        if size < self._size and not is_whole(self._path):
            raise StoreError(
                f"the store {self._path} was cut short while it was open, from {self._size} to {size} bytes; "
                "nothing more is written to it. Put a copy in its place, or move it away to begin a new one"
            )
        self._size = size
        if self._log_file is not None and _identity(self._log)[0] != self._log_file:
            raise StoreError(
                f"the log {self._log} of the store was deleted while it was open; what was committed last is lost. "
                "Restart this session to go on with what the store itself holds"
            )


def is_whole(path: str | Path) -> bool:
    """Return whether a file is as long as its head says, and of SQLite at all."""
    with Path(path).open("rb") as file:
        head = file.read(32)
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    return head[:16] == MAGIC and Path(path).stat().st_size >= page * int.from_bytes(head[28:32], "big")


def _identity(path: str) -> tuple[tuple[int, int] | None, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit, and Path takes twice as long
    except FileNotFoundError:
        return None, 0
    return (found.st_ino, found.st_dev), found.st_size
