"""The record of a run, live or read from a store: its state, logs, events, timeline, and past moments.

Invariant: everything is derived from the plan, the initial state and the events.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbflow.engine.replay import Replay, rules_of
from nbflow.engine.result import ExecutionResult, Logs, logs_of
from nbflow.errors import RunStateError
from nbflow.events import Event, Kind, Status
from nbflow.graph import GraphDefinition, reachable
from nbflow.scheduler import Plan
from nbflow.tables import Records, Table, shown
from nbflow.values import own

_SHOWN = {
    Kind.NODE_START: "running",
    Kind.NODE_RETRY: "retrying",
    Kind.NODE_WAITING: "waiting",
    Kind.NODE_ANSWERED: "running",
    Kind.NODE_COMPLETE: "completed",
    Kind.NODE_SKIPPED: "skipped",
    Kind.NODE_ERROR: "failed",
    Kind.NODE_CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A run right after one of its events; `nodes` are the statuses of the started nodes, by path."""

    seq: int
    time: float
    state: dict[str, Any]
    nodes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt in time, in seconds since the run's start; `end` None while it runs."""

    node: str
    attempt: int
    status: str
    start: float
    end: float | None


class Timeline(Records[Span]):
    """Attempts in time: a list that shows as a table."""

    kind = Span

    def table(self) -> Table:
        """Return the node, number, status, start (s) and end (s) of each attempt."""
        return Table(("node", "attempt", "status", "from", "to"), map(_told, self))


def _told(span: Span) -> tuple[str, ...]:
    end = "" if span.end is None else f"{span.end:.3f}"
    return span.node, str(span.attempt), span.status, f"{span.start:.3f}", end


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two runs: the keys of the state and the outputs of the nodes, each as (mine, theirs).

    `...` is the value of a key or node that a run does not have.
    """

    state: dict[str, tuple[Any, Any]]
    nodes: dict[str, tuple[Any, Any]]

    def table(self) -> Table:
        """Return a row for each key, then one for each node."""
        rows = [("key", name, *pair) for name, pair in self.state.items()]
        rows += [("node", name, *pair) for name, pair in self.nodes.items()]
        return Table(("what", "name", "here", "there"), ((kind, name, *map(_side, pair)) for kind, name, *pair in rows))

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _side(value: Any) -> str:
    return "-" if value is ... else shown(value)


class RunRecord:
    """A run as it can be read; `initial` is the state at its start, `started_at` is in seconds since 1970."""

    def __init__(
        self, plan: Plan, initial: Mapping[str, Any], *, run_id: str, subgraphs: Mapping[str, GraphDefinition]
    ) -> None:
        self.id, self.plan, self.initial, self.subgraphs = run_id, plan, dict(initial), subgraphs
        self.graph: GraphDefinition = plan.definition
        self.status = Status.RUNNING
        self.started_at = 0.0
        self.result: ExecutionResult | None = None
        self.events: Sequence[Event] = ()

    @property
    def inner_names(self) -> Collection[str]:
        """The names of the subgraphs of its graph, also nested ones."""
        return reachable(self.graph, self.subgraphs)

    @property
    def name(self) -> str:
        """The name of the graph."""
        return self.graph.name

    @property
    def state(self) -> dict[str, Any]:
        """A copy of the final state; of a run that has not ended, the current states of its paths, merged."""
        if self.result is not None:
            return self.result.state
        state: dict[str, Any] = own(self._replayed(self.events).scheduler.state())
        return state

    @property
    def logs(self) -> Logs:
        """One row per attempt at a node, so far."""
        return logs_of(self.events)

    @property
    def timeline(self) -> Timeline:
        """The start and end of each attempt, in the order of the starts."""
        spans = Timeline()
        for row in self.logs:
            start = row.timestamp.timestamp() - self.started_at
            end = None if row.duration_ms is None else start + row.duration_ms / 1e3
            spans.append(Span(row.node_id, row.attempt, row.status, start, end))
        return spans

    def at(self, seq: int) -> Moment:
        """Replay the run up to event `seq` and return its state and statuses at that moment.

        The state combines the paths at that moment. If paths have different values of a key, the write that has seen
        the others wins. Of writes made side by side, the one of a running path wins, else of a path that waits at a
        node, else of an ended path; among those, the one of the firing that started last, of the node defined last, or
        of the path that ended last.

        Raises:
            RunStateError: The run has no such event.
        """
        if not 1 <= seq <= len(self.events):
            raise RunStateError(f"run {self.id} has no event {seq}; its events are 1 to {len(self.events)}")
        events = self.events[:seq]
        state = own(self._replayed(events).scheduler.state())
        nodes = {event.node: _SHOWN[event.kind] for event in events if event.node and event.kind in _SHOWN}
        return Moment(seq, events[-1].time, state, nodes)

    def diff(self, other: RunRecord) -> Difference:
        """Return the keys of the states, and the last outputs of the nodes, that differ from another run."""
        return Difference(_differing(self.state, other.state), _differing(self._outputs(), other._outputs()))

    def _outputs(self) -> dict[str, Any]:
        return {row.node_id: row.output for row in self.logs if row.status == "completed"}

    def _replayed(self, events: Sequence[Event]) -> Replay:
        replay = Replay(self.plan, self.initial, rules=rules_of(events))
        replay.feed(events)
        return replay


def _differing(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {key: (mine.get(key, ...), theirs.get(key, ...)) for key in [*mine, *(k for k in theirs if k not in mine)]}
    return {key: pair for key, pair in pairs.items() if not _same(*pair)}


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal; for arrays and frames, whose `==` is not a bool, call `equals`."""
    if one is other:
        return True
    if type(one) is type(other) and callable(equals := getattr(one, "equals", None)):
        return bool(equals(other))
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - an array has no truth value; compare the text instead
        return repr(one) == repr(other)
