"""What a run leaves: its result, and one log row per attempt of a node.

Rule: both are derived from the journal; nothing is written down twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from nbflow.events import Status


@dataclass(slots=True)
class ExecutionLog:
    """One attempt of a node.

    `node_id` is the node's path, `firing` the number of the start within its run or subgraph run, `scope` the path of
    subgraph runs. `timestamp` is when it started (UTC, aware); `duration_ms` None while it runs.
    """

    node_id: str
    status: Literal["started", "completed", "failed", "cancelled"]
    input: dict[str, Any]
    output: Any
    error: str | None
    attempt: int
    timestamp: datetime
    duration_ms: float | None
    firing: int
    scope: str = ""


@dataclass(frozen=True)
class ExecutionResult:
    """What a run came to. `state` is the final state, or of a run that failed what it had reached; times in seconds."""

    run_id: str
    status: Status
    state: dict[str, Any]
    execution_time: float
    error: str | None = None
    _logs: Callable[[], list[ExecutionLog]] = field(default=list, repr=False, compare=False)

    @cached_property
    def logs(self) -> list[ExecutionLog]:
        """One row per attempt of a node, in the order in which they started."""
        return self._logs()
