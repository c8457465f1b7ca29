"""Retain the newest of the runs that ended in memory, up to a number and a size.

Invariant: only the references of the session are dropped. A run that a variable of the user refers to stays complete.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock, Thread
from typing import Protocol
from weakref import WeakSet, ref

from nbflow.engine.record import RunRecord
from nbflow.errors import NbflowError
from nbflow.event_log import EventLog, Record
from nbflow.events import Event
from nbflow.values.weight import size_of

MOST_EVENTS = 2_000
"""The most events of a run that are read to estimate its size."""
EVENT_BYTES = 300
"""The size of an event without its values, in bytes."""
COLLECT_BYTES = 16 * 2**20
"""After this many bytes of released runs are still alive, as parts of reference cycles, garbage is collected."""
TRIM_BYTES = 8 * 2**20
"""After this many released bytes, freed memory is returned to the operating system."""


class Holder(Protocol):
    """An object that displays runs, and so refers to them."""

    def release(self, run: RunRecord) -> None:
        """Drop the reference to a run, if it is the displayed one."""


class Retention:
    """The ended runs of a session, of this process or read from the store, oldest first.

    Args:
        released: Called with a run that is released; the session then drops its reference.
        spared: Returns the run that is never released.
    """

    def __init__(self, released: Callable[[RunRecord], None], spared: Callable[[], RunRecord | None]) -> None:
        self.holders: WeakSet[Holder] = WeakSet()
        """The displays that drop a run when it is released."""
        self._released, self._spared = released, spared
        self._sizes: dict[int, tuple[RunRecord, int]] = {}
        self._lingering = self._freed = 0
        self._lock = Lock()

    def retain(self, run: RunRecord) -> None:
        """Retain a run that has ended, and release the oldest ones beyond what the settings allow."""
        size = estimate(run)
        with self._lock:
            self._sizes.pop(id(run), None)
            self._sizes[id(run)] = run, size
        with suppress(NbflowError):  # an invalid setting; the start of the next run reports it
            self._shrink()

    def drop(self, run: RunRecord) -> None:
        """Retain a run no longer, as a resume has replaced the object by another one."""
        with self._lock:
            self._sizes.pop(id(run), None)

    def _shrink(self) -> None:
        from nbflow.settings import settings

        chosen = settings()
        while (found := self._oldest(chosen.retain_runs, chosen.retain_bytes)) is not None:
            left, size = ref(found[0]), found[1]
            self._release(found[0])
            del found
            self._collect(left, size)

    def _oldest(self, runs: int, size: int) -> tuple[RunRecord, int] | None:
        """Remove and return the oldest run that exceeds the limits, with its size; None if none does."""
        with self._lock:
            if len(self._sizes) <= runs and sum(each for _, each in self._sizes.values()) <= size:
                return None
            spared = self._spared()
            for key, (run, _) in self._sizes.items():
                if run is not spared:
                    return self._sizes.pop(key)
            return None

    def _release(self, run: RunRecord) -> None:
        self._released(run)
        for holder in list(self.holders):
            holder.release(run)

    def _collect(self, left: ref[RunRecord], size: int) -> None:
        """Collect garbage once many released bytes are still alive: errors and their frames refer to each other."""
        self._freed += size
        if left() is not None:
            self._lingering += size
        if self._lingering > COLLECT_BYTES:
            self._lingering = 0
            gc.collect()
        if self._freed > TRIM_BYTES:
            self._freed = 0
            Thread(target=_trim, name="nbflow-trim", daemon=True).start()


def _trim() -> None:
    """Return freed memory to the operating system.

    glibc does not return what several threads have allocated and freed: after 200 results of 1 MB, 150 MB were left.
    Other C libraries have no such function.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def estimate(run: RunRecord) -> int:
    """Return an estimate of the bytes of a run's values and events, from a bounded sample of its events."""
    events = run.events
    count = len(events)
    step = -(-count // MOST_EVENTS) or 1
    records = events.records(0, count)[::step] if isinstance(events, EventLog) else list(events[::step])
    values = [value for record in records for value in _values(record)]
    return count * EVENT_BYTES + size_of([run.initial, *values], scale=step)


def _values(record: Record | Event) -> Iterable[object]:
    """Return the values of an event; tasks, tools and edges belong to the plan, which is small."""
    return (record.data,) if isinstance(record, Event) else record.values()
