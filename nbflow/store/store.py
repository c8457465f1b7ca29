"""The store: each method queues a change or a query, and returns a future.

All methods may be called from any thread. No future needs the caller's event loop, so `.result()` may block that loop.
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
"""The longest time (s) that the exit of the process waits for queued changes."""


class Store:
    """A database of graphs, runs, event logs and values; `Store.open` creates the object."""

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
        """Open the store at a URL; create a missing one, and upgrade an older one to this version.

        Args:
            url: `sqlite+aiosqlite:///FILE`, `sqlite+aiosqlite://` for memory, or
                `postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE`. None is the file `.nbflow/nbflow.db` in `folder`.
            folder: By default the working directory.

        Raises:
            StoreError: A newer nbflow or another program wrote the store, it is damaged, or it cannot be reached.
        """
        return Store(open_database(url, folder))

    @property
    def place(self) -> str:
        """The location, for people: the path of the file, `in memory`, or the URL without its password."""
        return self._database.place

    @property
    def lasts(self) -> bool:
        """True if the store is persistent; a store in memory is not."""
        return self._database.lasts

    @property
    def shared(self) -> bool:
        """True if processes on other machines, which have other files, may use the store too."""
        return self._database.shared

    @property
    def owner(self) -> str:
        """This process, as `RunRow.owner` names it."""
        return str(self._leases.owner)

    def create(self, make: Callable[[], NewRun], *, durable: bool = False) -> Future[int]:
        """Insert a run, its graph if that is new, its values and its first event; return its epoch, 1.

        This is one transaction, and this process owns the run from then on. Batches may be appended under that epoch
        without waiting for the future. A fork also gets its parent's log up to `parent_seq`, and the parent's tools
        and values. `make` and `durable` are those of `append`.

        Raises:
            RunNotFoundError: The parent is not stored.
            StoreError: The store has a run with this id already, or the parent has no such event.
        """

        def made() -> NewRun:
            run = make()
            return replace(run, blobs=compressed(run.blobs), first=run.first and _small(run.first))

        return self._owning(
            lambda connection, run: transactions.create(connection, run, self._leases.owner), made, durable=durable
        )

    def append(self, run_id: str, epoch: int, make: Callable[[], Batch], *, durable: bool = False) -> Future[Batch]:
        """Append a batch to a run, in one transaction; return the batch once it is committed.

        Every value that a row refers to is among the blobs of its batch or of an earlier batch of the run. A `status`
        means that the run continues, so it clears an end that was stored before. An `ending` also releases the run.

        Args:
            run_id: A run that this store has created or claimed.
            epoch: The epoch that `create` or `claim` returned.
            make: Returns the batch; called on the writer's thread, so that it costs the caller nothing. The future
                raises its errors. It must not wait for this store.
            durable: True if the future waits until the batch is on disk, not only in the cache of the system.

        Raises:
            RunStateError: Another process has taken the run over, or it was released.
            StoreError: The batch cannot be written, or does not follow the last event of the run.
        """

        def change(connection: Connection, batch: Batch) -> Batch:
            return transactions.append(connection, self._leases.held(run_id, epoch), batch)

        def after(batch: Batch) -> None:
            if batch.ending:
                self._leases.drop(run_id, epoch)
                self._database.shrink_log()

        return self._submit(Job(change, lambda: _small(make()), after, durable=durable))

    def claim(self, run_id: str, *, notebook: str | None = None) -> Future[int]:
        """Take over a run that no live process owns; return its new epoch. Of several simultaneous claims one succeeds.

        Args:
            run_id: The id of the run.
            notebook: The notebook that resumes the run, which belongs to it from then on; None leaves it unchanged.

        Raises:
            RunNotFoundError: No such run.
            RunStateError: A live process owns the run; the error names the process, and since when.
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
        """Queue a change that makes this process the owner of a run; the future returns the epoch.

        The change records the ownership before its commit, so that batches queued behind it need not wait for the
        future. If the commit fails, the ownership is dropped again.
        """
        got: list[Held] = []

        def give_back() -> None:
            while got:
                self._leases.drop(got[0].id, got.pop().epoch)

        def take(connection: Connection, made: Any) -> int:
            give_back()  # the ownership of an earlier attempt, which was rolled back
            got.append(change(connection, made))
            self._leases.keep(got[0])
            return got[0].epoch

        job = Job(take, make, durable=durable)
        job.future.add_done_callback(lambda done: give_back() if done.exception() else None)
        return self._submit(job)

    def release(self, run_id: str, epoch: int) -> Future[None]:
        """Release a run, so that other processes may claim it; nothing can be appended under this epoch any more."""

        def change(connection: Connection, _: None) -> None:
            leases.release(connection, self._leases.held(run_id, epoch))

        job = Job(change)
        # Even if the release cannot be written: the lease then expires.
        job.future.add_done_callback(lambda _: self._leases.drop(run_id, epoch))
        return self._submit(job)

    def hear(self, run_id: str, told: Callable[[str], None]) -> None:
        """Call `told` with the reason when another process requests the cancellation of a run that this store owns.

        It is called repeatedly, on a thread of the store, and must not block.
        """
        self._leases.hear(run_id, told)

    def ask_end(self, run_id: str, reason: str) -> Future[Owner | None]:
        """Request the cancellation of a run from its owner; return the owner, None if no live process owns it.

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
        """Return runs, newest first: of a graph, of a status, started at or after `since` (s since 1970).

        `before` is the start and the id of the last run of the previous page.
        """
        return self._read(
            lambda connection: queries.runs(
                connection, graph=graph, status=status, since=since, limit=limit, before=before
            )
        )

    def head(self, run_id: str) -> Future[RunHead]:
        """Return a run without its log, by its id or a unique prefix of it.

        Raises:
            RunNotFoundError: No run or several runs match; the error lists them.
        """
        return self._read(lambda connection: queries.head(connection, run_id))

    def latest(
        self, *, notebook: str | None = None, unfinished: bool = False, limit: int = 20
    ) -> Future[list[RunRow]]:  # fmt: skip
        """Return the runs of one notebook or of all, newest first; with `unfinished` only those not completed."""
        return self._read(
            lambda connection: queries.latest(connection, notebook=notebook, unfinished=unfinished, limit=limit)
        )

    def abandoned(self) -> Future[list[RunRow]]:
        """Return the runs that had not ended when their process died, newest first."""
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
            StoreError: Values are missing; the error names them.
        """
        wanted = list(hashes)
        return self._read(lambda connection: queries.blobs(connection, wanted))

    def graphs(self, name: str | None = None) -> Future[list[GraphRow]]:
        """Return the versions of one graph or of all, by name, newest first."""
        return self._read(lambda connection: queries.graphs(connection, name))

    def graph(self, name: str, version: int | None = None) -> Future[GraphRow]:
        """Return a version of a graph, by default the newest.

        Raises:
            StoreError: The graph or version is not stored; the error lists the stored ones.
        """
        return self._read(lambda connection: queries.graph(connection, name, version))

    def keep_graph(self, graph: GraphRow) -> Future[int]:
        """Store a graph without a run; return its version, which is that of an equal definition if one is stored."""
        return self._change(lambda connection: transactions.keep_graph(connection, graph, time.time()))

    def delete_graph(self, name: str, version: int | None = None, *, force: bool = False) -> Future[int]:
        """Delete a version of a graph, by default all versions; return their number.

        Raises:
            StoreError: The graph is not stored, it has runs and `force` is not given, or a run has not ended.
        """
        return self._change(lambda connection: retention.delete_graph(connection, name, version, force=force))

    def cached(self, key: str) -> Future[str | None]:
        """Return the output cached under a key, None without one."""
        return self._read(lambda connection: queries.cached(connection, key))

    def cache(self, key: str, tool: str, output: str, blobs: tuple[Blob, ...]) -> Future[None]:
        """Cache an output, with the values that it refers to, under a key; replace the present one."""
        small = compressed(blobs)
        return self._change(lambda connection: transactions.cache(connection, key, tool, output, small, time.time()))

    def prune(self, *, keep_last: int | None, older_than: float | None, dry_run: bool) -> Future[Pruned]:
        """Delete ended runs and the values that are no longer used; return the numbers.

        Without `keep_last` and `older_than` no run is deleted.

        Args:
            keep_last: The number of the newest runs that remain.
            older_than: The age (s) since their start up to which runs remain.
            dry_run: If true, count only, and delete nothing.
        """
        most = None if keep_last is None else min(keep_last, MOST_ROWS)
        return self._change(
            lambda connection: retention.prune(
                connection, keep_last=most, older_than=older_than, at=time.time(), dry_run=dry_run
            )
        )

    def info(self) -> Future[StoreInfo]:
        """Return the size and the contents of the store."""
        return self._read(lambda connection: retention.info(connection, self.place))

    def close(self) -> None:
        """Write the queued changes, release the runs of this process, and close the store."""
        self._close(None)

    def _close(self, timeout_s: float | None) -> None:
        if not self._open:
            return
        self._open = False
        atexit.unregister(self._close)
        self._leases.close()
        self._delays.stop()
        # Not by `_submit`: since Python 3.12 no thread starts while the interpreter exits, and this needs none.
        last = self._writer.submit(Job(lambda connection, _: self._leases.give_up(connection)))
        self._writer.close(timeout_s)
        if last.done():  # else the writer is still busy, and ends with the process
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
    """Return a batch with compressed values."""
    return replace(batch, blobs=compressed(batch.blobs)) if batch.blobs else batch


def open_database(url: str | None, folder: Path | None) -> Database:
    """Open the database at a URL; without one the default file in `folder`, or in the working directory.

    Raises:
        StoreError: The URL is not valid; a newer nbflow or another program wrote the store; it is damaged, or cannot be
            reached.
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
    """Create the hidden folder of the default file, which version control ignores; return the file."""
    hidden = file.parent
    try:
        make_folder(hidden)
        make_file(hidden / ".gitignore", b"*\n")
    except OSError as error:
        raise StoreError(
            f"the folder {hidden} of the store cannot be created: {error.strerror}; set NBFLOW_DATABASE_URL"
        ) from error
    return file
