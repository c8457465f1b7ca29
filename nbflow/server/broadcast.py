"""The events of a live run as texts, for all who watch it.

Rule: each event is written once, however many watch, and nobody who watches is waited for: a watcher asks from where it
has got to, so that one which is slow misses nothing and costs the run nothing. Only the newest texts are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice

from nbflow.engine import Run
from nbflow.server.shown import event_data, text_of

PACE_S = 0.005
"""A run that does very much at once is looked at so often; the first event after a quiet time is told at once."""
AT_ONCE = 200
_TEXTS, _LETTERS = 2_000, 1_000_000
"""How much is kept for those who are close behind; who is further behind has its texts written anew."""


class Broadcast:
    """What the watchers of `run` share. Make it on the loop of those who watch; the run may be on another."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._loop = asyncio.get_running_loop()
        self._texts: deque[str] = deque()
        self._size, self._upto = 0, len(run.events)
        self._bell = asyncio.Event()
        self._looked = 0.0
        self._listen()

    async def after(self, seq: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Give what happened after event `seq`, to the run's end: the last event's `seq`, and some events' texts."""
        while True:
            bell = self._bell
            over = self.run.result is not None
            if len(self.run.events) > seq:
                texts = self._from(seq)
                seq += len(texts)
                yield seq, texts
            elif over:
                return
            else:
                await bell.wait()

    def _from(self, seq: int) -> list[str]:
        kept_from = self._upto - len(self._texts)
        if kept_from <= seq < self._upto:
            return list(islice(self._texts, seq - kept_from, seq - kept_from + AT_ONCE))
        return [self._written(at) for at in range(seq, min(seq + AT_ONCE, len(self.run.events)))]

    def _written(self, index: int) -> str:
        return text_of(event_data(self.run.events[index], self.run.id))

    def _listen(self) -> None:
        if self.run.loop is self._loop:
            self.run.on_change(self._changed)
        else:
            self.run.loop.call_soon_threadsafe(self.run.on_change, self._tell_across)

    def _tell_across(self) -> None:
        self._loop.call_soon_threadsafe(self._changed)

    def _changed(self) -> None:
        # With all that happens in the same turn of the loop, at once if it was quiet before.
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
        # A burst is not written here: whoever watches writes it a part at a time, and the loop breathes in between.
        if there - self._upto > AT_ONCE:
            self._texts.clear()
            self._size, self._upto = 0, there
        for index in range(self._upto, there):
            text = self._written(index)
            self._texts.append(text)
            self._size += len(text)
        self._upto = there
        while self._texts and (len(self._texts) > _TEXTS or self._size > _LETTERS):
            self._size -= len(self._texts.popleft())
