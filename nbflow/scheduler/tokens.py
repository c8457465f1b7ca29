"""The tokens of one run of a graph: their positions, their moves along edges, and the joins.

A *position* is a node that runs or is pending. A node is pending from its first token until it starts (SEMANTICS rules
4-8). A node with the join `all` starts when no other live position can still reach it in this round of the loops around
it. The masks of `Reachability` answer that: the node may start if and only if

    running_mask & running == 0  and  pending_mask & pending == 0

Testing every pending node after every completion would cost (pending nodes x completions). So a pending node that may
not start registers as a watcher of one position that delays it, its witness, and is tested again only when that
position ends:

    a ──> join        a, b and c are live: `join` watches c, the last of them in the order of the graph
    b ──> join        c ends: `join` is tested again, and watches b, if b is still live
    c ──> join        a ends meanwhile: nothing happens

The witness is the last position, since the one that started first usually ends first. Each completion then costs about
one test, 2 µs with 100 000 branches into one join.

While a single position is live (`_solo`), no join has to wait: the token moves without masks and watchers. A run of
chains and loops without parallel branches is always in this mode.

Invariant: each method takes an event and appends the commands that follow to `out`. No method depends on time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nbflow.errors import ConditionError, ExecutionError, LoopError
from nbflow.errors.failures import error_data, node_error
from nbflow.scheduler.commands import Cancel, Command, EdgeTaken, EdgeUntaken, Step, Task
from nbflow.scheduler.merging import merge, overlaid
from nbflow.scheduler.plan import EdgePlan, NodePlan, Plan
from nbflow.scheduler.reachability import Positions
from nbflow.state import PathState

Arrival = tuple[int, tuple[int, ...], PathState]
"""A token at a node: the index of its edge, the order of the firing that it came from, its state."""
Out = list[Command]


class Marking(ABC):
    """The positions of the tokens of one run of a graph, and the joins; `GraphRun` moves the tokens.

    `prefix` is the start of the paths of a subgraph's nodes, and `scope` identifies the run of the subgraph; both are
    empty for the outermost run.
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
        """Return the running firing with this number, or None."""
        solo = self._solo
        return self.active.get(firing) if solo is None else solo if solo.firing == firing else None

    def paths(self) -> Iterator[PathState]:
        """Yield the states of ended, pending and running tokens, in that order."""
        yield from (path for _, _, path in self._ended)
        for node in sorted(self._arrived):
            yield from (path for _, _, path in self._arrived[node])
        yield from (task.path for task in self.tasks())

    def _arrive(self, node: NodePlan, arrival: Arrival) -> bool:
        """Add a token to a node; return whether the node became pending, so that it has no witness yet."""
        arrived = self._arrived.get(node.index)
        if arrived is not None:
            arrived.append(arrival)
            return False
        self._arrived[node.index] = [arrival]
        self._pending.flip(self.plan.reachability.position[node.index])
        self._live += 1
        return True

    def _leave(self, task: Task) -> list[int]:
        """Remove a firing from its position; return the nodes that watch the position, if nothing else runs there."""
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
        self._running.flip(self.plan.reachability.position[index])
        self._live -= 1
        return self._watchers.pop(index, [])

    def _settle_starts(self, placed: list[int], woken: list[int], out: Out) -> None:
        """Start the nodes that may start, after all tokens of one completion have arrived.

        `placed` are the indices of nodes that became pending, `woken` those of nodes whose witness has ended.
        """
        if len(placed) > 1:
            placed.sort(key=self.plan.start_ranks.__getitem__)
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
        self._pending.flip(self.plan.reachability.position[index])
        self._live -= 1
        return self._arrived.pop(index)

    def _start_if_free(self, node: NodePlan, out: Out) -> None:
        running, pending = self.plan.reachability.masks(node.index)
        holder = max(self._running.last_of(running), self._pending.last_of(pending))
        if holder >= 0:
            self._watchers.setdefault(self.plan.reachability.node_at(holder), []).append(node.index)
            return
        arrivals = self._arrived[node.index]
        if len(arrivals) > 1:
            arrivals.sort(key=by_origin)
        path = merge([path for _, _, path in arrivals], self.plan.folds, node=self.prefix + node.id)
        self._unpend(node.index)
        self._start(node, path, (), out)

    def _start_first(self, node: NodePlan, out: Out) -> list[int]:
        """Start a `first` or `race` node on the arrival that counts; return the nodes to test again.

        An arrival counts if it is the first one, or if its token has passed the last start of the node: then it belongs
        to the next round of a loop, and is not late in this one.
        """
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
        running, pending = self.plan.reachability.masks(node.index)
        freed: list[int] = []
        for task in list(self.active.values()):
            if running >> self.plan.reachability.position[task.node.index] & 1 and task.node is not node:
                out.extend(Cancel(each) for each in end_with_inner(task))
                freed += self._leave(task)
        for index in list(self._arrived):
            if pending >> self.plan.reachability.position[index] & 1:
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
            order = order[:1]  # with one live position, this firing is the origin of all later ones
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
        if self._running.add(self.plan.reachability.position[node.index]):
            self._live += 1
        task = self.active[firing] = Task(self, node, firing, path, order)
        if node.composite:
            self._open(task, out)
        else:
            out.append(task)

    @abstractmethod
    def complete(self, task: Task, update: dict[str, Any] | None, out: Out, nested: dict[str, list[Any]]) -> None:
        """Write the update of a firing and move its token."""

    @abstractmethod
    def fail(self, task: Task, error: BaseException, out: Out) -> bool:
        """Take the error edges of a firing after its last retry, or end the run."""

    @abstractmethod
    def _finish(self, out: Out) -> None:
        """End the run: nothing is live any more."""


def end_with_inner(task: Task) -> Iterator[Task]:
    """End a task and all tasks inside it; yield those that ended, innermost first."""
    if not task.live:
        return
    if task.composite is not None:
        for inner in task.composite.tasks():
            yield from end_with_inner(inner)
        task.composite.over = True
    task.live = False
    yield task


def by_origin(arrival: Arrival) -> tuple[int, tuple[int, ...]]:
    """Return the sort key of an arrival: the edge, then the firing. It does not depend on time."""
    return arrival[0], arrival[1]


Routes = dict[str, list[tuple[str, str, str | None]]]
"""The edges that a node took, by the path of the node; each is (target, type, condition)."""
OnEnd = Callable[[PathState | None, BaseException | None, Out], None]


def _opens_nothing(task: Task, out: Out) -> None:
    """Do nothing: the callback that starts composites, once the run has ended."""


def _ends_nothing(final: PathState | None, error: BaseException | None, out: Out) -> None:
    """Do nothing: the callback for the end of the run, once it has ended."""


class GraphRun(Marking):
    """The live state of a run of the outermost graph, or of a subgraph.

    `on_end` is called with the final path, or with the error that no error edge took. The path is None if no path
    ended.
    """

    def __init__(
        self, plan: Plan, state: dict[str, Any], open_: Callable[[Task, Out], None], on_end: OnEnd,
        *, routes: Routes, parent: Task | None = None, attempt: int = 1,
    ) -> None:  # fmt: skip
        prefix, scope = (f"{parent.name}/", parent.scope + _step(parent, attempt)) if parent else ("", "")
        super().__init__(plan, open_, parent, prefix, scope)
        self.initial = state
        self.untouched = True
        """True until a firing ends."""
        self.over = False
        self._on_end, self._routes = on_end, routes
        self._serial = 0
        self._counts = [0] * plan.counted

    def release(self) -> None:
        """Drop the callbacks of a run that has ended: without these reference cycles it is freed at once."""
        self._open, self._on_end = _opens_nothing, _ends_nothing

    # events

    def begin(self, out: Out) -> None:
        """Put a token at every entry node."""
        path = PathState.initial(self.initial)
        entries = self.plan.entries
        if len(entries) == 1 and not entries[0].is_eager:
            self._start_solo(entries[0], path, (-1,), out)
            return
        for index, node in enumerate(entries):
            self._arrive(node, (-1, (index,), path.fork()))
        self._settle_starts([node.index for node in entries], [], out)

    def complete(self, task: Task, update: dict[str, Any] | None, out: Out, nested: dict[str, list[Any]]) -> None:
        """Write the update of a firing and move its token.

        `nested` has the updates of a subgraph by key, oldest first, for the keys that have a reducer in both graphs.
        """
        node, path = task.node, task.path
        solo = self._solo is task
        self.untouched = False
        try:
            if update or nested:
                alone = solo and not self._ended and self.parent is None
                self._write(path, update or {}, node.id, alone=alone)
                for key, updates in nested.items():
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
        """Take the error edges of a firing after its last retry, else end the run; return whether edges were taken."""
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
        """Write keys into the state of every token, as one write that replaces all earlier writes.

        `mark` returns the record of the write of a key, given the key and the serial number of the write.
        """
        marks = {key: mark(key, self._serial + 1) for key in update}
        self._serial += 1
        for path in self.paths():
            for key, value in update.items():
                path.overwrite(key, value, marks[key])

    def state(self) -> dict[str, Any]:
        """Return one state of the ended, pending and running tokens, merged in that order.

        Of two writes of a key, the one that has seen the other wins. Of writes made side by side, the last one in that
        order wins.
        """
        paths = list(self.paths())
        return overlaid(paths) if paths else dict(self.initial)

    # routing

    def _write(self, path: PathState, update: dict[str, Any], writer: str, *, alone: bool) -> None:
        self._serial = path.write(update, writer, self._serial, self.plan.folds, alone=alone)

    def _choose(self, node: NodePlan, path: PathState, out: Out) -> tuple[Sequence[EdgePlan], dict[int, Any]]:
        """Return the edges to take, and the values that their conditions read, by the index of the edge."""
        if not node.conditional:
            return node.normal, {}
        known = self._routes.pop(self.prefix + node.id, None) if self._routes else None
        if known is not None:
            taken = [edge for edge in node.edges if _edge_key(edge) in known]
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
        """Take the edges. If one has reached its limit, take the error edges that have not (rule 14) instead."""
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
        """Move the token along the only edge of its node."""
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
            elif self._live == 0 and last == 0 and not edge.target.is_eager:
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
        # The callback of a subgraph refers to this run. Without this reference cycle the run is freed at once.
        on_end, self._on_end = self._on_end, _ends_nothing
        on_end(final, error, out)

    def _end_by(self, task: Task, error: BaseException, out: Out) -> None:
        self.stop(node_error(task.name, error), out, failed=task)

    def stop(self, error: BaseException, out: Out, *, failed: Task | None = None) -> None:
        """End the run by an error, and cancel all live tasks except the firing that failed."""
        if self.over:
            return
        self.over = True
        for task in self.tasks():
            if task is not failed:
                out.extend(Cancel(each) for each in end_with_inner(task))
        if failed is not None:
            failed.live = False
        self._ended_with(None, error, out)


def _step(parent: Task, attempt: int) -> str:
    return str(Step(parent.node.id, parent.firing, parent.item, attempt))


def _edge_key(edge: EdgePlan) -> tuple[str, str, str | None]:
    return edge.definition.to_node, edge.definition.type, edge.definition.condition
