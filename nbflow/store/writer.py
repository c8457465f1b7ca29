"""The thread that writes to a store, and the event loop of its asynchronous driver.

Everything that is queued during a commit goes into the next one together. A change is refused before it writes
anything, so a refused change leaves the others of its commit valid. If a change fails after it has written, the commit
is rolled back and each change is committed separately.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from nbflow.errors import NbflowError, StoreClosedError, StoreError
from nbflow.store.delays import Pending

MOST_TOGETHER = 500
"""The most changes of one commit: it locks the file, and other processes wait."""

Change = Callable[[Connection], Any]


class Database(Protocol):
    """The database of a store."""

    place: str
    lasts: bool
    shared: bool
    pending: Pending

    def write(self, apply: Callable[[Connection], None], *, durable: bool) -> None:
        """Apply changes in one transaction; retry while the database is locked or away.

        Raises:
            StoreError: The database cannot be written.
        """

    def renew(self, apply: Callable[[Connection], None]) -> None:
        """Apply a small change in a transaction of a second connection, as `write` may be busy."""

    def read(self, query: Change) -> Future[Any] | None:
        """Start a query; return None where only the writer's thread can read."""

    def detail(self, step: str) -> str:
        """Return details of a step that takes long, as the end of a message; empty without any. May block."""

    def shrink_log(self) -> None:
        """Free the space of a log that large values made long; call it on the writer's thread."""

    def close(self) -> None:
        """Close all connections."""


class Job:
    """A change with its preparation (`make`) and its follow-up (`after`), all called on the writer's thread."""

    __slots__ = ("after", "change", "durable", "future", "made", "make", "outcome", "refusal")

    def __init__(
        self,
        change: Callable[[Connection, Any], Any],
        make: Callable[[], Any] | None = None,
        after: Callable[[Any], None] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        self.change, self.make, self.after, self.durable = change, make, after, durable
        self.made: Any = None
        self.outcome: Any = None
        self.refusal: BaseException | None = None
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # a queued change is written even if no caller waits any longer

    def prepare(self) -> bool:
        """Prepare the data of the change, outside the transaction; return whether that succeeded."""
        try:
            self.made = self.make() if self.make else None
        except BaseException as error:  # noqa: BLE001 - the future passes it to the caller
            self.future.set_exception(error)
            return False
        return True

    def apply(self, connection: Connection) -> None:
        """Apply the change, or record its refusal."""
        self.refusal = None
        try:
            self.outcome = self.change(connection, self.made)
        except NbflowError as refusal:
            self.refusal = refusal

    def settle(self, failure: BaseException | None = None) -> None:
        """Resolve the future."""
        problem = self.refusal or failure
        if problem is not None:
            self.future.set_exception(problem)
            return
        if self.after:
            self.after(self.outcome)
        self.future.set_result(self.outcome)


class Writer:
    """A thread that commits jobs, which any thread may submit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._closed = False
        self._door = Lock()
        self._thread = Thread(target=self._work, name="nbflow-store-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Future[Any]:
        """Queue a job; return its future."""
        with self._door:
            if not self._closed:
                self._queue.put(job)
                return job.future
        job.future.set_exception(StoreClosedError(f"the store {self._database.place} is closed"))
        return job.future

    def close(self, timeout_s: float | None) -> None:
        """Refuse further jobs, and wait up to a timeout for the queued ones; None waits without limit."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        going = True
        while going:
            jobs, going = self._next()
            ready = [job for job in jobs if job.prepare()]
            if ready:
                self._commit(ready)
            del jobs, ready  # else these references retain a store and its runs until the next job

    def _next(self) -> tuple[list[Job], bool]:
        """Wait for a job; return it with all other queued ones, and whether more may follow."""
        jobs: list[Job] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == MOST_TOGETHER:
                return jobs, True
            try:
                job = self._queue.get_nowait()
            except Empty:
                return jobs, True
        return jobs, False

    def _commit(self, jobs: Sequence[Job]) -> None:
        def apply(connection: Connection) -> None:
            for job in jobs:
                job.apply(connection)

        failure: BaseException | None = None
        try:
            self._database.write(apply, durable=any(job.durable for job in jobs))
        except StoreError as error:
            failure = error
        except BaseException as error:  # noqa: BLE001 - the thread survives any error of a value or a driver
            if len(jobs) > 1:
                for job in jobs:
                    self._commit([job])
                return
            failure = StoreError(f"the store {self._database.place} could not write: {error}")
            failure.__cause__ = error
        self._database.pending.end()
        for job in jobs:
            job.settle(failure)


T = TypeVar("T")


class BackgroundLoop:
    """An event loop on a daemon thread, for drivers that exist only for asyncio; it starts with the first coroutine."""

    def __init__(self) -> None:
        self._starting = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop; callable from any thread."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name="nbflow-store-loop", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self, last: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """Run `last` and stop the loop; if the loop never started, do not run `last`."""
        loop, self._loop = self._loop, None
        if loop is None:
            last.close()
            return
        with suppress(Exception):  # a coroutine that does not end in time ends with the process
            asyncio.run_coroutine_threadsafe(last, loop).result(timeout_s)
        loop.call_soon_threadsafe(loop.stop)
