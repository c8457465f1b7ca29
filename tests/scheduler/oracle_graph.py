"""Reachability in a round for the oracle, by a new search in the graph without the heads of its loops.

Invariant: like the oracle, this shares no code with the scheduler and has no optimisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Node:
    """A node; its index in the list is its name."""

    join: str = "all"
    route: str = "first"


@dataclass(frozen=True)
class Edge:
    """An edge; without a target it leads to END. `holds` is the condition, a function of the state that may raise KeyError."""

    source: int
    target: int | None
    kind: str = "normal"
    holds: Callable[[dict[str, Any]], Any] | None = None
    text: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Graph:
    """A graph in the oracle's representation."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    entries: tuple[int, ...]
    limit: int = 100
    reducers: dict[str, str] = field(default_factory=dict)


class Shape:
    """The structure of a graph, computed before a run: cycles, heads, nested loops."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.everything = frozenset(range(len(graph.nodes)))
        self.met: list[int] = []
        for entry in graph.entries:
            self._walk(entry)
        self.met += [node for node in self.everything if node not in self.met]
        self.inner: list[frozenset[int]] = []
        self._find_inner(self.everything, 0)
        self.reaches = cache(self._reaches)
        self.holds_back = cache(self._holds_back)

    def targets(self, node: int) -> list[int]:
        return [e.target for e in self.graph.edges if e.source == node and e.target is not None]

    def _walk(self, node: int) -> None:
        if node not in self.met:
            self.met.append(node)
            for target in self.targets(node):
                self._walk(target)

    def _reaches(self, start: int, goal: int, region: frozenset[int]) -> bool:
        """Return whether a path of at least one edge leads from one node to another within a region."""
        found: set[int] = set()
        work = [start]
        while work:
            fresh = {t for t in self.targets(work.pop()) if t in region} - found
            found |= fresh
            work += fresh
        return goal in found

    def loop_around(self, node: int, region: frozenset[int]) -> frozenset[int]:
        """Return the nodes that lie on a cycle with this one within a region; none if it is on no cycle."""
        return frozenset(n for n in region if self._reaches(node, n, region) and self._reaches(n, node, region))

    def head(self, loop: frozenset[int]) -> int:
        return min(loop, key=self.met.index)

    def _find_inner(self, region: frozenset[int], depth: int) -> None:
        for loop in {self.loop_around(node, region) for node in region} - {frozenset()}:
            if depth:
                self.inner.append(loop)
            self._find_inner(loop - {self.head(loop)}, depth + 1)

    def _holds_back(self, live: int, running: bool, node: int, region: frozenset[int]) -> bool:
        """Return whether a live position can still reach a pending node in this round."""
        if live == node:
            return running
        loop = self.loop_around(node, region)
        if live not in loop:
            return self.reaches(live, node, region)
        head = self.head(loop)
        if node == head:
            return True
        if live == head:
            return running
        return self.holds_back(live, running, node, loop - {head})
