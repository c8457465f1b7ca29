"""Brings a view to where its run is: at once, or by pieces between which the run goes on.

Invariant: the view ends in the same state however it is brought there, and stands after some event of the run in
between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from nbflow.engine.journal import Journal
from nbflow.events import Event
from nbflow.view.fold import RunView
from nbflow.view.stretch import Step, Stretch

PIECE = 4_000
"""Events folded in one go: some 20 ms of the run's loop."""
LOOKED = 200_000
"""Events looked through in one go, which takes about as long."""
_WORTH = 4
"""A stretch of so many times more events than are to be folded is taken at once, however many they are."""


class Backlog:
    """What has happened in a run since its view was brought up to date."""

    def __init__(self, view: RunView, events: Sequence[Event]) -> None:
        self._view, self._events = view, events
        self._dense = self._known = 0
        """Up to where hardly anything can be left out, and how many events there were at the last look."""

    @property
    def left(self) -> int:
        """How many events it is long."""
        return len(self._events) - self._view.seq

    def grown(self) -> int:
        """Return how many events have come since this was last asked."""
        known, self._known = self._known, len(self._events)
        return self._known - known

    def fold(self) -> None:
        """Fold all of it."""
        while self.left:
            self._take(len(self._events), 1 << 62)

    def fold_piece(self, upto: int | None = None) -> None:
        """Fold what some hundredths of a second allow, no further than event `upto`."""
        room, end = PIECE, len(self._events) if upto is None else upto
        while self._view.seq < end and room > 0:
            room -= self._take(min(end, self._view.seq + LOOKED), room)

    def _take(self, upto: int, room: int) -> int:
        """Fold some of the events up to one of them; return how much of the room that took."""
        first = self._view.seq
        if not isinstance(self._events, Journal) or (first < self._dense and room <= PIECE):
            return self._one_by_one(min(upto, first + room))
        entries = self._events.entries(first, upto)
        if recalled := sum(1 for _ in takewhile(_is_event, entries)):
            return self._one_by_one(first + min(recalled, room))
        stretch = Stretch(entries)
        if not stretch.length:  # an event of the run itself looks at every node
            return self._one_by_one(first + 1)
        steps = stretch.steps(self._view)
        folds = sum(act is None for _, act in steps)
        if folds > room and folds * _WORTH > stretch.length:
            self._dense = first + stretch.length
            return 0
        self._view.apply(self._told(first, steps))
        return folds

    def _one_by_one(self, upto: int) -> int:
        count = upto - self._view.seq
        self._view.apply(self._events[self._view.seq : upto])
        return count

    def _told(self, first: int, steps: Iterable[Step]) -> Iterator[Event]:
        for place, act in steps:
            if act is None:
                yield self._events[first + place]
            else:
                act()


def _is_event(entry: Any) -> bool:
    return isinstance(entry, Event)
