"""File permissions of a store: its owner alone can read it, whatever the umask.

Rule: a file is created with its final mode, so that it is never wider for a moment. SQLite gives `-wal`, `-shm` and
`-journal` the mode of the main file (`findCreateFileMode` in its `os_unix.c`), also when it creates them again.

Where the system has no POSIX modes, as on Windows, nothing here has an effect.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from threading import Lock

from nbflow.store.places import FOLDER

FOLDER_MODE, FILE_MODE = 0o700, 0o600
_BESIDE = ("", "-wal", "-shm", "-journal")
logger = logging.getLogger("nbflow")
_creating = Lock()


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, where it does not exist; its parents follow the umask.

    Raises:
        OSError: It cannot be created.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        folder.chmod(FOLDER_MODE)  # the umask may have taken rights from the owner too


def make_file(path: Path, content: bytes = b"") -> None:
    """Create a file that only its owner can read, where it does not exist.

    Raises:
        OSError: It cannot be created.
    """
    # SQLite's locks on a file end when any descriptor of it in the process is closed, so no other thread may get to
    # know the new file before this one is closed.
    with _creating, suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, FILE_MODE)  # as above
            file.write(content)


def make_private(path: Path) -> None:
    """Take the rights of group and others from a store's file and the files that SQLite has beside it.

    The folder loses them too if it is nbflow's own (`.nbflow`). Files of another owner keep their modes.
    """
    if path.parent.name == FOLDER:
        _tighten(path.parent)
        _tighten(path.with_name(".gitignore"))
    for suffix in _BESIDE:
        _tighten(path.with_name(path.name + suffix))


def _tighten(path: Path) -> None:
    """Take the rights of group and others from a file or folder of this process's user."""
    if os.name != "posix":
        return
    try:
        found = path.stat()
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(stat.S_IMODE(found.st_mode) & 0o700)
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning(
            "other users may be able to read %s: its permissions cannot be changed (%s)", path, error.strerror
        )
