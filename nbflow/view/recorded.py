"""A run as the view reads it, whether it lives or comes from a store.

Rule: its graphs and its events are all there is to know of it; whatever is shown is a fold of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from nbflow.events import Event
from nbflow.graph import GraphDefinition
from nbflow.view.fold import Locate, RunView


class Recorded(Protocol):
    """What the view needs of a run."""

    @property
    def graph(self) -> GraphDefinition:
        """The graph that runs."""

    @property
    def subgraphs(self) -> Mapping[str, GraphDefinition]:
        """The graphs it names."""

    @property
    def events(self) -> Sequence[Event]:
        """What happened so far; it grows while the run lives."""


def unfed(run: Recorded, *, locate: Locate | None = None, stable: bool = False) -> RunView:
    """Return a run's fold as it stands before the first event; `locate` and `stable` as RunView takes them."""
    return RunView(run.graph, subgraphs=run.subgraphs, locate=locate, stable=stable)
