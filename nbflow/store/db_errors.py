"""Classify errors of databases: those that a retry may fix, and the StoreError for all others.

A temporary error is retried for up to a minute. A StoreError names the store and what happened to it, and says whether
earlier commits are safe and what to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
from tenacity import (
    AsyncRetrying,
    BaseRetrying,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from nbflow.errors import NbflowError, StoreError
from nbflow.store.delays import spoken
from nbflow.store.location import NOT_SQLITE

KEPT = "Earlier commits are not affected."
_SQLITE = {
    sqlite3.SQLITE_FULL: f"the disk is full. {KEPT} Free some space",
    sqlite3.SQLITE_CORRUPT: "the file is damaged. It was not changed; move it away to create a new store",
    sqlite3.SQLITE_NOTADB: NOT_SQLITE,
    sqlite3.SQLITE_READONLY: f"it may not be written. {KEPT} Check the rights of the file and its folder",
    sqlite3.SQLITE_PERM: f"it may not be written. {KEPT} Check the rights of the file and its folder",
    sqlite3.SQLITE_IOERR: f"the disk failed to read or write it. {KEPT} Check the disk and its free space",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Check that its folder is there, and its rights",
}
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
# Connection lost, server starting or stopping, too many connections, two that wait for each other.
_LOCKED_STATE = "55P03"
_PASSING_STATES = ("08", "57P01", "57P02", "57P03", "53300", "40001", "40P01")


@contextmanager
def told(explain: Callable[[BaseException], StoreError | None], *, doing: str | None = None) -> Iterator[None]:
    """Raise errors of the database as the StoreError that `explain` returns for them.

    Where it returns None, an error becomes a failure of `doing`; without `doing` it is raised unchanged.
    """
    try:
        yield
    except NbflowError:
        raise
    except Exception as error:
        problem = explain(error)
        if problem is None and doing:
            problem = StoreError(f"{doing} failed: {_origin(error)}")
        if problem is None:
            raise
        raise problem from error


def is_locked(error: BaseException) -> bool:
    """Return whether another process has locked the file, so that a retry may succeed."""
    return _code(error) in _PASSING


def is_away(error: BaseException) -> bool:
    """Return whether the PostgreSQL server is unreachable or overloaded, so that a retry may succeed."""
    if isinstance(error, OSError) or getattr(error, "connection_invalidated", False):
        return True
    state = getattr(_origin(error), "sqlstate", None) or ""
    return state.startswith(_PASSING_STATES)


def of_file(error: BaseException, place: str, seconds: float) -> StoreError | None:
    """Return the StoreError for an error of SQLite after a wait (s); None for one that the file does not cause."""
    code = _code(error)
    if code in _PASSING:
        return StoreError(
            f"the store {place} was locked by another program all the time, "
            f"for {spoken(seconds)}{holders(place)}. {KEPT}"
        )
    if code in _SQLITE:
        return StoreError(f"the store {place} could not be used: {_SQLITE[code]} ({_origin(error)})")
    return None


def of_server(error: BaseException, place: str, seconds: float) -> StoreError | None:
    """Return the StoreError for an error of PostgreSQL after a wait (s); None for one that is not a reason to wait."""
    if getattr(_origin(error), "sqlstate", None) == _LOCKED_STATE:
        return StoreError(
            f"the store {place} was locked by another session all the time, for {spoken(seconds)}. {KEPT} "
            "See in pg_stat_activity who holds the lock, and end it"
        )
    if not is_away(error):
        return None
    return StoreError(
        f"the store {place} cannot be reached: {_origin(error)}. That has been so for {spoken(seconds)}. {KEPT} "
        "See that the server runs and lets this user in"
    )


def _origin(error: BaseException) -> BaseException:
    origin = getattr(error, "orig", None)
    return origin if isinstance(origin, BaseException) else error


def _code(error: BaseException) -> int | None:
    """Return SQLite's primary code of an error."""
    code = getattr(_origin(error), "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def holders(place: str) -> str:
    """Return the processes of this machine that have a file open, one of which locks it, as the end of a message."""
    names = {place, f"{place}-wal", f"{place}-journal"}
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if process.pid != psutil.Process().pid and names & {file.path for file in process.open_files()}:
                found.append(f"{process.info['name']} (process {process.pid})")
        except (psutil.Error, OSError):
            continue
    if found:
        return f"; open in {', '.join(found)}; end what hangs there"
    return f"; nobody on this machine is seen to have {Path(place).name} open, so look on others that share the folder"


_Caller = TypeVar("_Caller", bound=BaseRetrying)
PATIENCE_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0


def patiently(passes: Callable[[BaseException], bool]) -> Retrying:
    """Return a caller that retries a function while `passes` accepts its error; it then raises the error."""
    return _retrying(Retrying, passes)


def patiently_awaited(passes: Callable[[BaseException], bool]) -> AsyncRetrying:
    """Return the same for a coroutine function."""
    return _retrying(AsyncRetrying, passes)


def _retrying(kind: type[_Caller], passes: Callable[[BaseException], bool]) -> _Caller:
    return kind(
        retry=retry_if_exception(passes),
        stop=stop_after_delay(PATIENCE_S),
        wait=wait_random_exponential(FIRST_WAIT_S, LONGEST_WAIT_S),
        reraise=True,
    )
