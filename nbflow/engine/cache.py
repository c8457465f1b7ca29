"""What the engine asks of a cache, and how it asks without keeping the loop.

Rule: the engine knows nothing of storage, nor of what makes two calls the same; a cache never makes a node fail.
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
"""Threads of one run that ask its cache; the others wait, as what they would wait for is the same disk."""


class Place(Protocol):
    """The place of one call's output in a cache."""

    @property
    def cached(self) -> Taken | None:
        """What the tool returned; None where nothing is cached."""

    def keep(self, taken: Taken) -> None:
        """Store what the tool returned; return when others can find it. Called in a thread, and raises nothing."""


class Cache(Protocol):
    """Outputs by tool and inputs."""

    def find(self, spec: ToolSpec, given: Mapping[str, Any], whole: bool = False) -> Place | None:
        """Return the place of a call, None where it cannot have one. Called in a thread, and raises nothing.

        `whole` says that the argument `state` is the whole state.
        """


class Caching:
    """The cache of one run, as it is asked on the loop; `cache` gives it, and is called when a node asks."""

    def __init__(self, cache: Callable[[], Cache], threads: ThreadExecutor) -> None:
        self._cache, self._threads = cache, threads
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def find(self, spec: ToolSpec, given: Mapping[str, Any], whole: bool = False) -> Place | None:
        """Return the place of a call, None where it cannot have one."""
        place: Place | None = await self._call(partial(self._cache().find, spec, given, whole))
        return place

    async def keep(self, place: Place, taken: Taken) -> None:
        """Store what a tool returned, so that every later call with the same inputs finds it."""
        await self._call(partial(place.keep, taken))

    async def _call(self, function: Callable[[], Any]) -> Any:
        async with self._slots:
            return await self._threads.submit(copy_context(), function)
