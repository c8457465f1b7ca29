"""The loops of a graph: the head of each, and the loops inside it.

Every cycle has a head: of its nodes, the one that a depth-first walk from the entries, edges in the order given, meets
first. With the head taken out, what is still on a cycle is an inner loop, and so on: less its heads, every loop is a
DAG.

Theory. Taken literally, this definition finds the strongly connected components once for each level of nesting, which
is cubic for a complete graph. The same loops come from one depth-first walk. Number the nodes in the order of the walk.

1. The head `h` of a loop `C` has the least number in it. When the walk meets `h`, it has met no other node of `C`, so
   it meets all of them before it leaves `h` (white-path theorem): they are descendants of `h` in the tree of the walk.
   The heads of the loops around `C` have lesser numbers, so they are none of these descendants.
2. So `C` is the set of all nodes from which a way leads to `h` through descendants of `h` alone, which is the loop that
   Havlak (1997) gives to `h`. In particular, a node is the head of at most one loop.

Nodes are looked at as heads from the last number to the first, inner loops before outer ones. The body of the loop of
`h` is searched backwards from the sources of the edges that lead back to `h`; a loop that is found is merged into its
head (union-find), and counts as one node from then on. A search from `h` must stay among the descendants of `h`. It
does, if an edge exists for it only once `h` is at or above the lowest common ancestor of the edge's ends (Ramalingam
1999). Then every edge that a search meets lies inside the loop, and no later search meets it again. An example:

    0 → 1, 1 → 2, 2 → 1, 2 → 0, 0 → 2

The search from 1 begins at 2, by the edge 2 → 1, and merges 2 into 1. It does not see 0 → 2, which leads from outside
into the middle of that loop: the lowest common ancestor of its ends is 0. The search from 0 begins at 2, by the edge
2 → 0, which now means at 1, and so finds the loop of 1 as a part of its own.

The common ancestors come from the same walk (Tarjan 1979): a node that the walk has left is merged into its parent, so
the lowest ancestor of a node that is still open is also an ancestor of the node where the walk is. Each edge is looked
at twice, at the cost of two finds with path compression: the time is near linear in nodes and edges.

P. Havlak, Nesting of reducible and irreducible loops, TOPLAS 19 (1997). G. Ramalingam, Identifying loops in almost
linear time, TOPLAS 21 (1999). R. E. Tarjan, Applications of path compression on balanced trees, JACM 26 (1979).


What can hold a pending node back: the positions that can still reach it in this round of the loops around it.

Rule: outside a loop every way along the edges counts; inside one, ways through its head are the next round and do not,
but a head that runs holds back the nodes of its loop, and the head itself waits for everything live in it.

Made when first asked for and only for nodes asked about; sets of nodes are integers, bit `k` the k-th node upstream
first, so that what is far upstream costs little.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

Links = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A strongly connected part of the graph, or of an outer loop less its head; `depth` counts the loops around it."""

    head: int
    outer: Loop | None
    depth: int


@dataclass(frozen=True, slots=True)
class Structure:
    """The loops of a graph.

    A *part* of a region (the graph, or a loop less its head) is a node, or a loop of the region; a number stands for
    both, as a loop has the number of its head.

    Attributes:
        order: The nodes, upstream first.
        loops: The loops, each after those around it.
        innermost: By node, the innermost loop that it is in; a head is in its own.
        around: By part, the loop of whose region it is a part; None for the graph.
        regions: By edge, the innermost loop that holds both its ends.
        entered: By edge, the outermost loop that holds its target and not its source.
        sources: By part, those of its region from which an edge leads to it.
    """

    order: list[int]
    loops: list[Loop]
    innermost: list[Loop | None]
    around: list[Loop | None]
    regions: list[Loop | None]
    entered: list[Loop | None]
    sources: list[list[int]]


def analyse(count: int, sources: Sequence[int], targets: Sequence[int], entries: Sequence[int]) -> Structure:
    """Return the loops of a graph of `count` nodes, given by the ends of its edges; time is near linear in both."""
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
    """The depth-first walk from the entries, then from what they do not reach.

    Attributes:
        met: The nodes in the order in which the walk meets them.
        closing: By node, the edges that lead back to it from itself or a descendant.
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
    """The searches for the bodies of the loops, inner ones first; -1 stands for the whole graph, and for no loop.

    Attributes:
        around: By part, the head of the loop of whose region it is a part.
        regions: By edge, the head of the innermost loop that holds both ends.
        entered: By edge, the part of that loop's region that its target is in, or -1 where that is the head.
        sources: By part, those of its region from which an edge leads to it.
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
        """Find the body of a loop backwards from the edges that close it, and merge it into the head."""
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
    """Return the last of those above a node, and make the way to it shorter."""
    while above[node] != node:
        above[node] = node = above[above[node]]
    return node


def _order(count: int, sources: Sequence[int], targets: Sequence[int]) -> list[int]:
    """Return the nodes, upstream first; those of one component stand together."""
    # Backwards, so that upstream first leaves the nodes side by side in the order given: what begins last is last.
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


_MOST_BITS = 1 << 29  # 64 MiB of masks are kept, then made anew as they are asked for


class Positions:
    """A set of live positions: changed at the cost of a byte, met with a mask at the cost of the mask's length."""

    __slots__ = ("_bytes",)

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size // 8 + 1)

    def add(self, position: int) -> bool:
        """Put a position in; return whether it was not in yet."""
        byte, bit = self._bytes[position >> 3], 1 << (position & 7)
        self._bytes[position >> 3] = byte | bit
        return not byte & bit

    def flip(self, position: int) -> None:
        """Put a position in, or take it out."""
        self._bytes[position >> 3] ^= 1 << (position & 7)

    def clear(self) -> None:
        """Take everything out."""
        self._bytes = bytearray(len(self._bytes))

    def last_of(self, mask: int) -> int:
        """Return the last position that is in the mask too, -1 where none is.

        The last, because what began first mostly ends first: then whoever watches it looks again only once.
        """
        if not mask:
            return -1
        return (int.from_bytes(self._bytes[: (mask.bit_length() + 7) >> 3], "little") & mask).bit_length() - 1


class Holds:
    """Answers, per node, which running and which pending nodes hold it back.

    What reaches a part of a region (`Structure`) is the union, over the parts that lead to it, of their nodes and of
    what reaches them. So each edge costs one union of sets, in whatever order nodes are asked about, as long as the
    sets of all parts can be kept; of a graph too large for that, those asked about are kept.
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
        """Return the node that a bit stands for."""
        return self._order[position]

    def masks(self, node: int) -> tuple[int, int]:
        """Return the running and the pending nodes, as bits, that hold `node` back."""
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
        """Return what can reach a loop in this round of the loops around it, and the heads of these."""
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
        assert found is not None  # noqa: S101 - it was known, or is the last one made
        return found

    def _reaching(self, goal: int) -> int:
        """Return the nodes that can reach a part within its region, less its own."""
        known = self._upstream.get(goal)
        if known is None:
            known = self._of_all(goal) if self._keeps_all else self._of_one(goal)
        return known

    def _of_all(self, goal: int) -> int:
        """Make the set of each part upstream, so that no part is walked over again."""
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
        """Walk over all that is upstream, up to what is known."""
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
        """Note, and return, what reaches a part: the nodes of some parts, and what reaches those."""
        loops = [loop for source in sources if (loop := self._loop_at(source)) is not None]
        mask = _bits([self.position[source] for source in sources])
        for each in (*above, *map(self._nodes_of, loops)):
            mask |= each
        self._upstream[part] = mask
        self._count(mask)
        return mask

    def _loop_at(self, part: int) -> Loop | None:
        """Return the loop that a number stands for as a part, None for a node."""
        loop = self._structure.innermost[part]
        return loop if loop is not None and loop.head == part else None

    def _nodes_of(self, loop: Loop) -> int:
        known = self._inside.get(loop)
        return self._nodes_within(loop) if known is None else known

    def _nodes_within(self, loop: Loop) -> int:
        """Make the sets of the nodes of a loop and of those inside it, inner ones first."""
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
