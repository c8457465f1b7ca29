"""A node as it stood at a moment of the past.

Rule: the run is folded on from the moment last asked for, and from its beginning only where a person goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbflow.view.fold import Locate, RunView
from nbflow.view.inspect import inspect

if TYPE_CHECKING:
    from nbflow.view.questions import Asked


class Lookback:
    """Answers `inspect` at a moment: `{"node", "at", "data"}`, the data as of the node now."""

    def __init__(self, run: Asked, locate: Locate | None) -> None:
        self._run, self._locate = run, locate
        self._view = self._begin()

    def _begin(self) -> RunView:
        return RunView(self._run.graph, subgraphs=self._run.subgraphs, locate=self._locate)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the inspector shows of `node` after event `at`."""
        node, at = message.get("node"), message.get("at")
        if type(at) is not int or not isinstance(node, str) or node not in self._view.nodes:
            return None
        if at < self._view.seq:
            self._view = self._begin()
        self._view.apply(self._run.events[self._view.seq : max(0, at)])
        data = inspect(self._view, self._run.graph, node)
        return {"type": "inspector", "node": node, "at": at, "data": data}
