"""One run of one graph: what a completion writes, which edges are taken, how it ends.

Rule: every method takes what happened and appends what follows to `out`; none looks at when it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nbflow.errors import ConditionError, ExecutionError, LoopError
from nbflow.failures import error_data, node_error
from nbflow.scheduler.answers import Cancel, EdgeTaken, EdgeUntaken, Task
from nbflow.scheduler.marking import Marking, Out, by_origin, unfold
from nbflow.scheduler.merging import merge, overlaid
from nbflow.scheduler.plan import EdgePlan, NodePlan, Plan
from nbflow.scheduler.scope import Step
from nbflow.state import PathState

Routes = dict[str, list[tuple[str, str, str | None]]]
"""By a node's path, the edges it took: target, type, condition."""
OnEnd = Callable[[PathState | None, BaseException | None, Out], None]


def _opens_nothing(task: Task, out: Out) -> None:
    """Stand in for what opens a composite of a run that has ended."""


def _ends_nothing(final: PathState | None, error: BaseException | None, out: Out) -> None:
    """Stand in for what hears of the end of a run that has ended."""


class GraphRun(Marking):
    """The live state of a run of a graph; of the outermost one, or of a subgraph's.

    `on_end` is told the final path, or the error that nothing took; None for the path means that none ended.
    """

    def __init__(
        self, plan: Plan, state: dict[str, Any], open_: Callable[[Task, Out], None], on_end: OnEnd,
        *, routes: Routes, parent: Task | None = None, attempt: int = 1,
    ) -> None:  # fmt: skip
        prefix, scope = (f"{parent.name}/", parent.scope + _step(parent, attempt)) if parent else ("", "")
        super().__init__(plan, open_, parent, prefix, scope)
        self.initial = state
        self.untouched = True
        """Whether nothing of it has ended."""
        self.over = False
        self._on_end, self._routes = on_end, routes
        self._serial = 0
        self._counts = [0] * plan.counted

    def untie(self) -> None:
        """Call nobody any longer: the run has ended, and refers to whom it called."""
        self._open, self._on_end = _opens_nothing, _ends_nothing

    # what happens

    def begin(self, out: Out) -> None:
        """Put a token at every entry."""
        path = PathState.initial(self.initial)
        entries = self.plan.entries
        if len(entries) == 1 and not entries[0].hurries:
            self._start_solo(entries[0], path, (-1,), out)
            return
        for index, node in enumerate(entries):
            self._arrive(node, (-1, (index,), path.fork()))
        self._settle_starts([node.index for node in entries], [], out)

    def complete(self, task: Task, update: dict[str, Any] | None, out: Out, handed: dict[str, list[Any]]) -> None:
        """Write a firing's update and move on. `handed` are a subgraph's updates of keys reduced on both sides."""
        node, path = task.node, task.path
        solo = self._solo is task
        self.untouched = False
        try:
            if update or handed:
                alone = solo and not self._ended and self.parent is None
                self._write(path, update or {}, node.id, alone=alone)
                for key, updates in handed.items():
                    for item in updates:
                        self._write(path, {key: item}, node.id, alone=alone)
            edge = node.only
            if edge is not None and (edge.limit is None or self._counts[edge.slot] < edge.limit):
                self._move(task, edge, out)
                return
            edges, values = self._choose(node, path, out)
            self._go(task, edges, values, None, out)
        except (ConditionError, ExecutionError) as error:
            self._end_by(task, error, out)

    def fail(self, task: Task, error: BaseException, out: Out) -> bool:
        """Take the error edges of a firing that failed for good, or end the run; return whether any were taken."""
        self.untouched = False
        if not task.node.error_edges:
            self._end_by(task, error, out)
            return False
        try:
            self._go(task, task.node.error_edges, {}, error, out)
        except ExecutionError as worse:
            self._end_by(task, worse, out)
            return False
        return True

    def edit(self, update: dict[str, Any], mark: Callable[[str, int], Any]) -> None:
        """Write keys into every token, as one who has seen all others."""
        marks = {key: mark(key, self._serial + 1) for key in update}
        self._serial += 1
        for path in self.paths():
            for key, value in update.items():
                path.overwrite(key, value, marks[key])

    def state(self) -> dict[str, Any]:
        """Return ended, pending and running tokens laid over each other.

        Of writes that saw each other the later stands, of those made side by side that of the last token in that order.
        """
        paths = list(self.paths())
        return overlaid(paths) if paths else dict(self.initial)

    # routing

    def _write(self, path: PathState, update: dict[str, Any], writer: str, *, alone: bool) -> None:
        self._serial = path.write(update, writer, self._serial, self.plan.folds, alone=alone)

    def _choose(self, node: NodePlan, path: PathState, out: Out) -> tuple[Sequence[EdgePlan], dict[int, Any]]:
        """Return the edges that the conditions choose, and the values that each read."""
        if not node.conditional:
            return node.normal, {}
        known = self._routes.pop(self.prefix + node.id, None) if self._routes else None
        if known is not None:
            taken = [edge for edge in node.edges if _key(edge) in known]
            if len(taken) == len(known):
                return taken, {}
        values: dict[int, Any] = {}
        for edge in node.conditional:
            assert edge.condition is not None  # noqa: S101 - compile_plan refuses a graph without
            try:
                holds, read = edge.condition.evaluate(path)
            except ConditionError as error:
                error.node = self.prefix + node.id
                raise
            if not holds:
                out.append(EdgeUntaken(self.prefix, edge, read))
                continue
            values[edge.index] = read
            if not node.route_all:
                return [edge], values
        if not node.route_all:
            return node.normal, values
        return [edge for edge in node.edges if edge.index in values or edge.definition.type == "normal"], values

    def _go(
        self, task: Task, edges: Sequence[EdgePlan], values: dict[int, Any], error: BaseException | None, out: Out
    ) -> None:
        """Take the edges; where one is at its limit, none of them but the error edges that are left."""
        node, name = task.node, self.prefix + task.node.id
        spent: set[int] = set()
        while (over := self._over_limit(edges)) is not None:
            spent.add(over.index)
            assert over.limit is not None  # noqa: S101 - only a limit is ever exceeded
            spent_by = LoopError(name, over.definition.to_node, over.limit, edge_type=over.definition.type)
            spent_by.__cause__, error = error, spent_by
            edges = [edge for edge in node.error_edges if edge.index not in spent]
            if not edges:
                raise error
        if error is not None:
            alone = self._solo is task and not self._ended and self.parent is None
            self._write(task.path, {"error": error_data(name, error)}, node.id, alone=alone)
        woken = self._leave(task)
        self._place(task, edges, values, woken, out)

    def _over_limit(self, edges: Sequence[EdgePlan]) -> EdgePlan | None:
        for edge in edges:
            if edge.limit is not None and self._counts[edge.slot] >= edge.limit:
                return edge
        return None

    def _count(self, edge: EdgePlan, values: dict[str, Any] | None, out: Out) -> None:
        if edge.limit is not None:
            self._counts[edge.slot] += 1
        if (slots := edge.resets) is not None:
            self._counts[slots] = [0] * (slots.stop - slots.start)
        if values is None and self.parent is None:
            out.append(edge.taken)
        else:
            out.append(EdgeTaken(self.prefix, edge, values))

    def _move(self, task: Task, edge: EdgePlan, out: Out) -> None:
        """Go on along the one way there is."""
        target = edge.target
        assert target is not None  # noqa: S101 - `only` leads to a node
        self._count(edge, None, out)
        if self._solo is task:
            task.live = False
            self._start_solo(target, task.path, (edge.index, *task.order) if target.each else (), out)
            return
        woken = self._leave(task)
        placed = []
        if edge.direct:
            self._start(target, task.path, (), out)
        elif self._arrive(target, (edge.index, task.order, task.path)):
            placed.append(target.index)
        if placed or woken or self._live <= 1:
            self._settle_starts(placed, woken, out)

    def _place(self, task: Task, edges: Sequence[EdgePlan], values: dict[int, Any], woken: list[int], out: Out) -> None:
        path, order = task.path, task.order
        if not edges:
            self._ended.append((task.node.index, order, path))
        placed = []
        last = len(edges) - 1
        for place, edge in enumerate(edges):
            self._count(edge, values.get(edge.index), out)
            token = path if place == last else path.fork()
            if edge.target is None:
                self._ended.append((task.node.index, (*order, edge.index), token))
            elif self._live == 0 and last == 0 and not edge.target.hurries:
                self._start_solo(edge.target, token, (edge.index, *order), out)
                return
            elif edge.direct:
                self._start(edge.target, token, (), out)
            elif self._arrive(edge.target, (edge.index, order, token)):
                placed.append(edge.target.index)
        self._settle_starts(placed, woken, out)

    # the end

    def _finish(self, out: Out) -> None:
        self.over = True
        final = None
        if self._ended:
            self._ended.sort(key=by_origin)
            try:
                final = merge([path for _, _, path in self._ended], self.plan.folds, node=None)
            except ExecutionError as error:
                self._ended_with(None, error, out)
                return
        self._ended_with(final, None, out)

    def _ended_with(self, final: PathState | None, error: BaseException | None, out: Out) -> None:
        # The callback of a subgraph refers to this run: a run that has ended drops it, so that it is freed at once.
        on_end, self._on_end = self._on_end, _ends_nothing
        on_end(final, error, out)

    def _end_by(self, task: Task, error: BaseException, out: Out) -> None:
        self.stop(node_error(task.name, error), out, failed=task)

    def stop(self, error: BaseException, out: Out, *, failed: Task | None = None) -> None:
        """End the run by an error: all that is live is cancelled, but for the firing that failed."""
        if self.over:
            return
        self.over = True
        for task in self.tasks():
            if task is not failed:
                out.extend(Cancel(each) for each in unfold(task))
        if failed is not None:
            failed.live = False
        self._ended_with(None, error, out)


def _step(parent: Task, attempt: int) -> str:
    return str(Step(parent.node.id, parent.firing, parent.item, attempt))


def _key(edge: EdgePlan) -> tuple[str, str, str | None]:
    return edge.definition.to_node, edge.definition.type, edge.definition.condition
