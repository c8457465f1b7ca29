"""Which node every way to a node passes: what makes a region of a graph one with a single entry.

Rule: ways are those forward; edges that close a loop are left out by whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def dominators(order: Iterable[str], sources: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return for each node the nearest one that every way to it passes, "" where there is none.

    Args:
        order: The nodes, each after those that lead to it.
        sources: By node, those that lead to it; one that nothing leads to is an entry.
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
