"""Answer requests about a past moment of a run: the change at each event, a node's details, why an edge was taken.

A moment is an event. The view at that moment is folded from the nearest earlier state: the last checkpoint before it
(`nbflow.view.wholes`), or the moment requested last.

Invariant: a request folds a bounded number of events; `more` in an answer means that the page must ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.view.backlog import LOOKED, Backlog
from nbflow.view.fold import Locate, RunView
from nbflow.view.inspect import inspect
from nbflow.view.moments import Moments
from nbflow.view.previews import Previews
from nbflow.view.recorded import Recorded
from nbflow.view.wholes import Wholes
from nbflow.view.why import why
from nbflow.view.within import Within

_MORE = {"more": True}


class Lookback:
    """Answers `history` (see `Moments`), and `inspect` and `why` for the moment after event `at`."""

    def __init__(self, run: Recorded, locate: Locate | None) -> None:
        self._run = run
        self._wholes = Wholes(run, locate)
        self._moments = Moments(run, locate, self._wholes)
        self._previews = Previews()
        self._within = Within(run, locate, self._previews)
        self._start_at(0)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request, or None if the request is malformed or names an unknown edge."""
        match message:
            case {"type": "history"}:
                return self._moments.answer(message)
            case {"type": "inspect", "node": str() as path, "at": at} if type(at) is int:
                return {"type": "inspector", "node": path, "at": at, **self._inspect(path, at)}
            case {"type": "why", "edge": str() as edge, "at": at} if type(at) is int:
                answer = why(self._view, edge) if self._go_to(at) else {"edge": edge, **_MORE}
                return answer and {"type": "why", "at": at, **answer}
        return None

    def _inspect(self, path: str, at: int) -> dict[str, Any]:
        """Return `data` of a node, or of a part of a map or subgraph (None if the run has no such path), or `more`."""
        if path in self._view.nodes:
            reached = self._go_to(at)
            return {"data": inspect(self._view, self._run.graph, path, previews=self._previews)} if reached else _MORE
        data = self._within.inspect(path, max(0, min(at, len(self._run.events))), most=LOOKED)
        return _MORE if data and data["timing"]["more"] else {"data": data}

    def _go_to(self, seq: int) -> bool:
        """Fold towards event `seq`; return True once the view is there."""
        seq = max(0, min(seq, len(self._run.events)))
        nearest = self._wholes.last(seq)
        if not nearest <= self._view.seq <= seq:
            self._start_at(nearest)
        self._backlog.fold_piece(min(seq, self._wholes.next(self._view.seq)))
        self._wholes.keep(self._view)
        return self._view.seq == seq

    def _start_at(self, seq: int) -> None:
        self._view: RunView = self._wholes.at(seq)
        self._backlog = Backlog(self._view, self._run.events)
