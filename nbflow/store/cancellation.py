"""A run ended by another process than the one that runs it.

Rule: whoever has a run ends it. One whose process died ends in the store, which takes none of its tools; its log stays
as it is, so that it can still be resumed by hand.
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
    """Ask the owner of a run to end it, or end it here where nobody living has it; return how it stands now. Blocks.

    Args:
        store: Where it is kept.
        run_id: Its id, or the beginning of it.
        reason: Why, as in `was cancelled by you`.

    Raises:
        RunNotFoundError: No such run.
        RunStateError: It has ended.
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
    except RunStateError:  # somebody took it over at this moment
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
    store.release(run_id, epoch).result()  # its owner had ended it before it died


def _ending(log: list[LogRow], reason: str) -> Batch:
    now = time.time()
    last = LogRow(len(log) + 1, Kind.EXECUTION_CANCELLED.value, now, None, json.dumps({"reason": reason}))
    ending = Ending(Status.CANCELLED.value, now, seconds_of(log), None, json.dumps(reason))
    return Batch((last,), ending=ending)
