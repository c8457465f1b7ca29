"""The scheduler of one run: what happened in, what to do out, for a run that lives and for one that is replayed.

Rule: the same outcomes in the same order give the same answers. There is no other way to build or rebuild a run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nbflow.errors import RecordedError, RunStateError, name_list
from nbflow.scheduler import composites
from nbflow.scheduler.commands import Answer, Ended, Open, Retry, Step, Task, steps_of
from nbflow.scheduler.composites import MapRun, SubRun
from nbflow.scheduler.plan import Plan
from nbflow.scheduler.tokens import GraphRun, Out, Routes
from nbflow.state import PathState, Write

RULES = composites.CARRYING
"""The version of the rules that runs follow now. Logs of before it was noted follow 1."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of a run's log, in the form that replays.

    `value` of `completed` and `skipped` is the update (for a map's item its result), of `failed` the error's node, type
    and message, of `retried` the attempt at a subgraph that was begun when its backoff was over, of `edited` the keys
    and values written; `edited` names no firing.
    """

    kind: Literal["completed", "failed", "skipped", "retried", "edited"]
    scope: str = ""
    firing: int = 0
    node: str = ""
    item: int | None = None
    value: Any = None


class Scheduler:
    """Tokens in, commands out.

    Every method returns the answers in the order in which they are to be carried out. A task that is no longer live is
    taken note of by no method: what a cancelled firing still returns is dropped.
    """

    def __init__(self, plan: Plan, state: Mapping[str, Any], *, rules: int = RULES) -> None:
        self.rules = rules
        """Which version of the rules what begins from now on follows; a replay follows those that its log followed."""
        self.routes: Routes = {}
        self.root = GraphRun(plan, dict(state), self.open, self._root_ended, routes=self.routes)
        self.ended: Ended | None = None
        self._initial = dict(state)
        self._later: deque[Callable[[Out], None]] = deque()

    def begin(self) -> list[Answer]:
        """Start the run."""
        out: Out = []
        self.root.begin(out)
        return self._drained(out)

    def complete(self, task: Task, value: Any) -> list[Answer]:
        """Take note that a task completed, with its update; for an item of a map, with its result."""
        if not task.live:
            return []
        out: Out = []
        if task.parent is None:
            task.run.complete(task, value, out, {})
        else:
            composites.item_completed(self, task, value, out)
        return self._drained(out) if self._later else out

    def fail(self, task: Task, error: BaseException) -> list[Answer]:
        """Take note that a task failed for good, or that an attempt at a subgraph did."""
        out: Out = []
        if not task.live:
            return out
        if isinstance(task.composite, SubRun):
            composites.attempt_failed(self, task, error, out)
        elif task.composite is not None:
            composites.failed(self, task, error, out)
        elif task.parent is None:
            task.run.fail(task, error, out)
        else:
            composites.item_failed(self, task, error, out)
        return self._drained(out)

    def skip(self, task: Task, value: Any) -> list[Answer]:
        """Take what a person gave in place of a task's output; what runs inside a map or subgraph is cancelled."""
        if not task.live:
            return []
        if task.composite is None:
            return self.complete(task, value)
        out: Out = []
        composites.skipped(self, task, value, out)
        return self._drained(out)

    def retry(self, task: Task) -> list[Answer]:
        """Begin the next attempt at a subgraph, after a `Retry` and its backoff."""
        out: Out = []
        if task.live:
            composites.begin_subgraph(self, task, out, attempt=task.composite.attempt + 1)
        return self._drained(out)

    def stop(self, error: BaseException) -> list[Answer]:
        """End the run by an error from outside: all that is live is cancelled."""
        out: Out = []
        self.root.stop(error, out)
        return self._drained(out)

    def untie(self) -> None:
        """Drop what the outermost run calls, as the run has ended: without that reference cycle it is freed at once."""
        self.root.untie()

    def edit(self, update: dict[str, Any]) -> None:
        """Write keys into every live token, in subgraphs too, as one who has seen all other writes.

        A map over such a key, of which nothing has ended yet, begins anew with what it holds now.
        """
        runs = [self.root]
        runs += [task.composite.run for task in _inside(self.root.tasks()) if isinstance(task.composite, SubRun)]
        for run in runs:
            run.edit(update, lambda key, serial: Write("edit", serial, None, update[key], sweeping=True))
        for task in [task for task in self.tasks() if isinstance(task.composite, MapRun)]:
            if task.live and task.node.definition.map in update and task.composite.untouched:
                composites.map_anew(self, task)

    def state(self) -> dict[str, Any]:
        """Return the final state of a run that ended, else its tokens over each other, as by `GraphRun.state`."""
        return self.root.state() if self.ended is None else self.ended.state

    def tasks(self) -> list[Task]:
        """Return what lives: firings, items of maps, and what is inside subgraphs; what is around goes first."""
        return [task for task in _inside(self.root.tasks()) if task.live]

    def leaves(self) -> list[Task]:
        """Return the tasks that run, or after a replay are to be started."""
        return [task for task in self.tasks() if task.composite is None]

    # replay

    def replay(self, outcomes: Iterable[Outcome]) -> list[Task]:
        """Feed a log into the same methods that a live run uses; return the tasks to be started then.

        Raises:
            RunStateError: The graph has changed too much since; it names the first outcome that does not fit.
        """
        self.begin()
        for number, outcome in enumerate(outcomes, start=1):
            self.apply(outcome, f"outcome {number} of the log")
        return self.leaves()

    def apply(self, outcome: Outcome, place: str, routes: Routes | None = None) -> list[Answer]:
        """Replay one outcome; `place` tells people where in the log it stands. Return what follows from it.

        `routes` are the edges that conditions chose then, for a log that lacks values which they may have read.

        Raises:
            RunStateError: It does not fit the graph.
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

    def standing(self) -> list[Answer]:
        """Return what is to be carried out to go on after a replay: what is open, what runs, or the end."""
        answers: list[Answer] = []
        for task in self.tasks():
            inside = task.composite
            answers.append(task if inside is None else Open(task, getattr(inside, "attempt", 1)))
            if isinstance(inside, SubRun) and inside.error is not None:
                answers.append(Retry(task, inside.attempt + 1, inside.error))
        return self._drained(answers) if self.ended is None else [self.ended]

    def _feed(self, task: Task, outcome: Outcome) -> list[Answer]:
        out: Out = []
        if outcome.kind == "retried":
            # The failure inside that led to it may not be in the log, or be derived and known already.
            if outcome.value > task.composite.attempt:
                composites.end_inside(task, out)
                composites.begin_subgraph(self, task, out, attempt=outcome.value)
        elif task.composite is None and outcome.kind == "failed":
            return self.fail(task, RecordedError(outcome.value))
        # From outside, as what comes of a composite's inside is derived: it took too long, or a person skipped it.
        elif outcome.kind == "failed":
            composites.failed(self, task, RecordedError(outcome.value), out)
        else:
            return self.skip(task, outcome.value)
        return self._drained(out)

    def find(self, scope: str, firing: int, node: str, item: int | None) -> Task | None:
        """Return the task of that name, if it is live."""
        run: GraphRun | None = self.root
        steps = steps_of(scope)
        for step in steps or ():
            run = None if run is None else _entered(run, step)
        return None if run is None or steps is None else _task_at(run, firing, node, item)

    def _misfit(self, outcome: Outcome, place: str) -> RunStateError:
        running = name_list(f"{task.scope}{task.node.id}#{task.firing}" for task in self.leaves())
        return RunStateError(
            f"{place}, {outcome.scope}{outcome.node}#{outcome.firing} {outcome.kind}, does not fit "
            f"this graph: running there is {running}; resume under the graph that the run had, or start anew"
        )

    # what the parts of a run ask of it

    def open(self, task: Task, out: Out) -> None:
        """Begin a map or a subgraph."""
        composites.begin(self, task, out)

    def later(self, step: Callable[[Out], None]) -> None:
        """Carry a step out once the present one is done, so that nothing grows the stack."""
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
    """Return the run of a subgraph that a step of a scope leads to."""
    task = _task_at(run, step.firing, step.node, step.item)
    inside = None if task is None else task.composite
    return inside.run if isinstance(inside, SubRun) and inside.attempt == step.attempt else None


def _fits(task: Task, kind: str) -> bool:
    """Return whether such an outcome can come from outside: what a composite completes with is derived."""
    if kind == "retried":
        return isinstance(task.composite, SubRun)
    return task.composite is None or kind != "completed"


def _task_at(run: GraphRun, firing: int, node: str, item: int | None) -> Task | None:
    """Return the firing of a node in a run, or an item of it, if it is live."""
    task = run.task(firing)
    if task is not None and item is not None:
        task = task.composite.active.get(item) if isinstance(task.composite, MapRun) else None
    return task if task is not None and task.live and task.node.id == node else None


def _inside(tasks: Iterable[Task]) -> Iterator[Task]:
    for task in tasks:
        yield task
        if task.composite is not None:
            yield from _inside(task.composite.tasks())
