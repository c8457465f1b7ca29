"""Runs in virtual time: events of a graph whose nodes take given times."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from view_samples import START

from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition


@dataclass(frozen=True)
class Work:
    """The durations of a node: its queueing, each failed attempt with its backoff, its work, and its wait."""

    queued: int = 0
    failed: tuple[int, ...] = ()
    works: int = 1
    waits: int = 0

    @property
    def all(self) -> int:
        return self.queued + 2 * sum(self.failed) + self.works + self.waits


class VirtualRun:
    """A run of a graph without loops, of which every edge is taken; `graph`, `subgraphs` and `events` as of a run."""

    subgraphs: Mapping[str, GraphDefinition] = {}

    def __init__(self, graph: GraphDefinition, work: Mapping[str, Work]) -> None:
        self.graph, self.events = graph, list[Event]()
        self._work, self._due = work, list[tuple[int, int, str, str, dict[str, Any]]]()
        self._out = {
            node.node_id: [e.to_node for e in graph.edges if e.from_node == node.node_id] for node in graph.nodes
        }
        self._left = {node.node_id: sum(e.to_node == node.node_id for e in graph.edges) for node in graph.nodes}
        self._order = 0
        self._say(0, Kind.EXECUTION_START)
        for name, count in self._left.items():
            if not count:
                self._reach(0, name)
        self._run()

    def _say(self, time: int, kind: Kind, node: str | None = None, **data: Any) -> None:
        self.events.append(Event(kind, len(self.events) + 1, START + time, node, data))

    def _later(self, time: int, kind: str, node: str, **data: Any) -> None:
        self._order += 1
        heapq.heappush(self._due, (time, self._order, kind, node, data))

    def _reach(self, time: int, name: str) -> None:
        work, at = self._work[name], time + self._work[name].queued
        about = {"firing": list(self._out).index(name)}
        for number, took in enumerate(work.failed, 1):
            self._later(at, "node_start", name, attempt=number, **about)
            self._later(at + took, "node_retry", name, attempt=number + 1, **about)
            at += 2 * took
        self._later(at, "node_start", name, attempt=len(work.failed) + 1, **about)
        if work.waits:
            self._later(at, "node_waiting", name)
            self._later(at + work.waits, "node_answered", name)
        self._later(at + work.waits + work.works, "node_complete", name, **about)

    def _run(self) -> None:
        time = 0
        while self._due:
            time, _, kind, name, data = heapq.heappop(self._due)
            self._say(time, Kind(kind), name, **data)
            if kind == "node_complete":
                self._route(time, name)
        self._say(time, Kind.EXECUTION_COMPLETE)

    def _route(self, time: int, name: str) -> None:
        for target in self._out[name]:
            self._say(time, Kind.EDGE_TAKEN, name, to=target, **{"from": name})
            self._left[target] -= 1
            if not self._left[target]:
                self._reach(time, target)
