"""What a run is given by its engine.

Rule: a run reaches for nothing else: no registry, no clock and no pool of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nbflow.engine.caching import Caching
from nbflow.engine.job import Jobs
from nbflow.engine.stragglers import Stragglers
from nbflow.executors import ThreadExecutor
from nbflow.graph import GraphDefinition


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run is given: the tools, the threads, and the clock (`epoch` + `clock()` is seconds since 1970).

    `grace` is how long (s) a node's next start waits for a thread of `stragglers`.
    """

    jobs: Jobs
    threads: ThreadExecutor
    thread_slots: asyncio.Semaphore
    clock: Callable[[], float]
    epoch: float
    subgraphs: Mapping[str, GraphDefinition]
    stragglers: Stragglers
    grace: float
    caching: Caching | None = None
