"""What happens in a run, in the one form that the store, the WebSocket and the views share.

Rule: events are facts in the past. `seq` starts at 1 and has no gaps; whatever can be derived from events is not one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """The events there are; the value is the name on the wire."""

    EXECUTION_START = "execution_start"
    EXECUTION_PAUSED = "execution_paused"
    EXECUTION_CONTINUED = "execution_continued"
    EXECUTION_RESUMED = "execution_resumed"
    EXECUTION_COMPLETE = "execution_complete"
    EXECUTION_ERROR = "execution_error"
    EXECUTION_CANCELLED = "execution_cancelled"
    NODE_START = "node_start"
    NODE_PROGRESS = "node_progress"
    NODE_OUTPUT = "node_output"
    NODE_RETRY = "node_retry"
    NODE_COMPLETE = "node_complete"
    NODE_ERROR = "node_error"
    NODE_CANCELLED = "node_cancelled"
    NODE_SKIPPED = "node_skipped"
    NODE_WAITING = "node_waiting"
    NODE_ANSWERED = "node_answered"
    EDGE_TAKEN = "edge_taken"
    EDGE_UNTAKEN = "edge_untaken"


ENDINGS = frozenset({Kind.EXECUTION_COMPLETE, Kind.EXECUTION_ERROR, Kind.EXECUTION_CANCELLED})


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `time` is seconds since the epoch; `node` a node's path, such as `review[3]/extract`.

    `data` by kind: node_start `input attempt firing tool version source`; node_progress `progress` (0 to 1) `text`;
    node_output `text stream`; node_retry `attempt delay error` (the attempt to come, seconds until it);
    node_complete `output cached duration_ms`; node_error `error duration_ms handled`; node_cancelled `duration_ms`;
    edge_taken and edge_untaken `from to type condition values`; execution_start `graph input`;
    execution_complete `result`; execution_error
    `result error`; execution_cancelled `result reason`.
    """

    kind: Kind
    seq: int
    time: float
    node: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def as_dict(self, run_id: str) -> dict[str, Any]:
        """Return the event in its form on the wire; `input`, `output` and `values` stay Python objects."""
        stamp = datetime.fromtimestamp(self.time, UTC).isoformat()
        head: dict[str, Any] = {"event": self.kind.value, "run_id": run_id, "seq": self.seq, "timestamp": stamp}
        if self.node is not None:
            head["node"] = self.node
        return head | self.data
