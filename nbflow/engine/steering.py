"""What a person can do to a run that lives: pause it, go through it step by step, answer, skip, try again at once.

Rule: each is refused where it means nothing, with what the run stands at; what it does is told as an event.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from nbflow.engine.awaited import AwaitedRun
from nbflow.engine.composites import Composites
from nbflow.engine.context import Attempt, Coming
from nbflow.engine.ownership import as_update
from nbflow.engine.questions import Question, Questions
from nbflow.engine.workers import Workers
from nbflow.errors import RunStateError, did_you_mean, name_list
from nbflow.events import Kind, Status
from nbflow.names import node_path
from nbflow.scheduler import Answer, Plan, Scheduler, Task
from nbflow.secrets import learn
from nbflow.values import own

_GOING = (Status.RUNNING, Status.WAITING)
_INDEX = re.compile(r"\[\d+\]")


def check_node(plan: Plan, graph: str, path: str) -> None:
    """Refuse the path of a node that a graph does not have, nor one of its subgraphs.

    Raises:
        RunStateError: No run of the graph ever comes to such a node.
    """
    inner: Plan | None = plan
    above = ""
    for part in node_path(path).split("/"):
        name = _INDEX.sub("", part)
        known = inner.by_id if inner is not None else {}
        if name not in known:
            there = (
                f"known nodes: {name_list(above + one for one in known)}" if known else f"{above[:-1]!r} has no nodes"
            )
            raise RunStateError(f"graph {graph!r} has no node {path!r}{did_you_mean(name, known)}; {there}")
        inner = known[name].subplan
        above += f"{part}/"


class SteeredRun(AwaitedRun):
    """A live run, as it is steered; on its own `loop`."""

    _scheduler: Scheduler
    workers: Workers
    _composites: Composites
    questions: Questions

    @abstractmethod
    def close(self, task: Task) -> Attempt:
        """End a task's attempt."""

    @abstractmethod
    def _carry_out(self, answers: Iterable[Answer], now: float) -> None:
        """Do what the scheduler answers."""

    @property
    def breaks(self) -> frozenset[str]:
        """The nodes before whose start it pauses by itself, by their paths."""
        return frozenset(self.workers.hold.breaks)

    def break_at(self, node: str, *, on: bool = True) -> None:
        """Pause before each start of a node from now on, or with `on` False no longer.

        Args:
            node: Its path, such as `review/extract`; of a map and a subgraph what begins first in it counts, and an
                item may be meant, `m[3]`.
            on: Whether there is to be a breakpoint.

        Raises:
            RunStateError: The graph has no such node.
        """
        check_node(self.plan, self.name, node := node_path(node))
        (self.workers.hold.breaks.add if on else self.workers.hold.breaks.discard)(node)

    def pause(self, at: str | None = None) -> None:
        """Start nothing more until `unpause`; what runs goes on. `at` tells before which node it came to that.

        Raises:
            RunStateError: It is not running.
        """
        if self.status not in _GOING:
            raise RunStateError(f"run {self.id} is {self.status}; only one that is running can be paused")
        self.workers.hold.paused = True
        self._set(Status.PAUSED, Kind.EXECUTION_PAUSED, {} if at is None else {"at": at})

    def unpause(self) -> None:
        """Go on after `pause`.

        Raises:
            RunStateError: It is not paused.
        """
        if self.status is not Status.PAUSED:
            raise RunStateError(f"run {self.id} is {self.status}; only one that is paused can be running")
        self.workers.hold.open()
        self._set(Status.RUNNING, Kind.EXECUTION_CONTINUED, {})
        self.judge()

    def _set(self, status: Status, kind: Kind, data: dict[str, Any]) -> None:
        self.status = status
        self.events.add((kind, self.clock(), None, data))
        self.events.notify()
        self.workers.wake()

    def step(self) -> None:
        """Start the one node that is next, and stay paused.

        Raises:
            RunStateError: It is not paused, or nothing is ready: what runs has to end first.
        """
        if self.status is not Status.PAUSED:
            raise RunStateError(f"run {self.id} is {self.status}; only one that is paused goes by steps")
        if not self.workers.step():
            running = name_list(task.name for task in self._scheduler.leaves())
            raise RunStateError(f"run {self.id} has nothing ready to start; running is {running}")

    def answer(self, value: Any, *, node: str | None = None, question: int | None = None) -> None:
        """Answer the question that a node asks; the first answer that fits counts.

        Args:
            value: One of the choices, a value of the question's type, or its JSON data.
            node: Which node's question, by its path; needed where several nodes ask.
            question: Which question, by the `seq` of its `node_waiting` event; needed where a node asks several.

        Raises:
            RunStateError: No such question is open, or it is not clear which is meant.
            AnswerError: The answer does not fit; `.faults` tells each fault by its place.
        """
        self.questions.answer(value, node, question)

    @property
    def asking(self) -> list[Question]:
        """The questions that wait for a person, in the order in which they were asked."""
        return list(self.questions.open)

    def skip(self, node: str, output: Any = None) -> None:
        """Let `output` stand for what a node would return, and go on; what runs of it is cancelled.

        Args:
            node: Its path; of several firings side by side the oldest.
            output: As a tool returns it: a dict is the update, None no update, anything else the value of its own key.

        Raises:
            RunStateError: The node neither runs nor is about to.
            ToolError: The output is a dict with keys that are no texts.
            NameClashError: It is a dict of which two keys become one name.
        """
        task = self._live(node)
        node, output = task.name, own(output)
        learn({node: output})
        if task.item is None and output is not None:
            key = task.node.definition.into if task.node.definition.map is not None else None
            output = as_update(output, key or task.node.id)
        now = self.clock()
        if task.composite is None:
            attempt = self._begun(task, now)
            self.close(task)
            self.events.add((Kind.NODE_SKIPPED, now, task, attempt.number, attempt.started, output))
        answers = self._scheduler.skip(task, output)
        self.workers.cancel(task)
        self._carry_out(answers, now)
        self.workers.wake()

    def _begun(self, task: Task, now: float) -> Attempt:
        """Return the attempt of a task, told as begun, so that its end is the end of something."""
        if task.attempt is None or type(task.attempt) is Coming:
            number = task.tried + (task.attempt.number if task.attempt else 1)
            self.events.add((Kind.NODE_START, now, task, number, {}, None))
            task.attempt = Attempt(self, task, now, number)  # type: ignore[arg-type]  # a Run in fact
        attempt: Attempt = task.attempt
        return attempt

    def retry(self, node: str) -> None:
        """Begin the next try of a node now, without waiting for its backoff to end.

        Raises:
            RunStateError: The node does not wait for a next try.
        """
        task = self._live(node)
        retried = self.workers.hold.retry(task) if task.composite is None else self._composites.retry_now(task)
        if not retried:
            raise RunStateError(f"node {node!r} of run {self.id} does not wait for another try")

    def _live(self, node: str) -> Task:
        named = {task.name: task for task in reversed(list(self._scheduler.tasks()))}
        node = node if node in named else node_path(node)
        if node not in named:
            near = did_you_mean(node, named)
            raise RunStateError(f"node {node!r} of run {self.id} does not run{near}; running is {name_list(named)}")
        return named[node]

    def told_of(self, kind: Kind, task: Task, data: dict[str, Any]) -> int:
        """Note that a task asked a person, or was answered; return the event's `seq`."""
        self.events.add((kind, self.clock(), task, task.attempt.number, data))
        seq = len(self.events)
        self.judge()
        self.events.notify()
        return seq

    def judge(self) -> None:
        """See whether all that lives waits for a person."""
        if self.status in _GOING:
            asking = {question.task for question in self.questions.open}
            waits = bool(asking) and all(task in asking for task in self._scheduler.leaves())
            self.status = Status.WAITING if waits else Status.RUNNING
