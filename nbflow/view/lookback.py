"""A node, or why an edge was taken, as it stood at a moment of the past.

Rule: the run is folded on from the moment last asked for, and from its beginning only where a person goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbflow.view.fold import Locate, RunView
from nbflow.view.inspect import inspect
from nbflow.view.why import why

if TYPE_CHECKING:
    from nbflow.view.questions import Asked


class Lookback:
    """Answers `inspect` and `why` at a moment: `{"node", "at", "data"}`, and what `why` returns, as told of now."""

    def __init__(self, run: Asked, locate: Locate | None) -> None:
        self._run, self._locate = run, locate
        self._view = self._begin()

    def _begin(self) -> RunView:
        return RunView(self._run.graph, subgraphs=self._run.subgraphs, locate=self._locate)

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
            self._view = self._begin()
        self._view.apply(self._run.events[self._view.seq : max(0, seq)])
        return self._view
