"""The events of a run as JSON texts for its watchers, and the polling of runs that another process owns.

A run never waits for a watcher. A watcher asks for the events after the last one it has, so a slow one misses nothing.
Only the newest texts are retained. Small events are encoded once, when they occur; large and old ones are encoded in a
thread, once for all watchers that ask for the same events at that time.

Polling reads the row of the run, and the events only if the row has changed. A run that takes long to read is polled
less often.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import TYPE_CHECKING

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.json_values import Bounds, Room
from nbflow.json_values.pieces import json_text
from nbflow.server.responses import event_data, event_texts
from nbflow.view import RunView
from nbflow.view.fold.catch_up import CatchUp
from nbflow.view.recorded_run import empty_view

if TYPE_CHECKING:
    from nbflow.server.service import Service


PACE_S = 0.005
"""The interval at which the events of a busy run are read; the first event after a quiet time is sent at once."""
AT_ONCE = 200
_NOW = 5_000
"""The largest size (bytes) of values that is encoded on the loop, in a few milliseconds."""
_TEXTS, _LETTERS = 2_000, 1_000_000
"""The most texts, and characters in them, that are retained; a watcher further behind gets newly encoded ones."""


class Broadcast:
    """The event texts that the watchers of `run` share. Create it on the loop of the watchers, not of the run."""

    def __init__(self, run: Run, most: int) -> None:
        self.run, self._most = run, most
        self._writing: dict[int, asyncio.Task[list[str]]] = {}
        self._loop = asyncio.get_running_loop()
        self._texts: deque[str] = deque()
        self._size, self._upto = 0, len(run.events)
        self._bell = asyncio.Event()
        self._looked = 0.0
        self._listen()

    async def after(self, seq: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield the events after `seq`, until the run ends: the `seq` of the last one, and their texts."""
        while True:
            bell = self._bell
            over = self.run.result is not None
            if len(self.run.events) > seq:
                texts = await self._from(seq)
                seq += len(texts)
                yield seq, texts
            elif over:
                return
            else:
                await bell.wait()

    async def _from(self, seq: int) -> list[str]:
        kept_from = self._upto - len(self._texts)
        if kept_from <= seq < self._upto:
            return list(islice(self._texts, seq - kept_from, seq - kept_from + AT_ONCE))
        if (writing := self._writing.get(seq)) is None:
            events = self.run.events[seq : seq + AT_ONCE]
            thread = asyncio.to_thread(event_texts, events, self.run.id, self._most)
            writing = self._writing[seq] = asyncio.create_task(thread)
            writing.add_done_callback(lambda _: self._writing.pop(seq, None))
        return await asyncio.shield(writing)

    def _listen(self) -> None:
        if self.run.loop is self._loop:
            self.run.on_change(self._changed)
        else:
            self.run.loop.call_soon_threadsafe(self.run.on_change, self._tell_across)

    def _tell_across(self) -> None:
        self._loop.call_soon_threadsafe(self._changed)

    def _changed(self) -> None:
        # One read covers all events since the last read; after a quiet time it follows at once.
        self._loop.call_later(max(0.0, self._looked + PACE_S - self._loop.time()), self._look)

    def _look(self) -> None:
        self._looked = self._loop.time()
        self._keep()
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()
        if self.run.result is None:
            self._listen()

    def _keep(self) -> None:
        there = len(self.run.events)
        # A burst of events, or a large event, is not encoded here: that would block the loop.
        texts = self._written(self._upto, there) if there - self._upto <= AT_ONCE else None
        if texts is None:
            self._texts.clear()
            self._size, texts = 0, []
        self._texts.extend(texts)
        self._size += sum(map(len, texts))
        self._upto = there
        while self._texts and (len(self._texts) > _TEXTS or self._size > _LETTERS):
            self._size -= len(self._texts.popleft())

    def _written(self, begin: int, end: int) -> list[str] | None:
        """Return the texts of events, or None if they are too large to encode on the loop."""
        bounds = Bounds(room=Room(min(_NOW, self._most)))
        texts = []
        for event in self.run.events[begin:end]:
            texts.append(json_text(event_data(event, self.run.id, bounds)))
            if bounds.is_short:
                return None
        return texts


POLL_S = 0.5
"""Seconds between two polls of a run that runs in another process."""
REST_S = 2.0
"""Seconds between two polls of a run that has ended: another process may resume it without a notice."""
READ_PER_S = 10_000
"""Events of a run per second of delay of its next poll; reading and folding them takes less than half the delay."""


async def readings(service: Service, run_id: str) -> AsyncIterator[RunRecord]:
    """Yield a run, then again after each change in another process, until it ends or runs in this process.

    Raises:
        RunNotFoundError: There is no such run.
    """
    known = await service.read(run_id)
    yield known
    pause = pause_after(known, known)
    while not isinstance(known, Run) and known.result is None:
        await asyncio.sleep(pause)
        found = await newer(service, known)
        pause = pause_after(known, found)
        if found is not None:
            known = found
            yield known


async def newer(service: Service, known: RunRecord) -> RunRecord | None:
    """Return the current record of a run, or None if nothing has changed since `known`.

    Raises:
        RunNotFoundError: The run was deleted.
        StoreError: The store cannot be read.
    """
    here = await service.session.local_run(known.id)
    if here is known or (here is None and not await service.session.is_outdated(known)):
        return None
    return here or await service.read(known.id)


def pause_after(known: RunRecord, read: RunRecord | None) -> float:
    """Return the seconds until the next poll; `read` is what the last poll returned, None if `known` is current."""
    if read is not None and not isinstance(read, Run):
        return POLL_S + len(read.events) / READ_PER_S
    return POLL_S if known.result is None and not isinstance(known, Run) else REST_S


async def folded(run: RunRecord) -> RunView:
    """Return the view of a run, made in a thread: empty for a run of this process, else folded from all its events."""
    view = await asyncio.to_thread(empty_view, run)
    if not isinstance(run, Run):
        await asyncio.to_thread(CatchUp(view, run.events).fold)
    return view
