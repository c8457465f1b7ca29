"""Walks through a graph: components, dominators, and which nodes may run before a node.

All functions work on node ids and on maps from an id to its neighbours, and take almost linear time in nodes and edges
for every shape of the graph.

`dominators` is the simpler algorithm of T. Lengauer and R. E. Tarjan, A fast algorithm for finding dominators in a
flowgraph, TOPLAS 1 (1979). To iterate over sets of dominators, or to walk up the tree of dominators from both ends of
an edge, is shorter to write and quadratic where that tree is deep. A depth-first walk numbers the nodes. The
semidominator of `w` is the least number from which a path leads to `w` through nodes whose numbers are above that of
`w`. It is found for the last numbers first, in a forest that `link` grows and in which `best` finds the least
semidominator on the path upwards, with path compression. The dominator of `w` is its semidominator, unless a node
between the two has a lesser one; then it is the dominator of that node.

`before` looks at each component once, after all components that lead to it. Within a component, the nodes that may have
run before a node are those from which a path leads to it that does not pass it: all except those that it dominates. In
the tree of dominators, numbered from the root, the nodes that a node dominates are one range of numbers. So the union
over the others is the union before the range together with the union after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import reduce
from itertools import accumulate
from operator import or_

Neighbours = Mapping[str, Collection[str]]


def before(entries: Collection[str], into: Neighbours, out: Neighbours, own: Callable[[str], int]) -> dict[str, int]:
    """Return, for each reachable node, the union of `own` (sets of bits) over the nodes that may run before it."""
    reached, first = walk(entries, out), set(entries)
    found: dict[str, int] = {}
    after: dict[str, int] = {}
    for component in components(reached, into):
        owned = {name: own(name) for name in component}
        came = _union(after[source] for name in component for source in into[name] if source in after)
        after |= dict.fromkeys(component, came | _union(owned.values()))
        starts = [
            name
            for name in component
            if name in first or any(source in reached and source not in owned for source in into[name])
        ]
        inside = {name: [target for target in out[name] if target in owned] for name in component}
        within = _undominated(dominators(starts, inside), owned) if len(component) > 1 else {}
        found |= {name: came | within.get(name, 0) for name in component}
    return found


def _undominated(dominator: Mapping[str, str], owned: Mapping[str, int]) -> dict[str, int]:
    """Return, for each node, the union of the sets of the other nodes that it does not dominate."""
    order, ends = subtrees(dominator)
    sets = [owned[name] for name in order]
    ahead = [0, *accumulate(sets, or_)]
    behind = [0, *accumulate(reversed(sets), or_)][::-1]
    return {name: ahead[at] | behind[ends[name]] for at, name in enumerate(order)}


def _union(sets: Iterable[int]) -> int:
    return reduce(or_, sets, 0)


def walk(start: Iterable[str], out: Neighbours, *, without: str | None = None) -> set[str]:
    """Return the start nodes and all nodes that paths from them reach, except those beyond `without`."""
    found = set(start)
    left = list(found)
    while left:
        new = [name for name in out[left.pop()] if name not in found and name != without]
        found.update(new)
        left += new
    return found


def components(nodes: Iterable[str], into: Neighbours) -> Iterator[list[str]]:
    """Yield the strongly connected components, each after those that lead to it (Tarjan's algorithm)."""
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
    """Remove the component of a root from the open nodes, and return it."""
    component = [open_.pop()]
    while component[-1] != root:
        component.append(open_.pop())
    for name in component:
        del low[name]
    return component


def dominators(entries: Iterable[str], out: Neighbours) -> dict[str, str]:
    """Return, for each node that is reached, its immediate dominator: the last other node on every path to it, or "".

    The result has each node after its dominator.
    """
    walk = _Walk(entries, out)
    count = len(walk.names)
    semi, dominator = list(range(count)), [0] * count
    forest = _Forest(semi)
    waiting: list[list[int]] = [[] for _ in range(count)]
    for node in range(count - 1, 0, -1):
        semi[node] = min(semi[forest.best(source)] for source in walk.sources[node])
        waiting[semi[node]].append(node)
        parent = walk.parents[node]
        forest.link(parent, node)
        for each in waiting[parent]:
            best = forest.best(each)
            dominator[each] = best if semi[best] < semi[each] else parent
        waiting[parent] = []
    for node in range(1, count):
        if dominator[node] != semi[node]:
            dominator[node] = dominator[dominator[node]]
    return {walk.names[node]: walk.names[dominator[node]] for node in range(1, count)}


def subtrees(dominator: Mapping[str, str]) -> tuple[list[str], dict[str, int]]:
    """Return an order in which the nodes that a node dominates follow it, and the end of each such range."""
    below: dict[str, list[str]] = {"": []}
    for name, above in dominator.items():
        below[name] = []
        below[above].append(name)
    order: list[str] = []
    work = below[""][::-1]
    while work:
        name = work.pop()
        order.append(name)
        work += below[name]
    sizes = dict.fromkeys(order, 1) | {"": 0}
    for name in reversed(order):
        sizes[dominator[name]] += sizes[name]
    return order, {name: at + sizes[name] for at, name in enumerate(order)}


class _Walk:
    """A depth-first walk from a root above all entries, which is node 0: names, parents and sources by number."""

    def __init__(self, entries: Iterable[str], out: Neighbours) -> None:
        self.names, self.parents = [""], [0]
        self.sources: list[list[int]] = [[]]
        numbers: dict[str, int] = {}
        path = [(0, iter(entries))]
        while path:
            node, rest = path[-1]
            for name in rest:
                if name in numbers:
                    self.sources[numbers[name]].append(node)
                    continue
                number = numbers[name] = len(self.names)
                self.names.append(name)
                self.parents.append(node)
                self.sources.append([node])
                path.append((number, iter(out[name])))
                break
            else:
                path.pop()


class _Forest:
    """Trees that grow upwards, in which `best` finds the node of the least semidominator."""

    def __init__(self, semi: list[int]) -> None:
        self._semi = semi
        self._above = [-1] * len(semi)
        self._best = list(range(len(semi)))

    def link(self, parent: int, node: int) -> None:
        """Make a root the child of a parent."""
        self._above[node] = parent

    def best(self, node: int) -> int:
        """Return the node of the least semidominator on the path from a node up to its root, without the root."""
        if self._above[node] < 0:
            return node
        path = []
        while self._above[self._above[node]] >= 0:
            path.append(node)
            node = self._above[node]
        for below in reversed(path):
            above = self._above[below]
            if self._semi[self._best[above]] < self._semi[self._best[below]]:
                self._best[below] = self._best[above]
            self._above[below] = self._above[above]
        return self._best[path[0] if path else node]
