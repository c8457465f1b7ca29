"""Random graphs with random tools, for the scheduler and for the oracle.

Invariant: a tool is a function of its node, the number of its start and its state. Two implementations that agree on
these three therefore agree on everything.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from harness import Drive, prepare
from oracle import Oracle, RunError, Tool
from oracle_graph import Edge, Graph, Node

from nbflow.errors import ConditionError, LoopError, NodeError, StateConflictError
from nbflow.graph import GraphDefinition
from nbflow.scheduler import Task

CONDITIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "x % 2 == 0": lambda s: s["x"] % 2 == 0,
    "x > 2": lambda s: s["x"] > 2,
    "n < 3": lambda s: s["n"] < 3,
    "n > 4 or x == 1": lambda s: s["n"] > 4 or s["x"] == 1,
    "true": lambda s: True,
    "'k1' in state": lambda s: "k1" in s,
    "'error' in state": lambda s: "error" in s,
    "k2 == 'k2.1'": lambda s: s["k2"] == "k2.1",
}
REDUCERS = {"log": "append", "n": "add", "all": "extend", "d": "merge", "x": "last"}
INITIAL: dict[str, Any] = {"x": 0, "n": 0, "log": ["init"]}


@dataclass(frozen=True)
class Kinds:
    """The features that a random graph may have."""

    joins: tuple[str, ...] = ("all", "all", "all", "all", "first", "race", "each")
    failures: float = 0.08
    shared_writes: float = 0.15
    odd_conditions: bool = True
    most_nodes: int = 8


@dataclass(frozen=True)
class Case:
    """A graph with its tools."""

    graph: Graph
    tool: Tool

    def definition(self) -> GraphDefinition:
        """Return the graph in the scheduler's representation."""
        nodes = [
            {"node_id": str(n), "tool": str(n), "join": node.join, "route": node.route}
            for n, node in enumerate(self.graph.nodes)
        ]
        edges = [
            {
                "from_node": str(e.source), "to_node": "END" if e.target is None else str(e.target),
                "type": e.kind, "condition": e.text, "max_iterations": e.limit,
            }
            for e in self.graph.edges
        ]  # fmt: skip
        entry = str(self.graph.entries[0]) if len(self.graph.entries) == 1 else None
        return GraphDefinition.model_validate({
            "nodes": nodes, "edges": edges, "entry_node": entry,
            "max_iterations": self.graph.limit, "reducers": self.graph.reducers,
        })  # fmt: skip

    def drive(self) -> Drive:
        """Return the scheduler's run before its start."""
        visits: dict[int, int] = {}

        def tool(task: Task) -> tuple[float, Any]:
            visits[task.node.index] = visits.get(task.node.index, 0) + 1
            return self.tool(task.node.index, visits[task.node.index], dict(task.path))

        def tie(_: Drive, task: Task) -> Any:
            return task.node.index, visits[task.node.index]

        return prepare(self.definition(), state=INITIAL, default=tool, tie=tie)


def random_case(random: Random, kinds: Kinds) -> Case:
    """Return a random graph with random tools."""
    count = random.randint(1, kinds.most_nodes)
    nodes = tuple(Node(random.choice(kinds.joins), "all" if random.random() < 0.15 else "first") for _ in range(count))
    edges = _edges(random, count, kinds)
    reducers = {key: name for key, name in REDUCERS.items() if random.random() < 0.6}
    graph = Graph(nodes, edges, _entries(random, count, edges), random.randint(1, 4), reducers)
    return Case(graph, random_tool(random, count, kinds))


def _edges(random: Random, count: int, kinds: Kinds) -> tuple[Edge, ...]:
    pairs: list[tuple[int, int | None]] = [(random.randrange(n), n) for n in range(1, count) if random.random() < 0.93]
    for _ in range(random.randint(0, count + 2)):
        target = None if random.random() < 0.12 else random.randrange(count)
        pairs.append((random.randrange(count), target))
    random.shuffle(pairs)
    texts = list(CONDITIONS) if kinds.odd_conditions else list(CONDITIONS)[:-1]
    edges: dict[Any, Edge] = {}
    for source, target in pairs:
        kind = random.choice(["normal"] * 6 + ["conditional"] * 3 + ["error"] * (2 if kinds.failures else 0))
        text = random.choice(texts) if kind == "conditional" else None
        limit = random.randint(1, 3) if random.random() < 0.15 else None
        edges[source, target, kind, text] = Edge(source, target, kind, CONDITIONS[text] if text else None, text, limit)
    return tuple(edges.values())


def _entries(random: Random, count: int, edges: tuple[Edge, ...]) -> tuple[int, ...]:
    if random.random() < 0.5:
        return (0,)
    targets = {edge.target for edge in edges}
    roots = tuple(n for n in range(count) if n not in targets and any(edge.source == n for edge in edges))
    return roots or (0,)


def random_tool(random: Random, count: int, kinds: Kinds) -> Tool:
    """Return the tools of the nodes: the keys they write, their durations, their failures."""
    durations = [[random.choice([0, 1, 1, 2, 3, 5, 8]) for _ in range(3)] for _ in range(count)]
    fails = [{n for n in range(1, 4) if random.random() < kinds.failures} for _ in range(count)]
    keys = [
        [key for key in ("k", "log", "all", "d", "n") if random.random() < 0.6]
        + [key for key in ("x", "y") if random.random() < kinds.shared_writes]
        for _ in range(count)
    ]

    def tool(node: int, nth: int, state: Mapping[str, Any]) -> tuple[float, Any]:
        name = f"k{node}.{nth}"
        values = {
            "k": name, "log": name, "all": [name, node], "d": {str(node): nth}, "n": 1,
            "x": (3 * node + 7 * nth + state["x"]) % 5, "y": name,
        }  # fmt: skip
        update = {f"k{node}" if key == "k" else key: values[key] for key in keys[node]}
        return durations[node][nth % 3], ValueError(name) if nth in fails[node] else update

    return tool


def state_tool(random: Random, count: int, kinds: Kinds) -> Callable[[Random], Tool]:
    """Return tools whose updates and failures depend on the state alone; they are given durations by a Random."""
    keys = [
        [key for key in ("k", "log", "all", "d", "n") if random.random() < 0.6]
        + [key for key in ("x", "y") if random.random() < kinds.shared_writes]
        for _ in range(count)
    ]
    fails = [random.random() < 2 * kinds.failures for _ in range(count)]

    def timed(durations: Random) -> Tool:
        table = [[durations.choice([0, 1, 2, 3, 5, 8, 13]) for _ in range(7)] for _ in range(count)]

        def tool(node: int, nth: int, state: Mapping[str, Any]) -> tuple[float, Any]:
            seen = zlib.crc32(repr((node, sorted(_plain(state).items()))).encode())
            name = f"k{node}.{seen % 10000}"
            values = {
                "k": name, "log": name, "all": [name, node], "d": {str(node): seen}, "n": 1, "x": seen % 5, "y": name,
            }  # fmt: skip
            update = {f"k{node}" if key == "k" else key: values[key] for key in keys[node]}
            return table[node][nth % 7], ValueError(name) if fails[node] and seen % 3 == 0 else update

        return tool

    return timed


def compare(case: Case) -> str:
    """Run a case by the scheduler and by the oracle, and assert that they agree; return the kind of its end."""
    drive = case.drive()
    drive.carry_out(drive.scheduler.begin())
    drive.run()
    oracle = Oracle(case.graph, case.tool, dict(INITIAL))
    try:
        final = oracle.run()
    except RunError as error:
        _same_error(drive, error)
        # The rules leave open the order of the tasks that the last completion started before the error.
        assert _sorted(drive.starts[: drive.before_last]) == _sorted(_named(oracle)[: oracle.before_last])
        return error.kind
    assert _sorted(drive.starts) == _sorted(_named(oracle))
    assert _plain(drive.state) == _plain(final)
    return "completed"


def _named(oracle: Oracle) -> list[tuple[float, str, dict[str, Any]]]:
    return [(time, str(node), state) for time, node, _, state in oracle.starts]


def _same_error(drive: Drive, error: RunError) -> None:
    raised = drive.error
    assert type(raised).__name__ == error.kind
    if isinstance(raised, StateConflictError):
        assert raised.key in error.about
    elif isinstance(raised, LoopError):
        assert (raised.node, raised.target) == tuple(map(str, error.about))
    elif isinstance(raised, NodeError | ConditionError):
        assert raised.node == str(error.about)


def _plain(state: Any) -> dict[str, Any]:
    """Return a state without the text of its error."""
    plain = dict(state)
    if isinstance(plain.get("error"), dict):
        plain["error"] = {k: v for k, v in plain["error"].items() if k != "message"}
    return plain


def _sorted(starts: list[tuple[float, str, dict[str, Any]]]) -> list[Any]:
    return sorted(((time, name, repr(sorted(_plain(state).items()))) for time, name, state in starts))
