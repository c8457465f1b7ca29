"""How a log names the run of a subgraph: a step for each firing that leads to it, such as `review#2[3]~4/`.

Rule: a scope is read back exactly, whatever the nodes are called; their ids hold no slash.


What the scheduler answers: what to start, to stop, and what was decided.

Rule: answers come in the order in which they are to be carried out and written down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.state import PathState

if TYPE_CHECKING:
    from nbflow.scheduler.plan import EdgePlan, NodePlan
    from nbflow.scheduler.tokens import Marking


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


class Task:
    """One firing of a node, or one item of a map's firing. As an answer it means: run this tool.

    `firing` numbers the starts within the run of its graph. `order` sorts firings of one node by where they came from,
    never by when. `item` is the index within a map. `attempt` is free for whoever runs it; `tried` is how often it was
    tried before its run was resumed.
    """

    __slots__ = (
        "attempt",
        "composite",
        "firing",
        "item",
        "live",
        "node",
        "order",
        "parent",
        "path",
        "run",
        "tried",
        "value",
    )

    def __init__(
        self,
        run: Marking,
        node: NodePlan,
        firing: int,
        path: PathState,
        order: tuple[int, ...],
        *,
        parent: Task | None = None,
        item: int | None = None,
        value: Any = None,
    ) -> None:
        # One by one: made once per firing, and a tuple of five is built before it is taken apart.
        self.run = run
        self.node = node
        self.firing = firing
        self.path = path
        self.order = order
        self.parent = parent
        self.item = item
        self.value = value
        self.live = True
        self.composite: Any = None
        self.attempt: Any = None
        self.tried = 0

    @property
    def name(self) -> str:
        """The path of node ids that names it in events, such as `review[3]/extract`."""
        own = self.run.prefix + self.node.id
        return own if self.item is None else f"{own}[{self.item}]"

    @property
    def scope(self) -> str:
        """The path of subgraph runs that it belongs to; empty in the outermost."""
        return self.run.scope

    def __repr__(self) -> str:
        return f"Task({self.name}#{self.firing})"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a task; what it still returns is dropped."""

    task: Task


@dataclass(frozen=True, slots=True)
class Open:
    """A map or subgraph has begun: nothing to run for it, its items or nodes follow."""

    task: Task
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Close:
    """A map or subgraph has ended: with its update, or with the error that nothing inside it took, or as skipped."""

    task: Task
    update: dict[str, Any] | None
    error: BaseException | None = None
    handled: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """A subgraph failed and may be tried again: call `Scheduler.retry(task)` after its backoff."""

    task: Task
    attempt: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class EdgeTaken:
    """A token went along an edge; `values` are those that its condition read, `prefix` names the subgraph run."""

    prefix: str
    edge: EdgePlan
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EdgeUntaken:
    """A condition was evaluated and did not hold."""

    prefix: str
    edge: EdgePlan
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over: with its final state, or with the error that ended it and the state that it reached."""

    state: dict[str, Any]
    error: BaseException | None = None


Answer = Task | Cancel | Open | Close | Retry | EdgeTaken | EdgeUntaken | Ended
