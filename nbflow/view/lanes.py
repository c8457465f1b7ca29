"""The lanes of a timeline: one per node of the graph, and below a node that runs a graph those of the nodes inside it.

Rule: lanes stand in the order of the definitions and are numbered as they become known, those inside a node when
something first happens there. Items of a map are rows of their node's lane.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nbflow.graph import GraphDefinition, NodeDefinition
from nbflow.view.outline import kind_of

ROWS = 48
"""Rows of one lane; what finds none free shares the last."""
_ITEM = re.compile(r"\[\d+\]")


@dataclass(slots=True, eq=False)
class Lane:
    """One node in time. `seq` is the event that made it known, `runs` how often the node was begun."""

    number: int
    path: str
    parent: int
    kind: str
    seq: int
    definition: NodeDefinition
    opened: bool = False
    runs: int = 0
    left: tuple[float, int, str] | None = None
    """When it was left out of a choice, at which event, and why, while it has not been reached since."""
    left_changed: int = 0
    _busy: set[int] = field(default_factory=set)

    def take_row(self, first: int) -> int:
        """Return the lowest free row from `first` on, which is taken then."""
        row = next((at for at in range(first, ROWS) if at not in self._busy), ROWS)
        self._busy.add(row)
        return row

    def free_row(self, row: int) -> None:
        """Give a row back."""
        self._busy.discard(row)

    def leave(self, left: tuple[float, int, str] | None, seq: int) -> None:
        """Note that the node was left out of a choice, or with None that it is not any longer."""
        if left is not None or self.left is not None:
            self.left, self.left_changed = left, seq


class Lanes:
    """The lanes known so far, by path without the indexes of items."""

    def __init__(self, graph: GraphDefinition, subgraphs: Mapping[str, GraphDefinition]) -> None:
        self._subgraphs = subgraphs
        self._by_path: dict[str, Lane] = {}
        self.all: list[Lane] = []
        self._add(graph, "", -1, 0)

    def find(self, path: str, seq: int) -> Lane | None:
        """Return the lane of a node's path, None where the graphs have no such node; `seq` is the event that asks."""
        lane = self._by_path.get(path)
        if lane is not None:
            return lane
        plain = _ITEM.sub("", path)
        outside, inside, _ = plain.rpartition("/")
        parent = self.find(outside, seq) if inside else None
        if parent is not None and not parent.opened:
            parent.opened = True
            inner = self._subgraphs.get(parent.definition.graph or "")
            if inner is not None:
                self._add(inner, f"{parent.path}/", parent.number, seq)
        return self._by_path.get(plain)

    def since(self, after: int, upto: int) -> Iterator[Lane]:
        """Yield the lanes that became known after one event and up to another; those from the start after none."""
        return (lane for lane in self.all if (after < lane.seq <= upto) or not (after or lane.seq))

    def _add(self, graph: GraphDefinition, prefix: str, parent: int, seq: int) -> None:
        for node in graph.nodes:
            path = prefix + node.node_id
            lane = self._by_path[path] = Lane(len(self.all), path, parent, kind_of(node), seq, node)
            self.all.append(lane)
