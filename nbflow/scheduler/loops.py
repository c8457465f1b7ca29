"""The loops of a graph, each with its head, and the loops inside them.

Rule: every cycle has a head, of its nodes the one that a depth-first walk from the entry, edges in the order given,
meets first. With the head taken out, what is still on a cycle is an inner loop, and so on: less its heads, every loop
is a DAG.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Links = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A strongly connected part of the graph, or of an outer loop less its head."""

    head: int
    members: frozenset[int]
    outer: Loop | None


@dataclass(frozen=True, slots=True)
class Structure:
    """What the walk found: nodes upstream first, and for each node the loops around it, outermost first."""

    order: list[int]
    loops: list[tuple[Loop, ...]]


def analyse(links: Links, entries: Sequence[int]) -> Structure:
    """Return the order and the loops of a graph given by each node's targets."""
    met = _first_met(links, entries)
    around: list[tuple[Loop, ...]] = [()] * len(links)
    # Backwards, so that upstream first leaves the nodes side by side in the order given: what begins last is last.
    parts = components(range(len(links) - 1, -1, -1), [targets[::-1] for targets in links])
    work: list[tuple[list[list[int]], Loop | None]] = [(parts, None)]
    while work:
        found, outer = work.pop()
        for part in found:
            if len(part) == 1 and part[0] not in links[part[0]]:
                continue
            head = min(part, key=met.__getitem__)
            loop = Loop(head, frozenset(part), outer)
            for node in part:
                around[node] = (*around[node], loop)
            rest = [node for node in part if node != head]
            if rest:
                work.append((components(rest, links, loop.members - {head}), loop))
    order = [node for part in reversed(parts) for node in part]
    return Structure(order, around)


def _first_met(links: Links, entries: Sequence[int]) -> list[int]:
    """Number the nodes as a depth-first walk from the entries meets them; what it never meets comes after."""
    met = [len(links)] * len(links)
    count = 0
    stack = list(reversed(entries))
    while stack:
        node = stack.pop()
        if met[node] == len(links):
            met[node] = count
            count += 1
            stack.extend(reversed(links[node]))
    return met


def components(nodes: Iterable[int], links: Links, within: frozenset[int] | None = None) -> list[list[int]]:
    """Return the strongly connected components among `nodes`, downstream first (Tarjan 1972, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    found: list[list[int]] = []
    for root in nodes:
        if root in index:
            continue
        walk = [(root, iter(links[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while walk:
            node, targets = walk[-1]
            for target in targets:
                if within is not None and target not in within:
                    continue
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    walk.append((target, iter(links[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                walk.pop()
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_unwind(stack, on_stack, node))
    return found


def _unwind(stack: list[int], on_stack: set[int], node: int) -> list[int]:
    part = []
    while True:
        part.append(stack.pop())
        on_stack.discard(part[-1])
        if part[-1] == node:
            return part
