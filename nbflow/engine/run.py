"""A live run: wait for its end, read its state, and control it.

Invariant: a method that is called in the wrong status of the run raises an error that names the status, and changes
nothing. A cancelled wait never leaves the run partly cancelled.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator, Mapping
from typing import Any

from nbflow.engine.durability import DurabilityGate, EventRecorder
from nbflow.engine.execution import ACTIVE, Environment, Execution
from nbflow.engine.figures import install as install_figures
from nbflow.engine.ownership import as_update
from nbflow.engine.questions import Question
from nbflow.engine.record import RunRecord
from nbflow.engine.replay import ResumePoint
from nbflow.engine.result import ExecutionResult
from nbflow.errors import RunStateError, did_you_mean, name_list
from nbflow.event_log import EventLog
from nbflow.events import Status
from nbflow.names import node_path
from nbflow.scheduler import Plan, Task
from nbflow.secrets import learn
from nbflow.values import own

_INDEX = re.compile(r"\[\d+\]")


def check_node(plan: Plan, graph: str, path: str) -> None:
    """Check that a graph, or one of its subgraphs, has the node of a path.

    Raises:
        RunStateError: There is no such node; the error lists the known nodes.
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


def start_run(
    plan: Plan, state: Mapping[str, Any], environment: Environment, *, run_id: str, max_parallel: int | None,
    recorder: EventRecorder | None = None, resume_from: ResumePoint | None = None,
) -> Run:  # fmt: skip
    """Create a run and start it; its first task starts in the next turn of the loop."""
    learn(state)
    install_figures()
    run = Run(plan, state, environment, run_id=run_id, max_parallel=max_parallel, resume_from=resume_from)
    execution = run._execution
    if recorder is None:
        execution.start()
        return run
    stored = resume_from.stored if resume_from else 0
    gate = DurabilityGate(
        recorder, run.events, stored, execution.workers.add, execution.after_store, execution.store_failed
    )
    execution.use_gate(gate)
    execution.start()
    recorder.attach(run, gate)
    return run


class Run(RunRecord):
    """A run of a graph: `await run` returns its `ExecutionResult`, or raises the error that ended it.

    `events` is the sequence of all events so far. Call the methods on the run's own `loop`; from another thread through
    `run.loop.call_soon_threadsafe`.
    """

    events: EventLog

    def __init__(
        self, plan: Plan, state: Mapping[str, Any], environment: Environment, *, run_id: str,
        max_parallel: int | None = None, resume_from: ResumePoint | None = None,
    ) -> None:  # fmt: skip
        super().__init__(plan, state, run_id=run_id, subgraphs=environment.subgraphs)
        self.events = EventLog(environment.epoch)
        self._execution = Execution(self, self.events, environment, max_parallel=max_parallel, resume_from=resume_from)
        self.loop = self._execution.loop
        resumed = resume_from.events if resume_from else ()
        self.started_at = resumed[0].time if resumed else environment.epoch + self._execution.started_at

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.name or 'a graph'}: {self.status}>"

    # results

    @property
    def state(self) -> dict[str, Any]:
        """A copy of the final state; while the run is running, a copy of the current states of its paths, merged."""
        if self.result is not None:
            return self.result.state
        state: dict[str, Any] = own(self._execution.scheduler.state())
        return state

    @property
    def error(self) -> BaseException | None:
        """The error that ended the run; None if it completed or is running."""
        return self._execution.error

    @property
    def execution_time(self) -> float:
        """The run time in seconds, summed over the incarnations of the run, up to its end or to now."""
        return self.result.execution_time if self.result else self._execution.clock() - self._execution.started_at

    @property
    def is_stored(self) -> bool:
        """True if a store records the events of the run; False after the store has failed."""
        gate = self._execution.gate
        return gate is not None and gate.is_storing

    # waiting

    @property
    def done(self) -> bool:
        """True if the run has ended and none of its cancelled tools is still cleaning up on the loop."""
        return self._execution.ended.done()

    async def wait(self) -> None:
        """Wait for the end of the run. Raises no error of the run; cancelling the wait does not cancel the run."""
        await asyncio.shield(self._execution.ended)

    def __await__(self) -> Generator[Any, None, ExecutionResult]:
        ended = self._execution.ended
        try:
            yield from asyncio.shield(ended).__await__()
        except asyncio.CancelledError:
            self.cancel("by the code that awaited it")
            yield from asyncio.shield(ended).__await__()
            raise
        assert self.result is not None  # noqa: S101 - set before the end
        if self.error is not None:
            raise self.error
        return self.result

    async def until_stored(self, upto: int) -> None:
        """Wait until the first `upto` events are stored, if a store records them; call this on the run's loop."""
        if self._execution.gate is not None:
            await self._execution.gate.reached(upto)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, on the loop: at the next event or, if the run has ended, in the next turn."""
        if self.result is not None:
            self.loop.call_soon(callback)
        else:
            self.events.listen(callback)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, on the loop: when the run is `done` or, if it is already, in the next turn."""
        self._execution.ended.add_done_callback(lambda _: callback())

    async def changed(self) -> None:
        """Wait for the next event; if the run has ended, return in the next turn of the loop."""
        changed = asyncio.Event()
        self.on_change(changed.set)
        await changed.wait()

    # control

    def cancel(self, reason: str = "") -> None:
        """Cancel the run and its running tasks; a caller that awaits the run gets `ExecutionCancelled`."""
        self._execution.stop(reason)

    @property
    def breaks(self) -> frozenset[str]:
        """The paths of the nodes before which the run pauses."""
        return frozenset(self._execution.controls.breaks)

    def break_at(self, node: str, *, on: bool = True) -> None:
        """Set a breakpoint: pause before each start of a node from now on. With `on=False`, remove it.

        Args:
            node: The path of the node, such as `review/extract`, or of an item of a map, such as `m[3]`. A map or
                subgraph pauses before the first node that starts in it.
            on: If true, set the breakpoint; if false, remove it.

        Raises:
            RunStateError: The graph has no such node.
        """
        check_node(self.plan, self.name, node := node_path(node))
        breaks = self._execution.controls.breaks
        (breaks.add if on else breaks.discard)(node)

    def pause(self) -> None:
        """Start no more tasks until `unpause`; running tasks continue.

        Raises:
            RunStateError: The run is not running.
        """
        if self.status not in ACTIVE:
            raise RunStateError(f"run {self.id} is not running (status: {self.status})")
        self._execution.pause()

    def unpause(self) -> None:
        """Continue after `pause`.

        Raises:
            RunStateError: The run is not paused.
        """
        self._check_paused()
        self._execution.unpause()

    def step(self) -> None:
        """Start the next ready node, and stay paused.

        Raises:
            RunStateError: The run is not paused, or no node is ready until a running one ends.
        """
        self._check_paused()
        if not self._execution.workers.step():
            running = name_list(task.name for task in self._execution.scheduler.leaves())
            raise RunStateError(f"run {self.id} has nothing ready to start; running is {running}")

    def _check_paused(self) -> None:
        if self.status is not Status.PAUSED:
            raise RunStateError(f"run {self.id} is not paused (status: {self.status})")

    def answer(self, value: Any, *, node: str | None = None, question: int | None = None) -> None:
        """Answer the question of a node; the first valid answer wins.

        Args:
            value: One of the choices, a value of the question's type, or its JSON data.
            node: The path of the node that asks; needed if several nodes ask.
            question: The `seq` of the question's `node_waiting` event; needed if a node asks several questions.

        Raises:
            RunStateError: No such question is open, or several match.
            AnswerError: The answer is invalid; `.faults` maps paths in the answer to faults.
        """
        self._execution.questions.answer(value, node, question)

    @property
    def asking(self) -> list[Question]:
        """The open questions, in the order in which they were asked."""
        return list(self._execution.questions.open)

    def skip(self, node: str, output: Any = None) -> None:
        """Complete a node with `output` instead of running it, and continue; a running attempt is cancelled.

        Args:
            node: The path of the node. If several of its firings are running, the oldest one is skipped.
            output: The return value in place of the tool's: a dict of updates, None for no update, or any other value,
                which is written to the key of the node.

        Raises:
            RunStateError: The node is neither running nor ready.
            ToolError: The output is a dict with a key that is not a string.
            NameClashError: Two keys of the dict have the same normalised name.
        """
        task = self._live_task(node)
        output = own(output)
        learn({task.name: output})
        if task.item is None and output is not None:
            key = task.node.definition.into if task.node.definition.map is not None else None
            output = as_update(output, key or task.node.id)
        self._execution.skip(task, output)

    def retry(self, node: str) -> None:
        """Start the next attempt at a node now, without waiting for the end of its backoff.

        Raises:
            RunStateError: The node does not wait for another attempt.
        """
        task, execution = self._live_task(node), self._execution
        waited = execution.controls.retry(task) if task.composite is None else execution.composites.retry_now(task)
        if not waited:
            raise RunStateError(f"node {node!r} of run {self.id} does not wait for another attempt")

    def _live_task(self, node: str) -> Task:
        named = {task.name: task for task in reversed(list(self._execution.scheduler.tasks()))}
        node = node if node in named else node_path(node)
        if node not in named:
            near = did_you_mean(node, named)
            raise RunStateError(f"node {node!r} of run {self.id} does not run{near}; running is {name_list(named)}")
        return named[node]
