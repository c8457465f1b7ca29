"""Which runs this process may write, and keeping it so.

Rule: a run has one owner, and each owner an epoch. Every commit carries its epoch, so a process that was taken for dead
and comes back writes nothing. The lease only decides when another may take over; PostgreSQL's own clock measures it.
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
    """A run that this process has; `number` is the run's in the store."""

    id: str
    number: int
    epoch: int


class Leases:
    """The runs of one store object, and the thread that keeps them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[str, Held] = {}
        self._hearing: dict[str, Callable[[str], None]] = {}
        self._stop, self._starting = Event(), Lock()
        self._thread: Thread | None = None
        self.owner: Owner = this_process()

    def held(self, run_id: str, epoch: int) -> Held:
        """Return the run as it is held.

        Raises:
            RunStateError: It is not held by this store, or has been taken over since.
        """
        held = self._held.get(run_id)
        if held is None or held.epoch != epoch:
            raise RunStateError(f"run {run_id!r} is not held by this session any longer; claim it before writing to it")
        return held

    def holds(self, run_id: str) -> bool:
        """Return whether this store has the run."""
        return run_id in self._held

    @property
    def ids(self) -> list[str]:
        """The runs that are held."""
        return list(self._held)

    def keep(self, held: Held) -> None:
        """Renew the lease from now on."""
        self._held[held.id] = held
        with self._starting:
            if self._thread is None and not self._stop.is_set():
                self._thread = Thread(target=self._beat, name="nbflow-store-heartbeat", daemon=True)
                self._thread.start()

    def hear(self, run_id: str, told: Callable[[str], None]) -> None:
        """Tell, at each beat and on its thread, why another process asks for the end of a run that is held."""
        self._hearing[run_id] = told
        if run_id not in self._held:  # asked after it was put there, so that whichever comes last takes it away
            self._hearing.pop(run_id, None)

    def drop(self, run_id: str, epoch: int) -> None:
        """Renew it no longer, if it is still held so."""
        held = self._held.get(run_id)
        if held and held.epoch == epoch:
            del self._held[run_id]
            self._hearing.pop(run_id, None)

    def close(self) -> None:
        """Renew nothing any longer."""
        self._stop.set()
        with self._starting:
            if self._thread:
                self._thread.join(BEAT_S)  # it may be at it, and its connection is about to be closed

    def give_up(self, connection: Connection) -> None:
        """Let others have all that is held."""
        for held in [*self._held.values()]:
            release(connection, held)
        self._held.clear()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_S):
            for held in [*self._held.values()]:
                try:
                    self._renew(held)
                except Exception as error:  # noqa: BLE001 - the next beat may do better; else others take the run over
                    logger.debug("the lease of run %s was not renewed: %s", held.id, error)
                    break

    def _renew(self, held: Held) -> None:
        asked: list[str | None] = []
        # Each by itself: two that lock several runs in different orders would wait for each other.
        self._database.renew(lambda connection: asked.append(renew(held, connection)))
        told = self._hearing.get(held.id)
        if asked and asked[0] is not None and told is not None:
            told(asked[0])


def claim(
    connection: Connection, run_id: str, owner: Owner, *, holds: Callable[[str], bool], notebook: str | None = None
) -> Held:  # fmt: skip
    """Make `owner` the owner of a run under a new epoch; `holds` tells which runs it still has itself.

    The run belongs to `notebook` from then on; where that is None, to the one that it had.

    Raises:
        RunNotFoundError: No such run.
        RunStateError: A living process has it.
    """
    number = find(connection, run_id)
    columns = Execution.id, Execution.owner, Execution.epoch, now(connection), Execution.lease_until
    where = Execution.number == number
    run_id, had, epoch, time_now, until = connection.execute(select(*columns).where(where).with_for_update()).one()
    other = Owner.read(had)
    if other and (holds(run_id) if other.id == owner.id else other.is_alive(until - time_now)):
        raise RunStateError(f"run {run_id!r} is held by {other.told()}; stop it there, or wait for its end")
    values = {"owner": owner.text(time_now), "epoch": epoch + 1, "lease_until": time_now + LEASE_S}
    if notebook is not None:
        values["notebook"] = notebook
    # What was asked of the owner before was asked of it alone.
    connection.execute(update(Execution).where(where).values(**values, cancel_asked=None))
    return Held(run_id, number, epoch + 1)


def release(connection: Connection, held: Held) -> None:
    """Let others have a run, if it has not been taken over already."""
    same = (Execution.number == held.number) & (Execution.epoch == held.epoch)
    connection.execute(update(Execution).where(same).values(owner=None))


def renew(held: Held, connection: Connection) -> str | None:
    """Put off the end of a lease; return why another process asks for the run's end, None where none does."""
    same = (Execution.number == held.number) & (Execution.epoch == held.epoch)
    change = update(Execution).where(same).values(lease_until=now(connection) + LEASE_S)
    if connection.dialect.update_returning:
        return connection.scalar(change.returning(Execution.cancel_asked))
    connection.execute(change)  # an SQLite from before 2021
    return connection.scalar(select(Execution.cancel_asked).where(same))


def ask_end(connection: Connection, run_id: str, reason: str) -> Owner | None:
    """Ask the owner of a run to end it; return who that is, None where nobody living has it.

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
