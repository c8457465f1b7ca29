"""The commands of the scheduler: start a task, cancel it, open a map, end the run.

Invariant: the scheduler returns commands in the order in which the engine executes and logs them.

A scope names the run of a subgraph in the log. It has one step for each firing that leads to the subgraph, such as
`review#2[3]~4/`: firing 2 of the node `review`, item 3 of its map, attempt 4. `steps_of` parses every scope exactly,
since node ids contain no slash.
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
    """One step of a scope: a firing of a subgraph's node, or an item of its map; `attempt` counts from 1."""

    node: str
    firing: int
    item: int | None
    attempt: int

    def __str__(self) -> str:
        item = "" if self.item is None else f"[{self.item}]"
        again = f"~{self.attempt}" if self.attempt > 1 else ""
        return f"{self.node}#{self.firing}{item}{again}/"


def steps_of(scope: str) -> list[Step] | None:
    """Return the steps of a scope, outermost first; None if the text is not a scope."""
    steps = []
    for text in scope.split("/")[:-1]:
        read = _STEP.fullmatch(text)
        if read is None:
            return None
        node, firing, item, attempt = read.groups()
        steps.append(Step(node, int(firing), None if item is None else int(item), int(attempt or 1)))
    return steps


def prefix_of(scope: str) -> str:
    """Return the prefix of the node paths in a scope, such as `review[3]/`."""
    steps = steps_of(scope) or []
    return "".join(f"{step.node}/" if step.item is None else f"{step.node}[{step.item}]/" for step in steps)


class Task:
    """One firing of a node, or one item of a map's firing. As a command it means: run this tool.

    Attributes:
        firing: The number of the start within the run of its graph, from 1.
        order: The sort key of the firings of one node: the edges by which their tokens arrived, never the time.
        item: The index within a map; None for a firing of the node itself.
        attempt: The attempt that runs now; the engine sets it.
        tried: The number of attempts before the run was resumed.
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
        # One assignment a line: this runs once per firing, and a tuple assignment of more than three names builds the
        # tuple first.
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
        """The path of node ids that names the task in events, such as `review[3]/extract`."""
        own = self.run.prefix + self.node.id
        return own if self.item is None else f"{own}[{self.item}]"

    @property
    def scope(self) -> str:
        """The scope of the subgraph run that the task belongs to; empty in the outermost run."""
        return self.run.scope

    def __repr__(self) -> str:
        return f"Task({self.name}#{self.firing})"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a task; the engine drops the value that it still returns."""

    task: Task


@dataclass(frozen=True, slots=True)
class Open:
    """A map or a subgraph has started. No tool runs for it; the tasks of its items or nodes follow."""

    task: Task
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Close:
    """A map or a subgraph has ended: with its update, with an error that no error edge inside took, or skipped."""

    task: Task
    update: dict[str, Any] | None
    error: BaseException | None = None
    handled: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """A subgraph failed and has retries left: call `Scheduler.retry(task)` after the backoff."""

    task: Task
    attempt: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class EdgeTaken:
    """A token took an edge; `values` are those that the condition read, `prefix` is the path of the subgraph run."""

    prefix: str
    edge: EdgePlan
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EdgeUntaken:
    """The condition of an edge was false."""

    prefix: str
    edge: EdgePlan
    values: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The run has ended: with its final state, or with an error and the state that the run had reached."""

    state: dict[str, Any]
    error: BaseException | None = None


Command = Task | Cancel | Open | Close | Retry | EdgeTaken | EdgeUntaken | Ended
