"""What a join waits for: whatever goes on upstream of it and can still reach it in this round.

Invariant: as the engine decides it. The way through the head of a loop that the join lies in is the next round and does
not count; a node that a token has reached and that waits itself counts as one that runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from itertools import islice

from nbflow.view.fold import RunView
from nbflow.view.nodes import LIVE, NodeState
from nbflow.view.outline import Line, Outline

MOST = 100
"""Nodes named at once."""
_GOING = ("running", "waiting", "paused")
Step = Callable[[str], Iterable[str]]


def waits_for(view: RunView, node: str) -> list[str]:
    """Return the nodes that hold a pending join back, in the order of the graph; none for anything else."""
    shape, state = view.outline, view.nodes[node]
    if state.status != "pending" or state.definition.join != "all" or view.run()["status"] not in _GOING:
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
    """Return the nodes from which a token can come to `node` without a new round of a loop around it."""
    after = _reached((node,), lambda name: (edge.target for edge in shape.out.get(name, ()) if not edge.back))

    def before(name: str) -> Iterable[str]:
        if name == node:
            return ()
        around = name not in after  # as a head, of a loop that its back edges from behind the node close around it
        return (edge.source for edge in into[name] if not (edge.back and around and edge.source in after))

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
