"""What is so of any node that may have run before a node starts for the first time.

Rule: each circle of nodes is looked at once, after all that leads to it; within it, what only comes after a node cannot
have run before its first start. Time is near linear in nodes and edges, each step at the cost of a union of sets.

Within a circle, those that may have run before a node are the ones to which a way leads that does not pass it: all but
those that it dominates. In the tree of dominators, numbered from above, what a node dominates is one range of numbers,
so the union of the rest is that of what stands before the range and of what stands after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import reduce
from itertools import accumulate
from operator import or_

from nbflow.graph.dominators import Ways, dominators, subtrees


def before(entries: Collection[str], into: Ways, out: Ways, own: Callable[[str], int]) -> dict[str, int]:
    """Return for each node that is reached the union of `own`, sets of bits, of those that may have run before it."""
    reached, begun = walk(entries, out), set(entries)
    found: dict[str, int] = {}
    after: dict[str, int] = {}
    for circle in circles(reached, into):
        owned = {name: own(name) for name in circle}
        came = _union(after[source] for name in circle for source in into[name] if source in after)
        after |= dict.fromkeys(circle, came | _union(owned.values()))
        begin = [
            name
            for name in circle
            if name in begun or any(source in reached and source not in owned for source in into[name])
        ]
        ways = {name: [target for target in out[name] if target in owned] for name in circle}
        within = _undominated(dominators(begin, ways), owned) if len(circle) > 1 else {}
        found |= {name: came | within.get(name, 0) for name in circle}
    return found


def _undominated(dominator: Mapping[str, str], owned: Mapping[str, int]) -> dict[str, int]:
    """Return for each node the union of the sets of those that it does not dominate, itself left out."""
    order, ends = subtrees(dominator)
    sets = [owned[name] for name in order]
    ahead = [0, *accumulate(sets, or_)]
    behind = [0, *accumulate(reversed(sets), or_)][::-1]
    return {name: ahead[at] | behind[ends[name]] for at, name in enumerate(order)}


def _union(sets: Iterable[int]) -> int:
    return reduce(or_, sets, 0)


def walk(start: Iterable[str], ways: Ways, *, without: str | None = None) -> set[str]:
    """Return the start and all that is reached from it."""
    found = set(start)
    left = list(found)
    while left:
        new = [name for name in ways[left.pop()] if name not in found and name != without]
        found.update(new)
        left += new
    return found


def circles(nodes: Iterable[str], into: Ways) -> Iterator[list[str]]:
    """Yield the sets of nodes that lead to each other, each after all that leads to it (by Tarjan's algorithm)."""
    nodes = list(nodes)
    among = frozenset(nodes)
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: list[str] = []
    for root in nodes:
        if root in number:
            continue
        path = [(root, iter(into[root]))]
        while path:
            name, rest = path[-1]
            if name not in number:
                number[name] = low[name] = len(number)
                open_.append(name)
            for source in rest:
                if source not in among:
                    continue
                if source not in number:
                    path.append((source, iter(into[source])))
                    break
                low[name] = min(low[name], low.get(source, low[name]))
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[name])
                if low[name] == number[name]:
                    yield _closed(open_, name, low)


def _closed(open_: list[str], root: str, low: dict[str, int]) -> list[str]:
    """Take a circle off the nodes that are open."""
    circle = [open_.pop()]
    while circle[-1] != root:
        circle.append(open_.pop())
    for name in circle:
        del low[name]
    return circle
