"""Fold the events that a view has not seen yet: at once, or in pieces between which the event loop is free.

A live run and its view share one event loop, so a view that is far behind catches up in pieces of about 20 ms. Where
events can be coalesced (`nbflow.view.fold.coalesce`), a piece covers many more of them.

Invariant: the view ends in the same state whether it is folded at once or in pieces, and after each piece it equals
the view after some event of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from nbflow.event_log import EventLog, Record
from nbflow.events import Event
from nbflow.view.fold.coalesce import Coalescer, Step
from nbflow.view.fold.run_view import RunView

PIECE = 4_000
"""The events folded in one piece: about 20 ms of the event loop."""
LOOKED = 200_000
"""The events scanned in one piece for coalescing, which takes about as long."""
_WORTH = 4
"""A stretch is coalesced, even beyond `PIECE`, if at most one of so many events remains to be folded."""


class CatchUp:
    """The events of a run that its view has not folded yet.

    Args:
        view: The view to update.
        events: All events of the run, from the first; the sequence may grow.
    """

    def __init__(self, view: RunView, events: Sequence[Event]) -> None:
        self._view, self._events = view, events
        # `_dense`: the event up to which coalescing is not worth it. `_known`: the length at the last `grown`.
        self._dense = self._known = 0

    @property
    def left(self) -> int:
        """The number of events not folded yet."""
        return len(self._events) - self._view.seq

    def grown(self) -> int:
        """Return the number of new events since the last call."""
        known, self._known = self._known, len(self._events)
        return self._known - known

    def fold(self) -> None:
        """Fold all events."""
        while self.left:
            self._take(len(self._events), 1 << 62)

    def fold_piece(self, upto: int | None = None) -> None:
        """Fold the next events, for about 20 ms, and none after event `upto`."""
        room, end = PIECE, len(self._events) if upto is None else upto
        while self._view.seq < end and room > 0:
            room -= self._take(min(end, self._view.seq + LOOKED), room)

    def _take(self, upto: int, room: int) -> int:
        """Fold events up to event `upto`, at most `room` of them; return the number folded."""
        first = self._view.seq
        if not isinstance(self._events, EventLog) or (first < self._dense and room <= PIECE):
            return self._one_by_one(min(upto, first + room))
        records = self._events.records(first, upto)
        if recalled := sum(1 for _ in takewhile(_is_event, records)):
            return self._one_by_one(first + min(recalled, room))
        stretch = Coalescer(records)
        if not stretch.length:  # an event of the run itself affects every node, so it is folded alone
            return self._one_by_one(first + 1)
        steps = stretch.steps(self._view)
        folds = sum(act is None for _, act in steps)
        if folds > room and folds * _WORTH > stretch.length:
            self._dense = first + stretch.length
            return 0
        self._view.apply(self._events_of(first, steps))
        return folds

    def _one_by_one(self, upto: int) -> int:
        count = upto - self._view.seq
        self._view.apply(self._events[self._view.seq : upto])
        return count

    def _events_of(self, first: int, steps: Iterable[Step]) -> Iterator[Event]:
        """Yield the events to fold, and make the other updates when the view asks for the event after them."""
        for index, act in steps:
            if act is None:
                yield self._events[first + index]
            else:
                act()


def _is_event(record: Record | Event) -> bool:
    return isinstance(record, Event)
