"""The leases of runs: which process may write a run.

Invariant: a run has one owner, and each owner an epoch. Every commit carries the epoch of its owner, so a process that
was taken for dead and returns cannot write. The lease alone decides when another process may take over; on PostgreSQL
the clock of the server measures it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread

from sqlalchemy import Connection, select, update

from nbflow.errors import RunStateError
from nbflow.store.owners import LEASE_S, Owner, this_process
from nbflow.store.queries import find
from nbflow.store.schema import ExecutionModel as Execution
from nbflow.store.statements import now
from nbflow.store.writer import Database

BEAT_S = 2.0
logger = logging.getLogger("nbflow")


@dataclass(frozen=True, slots=True)
class Held:
    """A run that this process owns; `number` is the run's number in the store."""

    id: str
    number: int
    epoch: int


class Leases:
    """The runs that one store object owns, and the thread that renews their leases."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[str, Held] = {}
        self._hearing: dict[str, Callable[[str], None]] = {}
        self._stop, self._starting = Event(), Lock()
        self._thread: Thread | None = None
        self.owner: Owner = this_process()

    def held(self, run_id: str, epoch: int) -> Held:
        """Return a run that this store owns under an epoch.

        Raises:
            RunStateError: This store does not own the run, or another process has taken it over.
        """
        held = self._held.get(run_id)
        if held is None or held.epoch != epoch:
            raise RunStateError(f"run {run_id!r} is no longer owned by this session; claim it before writing to it")
        return held

    def holds(self, run_id: str) -> bool:
        """Return whether this store owns the run."""
        return run_id in self._held

    @property
    def ids(self) -> list[str]:
        """The ids of the runs that this store owns."""
        return list(self._held)

    def keep(self, held: Held) -> None:
        """Renew the lease of a run from now on."""
        self._held[held.id] = held
        with self._starting:
            if self._thread is None and not self._stop.is_set():
                self._thread = Thread(target=self._beat, name="nbflow-store-heartbeat", daemon=True)
                self._thread.start()

    def hear(self, run_id: str, told: Callable[[str], None]) -> None:
        """Call `told` with the reason at each heartbeat, on its thread, once another process requests cancellation."""
        self._hearing[run_id] = told
        if run_id not in self._held:  # checked after the insertion, so that a concurrent `drop` cannot be missed
            self._hearing.pop(run_id, None)

    def drop(self, run_id: str, epoch: int) -> None:
        """Stop renewing the lease of a run, if this store still owns it under the epoch."""
        held = self._held.get(run_id)
        if held and held.epoch == epoch:
            del self._held[run_id]
            self._hearing.pop(run_id, None)

    def close(self) -> None:
        """Stop renewing leases."""
        self._stop.set()
        with self._starting:
            if self._thread:
                self._thread.join(BEAT_S)  # a renewal may be under way, and its connection is about to be closed

    def give_up(self, connection: Connection) -> None:
        """Release all runs that this store owns."""
        for held in [*self._held.values()]:
            release(connection, held)
        self._held.clear()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_S):
            for held in [*self._held.values()]:
                try:
                    self._renew(held)
                except Exception as error:  # noqa: BLE001 - the next beat may succeed; else another process takes over
                    logger.debug("the lease of run %s was not renewed: %s", held.id, error)
                    break

    def _renew(self, held: Held) -> None:
        asked: list[str | None] = []
        # One transaction a run: two processes that lock several runs in different orders would deadlock.
        self._database.renew(lambda connection: asked.append(renew(held, connection)))
        told = self._hearing.get(held.id)
        if asked and asked[0] is not None and told is not None:
            told(asked[0])


def claim(
    connection: Connection, run_id: str, owner: Owner, *, holds: Callable[[str], bool], notebook: str | None = None
) -> Held:  # fmt: skip
    """Make `owner` the owner of a run under a new epoch.

    Args:
        connection: A connection in a transaction.
        run_id: The id of the run.
        owner: The new owner.
        holds: Returns whether the new owner still owns a run itself.
        notebook: The notebook that the run belongs to from now on; None leaves it unchanged.

    Raises:
        RunNotFoundError: No such run.
        RunStateError: A live process owns the run.
    """
    number = find(connection, run_id)
    columns = Execution.id, Execution.owner, Execution.epoch, now(connection), Execution.lease_until
    where = Execution.number == number
    run_id, had, epoch, time_now, until = connection.execute(select(*columns).where(where).with_for_update()).one()
    other = Owner.read(had)
    if other and (holds(run_id) if other.id == owner.id else other.is_alive(until - time_now)):
        raise RunStateError(f"run {run_id!r} is owned by {other.told()}; cancel it there, or wait for its end")
    values = {"owner": owner.text(time_now), "epoch": epoch + 1, "lease_until": time_now + LEASE_S}
    if notebook is not None:
        values["notebook"] = notebook
    # A request to cancel concerned only the previous owner.
    connection.execute(update(Execution).where(where).values(**values, cancel_asked=None))
    return Held(run_id, number, epoch + 1)


def release(connection: Connection, held: Held) -> None:
    """Release a run, unless another process has taken it over already."""
    same = (Execution.number == held.number) & (Execution.epoch == held.epoch)
    connection.execute(update(Execution).where(same).values(owner=None))


def renew(held: Held, connection: Connection) -> str | None:
    """Renew a lease; return the reason if another process requested the run's cancellation, else None."""
    same = (Execution.number == held.number) & (Execution.epoch == held.epoch)
    change = update(Execution).where(same).values(lease_until=now(connection) + LEASE_S)
    if connection.dialect.update_returning:
        return connection.scalar(change.returning(Execution.cancel_asked))
    connection.execute(change)  # SQLite before 3.35 (2021) has no RETURNING
    return connection.scalar(select(Execution.cancel_asked).where(same))


def ask_end(connection: Connection, run_id: str, reason: str) -> Owner | None:
    """Request the cancellation of a run from its owner; return the owner, None if no live process owns it.

    Raises:
        RunNotFoundError: No such run.
    """
    where = Execution.number == find(connection, run_id)
    columns = Execution.owner, Execution.lease_until, now(connection)
    had, until, time_now = connection.execute(select(*columns).where(where).with_for_update()).one()
    owner = Owner.read(had)
    if owner is None or not owner.is_alive(until - time_now):
        return None
    connection.execute(update(Execution).where(where).values(cancel_asked=reason))
    return owner
