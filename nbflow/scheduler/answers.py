"""What the scheduler answers: what to start, to stop, and what was decided.

Rule: answers come in the order in which they are to be carried out and written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.state import PathState

if TYPE_CHECKING:
    from nbflow.scheduler.marking import Marking
    from nbflow.scheduler.plan import EdgePlan, NodePlan


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
