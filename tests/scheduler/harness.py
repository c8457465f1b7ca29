"""Run the scheduler in virtual time: without a clock or an event loop, in the same order on every machine.

Invariant: of tasks that end at the same moment, the firing that started first comes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.errors.failures import error_data
from nbflow.graph import GraphDefinition
from nbflow.scheduler import Cancel, Command, Ended, Outcome, Plan, Retry, Scheduler, Task, compile_plan

Tool = Callable[[Task], tuple[float, Any]]
"""Returns the duration, and the update or the exception."""

Tie = Callable[["Drive", Task], Any]


def graph(text: str, name: str = "") -> GraphDefinition:
    """Return the graph of a text in the notation."""
    return GraphDefinition.from_text(text, name=name)


def takes(duration: float = 1.0, /, **update: Any) -> Tool:
    """Return a tool that takes some time and writes an update."""
    return lambda task: (duration, update)


def raises(message: str = "broken", duration: float = 1.0) -> Tool:
    """Return a tool that fails."""
    return lambda task: (duration, ValueError(message))


def computes(function: Callable[[Mapping[str, Any]], Any], duration: float = 1.0) -> Tool:
    """Return a tool whose update is a function of the state it sees."""
    return lambda task: (duration, function(task.path))


@dataclass
class Drive:
    """A run in virtual time, with the observations that tests assert on."""

    plan: Plan
    tools: Mapping[str, Tool]
    scheduler: Scheduler
    default: Tool = field(default_factory=takes)
    tie: Tie | None = None
    now: float = 0.0
    log: list[Outcome] = field(default_factory=list)
    answers: list[Command] = field(default_factory=list)
    starts: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    ends: list[tuple[float, str]] = field(default_factory=list)
    cancelled: list[tuple[float, str]] = field(default_factory=list)
    ended: Ended | None = None
    before_last: int = 0
    """The number of starts before the last event."""
    on_step: Callable[[Drive], None] | None = None
    _queue: list[tuple[float, Any, int, Any]] = field(default_factory=list)
    _pushed: int = 0

    def carry_out(self, answers: list[Command]) -> None:
        """Execute the scheduler's commands, and record them."""
        self.answers += answers
        for answer in answers:
            if isinstance(answer, Task):
                self.start(answer)
            elif isinstance(answer, Cancel):
                self.cancelled.append((self.now, answer.task.name))
            elif isinstance(answer, Retry):
                self._push(self.now, answer, None)
            elif isinstance(answer, Ended):
                self.ended = answer

    def start(self, task: Task) -> None:
        """Start a task."""
        self.starts.append((self.now, task.name, dict(task.path)))
        duration, result = self.tools.get(task.node.definition.tool or "", self.default)(task)
        self._push(self.now + duration, task, result)

    def _push(self, time: float, what: Any, result: Any) -> None:
        self._pushed += 1
        tie = self.tie(self, what) if self.tie is not None and isinstance(what, Task) else 0
        heapq.heappush(self._queue, (time, tie, self._pushed, (what, result)))

    def step(self) -> bool:
        """Process the next event; return whether there was one."""
        if not self._queue:
            return False
        time, _, _, (what, result) = heapq.heappop(self._queue)
        if isinstance(what, Retry):
            self.now = time
            task = what.task
            if task.live:
                self.log.append(Outcome("retried", task.scope, task.firing, task.node.id, task.item, what.attempt))
            self.carry_out(self.scheduler.retry(task))
        elif what.live:
            self.now = time
            self.before_last = len(self.starts)
            self._end(what, result)
        if self.on_step is not None:
            self.on_step(self)
        return True

    def _end(self, task: Task, result: Any) -> None:
        self.ends.append((self.now, task.name))
        kept = (task.scope, task.firing, task.node.id, task.item)
        if isinstance(result, BaseException):
            data = error_data(task.name, result)
            answers = self.scheduler.fail(task, result)
            if not any(isinstance(a, Retry) or (isinstance(a, Ended) and a.error is not None) for a in answers):
                self.log.append(Outcome("failed", *kept, data))
        else:
            answers = self.scheduler.complete(task, result)
            self.log.append(Outcome("completed", *kept, result))
        self.carry_out(answers)

    def run(self) -> Drive:
        """Run to the end."""
        while self.step():
            pass
        return self

    # queries of the tests

    @property
    def makespan(self) -> float:
        """The time of the last event."""
        return self.now

    @property
    def state(self) -> dict[str, Any]:
        """The final state; fails the test if the run failed."""
        assert self.ended is not None
        assert self.ended.error is None, self.ended.error
        return self.ended.state

    @property
    def error(self) -> BaseException:
        """The error that ended the run; fails the test if there is none."""
        assert self.ended is not None
        assert self.ended.error is not None, self.ended.state
        return self.ended.error

    def started(self, name: str) -> list[float]:
        """The times at which a node started."""
        return [time for time, started, _ in self.starts if started == name]

    def saw(self, name: str) -> list[dict[str, Any]]:
        """The states that a node's firings received."""
        return [state for _, started, state in self.starts if started == name]

    @property
    def order(self) -> str:
        """The names in the order of their starts."""
        return " ".join(name for _, name, _ in self.starts)


def prepare(
    source: str | GraphDefinition | Plan,
    tools: Mapping[str, Tool] | None = None,
    state: Mapping[str, Any] | None = None,
    *,
    graphs: Mapping[str, str] | None = None,
    default: Tool | None = None,
    tie: Tie | None = None,
    **compiled: Any,
) -> Drive:
    """Return a drive that has not started; `graphs` are texts of subgraphs by name."""
    if isinstance(source, str):
        source = graph(source)
    if isinstance(source, GraphDefinition):
        source = compile_plan(source, graphs={n: graph(t, n) for n, t in (graphs or {}).items()}, **compiled)
    return Drive(source, tools or {}, Scheduler(source, state or {}), default or takes(), tie)


def run(source: str | GraphDefinition | Plan, tools: Mapping[str, Tool] | None = None, /, **options: Any) -> Drive:
    """Run a graph to its end in virtual time."""
    drive = prepare(source, tools, **options)
    drive.carry_out(drive.scheduler.begin())
    return drive.run()


def resume(drive: Drive, log: list[Outcome], state: Mapping[str, Any] | None = None) -> Drive:
    """Replay a log into a new scheduler, and return a drive that has started the tasks that are due after the replay."""
    again = Drive(drive.plan, drive.tools, Scheduler(drive.plan, state or {}), drive.default, drive.tie)
    again.log = list(log)
    leaves = again.scheduler.replay(log)
    again.ended = again.scheduler.ended
    for task in leaves:
        again.start(task)
    again.carry_out([answer for answer in again.scheduler.open_commands() if isinstance(answer, Retry)])
    return again
