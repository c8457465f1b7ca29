"""The location of a store: its URL or its default file, and the permissions of its files.

No part of a URL is ignored. A part that SQLAlchemy would ignore or misread, such as a file name after two slashes or an
unknown option, is an error that names the URL without its password, and the correct form.

Only the owner of a store can read its files, with any umask. A file is created with its final mode, so that it is never
more widely readable for a moment. SQLite gives `-wal`, `-shm` and `-journal` the mode of the main file, also when it
creates them again (`findCreateFileMode` in its `os_unix.c`). On systems without POSIX modes, such as Windows,
permissions are not changed.

Invariant: this module loads no package of a database until a URL is parsed.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import stat
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from nbflow.errors import StoreError, did_you_mean, name_list
from nbflow.errors.extras import install, needs

if TYPE_CHECKING:
    from sqlalchemy import URL

NOT_SQLITE = "it is no SQLite database, or its header is damaged. It was not changed; choose another file"
SQLITE, POSTGRES = "sqlite+aiosqlite", "postgresql+asyncpg"
FORMS = f"{SQLITE}:///FILE, with four slashes for a whole path, or {POSTGRES}://USER:PASSWORD@HOST/DATABASE"
_OPTIONS = {
    "host", "port", "user", "password", "database", "passfile", "service", "servicefile", "ssl",
    "target_session_attrs", "krbsrvname", "gsslib", "prepared_statement_cache_size",
}  # fmt: skip
"""The options that SQLAlchemy passes to asyncpg as text; asyncpg's other options take numbers, which a URL has not."""
_SSL = ("disable", "prefer", "allow", "require", "verify-ca", "verify-full")
_PASSWORD = re.compile(r":(?!//).*@", re.DOTALL)
_SECRET_OPTION = re.compile(r"([?&][^=&]*pass(?:word|wd)?=)[^&]*", re.IGNORECASE)


def shown(url: str) -> str:
    """Return a URL, valid or not, without its passwords."""
    return _SECRET_OPTION.sub(r"\1***", _PASSWORD.sub(":***@", url))


def parsed(url: str) -> URL:
    """Parse the URL of a store.

    Raises:
        StoreError: The URL is not valid.
        ImportError: The driver of its database is not installed.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        read = make_url(url)
    except (ArgumentError, ValueError) as error:
        # SQLAlchemy raises ValueError for a port that is not a number.
        raise StoreError(f"the URL of the store cannot be read: {shown(url)!r}; it is {FORMS}") from error
    fault = _scheme_fault(read, url) or (_file_fault(read) if read.drivername == SQLITE else _server_fault(read))
    if fault:
        raise StoreError(f"the URL of the store, {shown(url)!r}, is not understood: {fault}. It is {FORMS}")
    if read.drivername == POSTGRES and find_spec("asyncpg") is None:
        raise ImportError(needs(f"a store in PostgreSQL, {shown(url)!r},", "postgres"))
    return read


def file_in(url: URL) -> Path | None:
    """Return the file of a URL, None for a store in memory or on a server."""
    if url.drivername != SQLITE or url.database in (None, "", ":memory:"):
        return None
    return Path(url.database or "").absolute()


def refuse_place(path: Path) -> None:
    """Refuse a path that cannot be a file.

    Raises:
        StoreError: The path is a folder, or its parent folder does not exist.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise StoreError(f"the store {path} cannot be opened: it is a folder, or its folder does not exist; create it")


def refuse_other_file(path: Path) -> None:
    """Refuse a file that SQLite cannot read, before a run starts that would be stored there.

    Only SQLite opens the file: POSIX drops all locks of a process on a file when the process closes any descriptor of
    it. A file with a log beside it is an SQLite database; it is checked when the store opens, so that SQLite copies no
    log into a file that the log does not belong to.

    Raises:
        StoreError: The file is not an SQLite database.
    """
    if not path.is_file() or not path.stat().st_size or path.with_name(f"{path.name}-wal").exists():
        return
    with suppress(sqlite3.OperationalError):  # a locked file, for example: opening the store waits for it
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0)
        try:
            connection.execute("PRAGMA schema_version")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise StoreError(f"the store {path} could not be used: {NOT_SQLITE} ({error})") from error
        finally:
            connection.close()


def _scheme_fault(url: URL, text: str) -> str | None:
    if url.drivername in (SQLITE, POSTGRES):
        return None
    backend = url.drivername.partition("+")[0]
    wanted = {"sqlite": SQLITE, "postgres": POSTGRES, "postgresql": POSTGRES}.get(backend)
    known = f"; write {shown(text).replace(url.drivername, wanted, 1)}" if wanted else ""
    known = known or did_you_mean(url.drivername, (SQLITE, POSTGRES))
    if wanted == POSTGRES and find_spec("asyncpg") is None:
        known += f", which needs the extra 'postgres': {install('postgres')}"
    return f"a store cannot be in {url.drivername!r}{known}"


def _file_fault(url: URL) -> str | None:
    path = "/".join(filter(None, (url.host, url.database)))
    if url.host or url.username or url.password or url.port:
        return f"two slashes are followed by a server, which a file does not have; write {SQLITE}:///{path}"
    if url.query:
        return f"a file has no options, and {name_list(map(repr, url.query))} is one"
    if url.database == "":
        return f"the file's name is missing; {SQLITE}:// alone is a store in memory"
    if url.database and (url.database.startswith(("file:", "~")) or url.database.endswith(("/", "\\"))):
        return f"{url.database!r} is no path of a file; write the full path"
    return None


def _server_fault(url: URL) -> str | None:
    if "sslmode" in url.query:
        return f"the option 'sslmode' is called 'ssl' here; write ssl={_last(url.query['sslmode'])}"
    unknown = [name for name in url.query if name not in _OPTIONS]
    if unknown:
        near = did_you_mean(unknown[0], _OPTIONS)
        return f"it has no option {unknown[0]!r}{near}; known options: {name_list(sorted(_OPTIONS), most=20)}"
    for name, value in url.query.items():
        if not isinstance(value, str) and name not in ("host", "port"):
            return f"the option {name!r} is given twice"
    if (ssl := url.query.get("ssl")) is not None and ssl not in _SSL:
        return f"ssl={ssl} is none of {', '.join(_SSL)}"
    count = url.query.get("prepared_statement_cache_size", "0")
    if not str(count).isdecimal():
        return f"prepared_statement_cache_size={count} is no number"
    return None


def _last(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else value[-1]


FOLDER, FILE_NAME = ".nbflow", "nbflow.db"


def default_file(folder: Path | None) -> Path:
    """Return the default file of a store in a folder, by default the working directory."""
    return (folder or Path.cwd()).absolute() / FOLDER / FILE_NAME


FOLDER_MODE, FILE_MODE = 0o700, 0o600
_BESIDE = ("", "-wal", "-shm", "-journal")
logger = logging.getLogger("nbflow")
_creating = Lock()


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, if it does not exist; its parents follow the umask.

    Raises:
        OSError: The folder cannot be created.
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
    """Create a file that only its owner can read, if it does not exist.

    Raises:
        OSError: The file cannot be created.
    """
    # SQLite's locks on a file end when any descriptor of it in the process is closed, so no other thread may open the
    # new file before this descriptor is closed.
    with _creating, suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, FILE_MODE)  # as above
            file.write(content)


def make_private(path: Path) -> None:
    """Remove the permissions of group and others from a store's file and the files that SQLite has beside it.

    The folder loses them too if it is nbflow's own (`.nbflow`). Files of another owner are not changed.
    """
    if path.parent.name == FOLDER:
        _tighten(path.parent)
        _tighten(path.with_name(".gitignore"))
    for suffix in _BESIDE:
        _tighten(path.with_name(path.name + suffix))


def _tighten(path: Path) -> None:
    """Remove the permissions of group and others from a file or folder of this process's user."""
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
