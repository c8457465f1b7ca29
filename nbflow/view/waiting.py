"""Name the nodes that a pending join waits for: the active nodes from which a token can still reach it in this round.

The search goes upstream from the join. If the join lies inside a loop, a path through the loop's head belongs to the
next round, so the edges that close such a loop are not followed. A pending join upstream counts as active if a token
has reached it, since it will run.

Invariant: the result agrees with the engine's decision when a join may start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from itertools import islice

from nbflow.view.fold import RunView
from nbflow.view.nodes import LIVE, NodeState
from nbflow.view.outline import Line, Outline

MOST = 100
"""The most nodes in an answer."""
_UNFINISHED = ("running", "waiting", "paused")
Step = Callable[[str], Iterable[str]]


def waits_for(view: RunView, node: str) -> list[str]:
    """Return the nodes that a pending join waits for, in the order of the graph; empty for any other node."""
    shape, state = view.outline, view.nodes[node]
    if state.status != "pending" or state.definition.join != "all" or view.run()["status"] not in _UNFINISHED:
        return []
    into: dict[str, list[Line]] = defaultdict(list)
    for line in shape.lines:
        into[line.target].append(line)
    if sum(not line.back for line in into[node]) < 2:
        return []
    entries = set(shape.graph.entries())
    upstream = (view.nodes[name] for name in _upstream(shape, node, into))
    return [one.id for one in islice((one for one in upstream if _is_live(one, entries)), MOST)]


def _is_live(node: NodeState, entries: Container[str]) -> bool:
    if node.status != "pending":
        return node.status in LIVE
    return bool(node.arrived) or (not node.runs and node.id in entries)


def _upstream(shape: Outline, node: str, into: dict[str, list[Line]]) -> list[str]:
    """Return the nodes from which a token can reach `node` without starting a new round of a loop around it."""
    after = _reached((node,), lambda name: (edge.target for edge in shape.out.get(name, ()) if not edge.back))

    def before(name: str) -> Iterable[str]:
        if name == node:
            return ()
        # The head of a loop around `node` lies before it, and the edges that close the loop come from behind it.
        before_node = name not in after
        return (edge.source for edge in into[name] if not (edge.back and before_node and edge.source in after))

    found = _reached((line.source for line in into[node]), before)
    return [name for name in shape.nodes if name in found and name != node]


def _reached(begin: Iterable[str], step: Step) -> set[str]:
    stack = list(begin)
    seen = set(stack)
    while stack:
        new = set(step(stack.pop())) - seen
        seen |= new
        stack += new
    return seen
