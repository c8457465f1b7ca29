"""Maps and subgraphs: firings that the scheduler unfolds itself.

Rule: an item is an attempt of its own, a subgraph a run of its own; what comes of them is one outcome of the node.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from nbflow.errors import ConditionError, ToolError, name_list
from nbflow.failures import error_data, is_collected, node_error
from nbflow.names import key_for
from nbflow.scheduler.commands import Cancel, Close, Open, Retry, Task
from nbflow.scheduler.tokens import GraphRun, Out, unfold
from nbflow.state import PathState
from nbflow.values import own

if TYPE_CHECKING:
    from nbflow.scheduler.scheduler import Scheduler


CARRYING = 2
"""The rules (`Scheduler.rules`) from which on a map carries collected errors; before, its tool got them."""


class MapRun:
    """The items of one firing of a map: at most `limit` of them at once, results in the order of the list.

    Items at the indexes in `carried` do not run: each is its own result.
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
        """Whether nothing of it has ended, nor of what is inside its items."""
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


class SubRun:
    """One attempt at a subgraph; `error` is what it failed by while the next one is waited for."""

    def __init__(self, attempt: int, run: GraphRun) -> None:
        self.attempt, self.run = attempt, run
        self.over = False
        self.error: BaseException | None = None

    def tasks(self) -> list[Task]:
        """Return what runs inside."""
        return self.run.tasks()

    @property
    def untouched(self) -> bool:
        """Whether nothing inside has ended."""
        return self.run.untouched and _all_untouched(self.tasks())


def _all_untouched(tasks: list[Task]) -> bool:
    return all(task.composite is None or task.composite.untouched for task in tasks)


def begin(scheduler: Scheduler, task: Task, out: Out) -> None:
    """Begin a firing of a map or a subgraph."""
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
        f"node {task.name!r} maps over {key!r}, which {found}; it needs a list. Keys there are: {name_list(task.path)}"
    )
    scheduler.later(lambda more: failed(scheduler, task, error, more))


def _map_run(task: Task, values: list[Any], rules: int) -> MapRun:
    """Return the run of a map; an item that is an error which another map collected is no value for its tool."""
    collected = {index for index, value in enumerate(values) if is_collected(value)} if rules >= CARRYING else set()
    if task.node.definition.errors == "drop":
        return MapRun(task, [value for index, value in enumerate(values) if index not in collected])
    return MapRun(task, values, collected)


def map_anew(scheduler: Scheduler, task: Task) -> None:
    """Begin a map anew, before anything of it is carried out."""
    end_inside(task, [])
    begin(scheduler, task, [])


def begin_subgraph(scheduler: Scheduler, task: Task, out: Out, *, attempt: int) -> None:
    """Begin an attempt at a subgraph: from the token's whole state, the node's params over it, the item over these."""
    definition, plan = task.node.definition, task.node.subplan
    assert plan is not None  # noqa: S101 - only called for subgraphs
    # The caller still has the definition, and may change what it holds.
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
    task.composite = SubRun(attempt, run)
    out.append(Open(task, attempt))
    run.begin(out)


def item_completed(scheduler: Scheduler, task: Task, result: Any, out: Out) -> None:
    """Keep an item's result and start the next."""
    assert task.parent is not None  # noqa: S101 - an item has a map
    items: MapRun = task.parent.composite
    task.live = False
    del items.active[task.item]
    items.results[task.item or 0] = result
    items.left -= 1
    _begin_items(scheduler, items, out)


def item_failed(scheduler: Scheduler, task: Task, error: BaseException, out: Out) -> None:
    """Put the error in the item's place, or fail the map with it."""
    assert task.parent is not None  # noqa: S101 - an item has a map
    named = node_error(task.name, error)
    if task.node.definition.on_error == "collect":
        item_completed(scheduler, task, {"error": error_data(task.name, named)}, out)
        return
    task.live = False
    del task.parent.composite.active[task.item]
    failed(scheduler, task.parent, named, out)


def attempt_failed(scheduler: Scheduler, task: Task, error: BaseException, out: Out) -> None:
    """End an attempt at a subgraph; try again if the node has retries left."""
    if not task.live or task.composite.over:
        return
    end_inside(task, out)
    if task.composite.attempt <= task.node.definition.retries:
        task.composite.error = error
        out.append(Retry(task, task.composite.attempt + 1, error))
    else:
        failed(scheduler, task, error, out)


def failed(scheduler: Scheduler, task: Task, error: BaseException, out: Out) -> None:
    """Fail a map or a subgraph for good: what still runs inside is cancelled."""
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
    """End a map or a subgraph with what a person gave for it: what still runs inside is cancelled."""
    end_inside(task, out)
    out.append(Close(task, value, skipped=True))
    if task.item is not None:
        item_completed(scheduler, task, value, out)
    else:
        task.run.complete(task, value, out, {})


def end_inside(task: Task, out: Out) -> None:
    """Cancel what still runs inside a map, or an attempt at a subgraph."""
    out.extend(Cancel(inner) for each in task.composite.tasks() for inner in unfold(each))
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
    """Hand up the keys written inside; one with a reducer on both sides update by update."""
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
