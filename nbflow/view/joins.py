"""How many edges into a node can bring tokens that were sent out side by side.

Rule: time is near linear in nodes and edges. Tokens that meet at a node were sent out together by its dominator. Which
of the edges out of that lead to which edge in is found among the nodes that the same one dominates directly: a way
from one of these to another passes the tree of dominators below the first, so an edge out of that tree stands for one
between the two.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from nbflow.graph.dominators import dominators, subtrees

Sets = Callable[[str], Sequence[Sequence[str]]]
"""By a node, or "" for the start of the run, the targets of the edges that are taken together."""


def meetings(
    order: Sequence[str], into: Mapping[str, Sequence[str]], merges: Collection[str], sent: Sets
) -> dict[str, int]:
    """Return for each of `merges` at which several tokens can meet by how many edges they come.

    Args:
        order: The nodes, each after those that lead to it.
        into: By node, the source of each edge into it.
        merges: The nodes asked about.
        sent: What is taken together.
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
    """The tree of dominators; `below` gives those that a node dominates directly, each after what leads to it."""

    def __init__(self, order: Iterable[str], dominator: Mapping[str, str]) -> None:
        listed, _ = subtrees(dominator)
        self._place = {name: at for at, name in enumerate(listed)}
        self._numbered: dict[str, list[str]] = {}
        for name in listed:
            self._numbered.setdefault(dominator[name], []).append(name)
        self.below: dict[str, list[str]] = {}
        for name in order:
            self.below.setdefault(dominator[name], []).append(name)

    def child(self, above: str, name: str) -> str:
        """Return the one directly below `above` that a node is, or is below."""
        children = self._numbered[above]
        return children[bisect_right(children, self._place[name], key=self._place.__getitem__) - 1]


def _met(
    tree: _Tree, above: str, into: Mapping[str, Sequence[str]], sets: Sequence[Sequence[str]]
) -> Iterable[tuple[str, int]]:
    """Yield the nodes directly below one, with the number of edges by which tokens of one set come."""
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
    """Return how many edges have hits among some starts, 0 where all of these are one."""
    useful = [hit & mask for hit in hits if hit & mask]
    union = 0
    for hit in useful:
        union |= hit
    return len(useful) if union.bit_count() > 1 else 0
