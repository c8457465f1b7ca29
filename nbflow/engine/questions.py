"""The questions of a run that wait for a person, and the answers that it has.

Rule: everything happens on the run's loop, and is told as an event first; an answer that does not fit changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.engine.result import Key
from nbflow.errors import RunStateError, name_list
from nbflow.events import Kind
from nbflow.names import node_path
from nbflow.secrets import learn_value
from nbflow.values import own

if TYPE_CHECKING:
    from nbflow.engine.context import Attempt
    from nbflow.engine.forms import Form
    from nbflow.engine.run import Run
    from nbflow.scheduler import Task

AnswerKey = tuple[Key, int]
"""The firing that asked, and the question's number there, from 1."""


@dataclass(slots=True, eq=False)
class Question:
    """A question that is open; `told` are the fields of its event: question, details, choices, schema.

    `seq` is the number of that event, by which the question is named. `clocks` stops the timeouts of the attempt and of
    the subgraphs around it until the question is closed.
    """

    task: Task
    ordinal: int
    form: Form
    told: Mapping[str, Any]
    answer: Future[Any]
    seq: int = 0
    clocks: ExitStack = field(default_factory=ExitStack)

    @property
    def node(self) -> str:
        """The path of the node that asks."""
        return self.task.name


class Questions:
    """The questions of one run; `open` are those that nobody has answered, in the order in which they were asked."""

    def __init__(self, run: Run, answers: Mapping[AnswerKey, Any]) -> None:
        self._run, self._answers = run, dict(answers)
        self.open: list[Question] = []

    def untie(self, run: Run) -> None:
        """Refer to the run, which has ended, by a weak reference."""
        self._run = run

    def ask(self, attempt: Attempt, task: Task, ordinal: int, form: Form, told: Mapping[str, Any]) -> Future[Any]:
        """Return what will hold the answer's data; from any thread."""
        question, loop = Question(task, ordinal, form, told, Future()), self._run.loop
        question.answer.add_done_callback(lambda answer: self._answered_or_cancelled(answer, question))
        loop.call_soon_threadsafe(self._asked, attempt, question)
        return question.answer

    def _asked(self, attempt: Attempt, question: Question) -> None:
        if question.task.attempt is not attempt:
            question.answer.cancel()  # the tool was cancelled meanwhile, and its thread may wait here
            return
        known = self._answers.get(_key(question), self)
        if known is not self:
            _give(question, known)
            return
        self.open.append(question)
        question.clocks.enter_context(self._run.stopped_clocks(question.task))
        question.seq = self._tell(Kind.NODE_WAITING, question, question.told)

    def answer(self, value: Any, node: str | None, seq: int | None) -> None:
        """Take an answer.

        Raises:
            RunStateError: No such question is open, or more than one.
            AnswerError: It does not fit.
        """
        question = self._meant(None if node is None else node_path(node), seq)
        data = own(question.form.accepted(value, question.node))
        self._answers[_key(question)] = data
        self._close(question)
        # Nothing shows or stores a secret answer, so a resumed run asks the question again.
        told = {"secret": True} if question.form.is_secret else {"answer": data}
        if question.form.is_secret:
            learn_value(data)
        self._tell(Kind.NODE_ANSWERED, question, told)
        _give(question, data)

    def drop(self, task: Task) -> None:
        """Ask no longer what a task asked, as it has ended; a thread of it waits no longer."""
        for question in [question for question in self.open if question.task is task]:
            self._close(question)
            question.answer.cancel()

    def _answered_or_cancelled(self, answer: Future[Any], question: Question) -> None:
        """Withdraw a cancelled question, on the run's loop at once: the tool may return in this very turn of it."""
        if not answer.cancelled():
            return
        loop = self._run.loop
        if asyncio._get_running_loop() is loop:
            self._withdrawn(question)
        else:
            loop.call_soon_threadsafe(self._withdrawn, question)

    def _withdrawn(self, question: Question) -> None:
        """Note that the tool itself waits no longer, such as after a time of its own."""
        if question in self.open:
            self._close(question)
            self._tell(Kind.NODE_ANSWERED, question, {"withdrawn": True})

    def _meant(self, node: str | None, seq: int | None) -> Question:
        found = [each for each in self.open if node in (None, each.node) and seq in (None, each.seq)]
        if len(found) == 1:
            return found[0]
        run = self._run
        if not self.open:
            raise RunStateError(f"run {run.id} is {run.status}, and asks nothing")
        asking = name_list(f"{each.seq} of {each.node!r}" for each in found or self.open)
        if not found:
            meant = f"question {seq}" if seq is not None else f"the question of {node!r}"
            raise RunStateError(f"{meant} is not open in run {run.id}; open are {asking}")
        raise RunStateError(f"run {run.id} asks {len(found)} questions: {asking}; say which by its node or its number")

    def _close(self, question: Question) -> None:
        """Remove a question from those that are open, and let the timeouts run that it had stopped."""
        self.open.remove(question)
        question.clocks.close()

    def _tell(self, kind: Kind, question: Question, data: Mapping[str, Any]) -> int:
        return self._run.told_of(kind, question.task, {"ordinal": question.ordinal, **data})


def _key(question: Question) -> AnswerKey:
    task = question.task
    return (task.scope, task.firing, task.item), question.ordinal


def _give(question: Question, data: Any) -> None:
    with suppress(InvalidStateError):  # a thread has just stopped waiting
        question.answer.set_result(own(data))
