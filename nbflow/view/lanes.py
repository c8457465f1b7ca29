"""The lanes of a timeline: one for each node of the graph, and for each node of a subgraph once it has events.

Invariant: lanes have the order of the definitions and are numbered as they are added; those of a subgraph are added at
the first event inside it. Items of a map are rows of their node's lane.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nbflow.graph import GraphDefinition, NodeDefinition
from nbflow.view.outline import kind_of

ROWS = 48
"""The most rows of one lane; firings that find no free row share the last."""
_ITEM = re.compile(r"\[\d+\]")


@dataclass(slots=True, eq=False)
class Lane:
    """The lane of one node.

    Attributes:
        number: Its index among all lanes.
        path: The node's path, without indexes of items.
        parent: The number of the lane of the subgraph that contains it; -1 in the outermost graph.
        seq: The event at which it was added; 0 for the outermost graph.
        opened: True once the lanes of its subgraph were added.
        runs: The number of times the node started.
        left_changed: The event at which `left` last changed.
    """

    number: int
    path: str
    parent: int
    kind: str
    seq: int
    definition: NodeDefinition
    opened: bool = False
    runs: int = 0
    left: tuple[float, int, str] | None = None
    """The time, event and condition of the choice that left the node out; None once the node is reached."""
    left_changed: int = 0
    _busy: set[int] = field(default_factory=set)

    def take_row(self, first: int) -> int:
        """Reserve the lowest free row from `first` on, and return it."""
        row = next((at for at in range(first, ROWS) if at not in self._busy), ROWS)
        self._busy.add(row)
        return row

    def free_row(self, row: int) -> None:
        """Release a row."""
        self._busy.discard(row)

    def leave(self, left: tuple[float, int, str] | None, seq: int) -> None:
        """Record that a choice left the node out, or with None that the node was reached after all."""
        if left is not None or self.left is not None:
            self.left, self.left_changed = left, seq


class Lanes:
    """The lanes of one run, in `all` by number."""

    def __init__(self, graph: GraphDefinition, subgraphs: Mapping[str, GraphDefinition]) -> None:
        self._subgraphs = subgraphs
        self._by_path: dict[str, Lane] = {}
        self.all: list[Lane] = []
        self._add(graph, "", -1, 0)

    def find(self, path: str, seq: int) -> Lane | None:
        """Return the lane of a node's path, or None if the graphs have no such node.

        Adds the lanes of subgraphs on the path, as of event `seq`.
        """
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
        """Yield the lanes added after event `after` up to event `upto`; with `after` 0 also the initial ones."""
        return (lane for lane in self.all if (after < lane.seq <= upto) or not (after or lane.seq))

    def _add(self, graph: GraphDefinition, prefix: str, parent: int, seq: int) -> None:
        for node in graph.nodes:
            path = prefix + node.node_id
            lane = self._by_path[path] = Lane(len(self.all), path, parent, kind_of(node), seq, node)
            self.all.append(lane)
