"""Work on whole graphs, beside the event loop: reading, checking, compiling and drawing them.

Rule: its time grows with the graph, which a client chooses, so no request waits for another's graph. A few threads do
it, as more would only share the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio

from nbflow.server.problems import RequestError

THREADS = 2
MOST_WAITING = 32
"""Requests that wait for a thread; each holds a whole graph in memory."""
P = ParamSpec("P")
T = TypeVar("T")


class GraphWork:
    """The threads of one server."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function returns, called in a thread; a caller that is cancelled still waits for its end.

        Raises:
            RequestError: Too many wait already.
        """
        waiting = self._limiter.statistics().tasks_waiting
        if waiting >= MOST_WAITING:
            raise RequestError(503, f"{waiting} requests wait for their graphs to be read; try again later")
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._limiter)
