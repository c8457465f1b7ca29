"""Runs of other processes, as the store has them: looked at now and again while somebody watches.

Rule: to ask whether anything has happened costs a look at the run's row. Its events are read where something has, and
what takes long to read is read less often.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from nbflow.engine import Run
from nbflow.engine.record import RunRecord
from nbflow.view import RunView
from nbflow.view.fold.catch_up import CatchUp
from nbflow.view.recorded_run import empty_view

if TYPE_CHECKING:
    from nbflow.server.service import Service

POLL_S = 0.5
"""Seconds from one look to the next while the run goes on elsewhere."""
REST_S = 2.0
"""The same where it does not, and may do so again: whoever resumes it does not tell us."""
READ_PER_S = 10_000
"""Events of a run for each second that it is left alone once it was read; to read and fold them takes not half."""


async def readings(service: Service, run_id: str) -> AsyncIterator[RunRecord]:
    """Give a run, and while it goes on in another process give it whenever more has happened, until it ends or is here.

    Raises:
        RunNotFoundError: There is no such run.
    """
    known = await service.read(run_id)
    yield known
    pause = pause_after(known, known)
    while not isinstance(known, Run) and known.result is None:
        await asyncio.sleep(pause)
        found = await newer(service, known)
        pause = pause_after(known, found)
        if found is not None:
            known = found
            yield known


async def newer(service: Service, known: RunRecord) -> RunRecord | None:
    """Return a run as it stands now; None where nothing has happened since it was `known`.

    Raises:
        RunNotFoundError: It went on, and is no longer there.
        StoreError: The store cannot be asked.
    """
    here = await service.session.local_run(known.id)
    if here is known or (here is None and not await service.session.is_outdated(known)):
        return None
    return here or await service.read(known.id)


def pause_after(known: RunRecord, read: RunRecord | None) -> float:
    """Return how long (s) not to look at a run after a look at which it was `read`, or found as it was `known`."""
    if read is not None and not isinstance(read, Run):
        return POLL_S + len(read.events) / READ_PER_S
    return POLL_S if known.result is None and not isinstance(known, Run) else REST_S


async def folded(run: RunRecord) -> RunView:
    """Return a run's fold: of one of this process not yet fed, of one that was read whole, made beside the loop."""
    view = empty_view(run)
    if not isinstance(run, Run):
        await asyncio.to_thread(CatchUp(view, run.events).fold)
    return view
