"""The events of a run for what counts or traces it: looked at now and again, and at the run's end.

Rule: a run is not slowed down by it, so nothing is done as the events happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nbflow.engine import Run

PACE_S = 1.0


class Followers:
    """The runs that somebody looks at, each until its end. Make it on any loop; `follow` on that of the run."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, run: Run, look: Callable[[], bool], leave: Callable[[], None]) -> None:
        """Call `look` every second while a run goes on and once it has ended; then, or if the loop ends, `leave`.

        `look` is called again soon where it returns that there is more.
        """
        task = asyncio.ensure_future(_follow(run, look, leave))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _follow(run: Run, look: Callable[[], bool], leave: Callable[[], None]) -> None:
    ended = asyncio.ensure_future(run.wait())
    try:
        while not ended.done():
            await asyncio.wait({ended}, timeout=PACE_S)
            while look():
                await asyncio.sleep(0)
    finally:
        ended.cancel()
        leave()
