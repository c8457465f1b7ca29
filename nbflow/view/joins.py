"""Count the edges by which tokens of one parallel split can arrive at a join.

Tokens that meet at a node were sent at the same time by its immediate dominator D. So it must be known which edges out
of D lead to which edges into the node. This is computed for all nodes below D together, among the direct children of D
in the tree of dominators: a path between two children stays in the subtree of the first until it leaves it, so an edge
from that subtree to the second child counts as an edge between the two children. The edges out of D that reach a child
are a bit mask, which is passed on in topological order.

Invariant: the time is near linear in nodes and edges.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from nbflow.graph.dominators import dominators, subtrees

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
