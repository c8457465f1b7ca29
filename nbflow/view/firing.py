"""One firing of a node while a timeline is folded, and how its events name it.

Rule: a name is read off the event alone; what an event lacks is None, and still tells it from others.
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
    """One firing of a node, or one item of a map's, that may still go on; `piece` is what it is at, if anything."""

    path: str
    lane: Lane
    row: int
    visit: int
    hop: Hop
    outside: Firing | None
    item: bool
    held: bool = True
    attempt: int = 1
    piece: Piece | None = None
    question: Piece | None = None
    questions: int = 0

    @property
    def track(self) -> tuple[int, int]:
        """The track that it is drawn in."""
        return self.lane.number, self.row

    @property
    def outermost(self) -> bool:
        """Whether it is of the graph itself, and not of something inside a node."""
        return self.lane.parent < 0 and not self.item


def key_of(event: Event) -> Key:
    """Return what tells an event's firing, or item, from all others of its run."""
    data = event.data
    return event.node, data.get("scope", ""), data.get("firing"), data.get("item")


def beside(event: Event) -> str:
    """Return the path of the node that an edge leads to."""
    outside, inside, _ = (event.node or "").rpartition("/")
    return f"{outside}{inside}{event.data.get('to')}"


def index_of(path: str) -> int:
    """Return which item of its map a path names."""
    index = path[path.rfind("[") + 1 : -1]
    return int(index) if index.isdecimal() else 0
