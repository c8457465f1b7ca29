"""Structured graphs: sequences, parallel splits, choices and loops inside each other, with their expected results.

Invariant: the critical path and the number of rounds are computed from the structure alone, never from a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

from harness import Drive, Tool, computes, run, takes

from nbflow.graph import GraphDefinition


@dataclass
class Block:
    """A part of a graph with one entry and one exit: its critical path, and the number of marks of each node."""

    first: str
    last: str
    length: float
    firings: dict[str, int]


@dataclass
class Builder:
    """Builds the nodes and edges of random blocks."""

    random: Random
    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)

    def node(self, tool: Tool) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append({"node_id": name, "tool": name})
        self.tools[name] = tool
        return name

    def edge(self, source: str, target: str, condition: str | None = None) -> None:
        edge = {"from_node": source, "to_node": target, "max_iterations": 1000}
        self.edges.append(edge if condition is None else {**edge, "condition": condition})

    def block(self, depth: int) -> Block:
        kind = self.random.choice(["leaf", "row", "fork", "choice", "loop"]) if depth else "leaf"
        return getattr(self, kind)(depth - 1)  # type: ignore[no-any-return]

    def leaf(self, _: int) -> Block:
        duration = self.random.randint(1, 9)
        name = f"n{len(self.nodes)}"
        self.node(takes(duration, trail=name))
        return Block(name, name, duration, {name: 1})

    def row(self, depth: int) -> Block:
        parts = [self.block(depth) for _ in range(self.random.randint(2, 3))]
        for before, after in pairwise(parts):
            self.edge(before.last, after.first)
        return Block(parts[0].first, parts[-1].last, sum(p.length for p in parts), _added(parts))

    def fork(self, depth: int) -> Block:
        split = self.node(takes(0))
        parts = [self.block(depth) for _ in range(self.random.randint(2, 4))]
        join = self.node(takes(0, trail=f"n{len(self.nodes)}"))
        for part in parts:
            self.edge(split, part.first)
            self.edge(part.last, join)
        return Block(split, join, max(p.length for p in parts), {join: 1, **_added(parts)})

    def choice(self, depth: int) -> Block:
        split = self.node(takes(0))
        parts = [self.block(depth) for _ in range(2)]
        join = self.node(takes(0))
        taken = self.random.randrange(2)
        self.edge(split, parts[0].first, "true" if taken == 0 else "false")
        self.edge(split, parts[1].first)
        for part in parts:
            self.edge(part.last, join)
        return Block(split, join, parts[taken].length, parts[taken].firings)

    def loop(self, depth: int) -> Block:
        rounds = self.random.randint(1, 3)
        head = self.node(takes(0))
        body = self.block(depth)
        key = f"r{len(self.nodes)}"
        tail = self.node(computes(lambda state: {key: (state[key] + 1) % rounds}, 0))
        self.edge(head, body.first)
        self.edge(body.last, tail)
        self.edge(tail, head, f"{key} > 0")
        return Block(head, tail, rounds * body.length, {n: rounds * k for n, k in body.firings.items()})


def _added(parts: list[Block]) -> dict[str, int]:
    return {name: count for part in parts for name, count in part.firings.items()}


def structured(random: Random, depth: int) -> tuple[Block, Drive]:
    """Return a random structured graph's block and its run."""
    builder = Builder(random)
    block = builder.block(depth)
    definition = GraphDefinition.model_validate({
        "nodes": builder.nodes, "edges": builder.edges, "entry_node": block.first, "reducers": {"trail": "append"},
    })  # fmt: skip
    state = {f"r{n}": 0 for n in range(len(builder.nodes) + 1)}
    return block, run(definition, builder.tools, state=state)
