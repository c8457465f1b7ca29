"""What can hold a pending node back: the positions that can still reach it in this round of the loops around it.

Rule: outside a loop every way along the edges counts; inside one, ways through its head are the next round and do not,
but a head that runs holds back the nodes of its loop, and the head itself waits for everything live in it.

Made when first asked for and only for nodes asked about; sets of nodes are integers, bit `k` the k-th node upstream
first, so that what is far upstream costs little.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """Answers, per node, which running and which pending nodes hold it back."""

    def __init__(self, structure: Structure, sources: Sequence[Sequence[int]]) -> None:
        self._loops = structure.loops
        self._order = structure.order
        self._sources = sources
        self.position = [0] * len(structure.order)
        for position, node in enumerate(structure.order):
            self.position[node] = position
        self._masks: dict[int, tuple[int, int]] = {}
        self._upstream: dict[tuple[Loop | None, int | Loop], int] = {}
        self._inside: dict[Loop, int] = {}
        self._bits = 0

    def node_at(self, position: int) -> int:
        """Return the node that a bit stands for."""
        return self._order[position]

    def masks(self, node: int) -> tuple[int, int]:
        """Return the running and the pending nodes, as bits, that hold `node` back."""
        known = self._masks.get(node)
        if known is None:
            if self._bits > _MOST_BITS:
                self._masks.clear()
                self._upstream.clear()
                self._bits = 0
            known = self._masks[node] = self._make(node)
            self._bits += known[0].bit_length()
        return known

    def _make(self, node: int) -> tuple[int, int]:
        pending = running_heads = 0
        region: Loop | None = None
        for loop in self._loops[node]:
            pending |= self._reaching(region, loop)
            if loop.head == node:
                pending |= self._bits_of(loop) & ~(1 << self.position[node])
                return pending | running_heads | 1 << self.position[node], pending
            running_heads |= 1 << self.position[loop.head]
            region = loop
        pending |= self._reaching(region, node)
        return pending | running_heads | 1 << self.position[node], pending

    def _reaching(self, region: Loop | None, goal: int | Loop) -> int:
        """Return the nodes of a region (a loop less its head; None for the graph) outside `goal` that can reach it."""
        known = self._upstream.get((region, goal))
        if known is not None:
            return known
        level = 0 if region is None else 1 + self._loops[region.head].index(region)
        start = goal.members if isinstance(goal, Loop) else (goal,)
        seen = set(start)
        work = list(start)
        mask = 0
        singles = []
        while work:
            for source in self._sources[work.pop()]:
                if source in seen or (region is not None and (source not in region.members or source == region.head)):
                    continue
                inner = self._loops[source][level] if len(self._loops[source]) > level else None
                above = self._upstream.get((region, source if inner is None else inner))
                members = (source,) if inner is None else inner.members
                seen.update(members)
                if inner is None:
                    singles.append(self.position[source])
                else:
                    mask |= self._bits_of(inner)
                if above is None:
                    work.extend(members)
                else:
                    mask |= above
        self._upstream[region, goal] = mask | _bits(singles)
        return self._upstream[region, goal]

    def _bits_of(self, loop: Loop) -> int:
        known = self._inside.get(loop)
        if known is None:
            known = self._inside[loop] = _bits([self.position[node] for node in loop.members])
        return known


def _bits(positions: Sequence[int]) -> int:
    if len(positions) < 8:
        return sum(1 << position for position in positions)
    filled = bytearray(max(positions) // 8 + 1)
    for position in positions:
        filled[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(filled, "little")
