"""A store in an SQLite file, or in memory: a plain connection writes, an async engine reads.

A transaction starts with BEGIN IMMEDIATE, so a writer waits at its start and never fails in the middle. The file is
checked before each transaction, because SQLite itself would write on to a deleted one.

A file that is not a store is refused before anything is written to it. Only SQLite opens the file: POSIX drops all
locks of a process on a file when the process closes any descriptor of it.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import aiosqlite
import psutil
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from nbflow.errors import StoreError
from nbflow.store import sqlite_guard
from nbflow.store.db_errors import holders, is_locked, of_file, patiently, patiently_awaited, told
from nbflow.store.delays import LOCKED, WRITING, Pending, delay_logged
from nbflow.store.location import make_file, make_private, refuse_place
from nbflow.store.migrations import is_current, upgrade
from nbflow.store.schema import VERSION_TABLE
from nbflow.store.sqlite_guard import FileWatch, is_damaged, is_foreign
from nbflow.store.writer import BackgroundLoop, Change

BUSY_MS = 5000
"""The time that SQLite itself waits for a locked file before it raises; then the transaction is retried."""
LONG_LOG, LONGEST_LOG = 6 * 2**20, 2**26
"""The sizes (bytes) from which the log is emptied: when a run ends, and at any commit. SQLite reuses a log of 4 MB, but
never shortens it."""
BEATING_MS = 1000
"""The same for a heartbeat, which is repeated soon."""


class SqliteConnection:
    """A connection for writing."""

    def __init__(self, path: Path | None, *, mode: str = "rw", busy_ms: int | None = None) -> None:
        self._busy_s = (BUSY_MS if busy_ms is None else busy_ms) / 1e3
        self._target = f"{path.as_uri()}?mode={mode}" if path else "file::memory:"
        self._engine: Engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        self.core: Connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        driver = self.core.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - it is what _connect returns
        self.driver: sqlite3.Connection = driver
        self._durable: bool | None = None

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._target, uri=True, timeout=self._busy_s, isolation_level=None, check_same_thread=False
        )

    def transact(self, apply: Callable[[Connection], None], *, durable: bool = False, mark: bool = False) -> None:
        """Apply changes in one transaction; with `mark` give the log that receives them a new mark."""
        execute = self.driver.execute
        if durable is not self._durable:
            execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        execute("BEGIN IMMEDIATE")
        try:
            apply(self.core)
            if mark:
                sqlite_guard.mark(self.driver)
            execute("COMMIT")
        except BaseException:
            if self.driver.in_transaction:
                with suppress(sqlite3.Error):  # the first error is the cause
                    execute("ROLLBACK")
            raise

    def empty_log(self) -> None:
        """Copy the log into the file and truncate it, unless another connection uses it now."""
        execute = self.driver.execute
        execute("PRAGMA busy_timeout = 0")
        try:
            execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            execute(f"PRAGMA busy_timeout = {round(self._busy_s * 1e3)}")

    def close(self) -> None:
        """Close the connection."""
        with suppress(Exception):  # closing fails if the file was deleted
            self.core.close()


class SqliteDatabase:
    """A store in a file; with `path` None in memory, where the writer's connection is the only one."""

    shared = False

    def __init__(self, path: Path | None, connection: SqliteConnection) -> None:
        self.place = str(path) if path else "in memory"
        self._path, self._connection = path, connection
        self.lasts = path is not None
        self._beating: SqliteConnection | None = None
        self._watch = FileWatch(path, Asked(path)) if path else None
        self._marked: int | None = None
        self._loop = BackgroundLoop()
        self._engine: AsyncEngine | None = self._reader(path) if path else None
        self.pending = Pending()

    @staticmethod
    def _reader(path: Path) -> AsyncEngine:
        def connect() -> Any:
            return aiosqlite.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_MS / 1e3)

        engine = create_async_engine(
            "sqlite+aiosqlite://", async_creator=connect, poolclass=AsyncAdaptedQueuePool, isolation_level="AUTOCOMMIT"
        )
        event.listen(engine.sync_engine, "connect", lambda driver, _: driver.execute("PRAGMA query_only = ON"))
        return engine

    def write(self, apply: Callable[[Connection], None], *, durable: bool) -> None:
        """Apply changes in one transaction; wait for a locked file.

        Raises:
            StoreError: The file was deleted, is damaged, or stays locked, or the disk is full.
        """
        began = time.monotonic()

        def applied(connection: Connection) -> None:
            self.pending.begin(WRITING)  # the lock is acquired
            apply(connection)

        with told(lambda error: of_file(error, self.place, time.monotonic() - began)):
            self.pending.begin(LOCKED)
            self._look()
            written = self._watch.written if self._watch else None
            mark = written != self._marked
            try:
                self._connection.transact(applied, durable=durable, mark=mark)
            except Exception as error:
                if not is_locked(error):
                    raise
                patiently(is_locked)(self._connection.transact, applied, durable=durable, mark=mark)
            self._marked = written
            if self._watch:
                self._watch.written_to()
                if self._watch.log_size > LONGEST_LOG:
                    self._empty_log(self._watch)

    def shrink_log(self) -> None:
        """Copy a long log into the file and truncate it, unless another process is reading from it."""
        if self._watch and self._watch.log_size > LONG_LOG:
            self._empty_log(self._watch)

    def _empty_log(self, watch: FileWatch) -> None:
        with suppress(sqlite3.Error, StoreError):  # the next commit meets the same error and reports it
            self._look()  # copying the log of another file into this one would destroy both
            with watch.shrinking():
                self._connection.empty_log()

    def renew(self, apply: Callable[[Connection], None]) -> None:
        """Apply a small change on a second connection, because the writer may be busy encoding a value."""
        if self._path is None:
            return  # no other process can take over a run in memory
        self._look()
        if self._beating is None:
            self._beating = SqliteConnection(self._path, busy_ms=BEATING_MS)
        self._beating.transact(apply)

    def read(self, query: Change) -> Future[Any] | None:
        """Start a query."""
        return None if self._engine is None else self._loop.submit(self._read(self._engine, query))

    async def _read(self, engine: AsyncEngine, query: Change) -> Any:
        async def attempt() -> Any:
            async with engine.connect() as connection:
                return await connection.run_sync(query)

        began = time.monotonic()
        doing = f"reading the store {self.place}"
        with told(lambda error: of_file(error, self.place, time.monotonic() - began), doing=doing):
            self._look()
            return await patiently_awaited(is_locked)(attempt)

    def _look(self) -> None:
        if self._watch:
            self._watch.look()

    def detail(self, step: str) -> str:
        """Return the other processes that have the file open, where it is locked."""
        return holders(self.place) if step == LOCKED else ""

    def close(self) -> None:
        """Close all connections."""
        last = self._last_to_close()
        if self._engine is not None:
            self._loop.close(self._engine.dispose(), 5.0)
        if self._beating is not None:
            self._beating.close()
        self._connection.close()
        if last is not None:
            last.close()
        if self._watch is not None:
            self._watch.close()

    def _last_to_close(self) -> SqliteConnection | None:
        """Return a read-only connection to close last, if the log does not belong to the file any more.

        The last connection that is closed copies the log into the file, unless it is read-only. So this one prevents
        that SQLite writes a log over another file.
        """
        try:
            self._look()
        except StoreError:
            with suppress(Exception):  # a deleted file cannot be opened, and needs no protection
                assert self._path is not None  # noqa: S101 - there was one to look at
                last = SqliteConnection(self._path, mode="ro")
                with suppress(sqlite3.Error):  # it may be unreadable, but the connection is open now
                    last.driver.execute("SELECT 1 FROM sqlite_schema")
                return last
        return None


class Asked:
    """Queries about an open file through a new connection, which has nothing cached."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_sound(self) -> bool:
        """Return whether the file and its log hold every page that they refer to."""
        return bool(self._answers("PRAGMA quick_check(1)") == ("ok",))

    def size_of_log(self) -> int | None:
        """Return the most bytes of the log that SQLite would read; None if it cannot read the log.

        SQLite reports this only for a checkpoint, which copies the valid part of the log into the file.
        """
        told, page = self._answers("PRAGMA wal_checkpoint(PASSIVE)"), self._answers("PRAGMA page_size")
        if told is None or page is None or told[1] < 0:
            return None
        return sqlite_guard.size_of(frames=told[1], page=page[0])

    def _answers(self, question: str) -> Any:
        fresh = SqliteConnection(self._path)
        try:
            fresh.driver.execute("SELECT 1 FROM sqlite_schema").fetchone()  # so that the connection reads the log
            return fresh.driver.execute(question).fetchone()
        except sqlite3.DatabaseError:
            return None
        finally:
            fresh.close()


# Several machines may mount these file systems, and they do not share the memory that a write-ahead log needs.
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


def open_file(path: Path) -> SqliteDatabase:
    """Open a file; create a missing one.

    Raises:
        StoreError: The file cannot be opened, or is not a store of this version.
    """
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
                f"the file {path} is no store: another program has its data in it ({', '.join(sorted(tables)[:5])}). "
                "It was not changed; choose another file"
            )
        make_private(path)
        current = is_current(connection.core, str(path))
        _set_journal(path, connection, new=not tables)
        if not current:
            connection.transact(lambda within: upgrade(within, str(path)), durable=True, mark=True)
        return SqliteDatabase(path, connection)
    except BaseException:
        connection.close()
        raise


def _refuse_foreign_log(path: Path) -> None:
    """Refuse a log of another file before SQLite merges the two, and a log without a file before SQLite deletes it."""
    log = path.with_name(f"{path.name}-wal")
    if _size(log) and not _size(path):
        raise StoreError(
            f"the store {path} is gone, and its log {log} is still there. The log was not changed: put the file back, "
            "or move the log away to create a new store"
        )
    if is_damaged(path):
        logger.warning("the log %s of the store is damaged and was ignored; the commits in it are lost", log)
    if is_foreign(path):
        raise StoreError(
            f"the log {log} does not belong to the store {path}: another file was put there, or an older copy. Neither "
            "was changed: put back the file that the log belongs to, or move the log away to open the store without it"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _set_journal(path: Path, connection: SqliteConnection, *, new: bool) -> None:
    """Select a write-ahead log, with which readers and the writer do not wait for each other."""
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
    """Log it, once in a process."""
    logger.warning(
        "the store %s is in a folder where SQLite cannot have a write-ahead log, such as a network folder, so it is "
        "slower; NBFLOW_DATABASE_URL names another location",
        path,
    )


def _file_system(path: Path) -> str:
    """Return the type of the file system of a path."""
    mounts = [mount for mount in psutil.disk_partitions(all=True) if path.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype.lower() if mounts else ""


def open_memory() -> SqliteDatabase:
    """Create an empty store in memory."""
    connection = SqliteConnection(None)
    connection.transact(lambda within: upgrade(within, "in memory"))
    return SqliteDatabase(None, connection)
