"""The loops of a graph, and the positions from which a token can reach a node in the current round of its loops.

Loops. Every cycle has a head: of its nodes, the one that a depth-first walk from the entries, edges in the order given,
visits first. Without the head, the cycles that remain are the inner loops, and so on: without its heads, every loop is
a DAG.

Taken literally, this definition finds the strongly connected components once for each level of nesting, which
is cubic for a complete graph. The same loops come from one depth-first walk. Number the nodes in the order of the walk.

1. The head `h` of a loop `C` has the least number in it. When the walk visits `h`, it has visited no other node of `C`,
   so it visits all of them before it leaves `h` (white-path theorem): they are descendants of `h` in the tree of the
   walk. The heads of the loops around `C` have smaller numbers, so they are not among these descendants.
2. So `C` is the set of all nodes from which a path leads to `h` through descendants of `h` alone, which is the loop of
   `h` as Havlak (1997) defines it. In particular, a node is the head of at most one loop.

The algorithm tests nodes as heads from the last number to the first, so inner loops come before outer ones. It searches
the body of the loop of `h` backwards from the sources of the edges that lead back to `h`. A loop that it finds is
merged into its head (union-find), and counts as one node from then on. A search from `h` must stay among the
descendants of `h`. It does, if an edge exists for the search only once `h` is at or above the lowest common ancestor of
the ends of the edge (Ramalingam 1999). Then every edge that a search visits lies inside the loop, and no later search
visits it again. An example:

    0 → 1, 1 → 2, 2 → 1, 2 → 0, 0 → 2

The search from 1 starts at 2, by the edge 2 → 1, and merges 2 into 1. It does not see 0 → 2, which leads from outside
into the middle of that loop: the lowest common ancestor of its ends is 0. The search from 0 starts at 2, by the edge
2 → 0; node 2 now represents node 1, so the search finds the loop of 1 as a part of the loop of 0.

The common ancestors come from the same walk (Tarjan 1979): a node that the walk has left is merged into its parent, so
the lowest open ancestor of a node is also an ancestor of the current node of the walk. Each edge costs two finds with
path compression, so the time is near linear in nodes and edges.

Reachability. SEMANTICS rule 5 defines which positions can delay a pending node:

- Outside loops, every path along the edges counts, also along edges of different types.
- Inside a loop, a path through the head of the loop belongs to the next round, so it does not count.
- A running head delays the nodes of its loop. A pending head does not.
- The head itself waits for every live position in its loop, so rounds do not overlap.

    entry ──> head ──> a ──> join ──> back      `join` waits for a and b. It does not wait for what arrives at `head`:
                │             ^        │        that starts the next round. `head` waits for a, b, join and back.
                ├────> b ─────┘        │
                └──<───────────────────┘

A set of positions is an integer: bit k is the k-th node, upstream nodes first, so that the mask of a node far upstream
is short. Masks are computed when they are first needed, and only for the nodes that are asked about: a chain never
computes one. The mask of a part of a region is the union of the masks of its sources, so each edge costs one union.

P. Havlak, Nesting of reducible and irreducible loops, TOPLAS 19 (1997). G. Ramalingam, Identifying loops in almost
linear time, TOPLAS 21 (1999). R. E. Tarjan, Applications of path compression on balanced trees, JACM 26 (1979).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

Links = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A strongly connected component of the graph, or of an outer loop without its head.

    `depth` is the number of loops around it.
    """

    head: int
    outer: Loop | None
    depth: int


@dataclass(frozen=True, slots=True)
class Structure:
    """The loops of a graph.

    A *part* of a region (the graph, or a loop without its head) is a node or a loop of the region. A part is a number:
    that of the node, or of the head of the loop.

    Attributes:
        order: The nodes, upstream first.
        loops: The loops, each after those around it.
        innermost: By node, the innermost loop that contains it; a loop contains its head.
        around: By part, the loop whose region contains it; None for the graph.
        regions: By edge, the innermost loop that contains both its ends.
        entered: By edge, the outermost loop that contains its target and not its source.
        sources: By part, the parts of its region from which an edge leads to it.
    """

    order: list[int]
    loops: list[Loop]
    innermost: list[Loop | None]
    around: list[Loop | None]
    regions: list[Loop | None]
    entered: list[Loop | None]
    sources: list[list[int]]


def analyse(count: int, sources: Sequence[int], targets: Sequence[int], entries: Sequence[int]) -> Structure:
    """Return the loops of a graph of `count` nodes, given by the ends of its edges, in near linear time."""
    walk = _Walk(count, sources, targets, entries)
    heads = _Heads(count, sources, targets, walk)
    loops: list[Loop] = []
    of_head: list[Loop | None] = [None] * count
    around: list[Loop | None] = [None] * count
    innermost: list[Loop | None] = [None] * count
    for node in walk.met:
        outer = around[node] = innermost[node] = _at(of_head, heads.around[node])
        if walk.closing[node]:
            loop = of_head[node] = innermost[node] = Loop(node, outer, 0 if outer is None else outer.depth + 1)
            loops.append(loop)
    regions = [_at(of_head, head) for head in heads.regions]
    entered = [_at(of_head, part) for part in heads.entered]
    return Structure(_order(count, sources, targets), loops, innermost, around, regions, entered, heads.sources)


def _at(of_head: list[Loop | None], head: int) -> Loop | None:
    return None if head < 0 else of_head[head]


class _Walk:
    """The depth-first walk from the entries, then from the nodes that no entry reaches.

    Attributes:
        met: The nodes in the order in which the walk visits them.
        closing: By node, the edges that lead back to it from the node itself or a descendant.
        shared: By node, the other edges whose ends have it as their lowest common ancestor.
    """

    def __init__(self, count: int, sources: Sequence[int], targets: Sequence[int], entries: Sequence[int]) -> None:
        self.met: list[int] = []
        self.closing: list[list[int]] = [[] for _ in range(count)]
        self.shared: list[list[int]] = [[] for _ in range(count)]
        self._targets = targets
        self._left = list(range(count + 1))  # by node, itself while it is open; the last is above all roots
        self._seen = [False] * count
        out: list[list[int]] = [[] for _ in range(count)]
        for edge, source in enumerate(sources):
            out[source].append(edge)
        for root in (*entries, *range(count)):
            if not self._seen[root]:
                self._from(root, out)

    def _from(self, root: int, out: list[list[int]]) -> None:
        self._meet(root)
        path = [(root, iter(out[root]))]
        while path:
            node, rest = path[-1]
            for edge in rest:
                target = self._targets[edge]
                if not self._seen[target]:
                    self._meet(target)
                    self.shared[node].append(edge)
                    path.append((target, iter(out[target])))
                    break
                self._sort(edge, target)
            else:
                path.pop()
                self._left[node] = path[-1][0] if path else len(self._seen)

    def _meet(self, node: int) -> None:
        self._seen[node] = True
        self.met.append(node)

    def _sort(self, edge: int, target: int) -> None:
        ancestor = _find(self._left, target)
        if ancestor == target:
            self.closing[target].append(edge)
        elif ancestor < len(self._seen):
            self.shared[ancestor].append(edge)


class _Heads:
    """The searches for the bodies of the loops, inner loops first; -1 is the whole graph, and no loop.

    Attributes:
        around: By part, the head of the loop whose region contains it.
        regions: By edge, the head of the innermost loop that contains both ends.
        entered: By edge, the part of that loop's region that contains its target; -1 if the target is the head.
        sources: By part, the parts of its region from which an edge leads to it.
    """

    def __init__(self, count: int, sources: Sequence[int], targets: Sequence[int], walk: _Walk) -> None:
        self.around = [-1] * count
        self.regions = [-1] * len(targets)
        self.entered = [-1] * len(targets)
        self.sources: list[list[int]] = [[] for _ in range(count)]
        self._ends, self._merged = sources, list(range(count))
        self._arriving: list[list[int]] = [[] for _ in range(count)]
        for head in reversed(walk.met):
            for edge in walk.shared[head]:
                self._arriving[_find(self._merged, targets[edge])].append(edge)
            if walk.closing[head]:
                self._search(head, walk.closing[head])
        for edge, region in enumerate(self.regions):
            if region < 0:
                self.entered[edge] = part = _find(self._merged, targets[edge])
                self.sources[part].append(_find(self._merged, sources[edge]))

    def _search(self, head: int, closing: list[int]) -> None:
        """Find the body of a loop, backwards from the edges that close the loop, and merge the body into the head."""
        body: set[int] = set()
        for edge in closing:
            self.regions[edge] = head
            body.add(_find(self._merged, self._ends[edge]))
        body.discard(head)
        work = list(body)
        while work:
            part = work.pop()
            for edge in self._arriving[part]:
                self.regions[edge], self.entered[edge] = head, part
                source = _find(self._merged, self._ends[edge])
                if source == head:
                    continue
                self.sources[part].append(source)
                if source not in body:
                    body.add(source)
                    work.append(source)
            self._arriving[part] = []
        for part in body:
            self._merged[part] = self.around[part] = head


def _find(above: list[int], node: int) -> int:
    """Return the root of the tree of a node, and shorten the path to the root."""
    while above[node] != node:
        above[node] = node = above[above[node]]
    return node


def _order(count: int, sources: Sequence[int], targets: Sequence[int]) -> list[int]:
    """Return the nodes, upstream first; the nodes of one component are adjacent."""
    # The edges are read backwards, so that nodes that are not connected have the order of the definition.
    links: list[list[int]] = [[] for _ in range(count)]
    for edge in range(len(sources) - 1, -1, -1):
        links[sources[edge]].append(targets[edge])
    parts = components(range(count - 1, -1, -1), links)
    return [node for part in reversed(parts) for node in part]


def components(nodes: Iterable[int], links: Links) -> list[list[int]]:
    """Return the strongly connected components, downstream first (Tarjan 1972, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    found: list[list[int]] = []
    for root in nodes:
        if root in index:
            continue
        walk = [(root, iter(links[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while walk:
            node, targets = walk[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    walk.append((target, iter(links[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                walk.pop()
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_unwind(stack, on_stack, node))
    return found


def _unwind(stack: list[int], on_stack: set[int], node: int) -> list[int]:
    part = []
    while True:
        part.append(stack.pop())
        on_stack.discard(part[-1])
        if part[-1] == node:
            return part


_MOST_BITS = 1 << 29  # 64 MiB of masks are cached; beyond that, the cache starts again


class Positions:
    """A set of live positions.

    A change costs one byte, a test against a mask costs the length of the mask.
    """

    __slots__ = ("_bytes",)

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size // 8 + 1)

    def add(self, position: int) -> bool:
        """Add a position; return whether it was not in the set."""
        byte, bit = self._bytes[position >> 3], 1 << (position & 7)
        self._bytes[position >> 3] = byte | bit
        return not byte & bit

    def flip(self, position: int) -> None:
        """Add a position, or remove it if it is in the set."""
        self._bytes[position >> 3] ^= 1 << (position & 7)

    def clear(self) -> None:
        """Remove all positions."""
        self._bytes = bytearray(len(self._bytes))

    def last_of(self, mask: int) -> int:
        """Return the last position that is also in the mask, -1 if there is none.

        The first one to start usually ends first, so a watcher of the last position is usually tested only once more.
        """
        if not mask:
            return -1
        return (int.from_bytes(self._bytes[: (mask.bit_length() + 7) >> 3], "little") & mask).bit_length() - 1


class Reachability:
    """The masks of the running and of the pending positions that can delay each node.

    The mask of a part of a region (`Structure`) is the union, over the parts that lead to it, of their nodes and their
    masks. So each edge costs one union, in any order of the queries, as long as the masks of all parts fit into memory.
    In a graph too large for that, only the masks of the nodes asked about are cached.
    """

    def __init__(self, structure: Structure) -> None:
        self._structure, self._order = structure, structure.order
        self.position = [0] * len(structure.order)
        for position, node in enumerate(structure.order):
            self.position[node] = position
        self._keeps_all = len(self._order) ** 2 // 2 <= _MOST_BITS
        self._masks: dict[int, tuple[int, int]] = {}
        self._upstream: dict[int, int] = {}
        self._outside: dict[Loop, tuple[int, int]] = {}
        self._inside: dict[Loop, int] = {}
        self._parts: dict[Loop, list[int]] | None = None
        self._bits = 0

    def node_at(self, position: int) -> int:
        """Return the node of a position."""
        return self._order[position]

    def masks(self, node: int) -> tuple[int, int]:
        """Return the running and the pending nodes, as bits, that delay `node`."""
        known = self._masks.get(node)
        if known is None:
            if self._bits > _MOST_BITS:
                for kept in (self._masks, self._upstream, self._outside, self._inside):
                    kept.clear()
                self._bits = 0
            known = self._masks[node] = self._make(node)
            self._count(known[0])
        return known

    def _make(self, node: int) -> tuple[int, int]:
        loop = self._structure.innermost[node]
        own = 1 << self.position[node]
        if loop is not None and loop.head == node:
            pending, heads = self._held_outside(loop)
            pending |= self._nodes_of(loop) & ~own
        else:
            pending, heads = (0, 0) if loop is None else self._held_outside(loop)
            heads |= 0 if loop is None else 1 << self.position[loop.head]
            pending |= self._reaching(node)
        return pending | heads | own, pending

    def _held_outside(self, loop: Loop) -> tuple[int, int]:
        """Return the masks of what can reach a loop in this round of the loops around it, and of their heads."""
        found = self._outside.get(loop)
        above = []
        at: Loop | None = loop
        while at is not None and at not in self._outside:
            above.append(at)
            at = at.outer
        pending, heads = (0, 0) if at is None else self._outside[at]
        for inner in reversed(above):
            if inner.outer is not None:
                heads |= 1 << self.position[inner.outer.head]
            pending |= self._reaching(inner.head)
            found = self._outside[inner] = pending, heads
            self._count(pending)
        assert found is not None  # noqa: S101 - it was cached, or the loop above has set it
        return found

    def _reaching(self, goal: int) -> int:
        """Return the mask of the nodes that can reach a part inside its region, without the nodes of the part."""
        known = self._upstream.get(goal)
        if known is None:
            known = self._of_all(goal) if self._keeps_all else self._of_one(goal)
        return known

    def _of_all(self, goal: int) -> int:
        """Compute the mask of each part upstream, so that no part is visited again."""
        path = [(goal, iter(self._structure.sources[goal]))]
        while path:
            part, rest = path[-1]
            source = next((source for source in rest if source not in self._upstream), None)
            if source is not None:
                path.append((source, iter(self._structure.sources[source])))
                continue
            sources = self._structure.sources[part]
            self._keep(part, sources, [self._upstream[source] for source in sources])
            path.pop()
        return self._upstream[goal]

    def _of_one(self, goal: int) -> int:
        """Walk over the parts upstream, up to those with a cached mask."""
        seen, work, above = {goal}, [goal], []
        while work:
            part = work.pop()
            known = self._upstream.get(part)
            if known is not None:
                above.append(known)
                continue
            fresh = [source for source in self._structure.sources[part] if source not in seen]
            seen.update(fresh)
            work += fresh
        return self._keep(goal, seen - {goal}, above)

    def _keep(self, part: int, sources: Collection[int], above: Iterable[int]) -> int:
        """Cache and return the mask of a part: the nodes of its sources, and the masks `above` of what reaches them."""
        loops = [loop for source in sources if (loop := self._loop_at(source)) is not None]
        mask = _bits([self.position[source] for source in sources])
        for each in (*above, *map(self._nodes_of, loops)):
            mask |= each
        self._upstream[part] = mask
        self._count(mask)
        return mask

    def _loop_at(self, part: int) -> Loop | None:
        """Return the loop whose number is the part; None if the part is a node."""
        loop = self._structure.innermost[part]
        return loop if loop is not None and loop.head == part else None

    def _nodes_of(self, loop: Loop) -> int:
        known = self._inside.get(loop)
        return self._nodes_within(loop) if known is None else known

    def _nodes_within(self, loop: Loop) -> int:
        """Compute the masks of the nodes of a loop and of the loops inside it, inner loops first."""
        if self._parts is None:
            self._parts = {each: [] for each in self._structure.loops}
            for part, around in enumerate(self._structure.around):
                if around is not None:
                    self._parts[around].append(part)
        wanted = [loop]
        for each in wanted:
            inner = map(self._loop_at, self._parts[each])
            wanted += [found for found in inner if found is not None and found not in self._inside]
        for each in reversed(wanted):
            mask = _bits([self.position[node] for node in (each.head, *self._parts[each])])
            for part in self._parts[each]:
                found = self._loop_at(part)
                mask |= 0 if found is None else self._inside[found]
            self._inside[each] = mask
            self._count(mask)
        return self._inside[loop]

    def _count(self, mask: int) -> None:
        self._bits += mask.bit_length()


def _bits(positions: Sequence[int]) -> int:
    if len(positions) < 8:
        return sum(1 << position for position in set(positions))
    filled = bytearray(max(positions) // 8 + 1)
    for position in positions:
        filled[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(filled, "little")
