"""The store as its users see it: each method queues a change or a query, and returns a future.

Rule: all may be called from any thread. Nothing waits for the caller's own event loop, so `.result()` may block it.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from nbflow.errors import StoreError
from nbflow.store import leases, queries, retention, transactions
from nbflow.store.compression import compressed
from nbflow.store.delays import DelayWatch
from nbflow.store.leases import Held, Leases
from nbflow.store.location import POSTGRES, default_file, file_in, make_file, make_folder, parsed
from nbflow.store.migrations import upgrade
from nbflow.store.owners import Owner
from nbflow.store.rows import MOST_ROWS, Batch, Blob, GraphRow, LogRow, NewRun, Pruned, RunHead, RunRow, StoreInfo
from nbflow.store.sqlite import open_file, open_memory
from nbflow.store.writer import Change, Database, Job, Writer

EXIT_S = 10.0
"""How long the end of the process waits for what is not yet written."""


class Store:
    """Graphs, runs, their logs and values. Made by `Store.open`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer, self._leases = Writer(database), Leases(database)
        self._delays = DelayWatch(
            self.place, database.pending, detail=database.detail, waiting=lambda: self._leases.ids
        )  # fmt: skip
        self._open = True
        atexit.register(self._close, EXIT_S)

    @staticmethod
    def open(url: str | None = None, *, folder: Path | None = None) -> Store:
        """Open the store at a URL, or make it; bring an older one to this version.

        Args:
            url: `sqlite+aiosqlite:///FILE`, `sqlite+aiosqlite://` for memory, or
                `postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE`. None is the file `.nbflow/nbflow.db` in `folder`.
            folder: By default the folder of work.

        Raises:
            StoreError: It was written by a newer nbflow, is damaged or another program's, or cannot be reached.
        """
        return Store(open_database(url, folder))

    @property
    def place(self) -> str:
        """Where it is, for people: the file's path, `in memory`, or the URL without its password."""
        return self._database.place

    @property
    def lasts(self) -> bool:
        """Whether it outlives this process, which one in memory does not."""
        return self._database.lasts

    @property
    def shared(self) -> bool:
        """Whether it may be in use on other machines too, whose files are not here."""
        return self._database.shared

    @property
    def owner(self) -> str:
        """This process, as `RunRow.owner` names it."""
        return str(self._leases.owner)

    def create(self, make: Callable[[], NewRun], *, durable: bool = False) -> Future[int]:
        """Insert a run, its graph if that is new, its values and its first event; return its epoch, 1.

        All of it is one transaction, and this process owns the run from then on. Batches may be appended under that
        epoch without waiting. A fork also gets its parent's log up to `parent_seq`, and all its tools and values.
        `make` and `durable` are used as by `append`.

        Raises:
            RunNotFoundError: Its parent is not stored.
            StoreError: There is a run of this id already, or the parent has no such event.
        """

        def made() -> NewRun:
            run = make()
            return replace(run, blobs=compressed(run.blobs), first=run.first and _small(run.first))

        return self._owning(
            lambda connection, run: transactions.create(connection, run, self._leases.owner), made, durable=durable
        )

    def append(self, run_id: str, epoch: int, make: Callable[[], Batch], *, durable: bool = False) -> Future[Batch]:
        """Add to a run what came next, all or nothing; return it once it is committed.

        Every value that a row names is among the blobs of its batch or of an earlier one of the run. A `status` says
        that the run goes on, so that an end noted before is taken back; an `ending` releases the run as well.

        Args:
            run_id: A run that this store has created or claimed.
            epoch: As returned then.
            make: Called on the writer's thread, so that it costs the caller nothing; what it raises the future raises.
                It must not wait for this store.
            durable: Whether it is on the disk, and not only with the system, when the future is done.

        Raises:
            RunStateError: Another process has taken the run over, or it was released.
            StoreError: It could not be written, or does not follow what was written.
        """

        def change(connection: Connection, batch: Batch) -> Batch:
            return transactions.append(connection, self._leases.held(run_id, epoch), batch)

        def after(batch: Batch) -> None:
            if batch.ending:
                self._leases.drop(run_id, epoch)
                self._database.shrink_log()

        return self._submit(Job(change, lambda: _small(make()), after, durable=durable))

    def claim(self, run_id: str, *, notebook: str | None = None) -> Future[int]:
        """Take over a run that nobody living has; return its new epoch. Of several at once one gets it.

        Args:
            run_id: The run.
            notebook: The notebook that resumes it, and that it belongs to from then on; None leaves it as it is.

        Raises:
            RunNotFoundError: No such run.
            RunStateError: A living process has it; the error says which, and since when.
        """
        return self._owning(
            lambda connection, _: leases.claim(
                connection, run_id, self._leases.owner, holds=self._leases.holds, notebook=notebook
            )
        )

    def _owning(
        self, change: Callable[[Connection, Any], Held], make: Callable[[], Any] | None = None, *,
        durable: bool = False,
    ) -> Future[int]:  # fmt: skip
        """Queue what makes this process the owner of a run; the future has the epoch.

        It is owner from then on, so that what is queued behind needs no answer first; if it fails, it was not.
        """
        got: list[Held] = []

        def give_back() -> None:
            while got:
                self._leases.drop(got[0].id, got.pop().epoch)

        def take(connection: Connection, made: Any) -> int:
            give_back()  # what an attempt got that was undone
            got.append(change(connection, made))
            self._leases.keep(got[0])
            return got[0].epoch

        job = Job(take, make, durable=durable)
        job.future.add_done_callback(lambda done: give_back() if done.exception() else None)
        return self._submit(job)

    def release(self, run_id: str, epoch: int) -> Future[None]:
        """Let others have the run; nothing more can be added to it under this epoch."""

        def change(connection: Connection, _: None) -> None:
            leases.release(connection, self._leases.held(run_id, epoch))

        job = Job(change)
        # Even if it cannot be written: this process is through with it.
        job.future.add_done_callback(lambda _: self._leases.drop(run_id, epoch))
        return self._submit(job)

    def hear(self, run_id: str, told: Callable[[str], None]) -> None:
        """Call `told` where another process asks for the end of a run that this store has: with the reason, often.

        It is called on a thread of the store, which must not wait.
        """
        self._leases.hear(run_id, told)

    def ask_end(self, run_id: str, reason: str) -> Future[Owner | None]:
        """Ask whoever has a run to end it; return the owner, None where nobody living has it.

        Raises:
            RunNotFoundError: No such run.
        """
        return self._change(lambda connection: leases.ask_end(connection, run_id, reason))

    def runs(
        self,
        *,
        graph: str | None = None,
        status: str | None = None,
        since: float | None = None,
        limit: int = 20,
        before: tuple[float, str] | None = None,
    ) -> Future[list[RunRow]]:
        """Return runs, newest first: of a graph, a status, started at or after `since`, after the place `before`.

        A run's place in the list is when it started, and its id.
        """
        return self._read(
            lambda connection: queries.runs(
                connection, graph=graph, status=status, since=since, limit=limit, before=before
            )
        )

    def head(self, run_id: str) -> Future[RunHead]:
        """Return a run without its log; the beginning of its id is enough where no other begins so.

        Raises:
            RunNotFoundError: No such run, or more than one; the error lists them.
        """
        return self._read(lambda connection: queries.head(connection, run_id))

    def latest(
        self, *, notebook: str | None = None, unfinished: bool = False, limit: int = 20
    ) -> Future[list[RunRow]]:  # fmt: skip
        """Return runs, newest first: of one notebook or of all, with `unfinished` only those that did not complete."""
        return self._read(
            lambda connection: queries.latest(connection, notebook=notebook, unfinished=unfinished, limit=limit)
        )

    def abandoned(self) -> Future[list[RunRow]]:
        """Return the runs that were going on when their process died, newest first."""
        return self._read(queries.abandoned)

    def log(self, run_id: str, *, after: int = 0, upto: int | None = None) -> Future[list[LogRow]]:
        """Return the events of a run with `after < seq <= upto`, oldest first.

        Raises:
            RunNotFoundError: No such run.
        """
        return self._read(lambda connection: queries.log(connection, run_id, after=after, upto=upto))

    def blobs(self, hashes: Iterable[str]) -> Future[dict[str, Blob]]:
        """Return values by their hashes.

        Raises:
            StoreError: Some are not there; the error names them.
        """
        wanted = list(hashes)
        return self._read(lambda connection: queries.blobs(connection, wanted))

    def graphs(self, name: str | None = None) -> Future[list[GraphRow]]:
        """Return the versions of one graph or of all, by name, newest first."""
        return self._read(lambda connection: queries.graphs(connection, name))

    def graph(self, name: str, version: int | None = None) -> Future[GraphRow]:
        """Return a version of a graph, by default the newest.

        Raises:
            StoreError: It is not stored; the error tells what is.
        """
        return self._read(lambda connection: queries.graph(connection, name, version))

    def keep_graph(self, graph: GraphRow) -> Future[int]:
        """Keep a graph without a run of it; return its version: that of the same definition where there is one."""
        return self._change(lambda connection: transactions.keep_graph(connection, graph, time.time()))

    def delete_graph(self, name: str, version: int | None = None, *, force: bool = False) -> Future[int]:
        """Delete a version of a graph, by default all; return how many. With `force` its runs go as well.

        Raises:
            StoreError: It is not stored, has runs and `force` is not given, or one of them is going on.
        """
        return self._change(lambda connection: retention.delete_graph(connection, name, version, force=force))

    def cached(self, key: str) -> Future[str | None]:
        """Return the output kept under a key, None without one."""
        return self._read(lambda connection: queries.cached(connection, key))

    def cache(self, key: str, tool: str, output: str, blobs: tuple[Blob, ...]) -> Future[None]:
        """Keep an output, with the values that it names, under a key; in place of the one there was."""
        small = compressed(blobs)
        return self._change(lambda connection: transactions.cache(connection, key, tool, output, small, time.time()))

    def prune(self, *, keep_last: int | None, older_than: float | None, dry_run: bool) -> Future[Pruned]:
        """Delete runs that are not going on, then the values that nothing names any longer; return how many.

        Args:
            keep_last: The newest runs stay, so many of them.
            older_than: Runs that began less than so many seconds ago stay. Without both, all runs stay.
            dry_run: Only tell what would go.
        """
        most = None if keep_last is None else min(keep_last, MOST_ROWS)
        return self._change(
            lambda connection: retention.prune(
                connection, keep_last=most, older_than=older_than, at=time.time(), dry_run=dry_run
            )
        )

    def info(self) -> Future[StoreInfo]:
        """Return how big the store is, and what is in it."""
        return self._read(lambda connection: retention.info(connection, self.place))

    def close(self) -> None:
        """Write what is queued, let others have the runs of this process, and close."""
        self._close(None)

    def _close(self, timeout_s: float | None) -> None:
        if not self._open:
            return
        self._open = False
        atexit.unregister(self._close)
        self._leases.close()
        self._delays.stop()
        last = self._change(self._leases.give_up)
        self._writer.close(timeout_s)
        if last.done():  # else it still writes, and ends with the process
            with suppress(Exception):
                self._database.close()

    def _submit(self, job: Job) -> Future[Any]:
        self._delays.start()
        return self._writer.submit(job)

    def _change(self, change: Change) -> Future[Any]:
        return self._submit(Job(lambda connection, _: change(connection)))

    def _read(self, query: Change) -> Future[Any]:
        begun = self._database.read(query) if self._open else None
        return begun or self._change(query)


def _small(batch: Batch) -> Batch:
    """Return a batch with its values compressed."""
    return replace(batch, blobs=compressed(batch.blobs)) if batch.blobs else batch


def open_database(url: str | None, folder: Path | None) -> Database:
    """Open the store at a URL; without one the file in `folder`, or in the folder of work.

    Raises:
        StoreError: The URL is not understood; the store is of a newer version, damaged, not ours, or not reached.
    """
    if url is None:
        return open_file(_made(default_file(folder)))
    read = parsed(url)
    if read.drivername == POSTGRES:
        from nbflow.store.postgres import PostgresDatabase

        return PostgresDatabase.open(read, upgrade)
    file = file_in(read)
    return open_memory() if file is None else open_file(file)


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
