"""Which nodes of a graph are one lane of a timeline until a person opens it.

Rule: a group is what lies between a parallel split and its join, where nothing else leads in; in a graph that this does
not make short, or too large to look for it, a stage: the nodes as far from the start as each other. A map is never part
of a stage. What holds half of the graph is no group, but those inside it are.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbflow.graph import END, GraphDefinition
from nbflow.view.dominators import dominators
from nbflow.view.outline import EXACT, Outline, outline

FEW = 24
"""Up to so many nodes have a lane each."""
MANY = 80
"""More lanes than this, with the groups folded, are folded by stage."""

Groups = list[tuple[str, list[str]]]
"""What each group is called, and its nodes in the order of the definition."""


def groups_of(graph: GraphDefinition) -> Groups:
    """Return the groups, in the order of their first nodes; time grows with nodes and edges."""
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
    """Return what lies between splits and their joins, the outermost that are no half of the graph."""
    onward = _onward(shape)
    order = sorted(shape.order, key=shape.rank.__getitem__)
    into: dict[str, list[str]] = {}
    for name in order:
        for target in onward[name]:
            into.setdefault(target, []).append(name)
    before, behind = dominators(order, into), dominators(reversed(order), onward)
    between = {}
    for split in shape.splits:
        join = behind[split]
        if join and before[join] == split:
            between[split] = _between(split, join, onward)
    taken: set[str] = set()
    found = []
    place = {name: index for index, name in enumerate(shape.order)}
    for split, nodes in sorted(between.items(), key=lambda one: (-len(one[1]), place[one[0]])):
        if 1 < len(nodes) <= len(place) // 2 and not nodes & taken:
            taken |= nodes
            found.append((f"after {split}", sorted(nodes, key=place.__getitem__)))
    return sorted(found, key=lambda group: place[group[1][0]])


def _onward(shape: Outline) -> dict[str, Sequence[str]]:
    """Return the nodes that each leads to; that a way may also end there does not tear a group apart."""
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
