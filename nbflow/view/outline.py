"""The shape of a graph before it runs: kinds of nodes, stages, loops, splits, joins and the labels of edges.

Invariant: the outline depends only on the definition and its order, so that all views of a graph agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nbflow.graph import END, EdgeDefinition, GraphDefinition, NodeDefinition
from nbflow.graph.traversal import dominators, subtrees
from nbflow.view.text import TIMES
from nbflow.view.text import line as one_line

# Count the edges by which tokens of one parallel split can arrive at a join.
#
# Tokens that meet at a node were sent at the same time by its immediate dominator D. So it must be known which edges
# out of D lead to which edges into the node. This is computed for all nodes below D together, among the direct children
# of D in the tree of dominators: a path between two children stays in the subtree of the first until it leaves it, so
# an edge from that subtree to the second child counts as an edge between the two children. The edges out of D that
# reach a child are a bit mask, which is passed on in topological order.
#
# Invariant: the time is near linear in nodes and edges.

Sets = Callable[[str], Sequence[Sequence[str]]]
"""Returns, for a node or "" (the start of the run), the sets of targets of edges that can be taken together."""


def meetings(
    order: Sequence[str], into: Mapping[str, Sequence[str]], merges: Collection[str], sent: Sets
) -> dict[str, int]:
    """Return the number of edges by which tokens can meet, for each node of `merges` where it is more than one.

    Args:
        order: The nodes in topological order.
        into: The source of each edge into a node.
        merges: The nodes to count for.
        sent: Returns the sets of targets that a node sends tokens to at the same time.
    """
    out: dict[str, list[str]] = {name: [] for name in order}
    for name in order:
        for source in into.get(name, ()):
            out[source].append(name)
    dominator = dominators([name for name in order if not into.get(name)], out)
    tree = _Tree(order, dominator)
    found: dict[str, int] = {}
    for above in dict.fromkeys(dominator[name] for name in order if name in merges):
        sets = [each for each in sent(above) if len(each) > 1]
        counts = _met(tree, above, into, sets) if sets else ()
        found |= {name: count for name, count in counts if name in merges and count > 1}
    return found


class _Tree:
    """The tree of dominators; `below` has the children of each node, in topological order."""

    def __init__(self, order: Iterable[str], dominator: Mapping[str, str]) -> None:
        listed, _ = subtrees(dominator)
        self._position = {name: at for at, name in enumerate(listed)}
        self._numbered: dict[str, list[str]] = {}
        for name in listed:
            self._numbered.setdefault(dominator[name], []).append(name)
        self.below: dict[str, list[str]] = {}
        for name in order:
            self.below.setdefault(dominator[name], []).append(name)

    def child(self, above: str, name: str) -> str:
        """Return the child of `above` whose subtree contains a node."""
        children = self._numbered[above]
        return children[bisect_right(children, self._position[name], key=self._position.__getitem__) - 1]


def _met(
    tree: _Tree, above: str, into: Mapping[str, Sequence[str]], sets: Sequence[Sequence[str]]
) -> Iterable[tuple[str, int]]:
    """Yield the children of a node, each with the largest number of edges by which tokens of one set arrive."""
    starts: dict[str, int] = {}
    masks = []
    first = 0
    for each in sets:
        for bit, name in enumerate(each, first):
            starts[name] = starts.get(name, 0) | 1 << bit
        masks.append((1 << len(each)) - 1 << first)
        first += len(each)
    reaching: dict[str, int] = {}
    for name in tree.below[above]:
        own = starts.get(name, 0)
        hits = [own if source == above else reaching[tree.child(above, source)] for source in into.get(name, ())]
        reaching[name] = own
        for hit in hits:
            reaching[name] |= hit
        yield name, max(_count(hits, mask) for mask in masks)


def _count(hits: Iterable[int], mask: int) -> int:
    """Return the number of edges reached from the starts in `mask`; 0 if all of them are reached from one start."""
    useful = [hit & mask for hit in hits if hit & mask]
    union = 0
    for hit in useful:
        union |= hit
    return len(useful) if union.bit_count() > 1 else 0


# -- the outline of a graph --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as drawn. `back` is True if it closes a loop; `label` is its label before it is taken."""

    key: str
    source: str
    target: str
    type: str
    condition: str | None
    limit: int | None
    back: bool
    label: str | None

    def label_after(self, taken: int) -> str | None:
        """Return the edge's label after it was taken `taken` times."""
        if not taken:
            return self.label
        of = f" of {self.limit}" if self.limit else ""
        if self.back:
            return f"loop {taken}{of}"
        if self.limit:
            return f"{self.label or ''} {taken}{of}".strip()
        return f"{self.label} {TIMES}{taken}" if self.label and taken > 1 else self.label


@dataclass(frozen=True, slots=True)
class Outline:
    """The shape of a graph.

    Attributes:
        kinds: `map`, `subgraph`, `ask` or `tool` for each node.
        lines: The edges in the order of the definition.
        out: The outgoing edges of each node.
        rank: The stage of each node, from 0: the longest path to it, without edges that close a loop.
        splits: The nodes that can take several edges at one completion.
        joins: The number of inputs that each joining node can wait for, where it is more than one.
    """

    graph: GraphDefinition
    nodes: Mapping[str, NodeDefinition]
    kinds: Mapping[str, str]
    lines: tuple[Line, ...]
    out: Mapping[str, tuple[Line, ...]]
    rank: Mapping[str, int]
    splits: frozenset[str]
    joins: Mapping[str, int]

    @property
    def order(self) -> tuple[str, ...]:
        """The nodes' ids in the order of the definition."""
        return tuple(self.nodes)

    @property
    def ends(self) -> bool:
        """True if an edge leads to END."""
        return any(line.target == END for line in self.lines)


def outline(graph: GraphDefinition) -> Outline:
    """Return the shape of a graph, in time near linear in nodes and edges."""
    nodes = {node.node_id: node for node in graph.nodes}
    out_edges: dict[str, list[int]] = {name: [] for name in nodes}
    for index, edge in enumerate(graph.edges):
        out_edges[edge.from_node].append(index)
    back, topological = _walk(graph, out_edges)
    lines = _lines(graph, nodes, out_edges, back)
    out = {name: tuple(lines[index] for index in indexes) for name, indexes in out_edges.items()}
    rank = _ranks(topological, out)
    splits = frozenset(name for name in nodes if any(len(g) > 1 for g in _choices(nodes[name], out[name])))
    joins = _joins(nodes, lines, out, topological, splits, graph.entries())
    kinds = {name: kind_of(node) for name, node in nodes.items()}
    return Outline(graph, nodes, kinds, lines, out, rank, splits, joins)


def kind_of(node: NodeDefinition) -> str:
    """Return the kind of a node: `map`, `subgraph`, `ask` or `tool`."""
    if node.map is not None:
        return "map"
    if node.graph is not None:
        return "subgraph"
    return "ask" if node.tool == "ask" else "tool"


def _walk(graph: GraphDefinition, out_edges: Mapping[str, list[int]]) -> tuple[set[int], list[str]]:
    """Return the indexes of the edges that close a loop, and a topological order of the nodes without these edges.

    This is the depth-first search of Tarjan, with a stack in place of recursion: an edge closes a loop if it leads to a
    node that is still on the stack, and the nodes in reverse order of finishing are in topological order.
    """
    back: set[int] = set()
    done: list[str] = []
    state: dict[str, int] = {}  # 1: on the stack, 2: finished
    for root in (*graph.entries(), *out_edges):
        if root in state:
            continue
        stack = [(root, iter(out_edges[root]))]
        state[root] = 1
        while stack:
            name, rest = stack[-1]
            for index in rest:
                target = graph.edges[index].to_node
                if state.get(target) == 1:
                    back.add(index)
                elif target not in state and target != END:
                    state[target] = 1
                    stack.append((target, iter(out_edges[target])))
                    break
            else:
                state[name] = 2
                done.append(name)
                stack.pop()
    return back, done[::-1]


def _lines(
    graph: GraphDefinition,
    nodes: Mapping[str, NodeDefinition],
    out_edges: Mapping[str, list[int]],
    back: set[int],
) -> tuple[Line, ...]:
    labels: dict[int, str | None] = {}
    for name, indexes in out_edges.items():
        labels |= _labels(nodes[name], {index: graph.edges[index] for index in indexes})
    keys = _keys(graph.edges)
    lines = []
    for index, edge in enumerate(graph.edges):
        label = labels[index]
        if index in back and edge.max_iterations:
            label = f"max {edge.max_iterations}"
        limit, closes = edge.max_iterations, index in back
        lines.append(
            Line(keys[index], edge.from_node, edge.to_node, edge.type, edge.condition, limit, closes, label),
        )
    return tuple(lines)


def _keys(edges: Iterable[EdgeDefinition]) -> list[str]:
    """Return a unique key for each edge, `a>b`, with `#k` added if several edges would have the same key."""
    plain = [f"{edge.from_node}>{edge.to_node}" for edge in edges]
    total: dict[str, int] = defaultdict(int)
    for key in plain:
        total[key] += 1
    taken = {key for key in plain if total[key] == 1}
    count: dict[str, int] = defaultdict(int)
    keys = []
    for key in plain:
        name = key
        while total[key] > 1 and (name == key or name in taken):
            count[key] += 1
            name = f"{key}#{count[key]}"
        taken.add(name)
        keys.append(name)
    return keys


def _labels(node: NodeDefinition, edges: Mapping[int, EdgeDefinition]) -> dict[int, str | None]:
    conditional = [index for index, edge in edges.items() if edge.type == "conditional"]
    normal = [index for index, edge in edges.items() if edge.type == "normal"]
    labels: dict[int, str | None] = dict.fromkeys(edges)
    labels.update({index: "on error" for index, edge in edges.items() if edge.type == "error"})
    if node.route == "first" and len(conditional) == 1:
        labels[conditional[0]] = "yes"
        other = "no"
    else:
        labels.update({index: one_line(edges[index].condition or "", 24) for index in conditional})
        other = "else"
    if node.route == "first" and conditional and len(normal) == 1:
        labels[normal[0]] = other
    return labels


def _ranks(topological: list[str], out: Mapping[str, tuple[Line, ...]]) -> dict[str, int]:
    rank = dict.fromkeys(topological, 0)
    for name in topological:
        for line in out[name]:
            if not line.back and line.target != END:
                rank[line.target] = max(rank[line.target], rank[name] + 1)
    return rank


def _choices(node: NodeDefinition, lines: Iterable[Line]) -> list[list[Line]]:
    """Return the sets of edges that one completion can take together."""
    conditional = [line for line in lines if line.type == "conditional"]
    normal = [line for line in lines if line.type == "normal"]
    errors = [line for line in lines if line.type == "error"]
    if node.route == "all":
        return [conditional + normal, errors]
    return [[line] for line in conditional] + [normal, errors]


def _joins(
    nodes: Mapping[str, NodeDefinition],
    lines: tuple[Line, ...],
    out: Mapping[str, tuple[Line, ...]],
    topological: list[str],
    splits: frozenset[str],
    entries: tuple[str, ...],
) -> dict[str, int]:
    into: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if not line.back and line.target != END:
            into[line.target].append(line)
    merges = {name for name, arriving in into.items() if len(arriving) > 1 and nodes[name].join == "all"}
    sources = {name: [line.source for line in arriving] for name, arriving in into.items()}

    def sent(above: str) -> list[list[str]]:
        if not above:
            return [list(entries)]
        groups = _choices(nodes[above], out[above]) if above in splits else []
        return [[line.target for line in group if not line.back] for group in groups]

    return meetings(topological, sources, merges, sent)
