"""The one thread that writes: what is queued while it commits goes together into the next commit.

Rule: a change refuses before it writes anything. So a refused one leaves the others of its commit as they are; if one
breaks in its midst, the commit is undone and each is done again by itself.


An event loop on a thread of its own, for what is only there as asyncio.

Rule: it is callable from any thread and needs no loop of the caller's; it starts with the first that is asked of it.

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
"""Changes of one commit: the file is held by us for that long, and others wait."""

Change = Callable[[Connection], Any]


class Database(Protocol):
    """What a store is kept in."""

    place: str
    lasts: bool
    shared: bool
    pending: Pending

    def write(self, apply: Callable[[Connection], None], *, durable: bool) -> None:
        """Do all in one transaction, again where it has to be; raises StoreError where that is no use."""

    def renew(self, apply: Callable[[Connection], None]) -> None:
        """Do a small change beside `write`, which may be busy."""

    def read(self, query: Change) -> Future[Any] | None:
        """Begin to read; None where only the writer can."""

    def detail(self, step: str) -> str:
        """Return what can be seen of a step that takes long, nothing where that is all; may block."""

    def shrink_log(self) -> None:
        """Give back the space of a log that large values made long; call on the thread that writes."""

    def close(self) -> None:
        """Let go of it."""


class Job:
    """A change, its preparation beforehand and what follows it, all on the writer's thread."""

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
        self.future.set_running_or_notify_cancel()  # what was promised is written, whether or not anybody still waits

    def prepare(self) -> bool:
        """Make what is to be written, outside the transaction; return whether that went well."""
        try:
            self.made = self.make() if self.make else None
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to who asked
            self.future.set_exception(error)
            return False
        return True

    def apply(self, connection: Connection) -> None:
        """Do the change, or note why it was refused."""
        self.refusal = None
        try:
            self.outcome = self.change(connection, self.made)
        except NbflowError as refusal:
            self.refusal = refusal

    def settle(self, failure: BaseException | None = None) -> None:
        """Tell who asked."""
        problem = self.refusal or failure
        if problem is not None:
            self.future.set_exception(problem)
            return
        if self.after:
            self.after(self.outcome)
        self.future.set_result(self.outcome)


class Writer:
    """Takes jobs from any thread."""

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
        """Wait for what is queued, for that long at most; take nothing more."""
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
            del jobs, ready  # else a store and its runs live on until the next comes

    def _next(self) -> tuple[list[Job], bool]:
        """Wait for a job; return it with all that came with it, and whether more may come."""
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
        except BaseException as error:  # noqa: BLE001 - the thread lives on, whatever a value or a driver did
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
    """A loop in the background."""

    def __init__(self) -> None:
        self._starting = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name="nbflow-store-loop", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self, last: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """Stop it after `last` has run; if it never started, that does not run."""
        loop, self._loop = self._loop, None
        if loop is None:
            last.close()
            return
        with suppress(Exception):  # it is about to go: what does not end by itself ends with the process
            asyncio.run_coroutine_threadsafe(last, loop).result(timeout_s)
        loop.call_soon_threadsafe(loop.stop)
