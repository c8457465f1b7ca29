"""The keys that a graph needs in its initial state: those that nodes read and that no earlier node writes.

The sources of the tools are read; nothing runs. Where a source does not show what its tool writes, a parameter without
a default counts as written, and one with a default does not.

The check of an initial state finds the keys without which no run can complete. Invariant: a run that could complete is
never refused. So a key counts as missing only where every path through the graph starts a node that needs it, no
earlier node may have written it, and no error edge handles the failure. A key with a default, of the item of a map, or
in the node's params is never missing, and neither is a key that only a condition reads.

"A run may end from here without starting one of these nodes" is a least fixed point, computed from the ends backwards.
A loop that no edge leaves ends by its limit, which is a failure.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from nbflow.errors import ConditionError, InitialStateError, did_you_mean
from nbflow.functions.arguments import STATE
from nbflow.graph.model import END, EdgeDefinition, GraphDefinition, NodeDefinition, reachable
from nbflow.graph.traversal import before, walk
from nbflow.graph.writes import returns_nothing, written_keys
from nbflow.names import by_identifier, identifier
from nbflow.state import MISSING

if TYPE_CHECKING:
    from nbflow.tools import ToolRegistry, ToolSpec


@dataclass(frozen=True, slots=True)
class Need:
    """A key of the state that a graph reads.

    Attributes:
        name: The key.
        annotation: The annotation of the tool's parameter, or Any.
        default: The default of the tool's parameter, or MISSING.
        required: True if the graph cannot run without the key.
        nodes: The nodes that read the key.
        help: The description of the key in the tool's docstring.
    """

    name: str
    annotation: Any
    default: Any
    required: bool
    nodes: tuple[str, ...]
    help: str = ""


def _joined(needs: list[Need]) -> Need:
    """Return one need for all nodes that read a key; the first annotation, default and help that are set count."""
    first = needs[0]
    return Need(
        first.name,
        next((need.annotation for need in needs if need.annotation is not Any), Any),
        next((need.default for need in needs if need.default is not MISSING), MISSING),
        any(need.required for need in needs),
        tuple(chain.from_iterable(need.nodes for need in needs)),
        next((need.help for need in needs if need.help), ""),
    )


@dataclass(frozen=True, slots=True)
class Written:
    """Keys that may be written; `numbers` has a bit of `bits` for each key there is."""

    numbers: Mapping[str, int]
    bits: int

    def __contains__(self, key: str) -> bool:
        return bool(self.bits >> self.numbers.get(identifier(key), 0) & 1)

    def names(self) -> set[str]:
        """Return them all."""
        return {key for key in self.numbers if key in self}


_DOUBT = 1
"""The bit of a node whose written keys are unknown."""


def needs(graph: GraphDefinition, registry: ToolRegistry, graphs: Mapping[str, GraphDefinition]) -> list[Need]:
    """Return the keys that a graph reads from its initial state, required ones first; subgraphs are included."""
    return Flow(graph, registry, graphs).needs()


class Flow:
    """The keys that each node of a graph reads and writes, and the nodes that may run before it.

    `nested` has the flows of all subgraphs; it is given where this graph is itself a subgraph.
    """

    def __init__(
        self, graph: GraphDefinition, registry: ToolRegistry, graphs: Mapping[str, GraphDefinition],
        nested: _Nested | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        self._graph, self._registry = graph, registry
        self._name = graph.name if name is None else name
        self._nested = _Nested(graph, registry, graphs) if nested is None else nested
        self._out: dict[str, list[str]] = {node.node_id: [] for node in graph.nodes}
        self.into: dict[str, list[str]] = {node.node_id: [] for node in graph.nodes}
        self._edges: dict[str, list[EdgeDefinition]] = {node.node_id: [] for node in graph.nodes}
        for edge in graph.edges:
            self._edges[edge.from_node].append(edge)
            if edge.to_node in self.into:
                self._out[edge.from_node].append(edge.to_node)
                self.into[edge.to_node].append(edge.from_node)
        self.writes, self._tool_writes = cache(self._writes), cache(self._tool_keys)
        self._numbers: dict[str, int] = {}

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """The nodes where a run starts."""
        return self._graph.entries()

    @cached_property
    def reached(self) -> set[str]:
        """The entries and all nodes that paths from them reach."""
        return walk(self.entries, self._out)

    @cached_property
    def nodes(self) -> dict[str, NodeDefinition]:
        """The nodes that are reached, by id."""
        return {node.node_id: node for node in self._graph.nodes if node.node_id in self.reached}

    def first_of(self, names: Collection[str]) -> set[str]:
        """Return those of some nodes that a run may start before any other of them."""
        onward = {name: () if name in names else targets for name, targets in self._out.items()}
        return walk(self.entries, onward) & set(names)

    @cached_property
    def asked(self) -> dict[str, frozenset[str]]:
        """The keys by node without which a tool or a map fails its node, also after retries; only nodes that have some.

        Subgraphs and nodes whose failure an error edge handles are left out, and so are the keys that the items of a
        map need, because its list may be empty.
        """
        required = cache(self._required)
        found: dict[str, frozenset[str]] = {}
        for name, node in self.nodes.items():
            if node.map is not None:
                keys = frozenset({identifier(node.map)})
            else:
                keys = required(node.tool) - by_identifier(node.params).keys()
            if keys and self._fails(name):
                found[name] = keys
        return found

    @cached_property
    def asked_keys(self) -> frozenset[str]:
        """The keys of `asked`."""
        return frozenset().union(*self.asked.values())

    @cached_property
    def unwritten(self) -> dict[str, frozenset[str]]:
        """The keys of `asked` that no node can have written when the node that reads them starts for the first time."""
        found: dict[str, frozenset[str]] = {}
        for name, asked in self.asked.items():
            known = self.written_before(name)
            if known is not None and (keys := [key for key in asked if key not in known]):
                found[name] = frozenset(keys)
        return found

    def _required(self, tool: str | None) -> frozenset[str]:
        if tool is None or tool not in self._registry:
            return frozenset()
        return frozenset(param.name for param in self._registry.get(tool).params if param.required)

    @cached_property
    def inner(self) -> dict[str, Flow]:
        """The flows, by node, of subgraphs that run once and whose failure no error edge handles."""
        found = {
            name: self._subgraph(node) for name, node in self.nodes.items() if node.map is None and self._fails(name)
        }
        return {name: inner for name, inner in found.items() if inner is not None}

    def edges_of(self, name: str) -> list[EdgeDefinition]:
        """Return the edges that leave a node."""
        return self._edges[name]

    def _fails(self, name: str) -> bool:
        return all(edge.type != "error" for edge in self.edges_of(name))

    def needs(self) -> list[Need]:
        """Return the keys that the graph reads from its initial state, required ones first."""
        return self._needs

    @cached_property
    def _needs(self) -> list[Need]:
        found: dict[str, list[Need]] = {}
        for node in self.nodes.values():
            known = self.written_before(node.node_id)
            for wish in self.wishes(node):
                if wish.required if known is None else wish.name in known:
                    continue
                found.setdefault(wish.name, []).append(wish)
        for wish in self._read_by_conditions():
            found.setdefault(wish.name, [wish])
        return sorted(map(_joined, found.values()), key=lambda need: not need.required)

    def wishes(self, node: NodeDefinition) -> list[Need]:
        """Return the keys that a node reads from the state; its params and the item of its map are not keys."""
        spec = self.spec(node)
        inner = self._subgraph(node)
        asked = inner.needs() if inner else _params(spec) if spec else []
        bound = None if node.map is None else identifier(node.as_ or (spec and spec.first_param()) or "")
        given = {*by_identifier(node.params), bound}
        if spec is not None and STATE not in given:
            asked = [*asked, *_fields(spec)]
        wishes = [replace(need, nodes=(node.node_id,)) for need in asked if need.name not in given]
        if node.map is not None:
            items = next((need.annotation for need in asked if need.name == bound), Any)
            text = f"a list; node {node.node_id!r} runs once for each of its items"
            wishes.append(Need(node.map, list[items], MISSING, True, (node.node_id,), text))  # type: ignore[valid-type]
        return wishes

    def written_inside(self, node: NodeDefinition) -> frozenset[str]:
        """Return the keys that the nodes of a subgraph write, if their sources show them; empty for a tool."""
        inner = self._subgraph(node)
        return frozenset() if inner is None else inner.written_by_some

    @cached_property
    def written_by_some(self) -> frozenset[str]:
        """The keys that the nodes write, if their sources show them."""
        return frozenset[str]().union(*filter(None, map(self.writes, self.nodes)))

    def spec(self, node: NodeDefinition) -> ToolSpec | None:
        """Return the tool of a node; None for a subgraph or an unknown tool."""
        return self._registry.get(node.tool) if node.tool is not None and node.tool in self._registry else None

    def written_before(self, node_id: str) -> Written | None:
        """Return the keys that may be written when a node starts for the first time; None if they are unknown."""
        bits = self._before[node_id]
        return None if bits & _DOUBT else Written(self._numbers, bits)

    def silent_before(self, node_id: str) -> list[str]:
        """Return the tools that return nothing among those of nodes that may run before a node."""
        earlier = walk(self.into[node_id], self.into) & self.reached
        specs = [self.spec(node) for name, node in self.nodes.items() if name in earlier and name != node_id]
        return list(dict.fromkeys(spec.name for spec in specs if spec is not None and self._is_silent(spec.name)))

    def _is_silent(self, tool: str) -> bool:
        return self._tool_writes(tool) == frozenset() and returns_nothing(self._registry.get(tool))

    @cached_property
    def known_keys(self) -> frozenset[str] | None:
        """The keys that nodes and conditions read or write, or that have a reducer; None where any key may be read."""
        known = {identifier(key) for key in self._graph.reducers} | set(self.written_by_some)
        for node in self.nodes.values():
            spec, inner = self.spec(node), self._subgraph(node)
            if inner is None and (spec is None or _reads_whole_state(spec)):
                return None
            if inner is not None and inner.known_keys is None:
                return None
            known |= {wish.name for wish in self.wishes(node)} | ((inner and inner.known_keys) or frozenset())
        for edge in self._graph.edges:
            if edge.condition is not None:
                names = _names_in(edge.condition, self._registry)
                if not names or "state" in edge.condition:
                    return None
                known |= names
        return frozenset(known)

    @cached_property
    def needed_keys(self) -> frozenset[str]:
        """The keys of `asked`, with those of the subgraphs in `inner`."""
        return self.asked_keys.union(*(inner.needed_keys for inner in self.inner.values()))

    @cached_property
    def missing(self) -> Callable[[frozenset[str]], dict[str, str]]:
        """`missing_keys` of this graph, remembered: many nodes may run one subgraph with the same keys."""
        found = lru_cache(maxsize=64)(lambda given: missing_keys(self, given))
        return lambda given: found(given & self.needed_keys)

    @cached_property
    def _before(self) -> dict[str, int]:
        error = self._bits(frozenset({"error"}) if any(edge.type == "error" for edge in self._graph.edges) else ())
        found = before(self._graph.entries(), self.into, self._out, lambda name: self._bits(self.writes(name)))
        return {name: bits | error for name, bits in found.items()}

    def _bits(self, keys: Iterable[str] | None) -> int:
        if keys is None:
            return _DOUBT
        bits = 0
        for key in keys:
            bits |= 1 << self._numbers.setdefault(identifier(key), len(self._numbers) + 1)
        return bits

    def _writes(self, node_id: str) -> frozenset[str] | None:
        node = self.nodes[node_id]
        if node.map is not None:
            return frozenset({node.into or node_id})
        if (inner := self._subgraph(node)) is not None:
            return inner.written
        written_by_tool = self._tool_writes(node.tool)
        if written_by_tool is None or None not in written_by_tool:
            return written_by_tool  # type: ignore[return-value]  # mypy does not narrow what a set holds
        return frozenset(node_id if key is None else key for key in written_by_tool)

    @cached_property
    def written(self) -> frozenset[str] | None:
        """The keys that a run of the graph may write; None if they are unknown."""
        written = [self.writes(name) for name in self.nodes]
        return None if None in written else frozenset().union(*filter(None, written))

    def _tool_keys(self, tool: str | None) -> frozenset[str | None] | None:
        known = tool is not None and tool in self._registry
        return written_keys(self._registry.get(tool)) if known else None  # type: ignore[arg-type]  # it is known

    def _subgraph(self, node: NodeDefinition) -> Flow | None:
        return None if node.graph is None else self._nested.flow(node.graph, self._name)

    def _read_by_conditions(self) -> Iterator[Need]:
        """Yield the keys that conditions read and that no earlier node can have written."""
        for edge in self._graph.edges:
            if edge.condition is None or edge.from_node not in self.reached:
                continue
            known, own = self.written_before(edge.from_node), self.writes(edge.from_node)
            if known is None or own is None:
                continue
            for name in sorted(_names_in(edge.condition, self._registry) - own):
                if name in known:
                    continue
                text = f"read by the condition {edge.condition!r}"
                yield Need(name, Any, MISSING, False, (edge.from_node,), text)


class _Nested:
    """The flows of all direct and indirect subgraphs, one for each graph, however many nodes run it.

    A graph that contains itself cannot run, so a node that would run a graph inside itself counts as a node of an
    unknown graph.
    """

    def __init__(self, graph: GraphDefinition, registry: ToolRegistry, graphs: Mapping[str, GraphDefinition]) -> None:
        inner = reachable(graph, graphs)
        order, self._recurring = _inner_first(graph.name, inner | {graph.name: graph})
        self._flows = {name: Flow(inner[name], registry, graphs, self, name) for name in order if name in inner}
        self._settled = False

    def flow(self, name: str, within: str) -> Flow | None:
        """Return the flow of the subgraph `name` of `within`; None if it is unknown, or contains `within`."""
        if not self._settled:
            self._settled = True
            for flow in self._flows.values():  # inner ones first, so that deep nests do not recurse
                flow.needs()
        return None if (within, name) in self._recurring else self._flows.get(name)


def _inner_first(root: str, graphs: Mapping[str, GraphDefinition]) -> tuple[list[str], set[tuple[str, str]]]:
    """Return the names of graphs, each after its subgraphs, and the pairs (outer, inner) that close a recursion."""
    runs = {
        name: [node.graph for node in graph.nodes if node.graph is not None and node.graph in graphs]
        for name, graph in graphs.items()
    }
    order: list[str] = []
    recurring: set[tuple[str, str]] = set()
    open_, path = {root}, [(root, iter(runs[root]))]
    seen = {root}
    while path:
        name, rest = path[-1]
        inner = next((other for other in rest if other not in seen or other in open_), None)
        if inner is None:
            path.pop()
            open_.discard(name)
            order.append(name)
        elif inner in open_:
            recurring.add((name, inner))
        else:
            seen.add(inner)
            open_.add(inner)
            path.append((inner, iter(runs[inner])))
    return order, recurring


def _reads_whole_state(spec: ToolSpec) -> bool:
    whole = spec.parameters.whole
    return spec.takes_state and not (whole is not None and whole.fields)


def _names_in(condition: str, registry: ToolRegistry) -> frozenset[str]:
    from nbflow.conditions import compile_condition

    try:
        return compile_condition(condition, registry.predicates).names
    except ConditionError:  # the condition calls a predicate that is not registered yet
        return frozenset()


def _params(spec: ToolSpec) -> list[Need]:
    return [
        Need(param.name, spec.types.get(param.name, Any), param.default, param.required, (), _help(spec, param.name))
        for param in spec.params
    ]


def _fields(spec: ToolSpec) -> list[Need]:
    """Return the fields of the model that annotates a tool's parameter `state`."""
    whole = spec.parameters.whole
    text = _help(spec, STATE)
    fields = () if whole is None else whole.fields
    return [Need(field.name, field.annotation, field.default, field.required, (), text) for field in fields]


def _help(spec: ToolSpec, param: str) -> str:
    """Return the line of a docstring that describes a parameter (`name: text`), else the tool's summary."""
    found = re.search(rf"^\s+{param}\s*(?:\([^)]*\))?:\s*(.+)$", inspect.getdoc(spec.function) or "", re.MULTILINE)
    return found[1].strip() if found else f"{spec.name}: {spec.doc}" if spec.doc else ""


_MOST_NOTICES = 10
_MOST_KEYS = 50
"""Keys of one error that are examined one by one."""


class InitialStateCheck:
    """Checks the initial states of one graph; the analysis of the graph is reused for each state."""

    def __init__(
        self, graph: GraphDefinition, registry: ToolRegistry, graphs: Mapping[str, GraphDefinition]
    ) -> None:  # fmt: skip
        self._graph, self._registry, self._graphs = graph, registry, dict(graphs)
        # The revision is read last: looking for a tool may have loaded an installed package's.
        self._flow, self._revision = Flow(graph, registry, self._graphs), registry.revision

    def is_of(self, graph: GraphDefinition, graphs: Mapping[str, GraphDefinition]) -> bool:
        """Return whether the check is valid for a graph with its present tools and subgraphs."""
        return self._graph is graph and self._revision == self._registry.revision and self._graphs == graphs

    def missing(self, given: Collection[str]) -> dict[str, str]:
        """Return the required keys that an initial state lacks, each with a node that needs it."""
        return self._flow.missing(frozenset(identifier(key) for key in given if isinstance(key, str)))

    def refuse_missing(self, given: Collection[str]) -> None:
        """Refuse an initial state that lacks keys without which no run can complete.

        Raises:
            InitialStateError: Keys are missing; the error names them and the nodes that need them.
        """
        if missing := self.missing(given):
            silent = {key: found for key, node in missing.items() if (found := self._flow.silent_before(node))}
            raise InitialStateError(self._graph.name, missing, given, silent)

    def unread(self, given: Collection[str]) -> list[str]:
        """Return a notice for each key of an initial state that no node and no condition of the graph reads."""
        known = self._flow.known_keys
        keys = () if known is None else [key for key in given if isinstance(key, str) and identifier(key) not in known]
        name = f" of {self._graph.name}" if self._graph.name else ""
        return [f"no node{name} reads {key!r}{did_you_mean(key, known or ())}" for key in keys[:_MOST_NOTICES]]


def missing_keys(flow: Flow, given: frozenset[str]) -> dict[str, str]:
    """Return the keys without which no run of a graph completes, each with a node that needs it."""
    lacking = dict(_lacking(flow, given))
    if not lacking or _may_end(flow, lacking):
        return {}
    nodes = _by_key(lacking)
    # A key that only some paths need is not named if another one is needed by all paths.
    if certain := [key for key in list(nodes)[:_MOST_KEYS] if not _may_end(flow, nodes[key])]:
        return {key: nodes[key][0] for key in certain}
    first = flow.first_of(lacking)
    return {key: found[0] for key, found in _by_key({name: lacking[name] for name in lacking if name in first}).items()}


def _by_key(lacking: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Return, for each key, the nodes that lack it."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for node, keys in lacking.items():
        for key in keys:
            nodes[key].append(node)
    return nodes


def _lacking(flow: Flow, given: frozenset[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the nodes that fail because keys are missing, with these keys."""
    if not flow.asked_keys <= given:
        for name, unwritten in flow.unwritten.items():
            if keys := sorted(unwritten - given):
                yield name, keys
    for name, inner in flow.inner.items():
        before = flow.written_before(name)
        if before is not None:
            params = frozenset(map(identifier, flow.nodes[name].params))
            written = frozenset(key for key in inner.needed_keys if key in before)
            if keys := list(inner.missing(given | written | params)):
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
    """Yield the sets of targets of which one firing of a node takes one set."""
    normal = [edge.to_node for edge in edges if edge.type == "normal"]
    yield normal
    if not every:
        yield from ([edge.to_node] for edge in edges if edge.type == "conditional")
    if failing := [edge.to_node for edge in edges if edge.type == "error"]:
        yield failing
