"""An event loop on a thread of its own, for what is only there as asyncio.

Rule: it is callable from any thread and needs no loop of the caller's; it starts with the first that is asked of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Loop:
    """A loop in the background."""

    def __init__(self) -> None:
        self._starting = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name="nbflow-store-loop", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self, last: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """Stop it after `last` has run; if it never started, that does not run."""
        loop, self._loop = self._loop, None
        if loop is None:
            last.close()
            return
        with suppress(Exception):  # it is about to go: what does not end by itself ends with the process
            asyncio.run_coroutine_threadsafe(last, loop).result(timeout_s)
        loop.call_soon_threadsafe(loop.stop)
