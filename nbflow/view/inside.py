"""The parts of a node with their statuses: the items of its map, or the nodes of its subgraph.

Invariant: an event costs two or three assignments. The memory is bounded by the items of the map or the nodes of the
subgraphs, and a request returns a bounded number of rows, failures first.
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
    """The parts of one node, each by its key: an item's index, or a node's path within the subgraph.

    Args:
        nodes: The ids of the subgraph's nodes, in their order; empty for a map.
    """

    def __init__(self, nodes: tuple[str, ...] = ()) -> None:
        self.nodes = nodes
        self.total = 0
        self.done: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.active: dict[str, str] = {}
        """The parts that run, wait, are being retried, or were cancelled, with their statuses."""
        self.carried: set[str] = set()
        """The items that do not run, because each is an error that another map collected.

        Runs recorded under version 1 of the rules do run such items.
        """
        self._over: set[str] = set()

    def copy(self) -> Inside:
        """Return an independent copy."""
        other = copy(self)
        other.done, other.failed, other.active = {**self.done}, {**self.failed}, {**self.active}
        other._over, other.carried = {*self._over}, {*self.carried}
        return other

    def clear(self) -> None:
        """Discard all parts, as at the start of a new firing."""
        for parts in (self.done, self.failed, self.active, self._over, self.carried):
            parts.clear()
        self.total = 0

    def item(self, suffix: str, status: str, error: str) -> None:
        """Set the status of a map's item from a suffix such as `[7]`; suffixes of parts inside an item are ignored."""
        if not (suffix.endswith("]") and suffix.rfind("[") == 0):
            return
        index = suffix[1:-1]
        self.total = max(self.total, int(index) + 1 if index.isdigit() else 0)
        self.carried.discard(index)
        if status != "failed" or index not in self.done:
            self._put(index, status, error)

    def node(self, suffix: str, status: str, error: str) -> None:
        """Set the status of a node of the subgraph, or of one nested in it, from a suffix such as `/inner`.

        Suffixes of items of maps inside the subgraph are ignored.
        """
        if not suffix.startswith("/") or "[" in suffix:
            return
        path = suffix[1:]
        self._put(path, status, error)
        if "/" not in path and (status == "failed" or status in _OVER):
            self._over.add(path)

    def _put(self, part: str, status: str, error: str) -> None:
        self.failed.pop(part, None)
        if status in _OVER:
            self.active.pop(part, None)
            self.done[part] = status
        elif status == "failed":
            self.active.pop(part, None)
            self.failed[part] = error
        else:
            self.active[part] = status

    @property
    def part(self) -> float | None:
        """The share of the subgraph's direct nodes that has ended, from 0 to 1; None before the first has."""
        return min(1.0, len(self._over) / len(self.nodes)) if self.nodes and self._over else None

    def rows(self, asking: Container[str], *, live: bool, left: str) -> dict[str, Any] | None:
        """Return `{"rows": [[key, status, error or None], ...], "more"}`, or None if there are no parts.

        There are at most 200 rows: failed parts first, then active ones, ended ones, and those that have not started.
        `more` is the number of parts left out.

        Args:
            asking: The keys of the parts that wait for a person.
            live: True if the node itself is running; if not, an active part is shown as cancelled.
            left: The status of a part that has not started.
        """
        others = [
            name for name in self.nodes if not any(name in some for some in (self.failed, self.active, self.done))
        ]
        # A part that runs again after it completed is in two dicts; `_started` yields it once.
        again = sum(part in self.done for part in chain(self.failed, self.active))
        count = len(self.failed) + len(self.active) + len(self.done) - again + len(others)
        rows = chain(self._started(asking, live), ([name, left, None] for name in others))
        shown: list[Row] = list(islice(rows, ROWS))
        return {"rows": shown, "more": count - len(shown)} if count else None

    def _started(self, asking: Container[str], live: bool) -> Iterator[Row]:
        for part, error in self.failed.items():
            yield [part, "failed", error]
        for part, status in self.active.items():
            yield [part, ("waiting" if part in asking else status) if live else "cancelled", None]
        for part, status in self.done.items():
            if part not in self.active and part not in self.failed:
                yield [part, status, None]
