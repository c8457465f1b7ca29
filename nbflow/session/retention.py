"""Which runs that have ended stay in memory: the newest ones, within a number and a size.

Invariant: only this module's references are dropped. A run that somebody else holds, such as a variable of a notebook,
stays usable in full.
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
"""Events of a run that are looked at to estimate its size."""
EVENT_BYTES = 300
"""What an event takes beside its values."""
COLLECT_BYTES = 16 * 2**20
"""So much that was released and is still there, as it is part of reference cycles, is worth a garbage collection."""
TRIM_BYTES = 8 * 2**20
"""After so much was released, freed memory goes back to the system."""


class Holder(Protocol):
    """Something that shows runs, and so refers to them."""

    def release(self, run: RunRecord) -> None:
        """Refer to a run no longer, if it is the one that is shown."""


class Retention:
    """The ended runs of a session, of this process or read from the store, oldest first.

    Args:
        released: Called with a run that is released; the session then drops it.
        spared: Returns the run that is never released.
    """

    def __init__(self, released: Callable[[RunRecord], None], spared: Callable[[], RunRecord | None]) -> None:
        self.holders: WeakSet[Holder] = WeakSet()
        """Who else lets go of a run that is released."""
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
        with suppress(NbflowError):  # a setting that is not understood; whoever starts the next run hears of it
            self._shrink()

    def drop(self, run: RunRecord) -> None:
        """Retain a run no longer that was replaced: it goes on as another object."""
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
        """Take out the oldest run that must go; None where all of them may stay."""
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
        """Collect garbage once much of what was released is still there: errors refer to their frames, and back."""
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
    """Give freed memory back to the system.

    glibc keeps what several threads have allocated and freed: 200 results of 1 MB left 150 MB there. Other C libraries
    have no such function.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def estimate(run: RunRecord) -> int:
    """Return about how many bytes the values and events of a run take; looks at a bounded number of them."""
    events = run.events
    count = len(events)
    step = -(-count // MOST_EVENTS) or 1
    records = events.records(0, count)[::step] if isinstance(events, EventLog) else list(events[::step])
    values = [value for record in records for value in _values(record)]
    return count * EVENT_BYTES + size_of([run.initial, *values], scale=step)


def _values(record: Record | Event) -> Iterable[object]:
    """Return the values of an event; tasks, tools and edges belong to the plan, which is small."""
    return (record.data,) if isinstance(record, Event) else record.values()
