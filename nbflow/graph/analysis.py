"""Analyses of whole graphs: the networkx form, and warnings about likely mistakes.

Nothing here refuses a graph. networkx is imported only when its form is requested, because it takes long to load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from nbflow.conditions.operations import FUNCTIONS
from nbflow.errors import did_you_mean, name_list, silent_hint
from nbflow.functions.arguments import STATE
from nbflow.graph.hidden_inputs import HiddenInput, hidden_inputs
from nbflow.graph.model import EdgeDefinition, GraphDefinition, NodeDefinition
from nbflow.graph.needs import Flow
from nbflow.graph.traversal import components
from nbflow.graph.writes import changed_in_place, repeated_keys, returns_nothing
from nbflow.names import by_identifier, identifier
from nbflow.state import unknown_reducers

if TYPE_CHECKING:
    import networkx

    from nbflow.tools import ToolRegistry, ToolSpec

MAX_WARNINGS = 100  # listed; the nearest names that each looks for take long among many


def to_networkx(graph: GraphDefinition) -> networkx.MultiDiGraph[str]:
    """Return a graph as a MultiDiGraph whose edge keys are indices; END is a node if an edge leads to it."""
    import networkx

    drawn: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(name=graph.name)
    for node in graph.nodes:
        drawn.add_node(node.node_id, **node.model_dump(by_alias=True, exclude={"node_id"}))
    for index, edge in enumerate(graph.edges):
        data = edge.model_dump(exclude={"from_node", "to_node"})
        drawn.add_edge(edge.from_node, edge.to_node, key=index, **data)
    return drawn


def lint(
    graph: GraphDefinition,
    registry: ToolRegistry,
    graphs: Mapping[str, GraphDefinition],
    *,
    given: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return at most 100 warnings, a sentence each.

    They name unknown tools, graphs and reducers, unreachable nodes, loops without an exit, parameters that no path
    provides, updates that repeat what a key with a reducer holds, params that a tool does not take, values that a tool
    changes in place and does not return, parameters `state` without an annotation where there is a key of that name,
    parameters with reserved names, keys written in a subgraph that only this graph reduces, and what cached tools read
    that the cache cannot see.

    `given` are keys of the initial state; None if they are not known.
    """
    flow = Flow(graph, registry, graphs)
    found = chain(
        _unknown(graph, registry, graphs),
        _unreachable(graph, flow.reached),
        _no_way_out(graph, flow),
        _unprovided(graph, flow, given),
        _repeated(graph, registry),
        _lost_changes(flow),
        _ignored(flow),
        _hidden(graph, flow, given),
        _shadowing(graph, registry, flow.reached),
        _reduced_outside(graph, flow, graphs),
        _unseen(flow),
    )
    return list(islice(found, MAX_WARNINGS))


def _unknown(graph: GraphDefinition, registry: ToolRegistry, graphs: Mapping[str, GraphDefinition]) -> Iterator[str]:
    for node in graph.nodes:
        if node.tool is not None and node.tool not in registry:
            known = registry.names()
            near = did_you_mean(node.tool, known)
            yield f"node {node.node_id!r} names unknown tool {node.tool!r}{near}; known tools: {name_list(known)}"
        if node.graph is not None and node.graph not in graphs:
            near = did_you_mean(node.graph, graphs)
            yield f"node {node.node_id!r} names unknown graph {node.graph!r}{near}; known graphs: {name_list(graphs)}"
    yield from unknown_reducers(graph.reducers, registry.reducers)


def _unreachable(graph: GraphDefinition, reached: set[str]) -> Iterator[str]:
    lost = [node.node_id for node in graph.nodes if node.node_id not in reached]
    if lost:
        entries = " and ".join(map(repr, graph.entries()))
        yield f"no path from {entries} reaches {name_list(map(repr, lost))}; add an edge to it, or take it away"


def _no_way_out(graph: GraphDefinition, flow: Flow) -> Iterator[str]:
    """Name the cycles that only their limit ends: no edge leaves them, and no inner edge depends on a condition."""
    found = list(components([node.node_id for node in graph.nodes], flow.into))
    number = {name: at for at, circle in enumerate(found) for name in circle}
    inside: list[list[EdgeDefinition]] = [[] for _ in found]
    left: set[int] = set()
    for edge in graph.edges:
        at = number[edge.from_node]
        if number.get(edge.to_node) == at:
            inside[at].append(edge)
        else:
            left.add(at)
    for at, edges in enumerate(inside):
        if not edges or at in left:
            continue
        stoppable = {e.from_node for e in edges if e.type == "conditional"} - {
            e.from_node for e in edges if e.type == "normal"
        }
        if not stoppable:
            shown = " -> ".join(_cycle(edges))
            cure = "give one of its edges an 'if', or add an edge that leaves it"
            yield f"cycle {shown} has no way out but its limit; {cure}"


def _repeated(graph: GraphDefinition, registry: ToolRegistry) -> Iterator[str]:
    """Name updates that contain the value to which a reducer adds them."""
    adding = {key: name for key, name in graph.reducers.items() if name in ("append", "extend", "add")}
    for node in graph.nodes if adding else ():
        if node.tool is None or node.map is not None or node.tool not in registry:
            continue
        for key in sorted(repeated_keys(registry.get(node.tool)) & adding.keys() - node.params.keys()):
            yield (
                f"node {node.node_id!r} returns {key!r} with the value that it was given in it, and the reducer "
                f"{adding[key]!r} adds it to that value once more; return only what is new"
            )


def _lost_changes(flow: Flow) -> Iterator[str]:
    """Name nodes whose tools change a parameter in place and return nothing, so that the change is lost (rule 9)."""
    for node in flow.nodes.values():
        spec = flow.spec(node)
        if spec is None or node.map is not None or not returns_nothing(spec):
            continue
        for name in changed_in_place(spec):
            back = "the keys that it changes" if name == STATE and spec.takes_state else f"{{{name!r}: {name}}}"
            yield (
                f"node {node.node_id!r}: tool {spec.name!r} changes {name!r} in place and returns nothing, so the "
                f"change is lost, because a tool works on a copy; return {back}"
            )


def _ignored(flow: Flow) -> Iterator[str]:
    """Name the params of nodes that their tools do not take, with the parameters of these tools."""
    for node in flow.nodes.values():
        spec = flow.spec(node)
        if spec is None or not node.params or spec.takes_kwargs or spec.takes_state:
            continue
        known = [param.name for param in spec.params]
        for name in by_identifier(node.params):
            if name not in known:
                yield (
                    f"node {node.node_id!r} gives {name!r}, and tool {spec.name!r} has no such parameter"
                    f"{did_you_mean(name, known)}; its parameters: {name_list(known) or 'none'}"
                )


def _hidden(graph: GraphDefinition, flow: Flow, given: Mapping[str, Any] | None) -> Iterator[str]:
    """Name nodes whose parameter `state` receives the whole state although there is a key of that name.

    The annotation of the parameter selects one of the two, so a parameter without one may be meant for the key.
    """
    for node in flow.nodes.values():
        spec = flow.spec(node)
        if spec is None or STATE in node.params or STATE in spec.types or (node.map and node.as_ == STATE):
            continue
        if not spec.takes_state:
            continue
        written = flow.written_before(node.node_id)
        if STATE in (given or ()) or (written is not None and STATE in written):
            yield (
                f"node {node.node_id!r}: the parameter 'state' of tool {spec.name!r} gets the whole state, though "
                "there is a key 'state'; annotate it with the type of that key to get the key, or as dict"
            )


def _reduced_outside(graph: GraphDefinition, flow: Flow, graphs: Mapping[str, GraphDefinition]) -> Iterator[str]:
    """Name keys that a subgraph writes and that only the outer graph reduces (SEMANTICS rule 21)."""
    for node in flow.nodes.values():
        inner = graphs.get(node.graph or "")
        if inner is None or node.map is not None:  # writes inside an item of a map are not updates
            continue
        written = flow.written_inside(node)
        for key in sorted(written & graph.reducers.keys() - inner.reducers.keys()):
            name = graph.reducers[key]
            yield (
                f"node {node.node_id!r}: inside of graph {node.graph!r} the key {key!r} has no reducer: a later write "
                f"there replaces the one before, two side by side are a conflict, and the last value is one update of "
                f"{name!r} here; write 'reduce {key} with {name}' in {node.graph!r} too to hand up each update"
            )


def _unseen(flow: Flow) -> Iterator[str]:
    """Name the inputs of tools of nodes with `cache` that the cache cannot see."""
    read: dict[str, list[HiddenInput]] = {}
    for node in flow.nodes.values():
        spec = flow.spec(node) if node.cache else None
        if spec is None:
            continue
        if spec.name not in read:
            read[spec.name] = hidden_inputs(spec)
        found = read[spec.name]
        if found:
            listed = name_list((f"{each.what} ({each.place})" for each in found), most=6)
            yield (
                f"node {node.node_id!r} has cache=true, and the cache does not see what its tool {node.tool!r} reads "
                f"besides its arguments: {listed}; when that changes the old output is used again; pass it as an "
                "argument, or take cache=true away"
            )


def _cycle(edges: Sequence[EdgeDefinition]) -> list[str]:
    """Return the nodes of one cycle in the edges of a component; the first node is repeated at the end."""
    onward: dict[str, str] = {}
    for edge in edges:
        onward.setdefault(edge.from_node, edge.to_node)
    position = {edges[0].from_node: 0}
    name = onward[edges[0].from_node]
    while name not in position:
        position[name] = len(position)
        name = onward[name]
    return [*list(position)[position[name] :], name]


def _unprovided(graph: GraphDefinition, flow: Flow, given: Mapping[str, Any] | None) -> Iterator[str]:
    """Name parameters that no earlier node can provide.

    If the initial state is unknown, the keys that entry nodes need count as given. There is no warning if the source of
    an earlier tool does not show which keys it writes.
    """
    if given is None:
        entries = [flow.nodes[entry] for entry in graph.entries()]
        start = {wish.name for entry in entries for wish in flow.wishes(entry) if wish.required}
    else:
        start = set(map(identifier, given))
    for node in flow.nodes.values():
        missing = [wish.name for wish in flow.wishes(node) if wish.required and wish.name not in start]
        written = flow.written_before(node.node_id) if missing else None
        if written is None:
            continue
        for name in missing:
            if name not in written:
                near = did_you_mean(name, written.names() | start)
                yield (
                    f"node {node.node_id!r} needs {name!r}, which no path provides{near}; "
                    f"give it at the start ({name}=…), or as a param{silent_hint(flow.silent_before(node.node_id))}"
                )


CONSTANTS = frozenset({"true", "false", "null"})
"""Words that conditions read as constants."""
ERROR = "error"
"""The key that error edges write."""


def _shadowing(graph: GraphDefinition, registry: ToolRegistry, reached: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each parameter of a node's tool, and param of a node, that has a reserved name."""
    failing = {edge.to_node for edge in graph.edges if edge.type == "error"}
    reached = set(reached)
    for node in graph.nodes:
        if node.node_id not in reached:
            continue
        spec = registry.get(node.tool) if node.tool is not None and node.tool in registry else None
        for name, kind in _names(node, spec).items():
            if (meaning := _meaning(name, node, registry, failing)) is not None:
                yield f"node {node.node_id!r}: {kind} {name!r} shadows a reserved name: {meaning}"


def _names(node: NodeDefinition, spec: ToolSpec | None) -> dict[str, str]:
    """Return the names that a node's tool takes, each with what it is."""
    named = {} if spec is None else {param.name: f"of tool {spec.name!r} the parameter" for param in spec.params}
    if node.map is not None and node.as_ is not None:
        named.setdefault(node.as_, "the map's item")
    return {**dict.fromkeys(node.params, "the param"), **named}


def _meaning(name: str, node: NodeDefinition, registry: ToolRegistry, failing: set[str]) -> str | None:
    """Return the meaning of a reserved name, with advice, as a message; None for any other name."""
    if name in CONSTANTS:
        return f"a condition reads {name!r} as a constant, and the key only as state[{name!r}]; give it another name"
    if name in FUNCTIONS or name in registry.predicates:
        kind = "built-in function" if name in FUNCTIONS else "predicate"
        return f"conditions call the {kind} {name!r}, so the key of this name reads like it; give it another name"
    if name.startswith("__"):
        return f"conditions refuse names with two underscores in front, and read the key only as state[{name!r}]"
    if name == ERROR and name in node.params and node.node_id in failing:
        return "the error edge that leads here writes the key 'error', and the param hides it; give it another name"
    return None
