"""The events of a run, in the form that the store, the WebSocket and the views share, and the statuses of a run.

Invariant: `seq` starts at 1 and has no gaps. An event records something that has happened; data that can be derived
    from events is not an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from nbflow.secrets import masked_repr


class Status(StrEnum):
    """The status of a run."""

    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """The kinds of events; the value is the name on the wire."""

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


ENDINGS = {
    Kind.EXECUTION_COMPLETE: Status.COMPLETED,
    Kind.EXECUTION_ERROR: Status.FAILED,
    Kind.EXECUTION_CANCELLED: Status.CANCELLED,
}
"""The events that end a run, and the status that each leads to."""


_FOR_REPLAY = frozenset({"rules"})
"""Fields that only a replay reads; they are stored, and not sent."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `time` is seconds since the epoch; `node` a node's path, such as `review[3]/extract`.

    `data` by kind: node_start `input tool version source`; node_progress `progress` (0 to 1) `text`; node_output
    `text stream`, in whole lines except at the end of the node; of a figure also `picture` (`mime`, `data` in base64,
    `width`, `height`), of a start beside threads of earlier attempts `overlaps` (how many); node_retry `delay error
    duration_ms` (seconds until the next attempt); node_complete `output cached duration_ms`, and `unchanged` (the keys
    of the output that are not updates) where there are any; node_error `error handled duration_ms`; node_cancelled
    `duration_ms thread_runs_on`; edge_taken and edge_untaken `from to type condition values`; execution_start `graph
    input rules` (`rules` is the version of the scheduler's rules, 1 if it is missing); execution_resumed `parent at
    edited` of a fork, and `rules` where other ones hold from then on; execution_complete `result`; execution_error
    `result error`; execution_cancelled `result reason`.

    Starts and ends of attempts also identify the attempt: `firing` (the number of the start within its run or subgraph
    run), `attempt` (from 1; of node_retry the next one) and, if there is one, `scope` (the path of subgraph runs) and
    `item` (of a map). `begun` counts the retries of a subgraph from 1; `derived` marks the end of a map or subgraph
    that follows from what is inside it.
    """

    kind: Kind
    seq: int
    time: float
    node: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return masked_repr(self)

    def as_dict(self, run_id: str) -> dict[str, Any]:
        """Return the event in its form on the wire; `input`, `output` and `values` stay Python objects."""
        stamp = datetime.fromtimestamp(self.time, UTC).isoformat()
        head: dict[str, Any] = {"event": self.kind.value, "run_id": run_id, "seq": self.seq, "timestamp": stamp}
        if self.node is not None:
            head["node"] = self.node
        return head | {name: value for name, value in self.data.items() if name not in _FOR_REPLAY}
