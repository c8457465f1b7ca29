"""Statements that are passed to the driver directly, because they run at every commit.

A statement is written in SQLAlchemy Core and compiled once for each dialect. Executing it through Core costs 10 µs a
call, as much as the work of SQLite. On SQLite several rows go into one statement: the sqlite3 module releases the
interpreter's lock at every step, and while a run uses the processor each release costs the switch interval, 5 ms.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Connection, Float, Insert, cast, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

Row = tuple[Any, ...]
MOST_ROWS = 64
"""The most rows of one statement for SQLite: with the widest table far below its 999 parameters."""


def on_sqlite(connection: Connection) -> bool:
    """Return whether the store is SQLite, else it is PostgreSQL."""
    return connection.dialect.name == "sqlite"


def insert(connection: Connection, model: type[DeclarativeBase]) -> postgresql.Insert | sqlite.Insert:
    """Return an insert of the connection's dialect, which supports `ON CONFLICT`."""
    return sqlite.insert(model) if on_sqlite(connection) else postgresql.insert(model)


def now(connection: Connection) -> ColumnElement[float]:
    """Return a column with the time (s since 1970) of the server's clock; of the process's clock for SQLite."""
    if on_sqlite(connection):
        return literal(time.time(), Float)
    return cast(func.extract("epoch", func.clock_timestamp()), Float(53))


def time_of(connection: Connection) -> float:
    """Return the time (s since 1970) of the same clock as `now`."""
    return time.time() if on_sqlite(connection) else float(connection.scalar(select(now(connection))) or 0.0)


class Statement:
    """A Core statement that is passed to the driver; an insert or update sets `columns`. Parameters go by name."""

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        self._statement, self._columns = statement, columns or None
        self._compiled: dict[str, tuple[str, tuple[str, ...]]] = {}

    def __call__(self, connection: Connection, **parameters: object) -> Row | None:
        """Execute the statement; return the first row, None without one."""
        name = connection.dialect.name
        text, order = self._compiled.get(name) or self._compiled.setdefault(name, self._compile(connection))
        given = tuple([parameters[each] for each in order])
        if on_sqlite(connection):
            row: Row | None = _execute(connection)(text, given).fetchone()
            return row
        found = connection.exec_driver_sql(text, given)
        first = found.first() if found.returns_rows else None
        return None if first is None else tuple(first)

    def _compile(self, connection: Connection) -> tuple[str, tuple[str, ...]]:
        compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
        return str(compiled), tuple(compiled.positiontup)


class Rows:
    """An insert of rows, given as tuples in the order of the table's columns; `absent` skips rows that exist."""

    def __init__(self, model: type[DeclarativeBase], *, absent: bool = False) -> None:
        self._model, self._absent = model, absent
        self._texts: dict[tuple[str, int], str] = {}

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows in their order."""
        if not on_sqlite(connection):
            if rows:
                connection.exec_driver_sql(self._text(connection, 1), list(rows))
            return
        execute, at, left = _execute(connection), 0, len(rows)
        while left:
            # Powers of two, so that few statements are prepared, and each once.
            size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
            execute(self._text(connection, size), [*chain.from_iterable(rows[at : at + size])])
            at, left = at + size, left - size

    def _text(self, connection: Connection, size: int) -> str:
        key = connection.dialect.name, size
        return self._texts.get(key) or self._texts.setdefault(key, self._compile(connection, size))

    def _compile(self, connection: Connection, size: int) -> str:
        statement: Insert = insert(connection, self._model)
        if self._absent:
            statement = insert(connection, self._model).on_conflict_do_nothing()
        text = str(statement.compile(dialect=connection.dialect))
        places = f"({', '.join('?' * len(self._model.__table__.columns))})"
        return text.replace(places, ", ".join([places] * size))


def _execute(connection: Connection) -> Callable[..., sqlite3.Cursor]:
    driver: Any = connection.connection.driver_connection
    execute: Callable[..., sqlite3.Cursor] = driver.execute
    return execute
