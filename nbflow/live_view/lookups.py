"""Dispatch the lookups of a page: requests for the past, the log, the timeline and the state of one run.

Patches of the present view are sent without a request; everything here is computed only on request.

Invariant: an answer depends only on the run's events. Messages that are not in the protocol are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nbflow.engine.record import RunRecord
from nbflow.live_view.state_history import StateHistory
from nbflow.view.fold.run_view import Locate
from nbflow.view.panels.log import LogLines
from nbflow.view.panels.state_panel import StatePanel
from nbflow.view.panels.time_travel import TimeTravel
from nbflow.view.panels.timeline import Timeline


class Answers(Protocol):
    """Answers one kind of lookup; an instance may retain what it folded for the next request."""

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer, or None if the message is malformed."""


KINDS: dict[str, type[Answers]] = {
    "history": TimeTravel,
    "inspect": TimeTravel,
    "why": TimeTravel,
    "log": LogLines,
    "line": LogLines,
    "spans": Timeline,
    "share": Timeline,
    "state": StatePanel,
    "value": StatePanel,
    "editable": StatePanel,
}
"""The class that answers each type of message."""


class Lookups:
    """Answers the lookups of one page about one run.

    Args:
        run: The run, live or read from a store.
        locate: Returns the notebook cell of a file and line, `{"label", "cell_id"}`, or None.
    """

    def __init__(self, run: RunRecord, *, locate: Locate | None = None) -> None:
        self._answering: dict[type[Answers], Answers] = {}
        self._made: dict[type[Answers], Callable[[], Answers]] = {
            TimeTravel: lambda: TimeTravel(run, locate),
            LogLines: lambda: LogLines(run, locate),
            Timeline: lambda: Timeline(run, locate),
            StatePanel: lambda: StatePanel(run, StateHistory(run)),
        }

    def answer(self, message: Any) -> dict[str, Any] | None:
        """Return the answer to a message from the page, or None if it is not a lookup of the protocol."""
        name = message.get("type") if isinstance(message, Mapping) else None
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            return None
        if kind not in self._answering:
            self._answering[kind] = self._made[kind]()
        return self._answering[kind].answer(message)
