"""How a log names the run of a subgraph: a step for each firing that leads to it, such as `review#2[3]~4/`.

Rule: a scope is read back exactly, whatever the nodes are called; their ids hold no slash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STEP = re.compile(r"(.+)#(\d+)(?:\[(\d+)\])?(?:~(\d+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """A firing of a subgraph's node, or of an item of a map of them; `attempt` counts from 1."""

    node: str
    firing: int
    item: int | None
    attempt: int

    def __str__(self) -> str:
        item = "" if self.item is None else f"[{self.item}]"
        again = f"~{self.attempt}" if self.attempt > 1 else ""
        return f"{self.node}#{self.firing}{item}{again}/"


def steps_of(scope: str) -> list[Step] | None:
    """Return the steps of a scope, outermost first; None if it is none."""
    steps = []
    for text in scope.split("/")[:-1]:
        read = _STEP.fullmatch(text)
        if read is None:
            return None
        node, firing, item, attempt = read.groups()
        steps.append(Step(node, int(firing), None if item is None else int(item), int(attempt or 1)))
    return steps


def prefix_of(scope: str) -> str:
    """Return the path that names of nodes in that scope begin with, such as `review[3]/`."""
    steps = steps_of(scope) or []
    return "".join(f"{step.node}/" if step.item is None else f"{step.node}[{step.item}]/" for step in steps)
