"""From a URL to an open database: made, or brought to the newest version, or refused.

Rule: what is not ours is refused before anything is written to it. An SQLite file is only ever opened by SQLite: as
POSIX has it, to close a file is to give up all locks on it, those of every other connection in the process too.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
from sqlalchemy import Connection, inspect, text

from nbflow.errors import StoreError
from nbflow.installing import UPGRADE
from nbflow.store.delays import delay_logged
from nbflow.store.faults import holders, is_locked, of_file, told
from nbflow.store.logmarks import is_damaged, is_foreign
from nbflow.store.models import SCHEMA, VERSION_TABLE
from nbflow.store.patience import patiently
from nbflow.store.permissions import make_file, make_folder, make_private
from nbflow.store.places import default_file
from nbflow.store.sqlite_writer import SqliteConnection, SqliteDatabase
from nbflow.store.url import SERVER, file_in, parsed, refuse_place
from nbflow.store.writer import Database

# Several machines may mount these, and the write-ahead log lies in memory that they do not share.
NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afpfs",
    "9p",
    "fuse.sshfs",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "afs",
}
logger = logging.getLogger("nbflow")


def open_database(url: str | None, folder: Path | None) -> Database:
    """Open the store at a URL; without one the file in `folder`, or in the folder of work.

    Raises:
        StoreError: The URL is not understood; the store is of a newer version, damaged, not ours, or not reached.
    """
    if url is None:
        return open_file(_made(default_file(folder)))
    read = parsed(url)
    if read.drivername == SERVER:
        from nbflow.store.postgres_writer import PostgresDatabase

        return PostgresDatabase.open(read, bring_up)
    file = file_in(read)
    return _in_memory() if file is None else open_file(file)


def _made(file: Path) -> Path:
    """Return the file once its folder is there, a hidden one that version control passes over."""
    hidden = file.parent
    try:
        make_folder(hidden)
        make_file(hidden / ".gitignore", b"*\n")
    except OSError as error:
        raise StoreError(
            f"no folder {hidden} can be made for the store: {error.strerror}; set NBFLOW_DATABASE_URL"
        ) from error
    return file


def open_file(path: Path) -> SqliteDatabase:
    """Open or make a file."""
    refuse_place(path)
    began = time.monotonic()

    def explain(error: BaseException) -> StoreError | None:
        return of_file(error, str(path), time.monotonic() - began)

    waits = delay_logged(f"the store {path} is locked or slow, and has not opened", lambda: holders(str(path)))
    with told(explain, doing=f"opening the store {path}"), waits:
        return patiently(is_locked)(_open_file, path)


def _open_file(path: Path) -> SqliteDatabase:
    _refuse_foreign_log(path)
    with suppress(OSError):  # SQLite reports why a file cannot be created
        make_file(path)
    connection = SqliteConnection(path, mode="rwc")
    try:
        tables = set(inspect(connection.core).get_table_names())
        if tables and VERSION_TABLE not in tables:
            raise StoreError(
                f"the file {path} is no store: another program keeps its data in it ({', '.join(sorted(tables)[:5])}). "
                "It is left as it is; choose another place"
            )
        make_private(path)
        current = is_current(connection.core, str(path))
        _set_journal(path, connection, new=not tables)
        if not current:
            connection.transact(lambda within: bring_up(within, str(path)), durable=True, mark=True)
        return SqliteDatabase(path, connection)
    except BaseException:
        connection.close()
        raise


def _refuse_foreign_log(path: Path) -> None:
    """Refuse a file with another's log before SQLite makes them one, and a log alone before it is deleted."""
    log = path.with_name(f"{path.name}-wal")
    if _size(log) and not _size(path):
        raise StoreError(
            f"the store {path} is gone, and its log {log} is still there. It is left as it is: put the file back, or "
            "move the log away to begin a new store"
        )
    if is_damaged(path):
        logger.warning("the log %s of the store is no log, and passed over; what was in it is lost", log)
    if is_foreign(path):
        raise StoreError(
            f"the log {log} does not belong to the store {path} as it is: another file was put there, or an older "
            "copy. Both are left as they are: put back the file that the log belongs to, or move the log away to open "
            "the store without what is in it"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _set_journal(path: Path, connection: SqliteConnection, *, new: bool) -> None:
    """Ask for a write-ahead log, in which readers and the writer do not wait for each other."""
    if new:
        connection.driver.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that a pruned store can shrink
    wanted = "DELETE" if _file_system(path) in NETWORK else "WAL"
    try:
        if connection.driver.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0].upper() == "WAL":
            return
    except sqlite3.OperationalError as error:
        if is_locked(error):
            raise
    connection.driver.execute("PRAGMA journal_mode = DELETE")
    _say_that_it_is_slow(path)


@cache
def _say_that_it_is_slow(path: Path) -> None:
    """Say it, once in a process."""
    logger.warning(
        "the store %s lies where SQLite can have no write-ahead log, such as a network folder; "
        "it is slower there, and NBFLOW_DATABASE_URL may name another place",
        path,
    )


def _file_system(path: Path) -> str:
    """Return the type of the file system that a path is in."""
    mounts = [mount for mount in psutil.disk_partitions(all=True) if path.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype.lower() if mounts else ""


def _in_memory() -> SqliteDatabase:
    connection = SqliteConnection(None)
    connection.transact(lambda within: bring_up(within, "in memory"))
    return SqliteDatabase(None, connection)


def bring_up(connection: Connection, place: str) -> None:
    """Bring a store to the version of this code, within a transaction that keeps others from doing it at once.

    Raises:
        StoreError: It was written by a newer nbflow.
    """
    if not is_current(connection, place):
        from nbflow.store import migrations  # Alembic takes its time to load, and most stores are up to date

        migrations.upgrade(connection)


def is_current(connection: Connection, place: str) -> bool:
    """Return whether a store is of this code's version; older ones can be upgraded, newer ones are refused."""
    if VERSION_TABLE not in inspect(connection).get_table_names():
        return False
    version = str(connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) or "0_")  # noqa: S608 - a constant
    number, _, needs = version.partition("_")
    if int(number) > int(SCHEMA.partition("_")[0]):
        raise StoreError(
            f"the store {place} has version {number}, which needs nbflow {needs} or newer, and this one knows versions "
            f"up to {SCHEMA.partition('_')[0]}; {UPGRADE}. The store is left as it is"
        )
    return version == SCHEMA
