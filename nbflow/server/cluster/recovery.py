"""Recover runs whose process died, if this server serves the same file.

The store decides which processes are dead, and gives the lease of a run to one server. Runs of another file are left,
as its tools may be others of the same names. A run whose cancellation was requested is cancelled. A run that ends one
process after another without completing a node is left to people.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from nbflow.errors import NbflowError
from nbflow.events import Event, Kind
from nbflow.server.errors import LimitError
from nbflow.server.service import Service
from nbflow.store.rows import RunRow

logger = logging.getLogger("nbflow.server")
LOOK_S = 2.0
MOST_RESUMES = 3
_PROGRESS = {Kind.NODE_COMPLETE, Kind.NODE_SKIPPED, Kind.NODE_ANSWERED}


async def adopt_for_ever(service: Service) -> None:
    """Look for runs whose process died every `LOOK_S` seconds, until cancelled."""
    left: set[str] = set()
    while True:
        try:
            await _adopt(service, left)
        except NbflowError as error:
            logger.warning("runs whose process died could not be looked for: %s", error)
        await asyncio.sleep(LOOK_S)


async def _adopt(service: Service, left: set[str]) -> None:
    history = service.session.history
    store = await asyncio.to_thread(history.open_existing)
    if store is None or service.draining.is_set():
        return
    for row in await asyncio.wrap_future(store.abandoned()):
        if row.id in left or row.origin is None or row.origin != history.origin:
            continue
        if await service.session.local_run(row.id) is not None:
            continue
        try:
            await _take(service, row)
        except LimitError:
            return  # until there is room
        except NbflowError as error:
            head = await asyncio.wrap_future(store.head(row.id))
            if head.row.owner is None:  # else another got it, and may die as well
                left.add(row.id)
                logger.warning("run %s was not taken over: %s", row.id, error)


async def _take(service: Service, row: RunRow) -> None:
    if row.cancel_asked is not None:  # its process died before it saw the request
        await asyncio.to_thread(partial(service.session.cancel, row.id, reason=row.cancel_asked))
        return
    run = await asyncio.to_thread(service.session.read, row.id)
    if is_stuck(run.events):
        raise NbflowError(f"{MOST_RESUMES} processes died in it without its getting any further; resume it by hand")
    await service.reopen(run)
    logger.info("run %s was resumed here, as its process died", row.id)


def is_stuck(events: Sequence[Event]) -> bool:
    """Return whether a run was resumed `MOST_RESUMES` times without completing a node."""
    resumes = 0
    for event in reversed(events):
        if event.kind in _PROGRESS:
            return False
        resumes += event.kind is Kind.EXECUTION_RESUMED
        if resumes >= MOST_RESUMES:
            return True
    return False
