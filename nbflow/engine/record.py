"""What can be asked of a run, live or read back from a store: its state, logs, events, and any moment of it.

Rule: everything is derived from the plan, the initial state and the events.
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
    """A run after one of its events; `nodes` are the statuses of those that had started, by path."""

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
        """Return each attempt's node, number and status, and from when to when it ran (s)."""
        return Table(("node", "attempt", "status", "from", "to"), map(_told, self))


def _told(span: Span) -> tuple[str, ...]:
    end = "" if span.end is None else f"{span.end:.3f}"
    return span.node, str(span.attempt), span.status, f"{span.start:.3f}", end


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two runs: the state's keys and the nodes' outputs, each as (mine, theirs).

    A key or node that one of them has not stands there as `...`.
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
    """A run as it can be read; `initial` is the state at its start, `started_at` in seconds since 1970."""

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
        """The names of the subgraphs that it runs."""
        return reachable(self.graph, self.subgraphs)

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.graph.name

    @property
    def state(self) -> dict[str, Any]:
        """A copy of the final state; of a run that has not ended, of what its paths have come to."""
        if self.result is not None:
            return self.result.state
        state: dict[str, Any] = own(self._replayed(self.events).scheduler.state())
        return state

    @property
    def logs(self) -> Logs:
        """One row per attempt of a node so far."""
        return logs_of(self.events)

    @property
    def timeline(self) -> Timeline:
        """When each attempt ran, in the order of the starts."""
        spans = Timeline()
        for row in self.logs:
            start = row.timestamp.timestamp() - self.started_at
            end = None if row.duration_ms is None else start + row.duration_ms / 1e3
            spans.append(Span(row.node_id, row.attempt, row.status, start, end))
        return spans

    def at(self, seq: int) -> Moment:
        """Return the run as it stood after event `seq`, by replaying it up to there.

        Its state is what the paths have come to by then, laid over each other. Where they hold different values of a
        key, a write made after seeing the others stands. Of writes made side by side that of a path that runs stands,
        else of one that waits at a node, else of one that ended: of the firing that started last, of the node defined
        last, of the end that came last.

        Raises:
            RunStateError: It has no such event.
        """
        if not 1 <= seq <= len(self.events):
            raise RunStateError(f"run {self.id} has events 1 to {len(self.events)}, and not {seq}")
        events = self.events[:seq]
        state = own(self._replayed(events).scheduler.state())
        nodes = {event.node: _SHOWN[event.kind] for event in events if event.node and event.kind in _SHOWN}
        return Moment(seq, events[-1].time, state, nodes)

    def diff(self, other: RunRecord) -> Difference:
        """Return which keys of the final states, and which nodes' last outputs, differ from another run's."""
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
    """Return whether two values are equal; of arrays and frames, whose `==` is no answer, whether they say so."""
    if one is other:
        return True
    if type(one) is type(other) and callable(equals := getattr(one, "equals", None)):
        return bool(equals(other))
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - an array has no truth value; nothing but its words is left to compare
        return repr(one) == repr(other)
