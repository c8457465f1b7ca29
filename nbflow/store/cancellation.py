"""Cancel a run from another process.

A live owner is asked to cancel the run itself. A run whose owner died is cancelled in the store; its tools do not run,
and its log is complete, so that a person can still resume it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from nbflow.errors import RunStateError
from nbflow.events import Kind, Status
from nbflow.store.archive import seconds_of
from nbflow.store.queries import LIVE
from nbflow.store.rows import Batch, Ending, LogRow, RunRow

if TYPE_CHECKING:
    from nbflow.store.store import Store


def end(store: Store, run_id: str, reason: str) -> RunRow:
    """Request the cancellation of a run from its owner, or cancel it here if no live process owns it; blocks.

    Args:
        store: The store of the run.
        run_id: The id of the run, or a unique prefix of it.
        reason: The reason, as in `was cancelled by you`.

    Returns:
        The row of the run afterwards. Its owner may not have responded yet.

    Raises:
        RunNotFoundError: No such run.
        RunStateError: The run has ended.
    """
    row = store.head(run_id).result().row
    if row.status not in LIVE:
        raise RunStateError(f"run {row.id} has ended with status {row.status}")
    if store.ask_end(row.id, reason).result() is None:
        _end_here(store, row.id, reason)
    return store.head(row.id).result().row


def _end_here(store: Store, run_id: str, reason: str) -> None:
    try:
        epoch = store.claim(run_id).result()
    except RunStateError:  # another process has just taken it over
        store.ask_end(run_id, reason).result()
        return
    try:
        if store.head(run_id).result().row.status in LIVE:
            batch = _ending(store.log(run_id).result(), reason)
            store.append(run_id, epoch, lambda: batch, durable=True).result()
            return
    except BaseException:
        store.release(run_id, epoch)
        raise
    store.release(run_id, epoch).result()  # its owner stored the end before it died


def _ending(log: list[LogRow], reason: str) -> Batch:
    now = time.time()
    last = LogRow(len(log) + 1, Kind.EXECUTION_CANCELLED.value, now, None, json.dumps({"reason": reason}))
    ending = Ending(Status.CANCELLED.value, now, seconds_of(log), None, json.dumps(reason))
    return Batch((last,), ending=ending)
