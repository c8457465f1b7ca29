"""Generators as tools: yielded text is streamed, a yielded dict is an update, anything else is an error.

Invariant: the object that a call returned decides how it is consumed, not the registered function, so decorators make
no difference.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

from nbflow.engine.ownership import Handover, Taken
from nbflow.errors import ToolError
from nbflow.values import ATOMS

if TYPE_CHECKING:
    from nbflow.scheduler import Task


Sort = Literal["value", "awaitable", "async generator", "generator"]

_VALUES = ATOMS | {dict, list, tuple, set}


def sort_of(value: Any, *, awaited: bool = False) -> Sort:
    """Return the way to consume the result of a call; `awaited` is true if an await returned it.

    An awaitable that another awaitable returned is a handle (a client, a connection). Coroutines, generators and
    futures are exceptions, since their body has not run yet.
    """
    if type(value) in _VALUES:
        return "value"
    if inspect.isawaitable(value):
        runs = not awaited or isinstance(value, Coroutine | Generator) or asyncio.isfuture(value)
        return "awaitable" if runs else "value"
    if isinstance(value, AsyncGenerator):
        return "async generator"
    return "generator" if isinstance(value, Generator) else "value"


class Stream:
    """Collects the text and the updates that the generator of one attempt yields.

    Set `stopped` to end a generator that runs in a thread: it is closed when it yields next, so that its `finally`
    runs.
    """

    __slots__ = ("_attempt", "_handover", "_node", "_output", "_task", "_texts", "_unchanged", "stopped")

    def __init__(self, task: Task, handover: Handover) -> None:
        self._task, self._handover, self._attempt = task, handover, task.attempt
        self._texts: list[str] = []
        self._output: dict[str, Any] | None = None
        self._unchanged: set[str] = set()
        self.stopped = False

    def is_update(self, piece: Any) -> bool:
        """Stream a piece of text and return False; return True for a dict, which the caller must take and `add`.

        Raises:
            ToolError: The piece is neither text nor a dict.
        """
        if isinstance(piece, dict):
            return True
        if not isinstance(piece, str):
            kind = type(piece).__name__
            raise ToolError(f"node {self._task.name!r} yielded {kind}; a stream yields text, and a dict as its update")
        self._texts.append(piece)
        if self._attempt is not None:
            self._attempt.log(piece, "stream")
        return False

    def add(self, taken: Taken) -> None:
        """Merge an update over the previous ones; the last value of a key wins."""
        output = taken.output if isinstance(taken.output, dict) else {self._task.node.id: taken.output}
        if self._output is None:
            self._output = {}
        self._output.update(output)
        self._unchanged.difference_update(output)
        self._unchanged.update(taken.unchanged)

    def result(self, returned: Any = None) -> Taken:
        """Return the output of the tool: the merged updates, else the whole text.

        A value that the generator returned, other than None, counts as the return value of a function: it replaces the
        text, and is merged over the updates.
        """
        if returned is None and self._output is None:
            returned = "".join(self._texts)
        if returned is not None:
            box = [returned]
            del returned
            taken = self._handover.take(box)
            if self._output is None:
                return taken
            self.add(taken)
        return Taken(self._output, tuple(self._unchanged))

    def consume(self, generator: Generator[Any, None, Any]) -> Taken:
        """Run a generator to its end in this thread, and close it."""
        with closing(generator):
            while not self.stopped:
                if (output := self._advance(generator)) is not None:
                    return output
        return Taken(None)

    async def consume_in_turns(self, generator: Generator[Any, None, Any]) -> Taken:
        """Run a generator to its end on the loop, which gets a turn after each piece, and close it."""
        with closing(generator):
            while (output := self._advance(generator)) is None:
                await asyncio.sleep(0)
        return output

    def _advance(self, generator: Generator[Any, None, Any]) -> Taken | None:
        """Take the next piece of a generator; return the output of the tool once the generator has ended."""
        try:
            piece = next(generator)
        except StopIteration as end:
            return self.result(end.value)
        if self.is_update(piece):
            self.add(self._handover.part([piece]))
        return None
