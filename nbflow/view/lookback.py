"""A node, or why an edge was taken, as it stood at a moment of the past.

Rule: the run is folded on from the moment last asked for, and from its beginning only where a person goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.view.fold import Locate, RunView
from nbflow.view.inspect import inspect
from nbflow.view.recorded import Recorded, unfed
from nbflow.view.why import why


class Lookback:
    """Answers `inspect` and `why` at a moment: `{"node", "at", "data"}`, and what `why` returns, as told of now."""

    def __init__(self, run: Recorded, locate: Locate | None) -> None:
        self._run, self._locate = run, locate
        self._view = unfed(self._run, locate=self._locate)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is shown of a node or an edge after event `at`."""
        match message:
            case {"type": "inspect", "node": str() as node, "at": at} if type(at) is int and node in self._view.nodes:
                data = inspect(self._at(at), self._run.graph, node)
                return {"type": "inspector", "node": node, "at": at, "data": data}
            case {"type": "why", "edge": str() as edge, "at": at} if type(at) is int:
                told = why(self._at(at), edge)
                return told and {"type": "why", "at": at, **told}
        return None

    def _at(self, seq: int) -> RunView:
        if seq < self._view.seq:
            self._view = unfed(self._run, locate=self._locate)
        self._view.apply(self._run.events[self._view.seq : max(0, seq)])
        return self._view
