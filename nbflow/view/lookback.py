"""A run's past: what each event changed, and a node, or why an edge was taken, as it stood at a moment.

Rule: a question folds a bounded number of events, from the whole before the moment or the moment last asked for; `more`
says that the page has to ask on.
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
    """Answers `history` as Moments does, and `inspect` and `why` at a moment: as they are of now, or with `more`."""

    def __init__(self, run: Recorded, locate: Locate | None) -> None:
        self._run = run
        self._wholes = Wholes(run, locate)
        self._moments = Moments(run, locate, self._wholes)
        self._previews = Previews()
        self._within = Within(run, locate, self._previews)
        self._stand(0)

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the steps asked for, or what is shown of a node or an edge after event `at`."""
        match message:
            case {"type": "history"}:
                return self._moments.answer(message)
            case {"type": "inspect", "node": str() as path, "at": at} if type(at) is int:
                return {"type": "inspector", "node": path, "at": at, **self._looked_at(path, at)}
            case {"type": "why", "edge": str() as edge, "at": at} if type(at) is int:
                told = why(self._view, edge) if self._go_to(at) else {"edge": edge, **_MORE}
                return told and {"type": "why", "at": at, **told}
        return None

    def _looked_at(self, path: str, at: int) -> dict[str, Any]:
        """Return what is shown of a node, or of a part of a map or subgraph; None of what the run does not have."""
        if path in self._view.nodes:
            there = self._go_to(at)
            return {"data": inspect(self._view, self._run.graph, path, previews=self._previews)} if there else _MORE
        data = self._within.inspect(path, max(0, min(at, len(self._run.events))), most=LOOKED)
        return _MORE if data and data["timing"]["more"] else {"data": data}

    def _go_to(self, seq: int) -> bool:
        """Fold on towards where event `seq` had happened; return whether the view stands there."""
        seq = max(0, min(seq, len(self._run.events)))
        nearest = self._wholes.last(seq)
        if not nearest <= self._view.seq <= seq:
            self._stand(nearest)
        self._backlog.fold_piece(min(seq, self._wholes.next(self._view.seq)))
        self._wholes.keep(self._view)
        return self._view.seq == seq

    def _stand(self, seq: int) -> None:
        self._view: RunView = self._wholes.at(seq)
        self._backlog = Backlog(self._view, self._run.events)
