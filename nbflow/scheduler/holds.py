"""What can hold a pending node back: the positions that can still reach it in this round of the loops around it.

Rule: outside a loop every way along the edges counts; inside one, ways through its head are the next round and do not,
but a head that runs holds back the nodes of its loop, and the head itself waits for everything live in it.

Made when first asked for and only for nodes asked about; sets of nodes are integers, bit `k` the k-th node upstream
first, so that what is far upstream costs little.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from nbflow.scheduler.loops import Loop, Structure

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
