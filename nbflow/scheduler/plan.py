"""A compiled graph: edges by type, compiled conditions, loops and their limits.

Invariant: a plan is compiled once and shared by all runs and firings. It does not change while a graph runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from nbflow.conditions import Condition, compile_condition
from nbflow.errors import ConditionError, GraphError, did_you_mean, name_list
from nbflow.graph import END, EdgeDefinition, GraphDefinition, NodeDefinition, reachable
from nbflow.graph.traversal import components
from nbflow.graph.validation import MAX_NESTING, size_fault
from nbflow.scheduler.commands import EdgeTaken
from nbflow.scheduler.reachability import Loop, Reachability, Structure, analyse
from nbflow.state import Fold, resolve

_START_RANKS = {"race": 0, "first": 1, "each": 1, "all": 2}


class NodePlan:
    """A node and its edges.

    Attributes:
        index: The position of the node in the definition.
        waits: True if its join is `all`.
        each: True if its join is `each`.
        is_eager: True if its join is `first` or `race`, so that it starts on the first arrival.
    """

    __slots__ = (
        "composite",
        "conditional",
        "definition",
        "each",
        "edges",
        "error_edges",
        "id",
        "index",
        "is_eager",
        "normal",
        "only",
        "route_all",
        "subplan",
        "waits",
    )  # fmt: skip

    def __init__(self, index: int, definition: NodeDefinition) -> None:
        self.index, self.id, self.definition = index, definition.node_id, definition
        self.waits = definition.join == "all"
        self.each = definition.join == "each"
        self.is_eager = definition.join in ("first", "race")
        self.route_all = definition.route == "all"
        self.edges: list[EdgePlan] = []
        self.conditional: list[EdgePlan] = []
        self.normal: list[EdgePlan] = []
        self.error_edges: list[EdgePlan] = []
        self.only: EdgePlan | None = None
        """The only edge out, where there is no choice and the target is a node with the join `all` or `each`."""
        self.subplan: Plan | None = None
        self.composite = definition.map is not None or definition.graph is not None
        """True if the node is a map or a subgraph, so that it consists of other tasks."""

    def of_type(self, kind: str) -> list[EdgePlan]:
        """Return the edges of one type."""
        return self.normal if kind == "normal" else self.conditional if kind == "conditional" else self.error_edges


class EdgePlan:
    """An edge.

    Attributes:
        limit: The maximum number of times that the edge is taken; None for an edge outside all cycles.
        slot: The index of the counter of the edge in a run.
        resets: The slots of the edges inside the inner loops that the edge enters from outside.
    """

    __slots__ = ("condition", "definition", "direct", "index", "limit", "resets", "slot", "source", "taken", "target")

    def __init__(self, index: int, definition: EdgeDefinition, source: NodePlan, target: NodePlan | None) -> None:
        self.index, self.definition, self.source, self.target = index, definition, source, target
        self.condition: Condition | None = None
        self.limit: int | None = None
        self.slot = -1
        self.resets: slice | None = None
        self.direct = False
        """True if nothing can delay the target after a token took this edge: it is the only edge to the target, and the
        source has waited for everything that could reach it."""
        self.taken = EdgeTaken("", self)
        """The command of an outermost run where no condition was read, shared by all traversals of the edge."""


class Plan:
    """A compiled graph."""

    def __init__(self, definition: GraphDefinition, folds: Mapping[str, Fold]) -> None:
        self.definition = definition
        self.folds = folds
        self.nodes = [NodePlan(index, node) for index, node in enumerate(definition.nodes)]
        self.by_id = {node.id: node for node in self.nodes}
        self.entries = [self.by_id[name] for name in definition.entries()]
        self.edges: list[EdgePlan] = []
        self.start_ranks = [_START_RANKS[node.definition.join] for node in self.nodes]
        """By node, its rank among the nodes reached at once: a race starts before the nodes that it would cancel."""
        self._structure: Structure
        self.counted = 0
        """The number of edges on a cycle."""

    @cached_property
    def reachability(self) -> Reachability:
        """The masks of the positions that can delay a node; computed when two positions are live for the first time."""
        return Reachability(self._structure)

    def link(self) -> None:
        """Find the loops; set the limit of each edge and the counters that it resets."""
        linking = [edge for edge in self.edges if edge.target is not None]
        sources = [edge.source.index for edge in linking]
        targets = [edge.target.index for edge in linking if edge.target is not None]
        entries = [node.index for node in self.entries]
        structure = self._structure = analyse(len(self.nodes), sources, targets, entries)
        slots = self._give_slots(linking, structure)
        # The counters of an outermost loop are not reset: each token enters it, and the limit bounds all of them.
        inner: dict[Loop | None, Loop | None] = {None: None}
        for loop in structure.loops:
            inner[loop] = loop if loop.depth == 1 else inner[loop.outer]
        for edge, to, entered in zip(linking, targets, structure.entered, strict=True):
            if entered is not None:
                reset = entered if entered.depth else inner[structure.innermost[to]]
                edge.resets = None if reset is None else slots[reset]
        for node in self.nodes:
            if len(node.normal) == 1 and not node.conditional:
                target = node.normal[0].target
                node.only = node.normal[0] if target is not None and not target.is_eager else None
        self._find_direct(structure)

    def _give_slots(self, linking: list[EdgePlan], structure: Structure) -> dict[Loop, slice]:
        """Set the limit and the slot of each edge on a cycle; return the slots of all edges inside each loop.

        The slots of a loop are consecutive, those of inner loops last, so that one slice resets all of them. A list of
        edges per loop would take time and memory for each level of nesting that an edge is in.
        """
        own: dict[Loop, list[EdgePlan]] = {loop: [] for loop in structure.loops}
        for edge, region in zip(linking, structure.regions, strict=True):
            if region is not None:
                edge.limit = edge.definition.max_iterations or self.definition.max_iterations
                own[region].append(edge)
        within = {loop: len(edges) for loop, edges in own.items()}
        for loop in reversed(structure.loops):
            if loop.outer is not None:
                within[loop.outer] += within[loop]
        free: dict[Loop | None, int] = {None: 0}
        slots: dict[Loop, slice] = {}
        for loop in structure.loops:
            first = free[loop.outer]
            free[loop.outer] += within[loop]
            free[loop] = first + len(own[loop])
            slots[loop] = slice(first, first + within[loop])
            for slot, edge in enumerate(own[loop], first):
                edge.slot = slot
        self.counted = free[None]
        return slots

    def _find_direct(self, structure: Structure) -> None:
        ways = [0] * len(self.nodes)
        for node in self.entries:
            ways[node.index] += 1
        for edge in self.edges:
            if edge.target is not None:
                ways[edge.target.index] += 1
        # A head that does not wait may start its next round while nodes of this one run.
        orderly: dict[Loop | None, bool] = {None: True}
        for loop in structure.loops:
            orderly[loop] = orderly[loop.outer] and self.nodes[loop.head].waits
        # A race that starts while the target runs would cancel it.
        racing = {edge.source.index for edge in self.edges if edge.target and edge.target.definition.join == "race"}
        for edge in self.edges:
            target = edge.target
            if target is None or not target.waits or not edge.source.waits or ways[target.index] > 1:
                continue
            # Every live position in a loop delays the target of an edge out of it; the source need not have waited.
            around = structure.innermost[target.index]
            within = structure.innermost[edge.source.index] is around
            edge.direct = within and orderly[around] and edge.source.index not in racing


def compile_plan(
    graph: GraphDefinition,
    *,
    graphs: Mapping[str, GraphDefinition] | None = None,
    predicates: Mapping[str, Callable[..., Any]] | None = None,
    reducers: Mapping[str, Callable[[Any, Any], Any]] | None = None,
) -> Plan:
    """Return the graph and its subgraphs, compiled.

    Raises:
        GraphError: A subgraph, predicate or reducer is unknown, or a subgraph contains itself; the error lists all of
            them. Or the graph is too large, or nests subgraphs too deeply.
    """
    _check_work(graph, graphs or {})
    faults: list[str] = []
    plan = _compile(graph, dict(graphs or {}), predicates or {}, reducers or {}, (graph.name,), {}, faults)
    if faults:
        raise GraphError(list(dict.fromkeys(faults)), graph=graph.name or None)
    return plan


def _check_work(graph: GraphDefinition, graphs: Mapping[str, GraphDefinition]) -> None:
    """Refuse a graph that would take too long to compile, before compiling any of it."""
    inner = reachable(graph, graphs)
    size = sum(len(each.nodes) + len(each.edges) for each in (graph, *inner.values()))
    if fault := size_fault(graph.name, size):
        raise GraphError(fault, graph=graph.name or None)
    if len(inner) > MAX_NESTING and (depth := _nesting(graph, inner)) > MAX_NESTING:
        fault = f"graph {graph.name!r} nests subgraphs {depth} deep; {MAX_NESTING} deep is the most"
        raise GraphError(fault, graph=graph.name or None)


def _nesting(graph: GraphDefinition, inner: Mapping[str, GraphDefinition]) -> int:
    """Return the depth of nested subgraphs; subgraphs that contain each other count once each."""
    known = {**inner, graph.name: graph}
    runs = {name: {node.graph for node in each.nodes if node.graph in known} for name, each in known.items()}
    depth: dict[str | None, int] = {}
    for component in components(known, runs):
        inside = [depth[other] + 1 for name in component for other in runs[name] if other in depth]
        depth |= dict.fromkeys(component, max(inside, default=0) + len(component) - 1)
    return depth[graph.name]


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
        source.of_type(definition.type).append(edge)
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
