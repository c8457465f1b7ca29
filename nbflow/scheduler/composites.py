"""Maps and subgraphs: firings that consist of other tasks.

Invariant: each item of a map is a task, and each subgraph is a run of its graph. Together they have one outcome, which
is the outcome of the node (SEMANTICS rules 20 and 21).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from nbflow.errors import ConditionError, ToolError, name_list
from nbflow.errors.failures import error_data, is_collected, node_error
from nbflow.names import key_for
from nbflow.scheduler.commands import Cancel, Close, Open, Retry, Task
from nbflow.scheduler.tokens import GraphRun, Out, end_with_inner
from nbflow.state import PathState
from nbflow.values import own

if TYPE_CHECKING:
    from nbflow.scheduler.scheduler import Scheduler


CARRYING = 2
"""The first version of the rules (`Scheduler.rules`) in which a map passes collected errors on as results.

In version 1 the tool of the map received them as items.
"""


class MapRun:
    """The items of one firing of a map: at most `limit` run at once; the results have the order of the list.

    Items at the indexes in `carried` do not run: each of them is also its result.
    """

    def __init__(self, task: Task, values: list[Any], carried: Collection[int] = ()) -> None:
        self.task, self.values, self._carried = task, values, carried
        self.results: list[Any] = [values[index] if index in carried else None for index in range(len(values))]
        self.left = len(values) - len(carried)
        self.over = False
        self.active: dict[int | None, Task] = {}
        self._next = 0

    def tasks(self) -> list[Task]:
        """Return the running items."""
        return list(self.active.values())

    @property
    def untouched(self) -> bool:
        """True if no item has ended, and nothing inside an item."""
        return self.left == len(self.values) - len(self._carried) and _all_untouched(self.tasks())

    def more(self) -> list[Task]:
        """Return the items that may start now."""
        task = self.task
        limit = task.node.definition.limit or len(self.values)
        started = []
        while self._next < len(self.values) and len(self.active) < limit:
            index = self._next
            self._next += 1
            if index in self._carried:
                continue
            item = Task(
                task.run, task.node, task.firing, task.path, task.order,
                parent=task, item=index, value=self.values[index],
            )  # fmt: skip
            self.active[index] = item
            started.append(item)
        return started


class SubgraphRun:
    """One attempt at a subgraph; `error` is the failure of this attempt during the backoff before the next one."""

    def __init__(self, attempt: int, run: GraphRun) -> None:
        self.attempt, self.run = attempt, run
        self.over = False
        self.error: BaseException | None = None

    def tasks(self) -> list[Task]:
        """Return the running tasks of the subgraph."""
        return self.run.tasks()

    @property
    def untouched(self) -> bool:
        """True if no task inside has ended."""
        return self.run.untouched and _all_untouched(self.tasks())


def _all_untouched(tasks: list[Task]) -> bool:
    return all(task.composite is None or task.composite.untouched for task in tasks)


def begin(scheduler: Scheduler, task: Task, out: Out) -> None:
    """Start a firing of a map or a subgraph."""
    key = task.node.definition.map
    if key is None:
        begin_subgraph(scheduler, task, out, attempt=1)
        return
    out.append(Open(task))
    values = task.path.get(key_for(key, task.path) or key)
    if isinstance(values, list | tuple):
        task.composite = _map_run(task, list(values), scheduler.rules)
        _begin_items(scheduler, task.composite, out)
        return
    found = f"holds {type(values).__name__}" if key in task.path else "is not in the state"
    error = ToolError(
        f"node {task.name!r} maps over {key!r}, which {found}; it needs a list. "
        f"Keys of the state: {name_list(task.path)}"
    )
    scheduler.later(lambda more: failed(scheduler, task, error, more))


def _map_run(task: Task, values: list[Any], rules: int) -> MapRun:
    """Return the run of a map; an item that is an error collected by another map does not reach the tool."""
    collected = {index for index, value in enumerate(values) if is_collected(value)} if rules >= CARRYING else set()
    if task.node.definition.errors == "drop":
        return MapRun(task, [value for index, value in enumerate(values) if index not in collected])
    return MapRun(task, values, collected)


def restart_map(scheduler: Scheduler, task: Task) -> None:
    """Start a map again, before the engine has executed any of its commands."""
    end_inside(task, [])
    begin(scheduler, task, [])


def begin_subgraph(scheduler: Scheduler, task: Task, out: Out, *, attempt: int) -> None:
    """Start an attempt at a subgraph. Its state is the token's whole state, under the node's params, under the item."""
    definition, plan = task.node.definition, task.node.subplan
    assert plan is not None  # noqa: S101 - only called for subgraphs
    # The params are copied, since the caller still has the definition and may change its values.
    state = {**task.path.as_dict(), **own(definition.params)}
    if definition.as_ is not None:
        state[definition.as_] = task.value

    def on_end(final: PathState | None, error: BaseException | None, _: Out) -> None:
        if isinstance(error, ConditionError):
            scheduler.later(lambda more: scheduler.root.stop(error, more))
        elif error is not None:
            scheduler.later(lambda more: attempt_failed(scheduler, task, error, more))
        else:
            scheduler.later(lambda more: _subgraph_completed(scheduler, task, run, final, more))

    run = GraphRun(plan, state, scheduler.open, on_end, routes=scheduler.routes, parent=task, attempt=attempt)
    task.composite = SubgraphRun(attempt, run)
    out.append(Open(task, attempt))
    run.begin(out)


def item_completed(scheduler: Scheduler, task: Task, result: Any, out: Out) -> None:
    """Record the result of an item and start the next items."""
    assert task.parent is not None  # noqa: S101 - an item has a map
    items: MapRun = task.parent.composite
    task.live = False
    del items.active[task.item]
    items.results[task.item or 0] = result
    items.left -= 1
    _begin_items(scheduler, items, out)


def item_failed(scheduler: Scheduler, task: Task, error: BaseException, out: Out) -> None:
    """Record the error as the result of the item, or fail the map with it."""
    assert task.parent is not None  # noqa: S101 - an item has a map
    named = node_error(task.name, error)
    if task.node.definition.on_error == "collect":
        item_completed(scheduler, task, {"error": error_data(task.name, named)}, out)
        return
    task.live = False
    del task.parent.composite.active[task.item]
    failed(scheduler, task.parent, named, out)


def attempt_failed(scheduler: Scheduler, task: Task, error: BaseException, out: Out) -> None:
    """End an attempt at a subgraph that failed; request the next one if the node has retries left."""
    if not task.live or task.composite.over:
        return
    end_inside(task, out)
    if task.composite.attempt <= task.node.definition.retries:
        task.composite.error = error
        out.append(Retry(task, task.composite.attempt + 1, error))
    else:
        failed(scheduler, task, error, out)


def failed(scheduler: Scheduler, task: Task, error: BaseException, out: Out) -> None:
    """Fail a map or a subgraph after its last retry; cancel the tasks that still run inside."""
    if not task.live:
        return
    if task.composite is not None:
        end_inside(task, out)
    collected = task.item is not None and task.node.definition.on_error == "collect"
    out.append(Close(task, None, error, handled=collected or bool(task.node.error_edges)))
    if task.item is not None:
        item_failed(scheduler, task, error, out)
    else:
        task.run.fail(task, error, out)


def skipped(scheduler: Scheduler, task: Task, value: Any, out: Out) -> None:
    """End a map or a subgraph with the output that a person gave; cancel the tasks that still run inside."""
    end_inside(task, out)
    out.append(Close(task, value, skipped=True))
    if task.item is not None:
        item_completed(scheduler, task, value, out)
    else:
        task.run.complete(task, value, out, {})


def end_inside(task: Task, out: Out) -> None:
    """Cancel the tasks that still run inside a map or inside an attempt at a subgraph."""
    out.extend(Cancel(inner) for each in task.composite.tasks() for inner in end_with_inner(each))
    task.composite.over = True


def _begin_items(scheduler: Scheduler, items: MapRun, out: Out) -> None:
    for item in items.more():
        if item.node.subplan is None:
            out.append(item)
        else:
            begin_subgraph(scheduler, item, out, attempt=1)
    if items.left == 0:
        scheduler.later(lambda more: _map_completed(scheduler, items, more))


def _map_completed(scheduler: Scheduler, items: MapRun, out: Out) -> None:
    task = items.task
    if task.live:
        update = {task.node.definition.into or task.node.id: items.results}
        out.append(Close(task, update))
        task.run.complete(task, update, out, {})


def _subgraph_completed(scheduler: Scheduler, task: Task, run: GraphRun, final: PathState | None, out: Out) -> None:
    """Complete the node with the keys that the subgraph wrote.

    A key with a reducer in both graphs is passed on update by update, so that the outer reducer folds each of them.
    """
    if not task.live:
        return
    update = {} if final is None else {key: final[key] for key in final.marked()}
    out.append(Close(task, update))
    if task.item is not None:
        item_completed(scheduler, task, update, out)
        return
    both = [key for key in update if key in run.plan.folds and key in task.run.plan.folds]
    handed = {key: final.updates(key) for key in both} if final is not None else {}
    plain = {key: value for key, value in update.items() if key not in handed}
    task.run.complete(task, plain, out, handed)
