"""The scheduler of one run: takes the outcomes of tasks and returns commands, for a live run and for a replay.

Invariant: the same outcomes in the same order always produce the same commands. A run is built, and rebuilt by a
resume, through these methods alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nbflow.errors import RecordedError, RunStateError, name_list
from nbflow.scheduler import composites
from nbflow.scheduler.commands import Command, Ended, Open, Retry, Step, Task, steps_of
from nbflow.scheduler.composites import MapRun, SubgraphRun
from nbflow.scheduler.plan import Plan
from nbflow.scheduler.tokens import GraphRun, Out, Routes
from nbflow.state import PathState, Write

RULES = composites.CARRYING
"""The version of the rules that new runs follow. A log without a version follows version 1."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome of a run's log, as a replay applies it.

    The meaning of `value` depends on `kind`. `completed` and `skipped`: the update, or the result of a map's item.
    `failed`: the node, type and message of the error. `retried`: the number of the attempt at a subgraph that started
    after the backoff. `edited`: the keys and values written; such an outcome names no firing.
    """

    kind: Literal["completed", "failed", "skipped", "retried", "edited"]
    scope: str = ""
    firing: int = 0
    node: str = ""
    item: int | None = None
    value: Any = None


class Scheduler:
    """Decides which tasks start, and when the run ends.

    Every method returns commands in the order of their execution. The methods ignore a task that is no longer live, so
    the value that a cancelled firing still returns is dropped.
    """

    def __init__(self, plan: Plan, state: Mapping[str, Any], *, rules: int = RULES) -> None:
        self.rules = rules
        """The version of the rules for all firings that start from now on; a replay follows the versions of its log."""
        self.routes: Routes = {}
        self.root = GraphRun(plan, dict(state), self.open, self._root_ended, routes=self.routes)
        self.ended: Ended | None = None
        self._initial = dict(state)
        self._later: deque[Callable[[Out], None]] = deque()

    def begin(self) -> list[Command]:
        """Start the run."""
        out: Out = []
        self.root.begin(out)
        return self._drained(out)

    def complete(self, task: Task, value: Any) -> list[Command]:
        """Complete a task with its update; an item of a map with its result."""
        if not task.live:
            return []
        out: Out = []
        if task.parent is None:
            task.run.complete(task, value, out, {})
        else:
            composites.item_completed(self, task, value, out)
        return self._drained(out) if self._later else out

    def fail(self, task: Task, error: BaseException) -> list[Command]:
        """Fail a task after its last retry, or fail an attempt at a subgraph."""
        out: Out = []
        if not task.live:
            return out
        if isinstance(task.composite, SubgraphRun):
            composites.attempt_failed(self, task, error, out)
        elif task.composite is not None:
            composites.failed(self, task, error, out)
        elif task.parent is None:
            task.run.fail(task, error, out)
        else:
            composites.item_failed(self, task, error, out)
        return self._drained(out)

    def skip(self, task: Task, value: Any) -> list[Command]:
        """Complete a task with the output that a person gave; cancel the tasks inside a map or a subgraph."""
        if not task.live:
            return []
        if task.composite is None:
            return self.complete(task, value)
        out: Out = []
        composites.skipped(self, task, value, out)
        return self._drained(out)

    def retry(self, task: Task) -> list[Command]:
        """Start the next attempt at a subgraph, after a `Retry` command and its backoff."""
        out: Out = []
        if task.live:
            composites.begin_subgraph(self, task, out, attempt=task.composite.attempt + 1)
        return self._drained(out)

    def stop(self, error: BaseException) -> list[Command]:
        """End the run by an error from outside the graph; cancel all live tasks."""
        out: Out = []
        self.root.stop(error, out)
        return self._drained(out)

    def release(self) -> None:
        """Drop the callbacks of the outermost run after its end: without this reference cycle it is freed at once."""
        self.root.release()

    def edit(self, update: dict[str, Any]) -> None:
        """Write keys into every live token, also in subgraphs, as one write that replaces all earlier writes.

        A map over such a key starts again with the new value, if none of its items has ended.
        """
        runs = [self.root]
        runs += [task.composite.run for task in _inside(self.root.tasks()) if isinstance(task.composite, SubgraphRun)]
        for run in runs:
            run.edit(update, lambda key, serial: Write("edit", serial, None, update[key], sweeping=True))
        for task in [task for task in self.tasks() if isinstance(task.composite, MapRun)]:
            if task.live and task.node.definition.map in update and task.composite.untouched:
                composites.restart_map(self, task)

    def state(self) -> dict[str, Any]:
        """Return the final state of a run that has ended, else the state of its tokens, as `GraphRun.state` does."""
        return self.root.state() if self.ended is None else self.ended.state

    def tasks(self) -> list[Task]:
        """Return the live tasks: firings, items of maps, tasks in subgraphs; an outer task precedes its inner ones."""
        return [task for task in _inside(self.root.tasks()) if task.live]

    def leaves(self) -> list[Task]:
        """Return the live tasks that call a tool; after a replay, those to start."""
        return [task for task in self.tasks() if task.composite is None]

    # replay

    def replay(self, outcomes: Iterable[Outcome]) -> list[Task]:
        """Apply a log through the methods of a live run; return the tasks to start after it.

        Raises:
            RunStateError: An outcome does not fit the graph, which has changed; the error names the first one.
        """
        self.begin()
        for number, outcome in enumerate(outcomes, start=1):
            self.apply(outcome, f"outcome {number} of the log")
        return self.leaves()

    def apply(self, outcome: Outcome, place: str, routes: Routes | None = None) -> list[Command]:
        """Apply one outcome of a log and return the commands that follow.

        Args:
            outcome: The outcome.
            place: Its position in the log, for the message of an error.
            routes: The edges that the conditions chose, for a log that lacks values which they may have read.

        Raises:
            RunStateError: The outcome does not fit the graph.
        """
        if outcome.kind == "edited":
            self.edit(outcome.value)
            return self._drained([])
        task = self.find(outcome.scope, outcome.firing, outcome.node, outcome.item)
        if task is None or not _fits(task, outcome.kind):
            raise self._misfit(outcome, place)
        self.routes.update(routes or {})
        answers = self._feed(task, outcome)
        self.routes.clear()
        return answers

    def open_commands(self) -> list[Command]:
        """Return the commands that continue the run after a replay: open composites, running tasks, or the end."""
        answers: list[Command] = []
        for task in self.tasks():
            inside = task.composite
            answers.append(task if inside is None else Open(task, getattr(inside, "attempt", 1)))
            if isinstance(inside, SubgraphRun) and inside.error is not None:
                answers.append(Retry(task, inside.attempt + 1, inside.error))
        return self._drained(answers) if self.ended is None else [self.ended]

    def _feed(self, task: Task, outcome: Outcome) -> list[Command]:
        out: Out = []
        if outcome.kind == "retried":
            # The failure inside that led to the retry may be missing in the log, or be derived and applied already.
            if outcome.value > task.composite.attempt:
                composites.end_inside(task, out)
                composites.begin_subgraph(self, task, out, attempt=outcome.value)
        elif task.composite is None and outcome.kind == "failed":
            return self.fail(task, RecordedError(outcome.value))
        # A composite's outcomes are derived from its tasks, so this one came from outside: a timeout, or a skip by a
        # person.
        elif outcome.kind == "failed":
            composites.failed(self, task, RecordedError(outcome.value), out)
        else:
            return self.skip(task, outcome.value)
        return self._drained(out)

    def find(self, scope: str, firing: int, node: str, item: int | None) -> Task | None:
        """Return the live task of a scope, firing, node and item; None if there is none."""
        run: GraphRun | None = self.root
        steps = steps_of(scope)
        for step in steps or ():
            run = None if run is None else _entered(run, step)
        return None if run is None or steps is None else _task_at(run, firing, node, item)

    def _misfit(self, outcome: Outcome, place: str) -> RunStateError:
        running = name_list(f"{task.scope}{task.node.id}#{task.firing}" for task in self.leaves())
        return RunStateError(
            f"{place}, {outcome.scope}{outcome.node}#{outcome.firing} {outcome.kind}, does not fit "
            f"this graph: running there is {running}; resume under the graph that the run had, or start a new run"
        )

    # callbacks of the parts of a run

    def open(self, task: Task, out: Out) -> None:
        """Start a map or a subgraph."""
        composites.begin(self, task, out)

    def later(self, step: Callable[[Out], None]) -> None:
        """Run a step after the current one, so that nested composites do not grow the stack."""
        self._later.append(step)

    def _drained(self, out: Out) -> Out:
        while self._later:
            self._later.popleft()(out)
        return out

    def _root_ended(self, final: PathState | None, error: BaseException | None, out: Out) -> None:
        if error is not None:
            self.ended = Ended(self.root.state(), error)
        else:
            self.ended = Ended(self._initial if final is None else final.as_dict())
        out.append(self.ended)


def _entered(run: GraphRun, step: Step) -> GraphRun | None:
    """Return the run of the subgraph at a step of a scope."""
    task = _task_at(run, step.firing, step.node, step.item)
    inside = None if task is None else task.composite
    return inside.run if isinstance(inside, SubgraphRun) and inside.attempt == step.attempt else None


def _fits(task: Task, kind: str) -> bool:
    """Return whether such an outcome can come from outside: the completion of a composite is derived."""
    if kind == "retried":
        return isinstance(task.composite, SubgraphRun)
    return task.composite is None or kind != "completed"


def _task_at(run: GraphRun, firing: int, node: str, item: int | None) -> Task | None:
    """Return a live firing of a node in a run, or an item of it; None if it is not live."""
    task = run.task(firing)
    if task is not None and item is not None:
        task = task.composite.active.get(item) if isinstance(task.composite, MapRun) else None
    return task if task is not None and task.live and task.node.id == node else None


def _inside(tasks: Iterable[Task]) -> Iterator[Task]:
    for task in tasks:
        yield task
        if task.composite is not None:
            yield from _inside(task.composite.tasks())
