"""A run as those see it who wait for it: for its end, or for the next thing that happens.

Rule: giving up a wait never leaves a run half cancelled, and looking never disturbs it.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping
from typing import Any

from nbflow.engine.journal import Journal
from nbflow.engine.record import RunRecord
from nbflow.engine.result import ExecutionResult
from nbflow.engine.surroundings import Surroundings
from nbflow.scheduler import Plan


class AwaitedRun(RunRecord):
    """A live run on its `loop`. `error` is what ended it."""

    events: Journal

    def __init__(self, plan: Plan, state: Mapping[str, Any], around: Surroundings, *, run_id: str) -> None:
        super().__init__(plan, state, run_id=run_id, subgraphs=around.subgraphs)
        self.loop = asyncio.get_running_loop()
        self.clock = around.clock
        self.error: BaseException | None = None
        self.events = Journal(around.epoch)
        self._began = self.clock()
        self._ended: asyncio.Future[None] = self.loop.create_future()

    @abstractmethod
    def cancel(self, reason: str = "") -> None:
        """Stop the run."""

    @property
    def execution_time(self) -> float:
        """Seconds that it ran, all sittings together, to its end or until now."""
        return self.result.execution_time if self.result else self.clock() - self._began

    @property
    def done(self) -> bool:
        """Whether it has ended and left nothing running on the loop."""
        return self._ended.done()

    async def wait(self) -> None:
        """Wait for its end, however it ends: raises nothing for it, and giving up the wait does not cancel the run."""
        await asyncio.shield(self._ended)

    def __await__(self) -> Generator[Any, None, ExecutionResult]:
        try:
            yield from asyncio.shield(self._ended).__await__()
        except asyncio.CancelledError:
            self.cancel("by whoever awaited it")
            yield from asyncio.shield(self._ended).__await__()
            raise
        assert self.result is not None  # noqa: S101 - set before it is done
        if self.error is not None:
            raise self.error
        return self.result

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.name or 'a graph'}: {self.status}>"

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back once, on the loop, when something happens next; soon, if the run has ended."""
        if self.result is not None:
            self.loop.call_soon(callback)
        else:
            self.events.listen(callback)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back once, on the loop, when it has ended and left nothing running; soon, if that is so already."""
        self._ended.add_done_callback(lambda _: callback())

    async def changed(self) -> None:
        """Wait until something happens next; if the run has ended, for a turn of the loop."""
        changed = asyncio.Event()
        self.on_change(changed.set)
        await changed.wait()
