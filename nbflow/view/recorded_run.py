"""The interface of a run, live or read from a store, that the view needs.

Invariant: everything the view shows is a fold of the run's graphs and events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from nbflow.events import Event
from nbflow.graph import GraphDefinition
from nbflow.view.fold.run_view import Locate, RunView


class RecordedRun(Protocol):
    """A run as the view reads it."""

    @property
    def graph(self) -> GraphDefinition:
        """The graph that runs."""

    @property
    def subgraphs(self) -> Mapping[str, GraphDefinition]:
        """The graphs that its nodes run, by name."""

    @property
    def events(self) -> Sequence[Event]:
        """The events so far, in order; the sequence grows while the run is running."""


def empty_view(run: RecordedRun, *, locate: Locate | None = None, stable: bool = False) -> RunView:
    """Return the view of a run before its first event.

    Args:
        run: The run; its events are not read.
        locate: See `RunView`.
        stable: See `RunView`.
    """
    return RunView(run.graph, subgraphs=run.subgraphs, locate=locate, stable=stable)
