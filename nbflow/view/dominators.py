"""Immediate dominators of an acyclic graph.

A node dominates another if every path from an entry to the other passes through it; the immediate dominator is the
nearest such node. The algorithm is that of Cooper, Harvey and Kennedy ("A Simple, Fast Dominance Algorithm", 2001): the
immediate dominator of a node is the nearest common ancestor, in the tree of dominators, of the nodes that lead to it.
In topological order all of those are known before the node, so without loops one pass is enough.

Invariant: callers leave out the edges that close a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def dominators(order: Iterable[str], sources: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the immediate dominator of each node, "" for a node that has none.

    The time grows with the edges times the depth of the tree of dominators.

    Args:
        order: The nodes in topological order.
        sources: The predecessors of each node; a node without any is an entry.
    """
    depth = {"": 0}
    above: dict[str, str] = {}
    for name in order:
        candidates = sources.get(name) or [""]
        best = candidates[0]
        for other in candidates[1:]:
            while best != other:
                if depth[best] < depth[other]:
                    best, other = other, best
                best = above[best]
        above[name], depth[name] = best, depth[best] + 1
    return above
