"""Dispatch the lookups of a page: requests for the past, the log, the timeline and the state of one run.

Patches of the present view are sent without a request; everything here is computed only on request.

Invariant: an answer depends only on the run's events. Messages that are not in the protocol are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nbflow.view.fold.run_view import Locate
from nbflow.view.panels.log import LogLines
from nbflow.view.panels.state_panel import StateAnswers
from nbflow.view.panels.time_travel import Lookback
from nbflow.view.panels.timeline import Timeline
from nbflow.view.recorded_run import Recorded


class Answers(Protocol):
    """Answers one kind of lookup; an instance may retain what it folded for the next request."""

    def __init__(self, run: Any, locate: Locate | None) -> None: ...

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer, or None if the message is malformed."""


KINDS: dict[str, type[Answers]] = {
    "history": Lookback,
    "inspect": Lookback,
    "why": Lookback,
    "log": LogLines,
    "line": LogLines,
    "spans": Timeline,
    "share": Timeline,
    "state": StateAnswers,
    "value": StateAnswers,
    "editable": StateAnswers,
}
"""The class that answers each type of message."""


class Lookups:
    """Answers the lookups of one page about one run.

    Args:
        run: The run, live or read from a store.
        locate: Returns the notebook cell of a file and line, `{"label", "cell_id"}`, or None.
    """

    def __init__(self, run: Recorded, *, locate: Locate | None = None) -> None:
        self._run, self._locate = run, locate
        self._answering: dict[type[Answers], Answers] = {}

    def answer(self, message: Any) -> dict[str, Any] | None:
        """Return the answer to a message from the page, or None if it is no lookup of the protocol."""
        kind = message.get("type") if isinstance(message, Mapping) else None
        made = KINDS.get(kind) if isinstance(kind, str) else None
        if made is None:
            return None
        if made not in self._answering:
            self._answering[made] = made(self._run, self._locate)
        return self._answering[made].answer(message)
