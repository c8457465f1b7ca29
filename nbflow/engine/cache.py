"""The interface of the cache of node outputs, and its use without blocking the loop.

Invariant: the engine knows neither the storage nor the key of a call. A cache never makes a node fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol

from nbflow.engine.ownership import Taken
from nbflow.executors import ThreadExecutor
from nbflow.tools import ToolSpec

AT_ONCE = 8
"""The number of threads of one run that use its cache at once; more would wait for the same disk."""


class Place(Protocol):
    """The cache entry of one call."""

    @property
    def cached(self) -> Taken | None:
        """The cached output; None if nothing is cached."""

    def keep(self, taken: Taken) -> None:
        """Store the output, and return once other calls can find it. Called in a thread; raises nothing."""


class Cache(Protocol):
    """Outputs by tool and inputs."""

    def find(self, spec: ToolSpec, given: Mapping[str, Any], whole: bool = False) -> Place | None:
        """Return the entry of a call; None if the call cannot be cached. Called in a thread; raises nothing.

        `whole` says that the argument `state` is the whole state.
        """


class Caching:
    """Calls the cache of one run in threads. `cache` returns the cache, and is called at the first use."""

    def __init__(self, cache: Callable[[], Cache], threads: ThreadExecutor) -> None:
        self._cache, self._threads = cache, threads
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def find(self, spec: ToolSpec, given: Mapping[str, Any], whole: bool = False) -> Place | None:
        """Return the entry of a call; None if the call cannot be cached."""
        place: Place | None = await self._call(partial(self._cache().find, spec, given, whole))
        return place

    async def keep(self, place: Place, taken: Taken) -> None:
        """Store the output of a tool, so that every later call with the same inputs finds it."""
        await self._call(partial(place.keep, taken))

    async def _call(self, function: Callable[[], Any]) -> Any:
        async with self._slots:
            return await self._threads.submit(copy_context(), function)
