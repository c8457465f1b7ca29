"""What a tool can say while it runs: progress, what it prints, and what it asks a person.

Rule: a tool's words find their node by the context that it runs in, in threads too, and reach the journal on the loop,
in order, before the node's end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from nbflow.events import Kind

if TYPE_CHECKING:
    import asyncio

    from nbflow.engine.forms import Form
    from nbflow.engine.run import Run
    from nbflow.engine.stragglers import ToolThread
    from nbflow.scheduler import Task


class Attempt:
    """One attempt that is under way, and the ear for what its tool says, from any thread.

    `started` is clock time, `number` counts from 1. What is said after the attempt's end is dropped. `thread` is the
    call of a sync tool; `held` tells that the tool held the loop for long, and that the loop has had no turn
    since, `warned` that this was reported.
    """

    __slots__ = (
        "_asked", "_due", "_left", "_run", "_task", "held", "in_thread", "limit", "number", "said", "started", "thread",
        "warned",
    )  # fmt: skip

    def __init__(self, run: Run, task: Task, started: float, number: int, *, in_thread: bool = False) -> None:
        self._run, self._task = run, task
        self.started, self.number = started, number
        self.in_thread = in_thread
        self.said: list[tuple[Kind, str, Any]] = []
        self.limit: asyncio.Timeout | None = None
        self.thread: ToolThread | None = None
        self.held = self.warned = False
        self._left: float | None = None
        self._due, self._asked = False, 0

    def log(self, text: str, stream: str = "stdout") -> None:
        """Take printed text."""
        self._say(Kind.NODE_OUTPUT, stream, text)

    def progress(self, fraction: float, text: str = "") -> None:
        """Take how far the tool is."""
        self._say(Kind.NODE_PROGRESS, text, fraction)

    def ask(self, form: Form, told: Mapping[str, Any]) -> Future[Any]:
        """Ask a person; return what will hold the data of the answer."""
        self._asked += 1
        return self._run.questions.ask(self, self._task, self._asked, form, told)

    def stop_clock(self) -> None:
        """Let its time not run out, as a person is asked; on the run's loop."""
        if self.limit is not None and (due := self.limit.when()) is not None:
            self._left = due - self._run.loop.time()
            self.limit.reschedule(None)

    def start_clock(self) -> None:
        """Let it have the time that it had left when the clock was stopped."""
        if self.limit is not None and self._left is not None:
            self.limit.reschedule(self._run.loop.time() + self._left)
            self._left = None

    def _say(self, kind: Kind, label: str, what: Any) -> None:
        # No lock, since a print may come in the midst of anything. First the words, then the flag, and `flush` the
        # other way round: so no words are left lying, whatever thread comes between.
        self.said.append((kind, label, what))
        if self._due:
            return
        self._due = True
        try:
            self._run.loop.call_soon_threadsafe(self.flush)
        except RuntimeError:
            return  # the loop was closed meanwhile: nobody is left to tell

    def flush(self) -> None:
        """Tell what was said since the last time, text of one stream as one event."""
        self._due = False
        said = self.said[:]
        del self.said[: len(said)]
        if self._task.attempt is not self:
            return  # a thread that nobody waits for any longer
        for (kind, label), group in groupby(said, key=itemgetter(0, 1)):
            whats = [what for _, _, what in group]
            if kind is Kind.NODE_PROGRESS:
                for fraction in whats:
                    self._run.say(self._task, kind, {"progress": fraction, "text": label})
            else:
                self._run.say(self._task, kind, {"text": "".join(whats), "stream": label})


class Coming(Attempt):
    """An attempt that has not begun: the one before it failed, and its backoff runs."""

    __slots__ = ()


class Recalled(Attempt):
    """An attempt whose output comes from a cache."""

    __slots__ = ()


NODE: ContextVar[Attempt | None] = ContextVar("nbflow_node", default=None)
"""The attempt that this code runs for; None outside of one."""


def progress(fraction: float, text: str = "") -> None:
    """Show how far the running tool is.

    Does nothing outside a run, so that a tool stays an ordinary function.

    Args:
        fraction: From 0 to 1; what lies outside is taken to the nearer end.
        text: What it is at, in a few words.
    """
    attempt = NODE.get()
    if attempt is not None and not math.isnan(fraction):
        attempt.progress(min(1.0, max(0.0, float(fraction))), str(text))
