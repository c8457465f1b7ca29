"""The check of an initial state: which keys a run lacks without which it cannot complete.

Invariant: a run that could complete is never refused. So a key counts as missing only where every way through the
graph starts a node that needs it, no node before that one may have written it, and no error edge handles the failure.
A key with a default, of a map's item or in the node's params is never missing, and neither is one that only a
condition reads.

The ways through a graph are the least fixed point of "a run may end from here without starting one of these nodes",
worked out from the ends backwards. A loop that nothing leaves ends by its limit, which is a failure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from nbflow.errors import InitialStateError
from nbflow.graph.model import END, EdgeDefinition, GraphDefinition
from nbflow.graph.needs import Flow
from nbflow.names import identifier

if TYPE_CHECKING:
    from nbflow.tools import ToolRegistry

_MOST_KEYS = 50
"""Keys of one error that are looked at one by one."""


class InitialStateCheck:
    """Checks the initial states of one graph; what it finds out of the graph is kept for the next state."""

    def __init__(
        self, graph: GraphDefinition, registry: ToolRegistry, graphs: Mapping[str, GraphDefinition]
    ) -> None:  # fmt: skip
        self._graph, self._registry, self._graphs = graph, registry, dict(graphs)
        # The revision is read last: looking for a tool may have loaded an installed package's.
        self._flow, self._revision = Flow(graph, registry, self._graphs), registry.revision

    def is_of(self, graph: GraphDefinition, graphs: Mapping[str, GraphDefinition]) -> bool:
        """Return whether it is of a graph as that is now: with the same tools and subgraphs."""
        return self._graph is graph and self._revision == self._registry.revision and self._graphs == graphs

    def missing(self, given: Collection[str]) -> dict[str, str]:
        """Return the keys that an initial state lacks to complete a run, each with a node that needs it."""
        return missing_keys(self._flow, frozenset(identifier(key) for key in given if isinstance(key, str)))

    def refuse_missing(self, given: Collection[str]) -> None:
        """Refuse an initial state, by its keys, that lacks some without which no run can complete.

        Raises:
            InitialStateError: It names these keys and the nodes that need them.
        """
        if missing := self.missing(given):
            raise InitialStateError(self._graph.name, missing, given)


def missing_keys(flow: Flow, given: frozenset[str]) -> dict[str, str]:
    """Return the keys without which no run of a graph completes, each with a node that needs it."""
    lacking = dict(_lacking(flow, given))
    if not lacking or _may_end(flow, lacking):
        return {}
    nodes = _by_key(lacking)
    # A key that only some ways need is not named beside one that all need.
    if certain := [key for key in list(nodes)[:_MOST_KEYS] if not _may_end(flow, nodes[key])]:
        return {key: nodes[key][0] for key in certain}
    first = flow.first_of(lacking)
    return {key: found[0] for key, found in _by_key({name: lacking[name] for name in lacking if name in first}).items()}


def _by_key(lacking: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Return the nodes by the keys that they lack."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for node, keys in lacking.items():
        for key in keys:
            nodes[key].append(node)
    return nodes


def _lacking(flow: Flow, given: frozenset[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the nodes that fail for want of keys, and these keys."""
    if not flow.asked_keys <= given:
        for name, unwritten in flow.unwritten.items():
            if keys := sorted(unwritten - given):
                yield name, keys
    for name, inner in flow.inner.items():
        before = flow.written_before(name)
        if before is not None:
            params = map(identifier, flow.nodes[name].params)
            if keys := list(missing_keys(inner, given | before.names() | frozenset(params))):
                yield name, keys


def _may_end(flow: Flow, without: Collection[str]) -> bool:
    """Return whether a run may end without starting one of some nodes."""
    racing = any(node.join == "race" for node in flow.nodes.values())
    waiting: list[int] = []
    of: list[str] = []
    reaching: dict[str, list[int]] = defaultdict(list)
    ends: dict[str, None] = {}
    for name in flow.nodes:
        if name in without:
            continue
        for targets in _outcomes(flow.edges_of(name), every=flow.nodes[name].route == "all"):
            nodes = {target for target in targets if target != END}
            if not nodes or (racing and len(nodes) < len(set(targets))):
                ends[name] = None
                continue
            for target in nodes:
                reaching[target].append(len(of))
            # A race may cancel the other tokens, so one that ends is enough.
            waiting.append(1 if racing else len(nodes))
            of.append(name)
    left = list(ends)
    while left:
        for outcome in reaching[left.pop()]:
            waiting[outcome] -= 1
            if waiting[outcome] == 0 and of[outcome] not in ends:
                ends[of[outcome]] = None
                left.append(of[outcome])
    return (any if racing else all)(entry in ends for entry in flow.entries)


def _outcomes(edges: Collection[EdgeDefinition], *, every: bool) -> Iterator[list[str]]:
    """Yield the sets of targets among which one firing of a node chooses."""
    normal = [edge.to_node for edge in edges if edge.type == "normal"]
    yield normal
    if not every:
        yield from ([edge.to_node] for edge in edges if edge.type == "conditional")
    if failing := [edge.to_node for edge in edges if edge.type == "error"]:
        yield failing
