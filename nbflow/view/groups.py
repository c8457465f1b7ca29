"""Group the nodes of a large graph, so that a timeline can show each group as one lane until it is opened.

A group is the region between a parallel split and its join, if no edge enters the region from outside: a
single-entry single-exit region. The split must be the immediate dominator of the join, and the join the immediate
dominator of the split in the reversed graph (its post-dominator):

    split --> a --> b --> join          after split: a, b, c
          +-> c --------+

If the regions leave too many lanes, or the graph is too large to search for them, nodes are grouped by stage instead:
those with the same longest distance from the start, without maps.

Invariant: groups do not overlap, and none has more than half of the nodes. Of nested regions the largest within that
limit is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbflow.graph import END, GraphDefinition
from nbflow.graph.dominators import dominators
from nbflow.view.outline import Outline, outline

FEW = 24
"""The largest graph without groups."""
MANY = 80
"""The most lanes, with groups closed, for which regions are used; with more, nodes are grouped by stage."""
EXACT = 400
"""The largest graph that is searched for regions."""

Groups = list[tuple[str, list[str]]]
"""The name of each group, and its nodes in the order of the definition."""


def groups_of(graph: GraphDefinition) -> Groups:
    """Return the groups of a graph, ordered by their first nodes; empty for a graph of at most `FEW` nodes."""
    if len(graph.nodes) <= FEW:
        return []
    shape = outline(graph)
    if len(graph.nodes) <= EXACT:
        found = _regions(shape)
        if len(graph.nodes) - sum(len(nodes) - 1 for _, nodes in found) <= MANY:
            return found
    return _stages(shape)


def _stages(shape: Outline) -> Groups:
    ranks: dict[int, list[str]] = {}
    for name in shape.order:
        if shape.kinds[name] != "map":
            ranks.setdefault(shape.rank[name], []).append(name)
    return [(f"stage {rank + 1}", nodes) for rank, nodes in ranks.items() if len(nodes) > 1]


def _regions(shape: Outline) -> Groups:
    """Return the regions between splits and their joins: the outermost with at most half of the nodes."""
    onward = _onward(shape)
    order = sorted(shape.order, key=shape.rank.__getitem__)
    into: dict[str, list[str]] = {}
    for name in order:
        for target in onward[name]:
            into.setdefault(target, []).append(name)
    before = dominators([name for name in order if name not in into], onward)
    back = {name: into.get(name, []) for name in order}
    behind = dominators([name for name in order if not onward[name]], back)
    between = {}
    for split in shape.splits:
        join = behind[split]
        if join and before[join] == split:
            between[split] = _between(split, join, onward)
    taken: set[str] = set()
    found = []
    index = {name: number for number, name in enumerate(shape.order)}
    for split, nodes in sorted(between.items(), key=lambda one: (-len(one[1]), index[one[0]])):
        if 1 < len(nodes) <= len(index) // 2 and not nodes & taken:
            taken |= nodes
            found.append((f"after {split}", sorted(nodes, key=index.__getitem__)))
    return sorted(found, key=lambda group: index[group[1][0]])


def _onward(shape: Outline) -> dict[str, Sequence[str]]:
    """Return the successors of each node, without loops; edges to END are ignored, so they do not break up a region."""
    return {
        name: list(dict.fromkeys(line.target for line in lines if not line.back and line.target != END))
        for name, lines in shape.out.items()
    }


def _between(split: str, join: str, onward: dict[str, Sequence[str]]) -> set[str]:
    seen = {split, join}
    work = [split]
    while work:
        for target in onward[work.pop()]:
            if target not in seen:
                seen.add(target)
                work.append(target)
    return seen - {split, join}
