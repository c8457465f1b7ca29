"""The firings of a timeline, and the keys that assign events to them.

Invariant: a key is computed from one event alone; a field that the event lacks is None in the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbflow.events import Event
from nbflow.view.critical import Hop
from nbflow.view.lanes import Lane
from nbflow.view.tracks import Piece

Key = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class Firing:
    """One firing of a node, or one item of a map.

    Attributes:
        path: The node's path in the run.
        lane: The lane that it is drawn in, in row `row`.
        visit: The number of the firing among those of its node, from 1; for an item, its index.
        hop: The firing as a step of critical paths.
        outside: The firing of the map or subgraph that contains it, if any.
        item: True for an item of a map.
        has_row: True while its row is reserved.
        attempt: The number of the current attempt, from 1.
        piece: The open piece of its current attempt or backoff; None between them.
        question: The open piece of its waiting for a person.
        questions: The number of its open questions.
    """

    path: str
    lane: Lane
    row: int
    visit: int
    hop: Hop
    outside: Firing | None
    item: bool
    has_row: bool = True
    attempt: int = 1
    piece: Piece | None = None
    question: Piece | None = None
    questions: int = 0

    @property
    def track(self) -> tuple[int, int]:
        """The track that it is drawn in: the lane's number and the row."""
        return self.lane.number, self.row

    @property
    def outermost(self) -> bool:
        """True if its node belongs to the outermost graph and it is no item of a map."""
        return self.lane.parent < 0 and not self.item


def key_of(event: Event) -> Key:
    """Return the key of an event's firing or item, unique in its run: path, scope, firing number, item index."""
    data = event.data
    return event.node, data.get("scope", ""), data.get("firing"), data.get("item")


def beside(event: Event) -> str:
    """Return the path of an edge's target node, from the event of the edge."""
    outside, inside, _ = (event.node or "").rpartition("/")
    return f"{outside}{inside}{event.data.get('to')}"


def index_of(path: str) -> int:
    """Return the index of the item that a path ends with, `[7]`; 0 if it is no number."""
    index = path[path.rfind("[") + 1 : -1]
    return int(index) if index.isdecimal() else 0
