"""A store on a PostgreSQL server: an async engine for all, driven from the writer's thread.

Rule: a server that goes away is waited for, and what was not known to be committed is done again; changes are such that
this does no harm. Every commit is a synchronous one: of others a server that crashes forgets the last, while the run
that made them lives on and could not add to a log with a gap. It costs a run nothing, as nobody waits for each.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from sqlalchemy import URL, Connection, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from nbflow.errors import StoreError
from nbflow.store.faults import is_away, of_server, told
from nbflow.store.loop import Loop
from nbflow.store.patience import patiently, patiently_awaited
from nbflow.store.url import shown
from nbflow.store.writer import Change

POOL, OVERFLOW = 20, 10
CLOSING_S = 5.0
UPGRADING = 0x6E62666C6F77
"""The lock of the server that whoever upgrades a store holds."""


class PostgresDatabase:
    """A store in a database of a server."""

    shared = True

    def __init__(self, url: URL) -> None:
        self.place = shown(url.render_as_string(hide_password=False))
        self._loop = Loop()
        self._engine: AsyncEngine = create_async_engine(url, pool_size=POOL, max_overflow=OVERFLOW, pool_pre_ping=True)

    @classmethod
    def open(cls, url: URL, bring_up: Callable[[Connection, str], None]) -> PostgresDatabase:
        """Reach the server, and bring the store to this version.

        Raises:
            StoreError: It cannot be reached, or the store is of a newer version.
        """
        database = cls(url)

        def alone(connection: Connection) -> None:
            connection.execute(select(func.pg_advisory_xact_lock(UPGRADING)))
            bring_up(connection, database.place)

        try:
            with told(database._explain, doing=f"opening the store {database.place}"):
                database.transact(alone)
        except BaseException:
            database.close()
            raise
        return database

    def transact(self, apply: Change) -> None:
        """Do all in one transaction, or nothing."""
        self._loop.submit(self._transact(apply)).result()

    async def _transact(self, apply: Change) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(apply)

    def write(self, apply: Callable[[Connection], None], *, durable: bool) -> None:
        """Do all in one transaction; wait for a server that is away.

        Raises:
            StoreError: It did not come back.
        """
        with told(self._explain):
            patiently(is_away)(self.transact, apply)

    def renew(self, apply: Callable[[Connection], None]) -> None:
        """Do a small change on a connection of its own."""
        self.transact(apply)

    def read(self, query: Change) -> Future[Any] | None:
        """Begin to read."""
        return self._loop.submit(self._read(query))

    async def _read(self, query: Change) -> Any:
        async def attempt() -> Any:
            async with self._engine.connect() as connection:
                return await connection.run_sync(query)

        with told(self._explain, doing=f"reading the store {self.place}"):
            return await patiently_awaited(is_away)(attempt)

    def _explain(self, error: BaseException) -> StoreError | None:
        return of_server(error, self.place)

    def shrink_log(self) -> None:
        """Do nothing: the server sees to its own log."""

    def close(self) -> None:
        """Let go of the connections."""
        self._loop.close(self._engine.dispose(), CLOSING_S)
