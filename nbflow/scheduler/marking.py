"""Where the tokens of a run are: pending, running, ended; and what may start.

Rule: a node that waits starts when no other live position can still reach it in this round. It watches one of those
that can, and is looked at again when that one ends. While only one position is live there is nothing to wait for, and
the token moves on without this bookkeeping.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from nbflow.scheduler.answers import Answer, Cancel, Task
from nbflow.scheduler.holds import Positions
from nbflow.scheduler.merging import merge
from nbflow.scheduler.plan import NodePlan, Plan
from nbflow.state import PathState

Arrival = tuple[int, tuple[int, ...], PathState]
"""A token at a node: the edge it came by, the order of the firing that it came from, its state."""
Out = list[Answer]


class Marking(ABC):
    """The tokens of one run of a graph; `GraphRun` says what moves them.

    `prefix` and `scope` name the run among those of subgraphs; both are empty for the outermost.
    """

    def __init__(
        self, plan: Plan, open_: Callable[[Task, Out], None], parent: Task | None, prefix: str, scope: str
    ) -> None:
        self.plan, self.parent, self.prefix, self.scope = plan, parent, prefix, scope
        self.active: dict[int, Task] = {}
        self._open = open_
        self._solo: Task | None = None
        self._firings = self._live = 0
        self._running, self._pending = Positions(len(plan.nodes)), Positions(len(plan.nodes))
        self._visits = [0] * len(plan.nodes)
        self._arrived: dict[int, list[Arrival]] = {}
        self._watchers: dict[int, list[int]] = {}
        self._instances: dict[int, int] = {}
        self._ended: list[Arrival] = []

    def tasks(self) -> list[Task]:
        """Return the running firings, oldest first."""
        return [self._solo] if self._solo is not None else list(self.active.values())

    def positions(self) -> list[NodePlan]:
        """Return the nodes that run or are pending."""
        return [*(task.node for task in self.tasks()), *(self.plan.nodes[index] for index in self._arrived)]

    def task(self, firing: int) -> Task | None:
        """Return the running firing of this number."""
        solo = self._solo
        return self.active.get(firing) if solo is None else solo if solo.firing == firing else None

    def paths(self) -> Iterator[PathState]:
        """Give the states of ended, pending and running tokens, in that order."""
        yield from (path for _, _, path in self._ended)
        for node in sorted(self._arrived):
            yield from (path for _, _, path in self._arrived[node])
        yield from (task.path for task in self.tasks())

    def _arrive(self, node: NodePlan, arrival: Arrival) -> bool:
        """Bring a token to a node; return whether it is pending only now, else it watches its witness already."""
        arrived = self._arrived.get(node.index)
        if arrived is not None:
            arrived.append(arrival)
            return False
        self._arrived[node.index] = [arrival]
        self._pending.flip(self.plan.holds.position[node.index])
        self._live += 1
        return True

    def _leave(self, task: Task) -> list[int]:
        """Take a firing off its position; return the nodes that watched it."""
        task.live = False
        if self._solo is task:
            self._solo = None
            self._live = 0
            return []
        del self.active[task.firing]
        index = task.node.index
        if task.node.each:
            self._instances[index] -= 1
            if self._instances[index]:
                return []
        self._running.flip(self.plan.holds.position[index])
        self._live -= 1
        return self._watchers.pop(index, [])

    def _settle_starts(self, placed: list[int], woken: list[int], out: Out) -> None:
        """Start what may start, now that all tokens of one completion are placed; end the run if nothing is live."""
        if len(placed) > 1:
            placed.sort(key=self.plan.haste.__getitem__)
        work = [*placed, *woken]
        for index in work:
            if index not in self._arrived:
                continue
            node = self.plan.nodes[index]
            if node.waits:
                self._start_if_free(node, out)
            elif node.each:
                arrivals = self._unpend(index)
                for edge, order, path in arrivals:
                    self._start(node, path, (edge, *order), out)
            else:
                work.extend(self._start_first(node, out))
        if self._live == 0:
            self._finish(out)
        elif self._live == 1 and len(self.active) == 1:
            self._become_solo()

    def _become_solo(self) -> None:
        (self._solo,) = self.active.values()
        self.active = {}
        self._running.clear()
        self._instances.clear()
        self._watchers.clear()
        if not self._ended and self.parent is None:
            self._solo.path.settle()

    def _unpend(self, index: int) -> list[Arrival]:
        self._pending.flip(self.plan.holds.position[index])
        self._live -= 1
        return self._arrived.pop(index)

    def _start_if_free(self, node: NodePlan, out: Out) -> None:
        running, pending = self.plan.holds.masks(node.index)
        holder = max(self._running.last_of(running), self._pending.last_of(pending))
        if holder >= 0:
            self._watchers.setdefault(self.plan.holds.node_at(holder), []).append(node.index)
            return
        arrivals = self._arrived[node.index]
        if len(arrivals) > 1:
            arrivals.sort(key=by_origin)
        path = merge([path for _, _, path in arrivals], self.plan.folds, node=self.prefix + node.id)
        self._unpend(node.index)
        self._start(node, path, (), out)

    def _start_first(self, node: NodePlan, out: Out) -> list[int]:
        """Start a `first` or `race` node on the arrival that counts; return the nodes that this sets free."""
        freed: list[int] = []
        started = False
        for edge, order, path in self._unpend(node.index):
            last = self._visits[node.index]
            if started or (last and (path.passed or {}).get(node.index) != last):
                continue
            started = True
            path.passed = {**(path.passed or {}), node.index: last + 1}
            if node.definition.join == "race":
                freed = self._cancel_rivals(node, out)
            self._start(node, path, (edge, *order), out)
        return freed

    def _cancel_rivals(self, node: NodePlan, out: Out) -> list[int]:
        running, pending = self.plan.holds.masks(node.index)
        freed: list[int] = []
        for task in list(self.active.values()):
            if running >> self.plan.holds.position[task.node.index] & 1 and task.node is not node:
                out.extend(Cancel(each) for each in unfold(task))
                freed += self._leave(task)
        for index in list(self._arrived):
            if pending >> self.plan.holds.position[index] & 1:
                self._unpend(index)
                freed += self._watchers.pop(index, [])
        return freed

    def _start_solo(self, node: NodePlan, path: PathState, order: tuple[int, ...], out: Out) -> None:
        self._firings = firing = self._firings + 1
        self._live = 1
        if not node.each:
            visits = self._visits[node.index] = self._visits[node.index] + 1
            order = (visits,)
        elif not self._ended:
            order = order[:1]  # all that will ever be compared comes from here
        task = self._solo = Task(self, node, firing, path, order)
        if node.composite:
            self._open(task, out)
        else:
            out.append(task)

    def _start(self, node: NodePlan, path: PathState, order: tuple[int, ...], out: Out) -> None:
        self._firings = firing = self._firings + 1
        if node.each:
            self._instances[node.index] = self._instances.get(node.index, 0) + 1
        else:
            visits = self._visits[node.index] = self._visits[node.index] + 1
            order = (visits,)
        if self._running.add(self.plan.holds.position[node.index]):
            self._live += 1
        task = self.active[firing] = Task(self, node, firing, path, order)
        if node.composite:
            self._open(task, out)
        else:
            out.append(task)

    @abstractmethod
    def complete(self, task: Task, update: dict[str, Any] | None, out: Out, handed: dict[str, list[Any]]) -> None:
        """Write a firing's update and move on."""

    @abstractmethod
    def fail(self, task: Task, error: BaseException, out: Out) -> bool:
        """Take the error edges of a firing that failed for good, or end the run."""

    @abstractmethod
    def _finish(self, out: Out) -> None:
        """End the run: nothing is live any more."""


def unfold(task: Task) -> Iterator[Task]:
    """End a task and everything inside it; give what ended, innermost first."""
    if not task.live:
        return
    if task.composite is not None:
        for inner in task.composite.tasks():
            yield from unfold(inner)
        task.composite.over = True
    task.live = False
    yield task


def by_origin(arrival: Arrival) -> tuple[int, tuple[int, ...]]:
    """Return what sorts arrivals by where they came from: the edge, then the firing."""
    return arrival[0], arrival[1]
