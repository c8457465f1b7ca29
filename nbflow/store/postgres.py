"""A store on a PostgreSQL server: one async engine, driven from the threads of the store.

A server that goes away is waited for, and a commit whose outcome is unknown is applied again; changes allow that. A
server that accepts a connection and does not answer is given up after twice the time of a retry.

Every commit is synchronous. After a crash the server would forget the last asynchronous ones, while the run that made
them lives on and could not append to a log with a gap. A run waits for no single commit, so this costs it nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from nbflow.errors import StoreError
from nbflow.store import db_errors
from nbflow.store.db_errors import is_away, of_server, patiently, patiently_awaited, told
from nbflow.store.delays import ANSWERING, UNREACHED, Pending, spoken
from nbflow.store.location import shown
from nbflow.store.writer import BackgroundLoop, Change

T = TypeVar("T")
Heard = Callable[[], None]
POOL, OVERFLOW = 20, 10
CLOSING_S = 5.0
ASKING_S = 2.0
UPGRADING = 0x6E62666C6F77
"""The advisory lock that a process holds while it upgrades a store."""


class PostgresDatabase:
    """A store in a database of a server."""

    lasts = shared = True

    def __init__(self, url: URL) -> None:
        self.place = shown(url.render_as_string(hide_password=False))
        self._loop = BackgroundLoop()
        self._engine: AsyncEngine = create_async_engine(url, pool_size=POOL, max_overflow=OVERFLOW, pool_pre_ping=True)
        event.listen(self._engine.sync_engine, "connect", _limit_lock_waits)
        self.pending = Pending()
        self._backend = 0

    @classmethod
    def open(cls, url: URL, bring_up: Callable[[Connection, str], None]) -> PostgresDatabase:
        """Connect to the server, and upgrade the store to this version.

        Raises:
            StoreError: The server cannot be reached, or a newer nbflow wrote the store.
        """
        database = cls(url)

        def alone(connection: Connection) -> None:
            connection.execute(select(func.pg_advisory_xact_lock(UPGRADING)))
            bring_up(connection, database.place)

        began = time.monotonic()

        def explain(error: BaseException) -> StoreError | None:
            return of_server(error, database.place, time.monotonic() - began)

        try:
            with told(explain, doing=f"opening the store {database.place}"):
                database.transact(alone)
        except BaseException:
            database.close()
            raise
        return database

    def transact(self, apply: Change) -> None:
        """Apply changes in one transaction."""
        self._loop.submit(self._transact(apply)).result()

    async def _transact(self, apply: Change) -> None:
        async def transaction(heard: Heard) -> None:
            async with self._engine.begin() as connection:
                await connection.run_sync(_reporting(apply, heard))

        await _answered(transaction)

    def write(self, apply: Callable[[Connection], None], *, durable: bool) -> None:
        """Apply changes in one transaction; wait for a server that is away.

        Raises:
            StoreError: The server did not come back in time.
        """
        began = time.monotonic()

        def applied(connection: Connection) -> None:
            self._backend = _backend_of(connection)
            self.pending.begin(ANSWERING)
            apply(connection)

        with told(lambda error: of_server(error, self.place, time.monotonic() - began)):
            self.pending.begin(UNREACHED)
            patiently(is_away)(self.transact, applied)

    def renew(self, apply: Callable[[Connection], None]) -> None:
        """Apply a small change on another connection of the pool."""
        self.transact(apply)

    def read(self, query: Change) -> Future[Any] | None:
        """Start a query."""
        return self._loop.submit(self._read(query))

    async def _read(self, query: Change) -> Any:
        async def reading(heard: Heard) -> Any:
            async with self._engine.connect() as connection:
                return await connection.run_sync(_reporting(query, heard))

        async def attempt() -> Any:
            return await _answered(reading)

        began = time.monotonic()
        doing = f"reading the store {self.place}"
        with told(lambda error: of_server(error, self.place, time.monotonic() - began), doing=doing):
            return await patiently_awaited(is_away)(attempt)

    def detail(self, step: str) -> str:
        """Return the sessions of the server that hold a lock which the current change waits for."""
        if step != ANSWERING:
            return ""
        with suppress(Exception):  # a detail of a log line is not worth a failure
            asked = self._loop.submit(self._read(lambda connection: _blocking(connection, self._backend)))
            if holding := asked.result(ASKING_S):
                return f"; it waits for a lock that session {', '.join(map(str, holding))} of the server holds"
        return ""

    def shrink_log(self) -> None:
        """Do nothing: the server manages its log itself."""

    def close(self) -> None:
        """Close all connections."""
        self._loop.close(self._engine.dispose(), CLOSING_S)


async def _answered(work: Callable[[Heard], Awaitable[T]]) -> T:
    """Return the result of some work with the server, with a bound on the server's silence.

    The driver waits for a response without a timeout, also for the response to a cancellation. So work that timed out
    is cancelled, and its end is not awaited.

    Args:
        work: Calls its argument whenever a statement starts or ends.

    Raises:
        TimeoutError: The server accepted no connection or completed no statement for twice the time of a retry.
    """
    silence = 2 * db_errors.PATIENCE_S
    last = time.monotonic()

    def heard() -> None:
        nonlocal last
        last = time.monotonic()

    task = asyncio.ensure_future(work(heard))
    while not task.done():
        left = last + silence - time.monotonic()
        if left <= 0:
            task.cancel()
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # else asyncio logs it as lost
            raise TimeoutError(f"the server has not answered for {spoken(silence)}")
        await asyncio.wait({task}, timeout=left)
    return task.result()


def _reporting(apply: Change, heard: Heard) -> Change:
    """Return a change that also calls `heard` at the start and end of each statement."""

    def applied(connection: Connection) -> Any:
        for moment in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(connection, moment, lambda *_: heard())
        return apply(connection)

    return applied


def _limit_lock_waits(driver: Any, _: object) -> None:
    """Limit how long a session waits for a lock to the time of a retry; the server's default is no limit."""
    cursor = driver.cursor()
    cursor.execute(f"SET lock_timeout = {round(db_errors.PATIENCE_S * 1e3)}")
    cursor.close()


def _backend_of(connection: Connection) -> int:
    driver: Any = connection.connection.driver_connection
    return int(driver.get_server_pid())


def _blocking(connection: Connection, backend: int) -> list[int]:
    """Return the sessions that hold locks which session `backend` waits for."""
    return list(connection.scalar(select(func.pg_blocking_pids(backend))) or [])
