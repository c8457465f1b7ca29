"""Dominators: the nodes that every way to a node passes.

Rule: time is near linear in nodes and edges, whatever the shape of the graph. The algorithm is the simpler one of
T. Lengauer and R. E. Tarjan, A fast algorithm for finding dominators in a flowgraph, TOPLAS 1 (1979). Iterating over
sets of dominators, or walking up the tree of dominators from both ends of an edge, is shorter to write and quadratic
where that tree is deep.

A depth-first walk numbers the nodes. The semidominator of `w` is the least number from which a way leads to `w` through
nodes with numbers above that of `w` alone. It is found for the last numbers first, in a forest that `link` grows and
in which `best` looks for the least semidominator on the way up, with path compression. The dominator of `w` is its
semidominator, unless a node between the two has a lesser one; then it is the dominator of that node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

Ways = Mapping[str, Collection[str]]


def dominators(entries: Iterable[str], out: Ways) -> dict[str, str]:
    """Return for each node that the entries reach the nearest other one that every way to it passes, "" for none.

    In what is returned, a node comes after the one that it has.
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
    """Return the nodes such that what a node dominates follows it in a row, and for each the place behind these."""
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
    """A depth-first walk from above all entries, which is node 0: names, parents and sources of nodes by number."""

    def __init__(self, entries: Iterable[str], out: Ways) -> None:
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
    """Trees that grow upwards, in which the node of the least semidominator is looked for."""

    def __init__(self, semi: list[int]) -> None:
        self._semi = semi
        self._above = [-1] * len(semi)
        self._best = list(range(len(semi)))

    def link(self, parent: int, node: int) -> None:
        """Put a root under a parent."""
        self._above[node] = parent

    def best(self, node: int) -> int:
        """Return the node of the least semidominator on the way from a node up to, and without, its root."""
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
