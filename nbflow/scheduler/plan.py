"""A graph compiled for running: edges by kind, conditions ready to evaluate, loops found.

Rule: compiled once per run and shared by all its firings; nothing in a plan changes while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from nbflow.conditions import Condition, compile_condition
from nbflow.errors import ConditionError, GraphError, did_you_mean, name_list
from nbflow.graph import END, EdgeDefinition, GraphDefinition, NodeDefinition
from nbflow.reducers import Fold, resolve
from nbflow.scheduler.answers import EdgeTaken
from nbflow.scheduler.holds import Holds
from nbflow.scheduler.loops import Loop, Structure, analyse

_HASTE = {"race": 0, "first": 1, "each": 1, "all": 2}


class NodePlan:
    """A node and its edges. `index` is its place in the definition, `waits` whether its join is `all`."""

    __slots__ = (
        "composite", "conditional", "definition", "each", "edges", "error_edges", "hurries", "id", "index", "normal",
        "only", "route_all", "subplan", "waits",
    )  # fmt: skip

    def __init__(self, index: int, definition: NodeDefinition) -> None:
        self.index, self.id, self.definition = index, definition.node_id, definition
        self.waits = definition.join == "all"
        self.each = definition.join == "each"
        self.hurries = definition.join in ("first", "race")
        self.route_all = definition.route == "all"
        self.edges: list[EdgePlan] = []
        self.conditional: list[EdgePlan] = []
        self.normal: list[EdgePlan] = []
        self.error_edges: list[EdgePlan] = []
        self.only: EdgePlan | None = None
        """The one way on, where there is no choice and the next node is an ordinary one."""
        self.subplan: Plan | None = None
        self.composite = definition.map is not None or definition.graph is not None
        """Whether it is a map or a subgraph, which the scheduler unfolds itself."""


class EdgePlan:
    """An edge. `limit` is None off every cycle; `resets` are the edges of inner loops that it enters from outside."""

    __slots__ = ("condition", "definition", "direct", "index", "limit", "resets", "source", "taken", "target")

    def __init__(self, index: int, definition: EdgeDefinition, source: NodePlan, target: NodePlan | None) -> None:
        self.index, self.definition, self.source, self.target = index, definition, source, target
        self.condition: Condition | None = None
        self.limit: int | None = None
        self.resets: tuple[int, ...] = ()
        self.direct = False
        """Whether nothing can hold its target back once a token came along: this is the only way there, and its source
        waited for all that could come."""
        self.taken = EdgeTaken("", self)
        """The answer for an outermost run where no condition was read: one for all the times."""


class Plan:
    """A compiled graph."""

    def __init__(self, definition: GraphDefinition, folds: Mapping[str, Fold]) -> None:
        self.definition = definition
        self.folds = folds
        self.nodes = [NodePlan(index, node) for index, node in enumerate(definition.nodes)]
        self.by_id = {node.id: node for node in self.nodes}
        self.entries = [self.by_id[name] for name in definition.entries()]
        self.edges: list[EdgePlan] = []
        self.haste = [_HASTE[node.definition.join] for node in self.nodes]
        """By node, its turn among those reached at once: a race begins before what it would cancel."""
        self._structure = Structure([], [])

    @cached_property
    def holds(self) -> Holds:
        """What holds a node back; made when two positions are live for the first time."""
        sources: list[list[int]] = [[] for _ in self.nodes]
        for edge in self.edges:
            if edge.target is not None:
                sources[edge.target.index].append(edge.source.index)
        return Holds(self._structure, sources)

    def link(self) -> None:
        """Find the loops, and give each edge its limit and what it resets."""
        links = [[e.target.index for e in node.edges if e.target is not None] for node in self.nodes]
        structure = self._structure = analyse(links, [node.index for node in self.entries])
        inner: dict[Loop, list[int]] = {}
        for edge in self.edges:
            if edge.target is None:
                continue
            shared = _shared(structure.loops[edge.source.index], structure.loops[edge.target.index])
            if shared:
                edge.limit = edge.definition.max_iterations or self.definition.max_iterations
                for loop in shared[1:]:
                    inner.setdefault(loop, []).append(edge.index)
        for edge in self.edges:
            if edge.target is None:
                continue
            shared = _shared(structure.loops[edge.source.index], structure.loops[edge.target.index])
            entered = structure.loops[edge.target.index][len(shared) :]
            edge.resets = tuple(dict.fromkeys(index for loop in entered for index in inner.get(loop, ())))
        for node in self.nodes:
            if len(node.normal) == 1 and not node.conditional:
                target = node.normal[0].target
                node.only = node.normal[0] if target is not None and not target.hurries else None
        self._find_direct(structure)

    def _find_direct(self, structure: Structure) -> None:
        ways = [0] * len(self.nodes)
        for node in self.entries:
            ways[node.index] += 1
        for edge in self.edges:
            if edge.target is not None:
                ways[edge.target.index] += 1
        # A head that does not wait may begin its next round while nodes of this one run.
        orderly = [all(self.nodes[loop.head].waits for loop in around) for around in structure.loops]
        # A race that begins beside it would cancel it.
        racing = {edge.source.index for edge in self.edges if edge.target and edge.target.definition.join == "race"}
        for edge in self.edges:
            target = edge.target
            if target is None or not target.waits or not edge.source.waits or ways[target.index] > 1:
                continue
            # A way out of a loop is held back by all that is live in it, for which its source need not have waited.
            around = structure.loops[target.index]
            within = structure.loops[edge.source.index] == around
            edge.direct = within and orderly[target.index] and edge.source.index not in racing


def _shared(first: tuple[Loop, ...], second: tuple[Loop, ...]) -> list[Loop]:
    return [a for a, b in zip(first, second, strict=False) if a is b]


def compile_plan(
    graph: GraphDefinition,
    *,
    graphs: Mapping[str, GraphDefinition] | None = None,
    predicates: Mapping[str, Callable[..., Any]] | None = None,
    reducers: Mapping[str, Callable[[Any, Any], Any]] | None = None,
) -> Plan:
    """Return the graph and its subgraphs, compiled.

    Raises:
        GraphError: Every unknown subgraph, predicate or reducer, and every subgraph that contains itself.
    """
    faults: list[str] = []
    plan = _compile(graph, dict(graphs or {}), predicates or {}, reducers or {}, (graph.name,), {}, faults)
    if faults:
        raise GraphError(list(dict.fromkeys(faults)), graph=graph.name or None)
    return plan


def _compile(
    graph: GraphDefinition,
    graphs: dict[str, GraphDefinition],
    predicates: Mapping[str, Callable[..., Any]],
    reducers: Mapping[str, Callable[[Any, Any], Any]],
    within: tuple[str, ...],
    done: dict[str, Plan],
    faults: list[str],
) -> Plan:
    try:
        folds = resolve(graph.reducers, reducers)
    except GraphError as error:
        faults.extend(error.faults)
        folds = {}
    plan = Plan(graph, folds)
    for index, definition in enumerate(graph.edges):
        source = plan.by_id[definition.from_node]
        target = None if definition.to_node == END else plan.by_id[definition.to_node]
        edge = EdgePlan(index, definition, source, target)
        plan.edges.append(edge)
        source.edges.append(edge)
        kinds = {"normal": source.normal, "conditional": source.conditional, "error": source.error_edges}
        kinds[definition.type].append(edge)
        if definition.condition is not None:
            edge.condition = _condition(definition, predicates, faults)
    plan.link()
    for node in plan.nodes:
        name = node.definition.graph
        if name is None:
            continue
        if name in within:
            way = " -> ".join([*within[within.index(name) :], name])
            faults.append(f"subgraph {name!r} contains itself: {way}; take one of these away")
        elif name not in graphs:
            known = f"{did_you_mean(name, graphs)}; known graphs: {name_list(graphs)}"
            faults.append(f"node {node.id!r} names unknown graph {name!r}{known}")
        else:
            if name not in done:
                done[name] = _compile(graphs[name], graphs, predicates, reducers, (*within, name), done, faults)
            node.subplan = done[name]
    return plan


def _condition(
    definition: EdgeDefinition, predicates: Mapping[str, Callable[..., Any]], faults: list[str]
) -> Condition | None:
    assert definition.condition is not None  # noqa: S101 - the caller looked
    try:
        return compile_condition(definition.condition, predicates)
    except ConditionError as error:
        faults.append(f"edge '{definition.from_node} -> {definition.to_node}': {error}")
        return None
