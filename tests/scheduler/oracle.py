"""A second implementation of the rules of a run: naive, slow, and as close to the text of the rules as possible.

Invariant: the oracle shares no code with the scheduler and has no optimisation. The writes that a token has seen are a
set, reachability is searched again each time, and every pending node is tested after every event.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from oracle_graph import Graph, Shape

FOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "append": lambda value, update: [*(value or []), update],
    "extend": lambda value, update: [*(value or []), *update],
    "add": lambda value, update: update if value is None else value + update,
    "merge": lambda value, update: {**(value or {}), **update},
    "last": lambda value, update: update,
}


class RunError(Exception):
    """The error that ended a run: its kind, and the node or the keys that it concerns."""

    def __init__(self, kind: str, about: Any) -> None:
        super().__init__(kind, about)
        self.kind, self.about = kind, about


@dataclass(frozen=True)
class Token:
    """The state of a path. For each key: the value, the last write, all writes seen, the updates in order; also the starts passed."""

    values: dict[str, Any]
    last: dict[str, int] = field(default_factory=dict)
    seen: dict[str, frozenset[int]] = field(default_factory=dict)
    updates: dict[str, tuple[int, ...]] = field(default_factory=dict)
    passed: frozenset[tuple[int, int]] = frozenset()


@dataclass
class Firing:
    """A running node."""

    node: int
    nth: int
    token: Token
    order: tuple[int, ...]


Arrival = tuple[int, tuple[int, ...], Token]
Tool = Callable[[int, int, dict[str, Any]], tuple[float, Any]]
"""From a node, the number of its start and its state: the duration, and the update or an exception."""


class Oracle:
    """One run of a graph in virtual time."""

    def __init__(self, graph: Graph, tool: Tool, state: dict[str, Any]) -> None:
        self.graph, self.tool, self.initial = graph, tool, state
        self.shape = Shape(graph)
        self.reducers = {"error": "last", **graph.reducers}
        self.writes: list[tuple[int, Any, frozenset[int]]] = []
        self.counts = [0] * len(graph.edges)
        self.visits = [0] * len(graph.nodes)
        self.running: list[Firing] = []
        self.pending: dict[int, list[Arrival]] = {}
        self.ended: list[tuple[int, tuple[int, ...], Token]] = []
        self.starts: list[tuple[float, int, int, dict[str, Any]]] = []
        self.queue: list[tuple[float, int, int, Any]] = []
        self.firings: dict[tuple[int, int], Firing] = {}
        self.now = 0.0
        self.before_last = 0

    def run(self) -> dict[str, Any]:
        """Run to the end; return the final state, or raise the error that ended the run."""
        placed = []
        for entry in self.graph.entries:
            self.arrive(entry, (-1, (len(placed),), Token(dict(self.initial))))
            placed.append(entry)
        self.settle(placed)
        while self.queue:
            self.now, node, nth, result = heapq.heappop(self.queue)
            firing = self.firings[node, nth]
            if firing in self.running:
                self.before_last = len(self.starts)
                self.happened(firing, result.result)
        assert not self.running
        assert not self.pending, "live, and nothing that could go on"
        if not self.ended:
            return self.initial
        return self.merge(token for _, _, token in sorted(self.ended, key=lambda e: e[:2])).values

    # state

    def write(self, token: Token, node: int, update: dict[str, Any]) -> Token:
        values, last, seen, updates = dict(token.values), dict(token.last), dict(token.seen), dict(token.updates)
        for key, value in update.items():
            number = len(self.writes)
            self.writes.append((node, value, seen.get(key, frozenset())))
            seen[key] = seen.get(key, frozenset()) | {number}
            last[key] = number
            updates[key] = (*updates.get(key, ()), number)
            values[key] = self.folded(key, updates[key]) if key in self.reducers else value
        return replace(token, values=values, last=last, seen=seen, updates=updates)

    def folded(self, key: str, updates: Iterable[int]) -> Any:
        value = self.initial.get(key)
        for number in updates:
            value = FOLDS[self.reducers[key]](value, self.writes[number][1])
        return value

    def merge(self, tokens: Iterable[Token]) -> Token:
        several = list(tokens)
        values, last, seen, updates = dict(self.initial), {}, {}, {}
        conflicts = set()
        for key in {key for token in several for key in token.last}:
            seen[key] = frozenset().union(*(token.seen.get(key, frozenset()) for token in several))
            updates[key] = tuple(dict.fromkeys(n for token in several for n in token.updates.get(key, ())))
            writes = {token.last[key] for token in several if key in token.last}
            wins = [w for w in writes if all(o == w or o in self.writes[w][2] for o in writes)]
            if key in self.reducers:
                last[key] = max(writes)
                values[key] = self.folded(key, updates[key])
            elif wins:
                last[key] = wins[0]
                values[key] = self.writes[wins[0]][1]
            else:
                conflicts.add(key)
        if conflicts:
            raise RunError("StateConflictError", conflicts)
        return Token(values, last, seen, updates, frozenset().union(*(token.passed for token in several)))

    # events

    def happened(self, firing: Firing, result: Any) -> None:
        node, token = firing.node, firing.token
        out = [n for n, e in enumerate(self.graph.edges) if e.source == node]
        errors = [n for n in out if self.graph.edges[n].kind == "error"]
        if isinstance(result, Exception):
            if not errors:
                raise RunError("NodeError", node)
            told = {"node": str(node), "type": type(result).__name__, "message": str(result)}
            edges = errors
        else:
            token, told = self.write(token, node, result), None
            edges = self.route(node, out, token.values)
        spent: set[int] = set()
        while over := [n for n in edges if self.on_cycle(n) and self.counts[n] + 1 > self.limit(n)]:
            spent.add(over[0])
            edges = [n for n in errors if n not in spent]
            told = {"node": str(node), "type": "LoopError", "message": None}
            if not edges:
                raise RunError("LoopError", (node, self.graph.edges[over[0]].target))
        if told is not None:
            token = self.write(token, node, {"error": told})
        self.running.remove(firing)
        self.take(firing, edges, token)

    def route(self, node: int, out: list[int], state: dict[str, Any]) -> list[int]:
        true = []
        for number in out:
            holds = self.graph.edges[number].holds
            if holds is not None:
                try:
                    if holds(state):
                        true.append(number)
                except KeyError:
                    raise RunError("ConditionError", node) from None
            if true and self.graph.nodes[node].route == "first":
                return true
        return [n for n in out if n in true or self.graph.edges[n].kind == "normal"]

    def on_cycle(self, number: int) -> bool:
        edge = self.graph.edges[number]
        if edge.target is None:
            return False
        return edge.target == edge.source or self.shape.reaches(edge.target, edge.source, self.shape.everything)

    def limit(self, number: int) -> int:
        return self.graph.edges[number].limit or self.graph.limit

    def take(self, firing: Firing, edges: list[int], token: Token) -> None:
        if not edges:
            self.ended.append((firing.node, firing.order, token))
        placed = []
        for number in edges:
            edge = self.graph.edges[number]
            self.counts[number] += 1
            for loop in self.shape.inner:
                if edge.source not in loop and edge.target in loop:
                    for other, inside in enumerate(self.graph.edges):
                        if inside.source in loop and inside.target in loop:
                            self.counts[other] = 0
            if edge.target is None:
                self.ended.append((firing.node, (*firing.order, number), token))
            else:
                self.arrive(edge.target, (number, firing.order, token))
                placed.append(edge.target)
        self.settle(placed)

    # joins

    def arrive(self, node: int, arrival: Arrival) -> None:
        self.pending.setdefault(node, []).append(arrival)

    def settle(self, placed: list[int]) -> None:
        for node in placed:
            if node in self.pending and self.graph.nodes[node].join == "race":
                self.hurry(node)
        for node in placed:
            if node in self.pending and self.graph.nodes[node].join == "first":
                self.hurry(node)
            elif node in self.pending and self.graph.nodes[node].join == "each":
                for edge, order, token in self.pending.pop(node):
                    self.start(node, token, (edge, *order))
        while free := [node for node in self.pending if self.is_free(node)]:
            arrivals = sorted(self.pending[free[0]], key=lambda a: a[:2])
            token = self.merge(token for _, _, token in arrivals)
            del self.pending[free[0]]
            self.start(free[0], token, (self.visits[free[0]] + 1,))

    def positions(self) -> list[tuple[int, bool]]:
        return [(f.node, True) for f in self.running] + [(node, False) for node in self.pending]

    def is_free(self, node: int) -> bool:
        return not any(
            self.shape.holds_back(live, running, node, self.shape.everything) for live, running in self.positions()
        )

    def hurry(self, node: int) -> None:
        for _, _, token in self.pending.pop(node):
            last = self.visits[node]
            if last and (node, last) not in token.passed:
                continue
            if self.graph.nodes[node].join == "race":
                self.cancel_rivals(node)
            token = replace(token, passed=token.passed | {(node, last + 1)})
            self.start(node, token, (last + 1,))

    def cancel_rivals(self, node: int) -> None:
        def rival(live: int, running: bool) -> bool:
            return live != node and self.shape.holds_back(live, running, node, self.shape.everything)

        self.running = [f for f in self.running if not rival(f.node, True)]
        self.pending = {n: arrivals for n, arrivals in self.pending.items() if not rival(n, False)}

    def start(self, node: int, token: Token, order: tuple[int, ...]) -> None:
        self.visits[node] = nth = self.visits[node] + 1
        firing = self.firings[node, nth] = Firing(node, nth, token, order)
        self.running.append(firing)
        self.starts.append((self.now, node, nth, dict(token.values)))
        duration, result = self.tool(node, nth, token.values)
        heapq.heappush(self.queue, (self.now + duration, node, nth, _Kept(result)))


class _Kept:
    """A result in the queue. The queue never compares results, since a node and the number of its start are unique."""

    def __init__(self, result: Any) -> None:
        self.result = result
