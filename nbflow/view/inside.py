"""What goes on inside a node: the items of its map, or the nodes of its subgraph, each with how it stands.

Rule: an event costs two or three assignments, and what is kept is bounded by the items of a map or the nodes of the
graphs; who looks is told a bounded number, what failed first.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from copy import copy
from itertools import chain, islice
from typing import Any

ROWS = 200
_OVER = ("completed", "skipped")
Row = list[str | None]


class Inside:
    """The parts of one node by their place: an item's index, or a path within the subgraph.

    Args:
        nodes: The nodes of the subgraph, in their order; none for a map.
    """

    def __init__(self, nodes: tuple[str, ...] = ()) -> None:
        self.nodes = nodes
        self.total = 0
        self.done: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.going: dict[str, str] = {}
        """Those that run, are tried again, or were cancelled."""
        self._over: set[str] = set()

    def copy(self) -> Inside:
        """Return parts that stand as these do, and go on by themselves."""
        other = copy(self)
        other.done, other.failed, other.going = {**self.done}, {**self.failed}, {**self.going}
        other._over = {*self._over}
        return other

    def clear(self) -> None:
        """Forget all."""
        for kept in (self.done, self.failed, self.going, self._over):
            kept.clear()
        self.total = 0

    def item(self, place: str, status: str, error: str) -> None:
        """Fold in how an item of a map stands; what is inside of it is not told apart."""
        if not (place.endswith("]") and place.rfind("[") == 0):
            return
        index = place[1:-1]
        self.total = max(self.total, int(index) + 1 if index.isdigit() else 0)
        if status != "failed" or index not in self.done:
            self._put(index, status, error)

    def node(self, place: str, status: str, error: str) -> None:
        """Fold in how a node of the subgraph, or of one within it, stands; the items of its maps are not told apart."""
        if not place.startswith("/") or "[" in place:
            return
        path = place[1:]
        self._put(path, status, error)
        if "/" not in path and (status == "failed" or status in _OVER):
            self._over.add(path)

    def _put(self, place: str, status: str, error: str) -> None:
        self.failed.pop(place, None)
        if status in _OVER:
            self.going.pop(place, None)
            self.done[place] = status
        elif status == "failed":
            self.going.pop(place, None)
            self.failed[place] = error
        else:
            self.going[place] = status

    @property
    def part(self) -> float | None:
        """Which part of the subgraph's own nodes has ended, from 0 to 1; None before the first has."""
        return min(1.0, len(self._over) / len(self.nodes)) if self.nodes and self._over else None

    def rows(self, asking: Container[str], *, live: bool, left: str) -> dict[str, Any] | None:
        """Return `{"rows": [[place, status, error or None], ...], "more"}`, at most 200; None where there is nothing.

        First what failed, then what goes on, what is over, and what has not begun.

        Args:
            asking: The places that wait for a person.
            live: Whether the node itself goes on; where it does not, neither does anything in it.
            left: How a node that has not begun stands.
        """
        others = [name for name in self.nodes if not any(name in kept for kept in (self.failed, self.going, self.done))]
        again = sum(place in self.done for place in chain(self.failed, self.going))
        count = len(self.failed) + len(self.going) + len(self.done) - again + len(others)
        rows = chain(self._begun(asking, live), ([name, left, None] for name in others))
        shown: list[Row] = list(islice(rows, ROWS))
        return {"rows": shown, "more": count - len(shown)} if count else None

    def _begun(self, asking: Container[str], live: bool) -> Iterator[Row]:
        for place, error in self.failed.items():
            yield [place, "failed", error]
        for place, status in self.going.items():
            yield [place, ("waiting" if place in asking else status) if live else "cancelled", None]
        for place, status in self.done.items():
            if place not in self.going and place not in self.failed:
                yield [place, status, None]
