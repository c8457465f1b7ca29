"""The steps of a run (what each completion wrote to the state), and the state after any event.

Steps are folded from the events alone. The state is not stored at every event: `States` computes it by replaying the
run's events through the scheduler, from the nearest replay or remembered state.

Invariant: a call folds and replays at most `AT_ONCE` events, so that a run with a million events is not held up;
callers repeat the call until it returns the answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbflow.engine.ownership import without
from nbflow.engine.record import RunRecord
from nbflow.engine.replay import Replay, is_decided, outcome_of, rules_of
from nbflow.events import Event, Kind
from nbflow.values.equality import same
from nbflow.view.panels.state_panel import ADDED, CHANGED, SET, Step

AT_ONCE = 2_000
"""The most events folded, and the most replayed, in one call."""
_EDGES = (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN)
_ENDS = (Kind.NODE_COMPLETE, Kind.NODE_SKIPPED)
_REMEMBERED, _BEFORE = 160, 64  # states remembered in all, and those just before the requested one
_FEW = 50  # parallel firings: each has its own copy of the state, so with more of them remembering is too expensive


class Steps:
    """The fold of a run's events into steps.

    Attributes:
        seq: The last event folded.
        all: The steps, in the order of their events.
        keys: The index of each key of the state, in the order of their first writes, the initial keys first.
        folded: The keys whose value may differ from what a step wrote, because a reducer combines them.
        settled: The `seq` of each event after which the state may differ, in order; a replay stops only at these.
    """

    def __init__(self, run: RunRecord) -> None:
        self._run = run
        self._added = {key for key, name in run.graph.reducers.items() if name != "last"}
        self._latest: dict[str, Any] = dict(run.initial)
        self._visits: dict[str, int] = {}
        self.seq = 0
        self._open: Step | None = None
        self.folded = {*run.graph.reducers, "error"}
        self.keys: dict[str, int] = {key: index for index, key in enumerate(run.initial)}
        self.all: list[Step] = []
        self.settled: list[int] = []

    def fold(self) -> None:
        """Fold the next events of the run, at most `AT_ONCE`."""
        for event in self._run.events[self.seq : self.seq + AT_ONCE]:
            self.seq = event.seq
            if outcome_of(event) is not None:
                self.settled.append(event.seq)
            if event.kind in _EDGES:
                self._routed(event)
            else:
                self._close()
                self._open = self._step(event)
        # The engine emits a completion and its routing in one turn, so the events at hand hold all of the last step.
        if self.seq == len(self._run.events):
            self._close()

    def _step(self, event: Event) -> Step | None:
        if event.kind is Kind.EXECUTION_RESUMED:
            return Step(event.seq, event.time, None, 0, event.data.get("edited") or {})
        data, node = event.data, event.node
        if node is None or data.get("scope") or "item" in data:
            return None
        handled = event.kind is Kind.NODE_ERROR and data.get("handled")
        if not handled and event.kind not in _ENDS:
            return None
        visit = self._visits[node] = self._visits.get(node, 0) + 1
        wrote = {"error": data.get("error")} if handled else without(data.get("output"), data.get("unchanged", ()))
        return Step(event.seq, event.time, node, visit, wrote if isinstance(wrote, Mapping) else {})

    def _routed(self, event: Event) -> None:
        # A loop at its limit takes the error edges of a node that completed, with `error` in the state.
        step, by_error = self._open, event.data.get("type") == "error" and event.kind is Kind.EDGE_TAKEN
        if step is not None and by_error and event.node == step.node and "error" not in step.wrote:
            step.wrote = {**step.wrote, "error": None}

    def _close(self) -> None:
        step, self._open = self._open, None
        if step is None or not step.wrote:
            return
        for key, update in step.wrote.items():
            step.marks[key] = self._mark(key, update)
            self.keys.setdefault(key, len(self.keys))
            self._latest[key] = update
        self.all.append(step)

    def _mark(self, key: str, update: Any) -> int:
        if key not in self._latest:
            return SET
        return ADDED if key in self._added or longer(self._latest[key], update) else CHANGED


def longer(before: Any, after: Any) -> bool:
    """Return True if `after` is a list that extends the list `before`.

    Only the first and the last item of `before` are compared, so the time is independent of the lengths.
    """
    if not (type(before) is type(after) is list and 0 < len(before) < len(after)):
        return False
    return same(before[0], after[0]) and same(before[-1], after[len(before) - 1])


class States:
    """The state of a run after any folded event, computed by replay.

    A replay only moves forwards. Up to three are retained, because three positions are requested in turn: the present
    of a live run, the moment shown, and the moment to fork at. A request continues the nearest replay before its
    position and starts a new one only if there is none. The states just before the requested one are remembered, since
    people go back step by step.
    """

    def __init__(self, run: RunRecord, steps: Steps) -> None:
        self._run, self._settled = run, steps.settled
        self._known: dict[int, dict[str, Any]] = {0: dict(run.initial)}
        self._replays: list[_Position] = []

    def at(self, seq: int) -> dict[str, Any] | None:
        """Return the state after event `seq` (0: the initial state), or None if it takes another call to reach it.

        Raises:
            RunStateError: The events do not fit the graph.
        """
        count = bisect_right(self._settled, seq)
        return self._known[count] if count in self._known or self._replay(count) else None

    def _replay(self, count: int) -> bool:
        """Move a replay towards the state after `count` settled events; return True if it got there."""
        near = max((one for one in self._replays if one.count <= count), key=_count, default=None)
        position = near or _Position(Replay(self._run.plan, self._run.initial, rules=rules_of(self._run.events)))
        # The replay leaves the list while it moves: if its events do not fit the graph, it raises and is discarded.
        self._replays = sorted((one for one in self._replays if one is not near), key=_count)[-2:]
        reached = self._advance(position, count)
        self._replays.append(position)
        return reached

    def _advance(self, position: _Position, count: int) -> bool:
        most = position.fed + AT_ONCE
        if not self._feed(position, count - _BEFORE, most):
            return False
        few = len(position.replay.scheduler.leaves()) <= _FEW
        for middle in range(min(position.count + 1, count) if few else count, count + 1):
            if not self._feed(position, middle, most):
                return False
            self._remember(position)
        return True

    def _feed(self, position: _Position, count: int, most: int) -> bool:
        """Feed events to a replay, none after event `most`; return True if it has seen `count` settled events."""
        if position.count >= count:
            return True
        events, end = self._run.events, min(self._settled[count - 1], most)
        while end < len(events) and is_decided(events[end]):
            end += 1
        position.replay.feed(events[position.fed : end])
        position.count, position.fed = bisect_right(self._settled, end), end
        return position.count >= count

    def _remember(self, position: _Position) -> None:
        self._known[position.count] = dict(position.replay.scheduler.state())
        if len(self._known) > _REMEMBERED:
            del self._known[next(count for count in self._known if count)]


@dataclass(slots=True)
class _Position:
    """A replay that was fed the first `fed` events, the first `count` settled events among them."""

    replay: Replay
    count: int = 0
    fed: int = 0


def _count(position: _Position) -> int:
    return position.count


class StateHistory:
    """The steps of a run, and its state after any event, as the state panel reads them."""

    def __init__(self, run: RunRecord) -> None:
        self._steps = Steps(run)
        self._states = States(run, self._steps)

    @property
    def seq(self) -> int:
        """The last event folded."""
        return self._steps.seq

    @property
    def steps(self) -> Sequence[Step]:
        """The steps up to that event, in the order of their events."""
        return self._steps.all

    @property
    def keys(self) -> Mapping[str, int]:
        """The index of each key of the state, in the order of their first writes."""
        return self._steps.keys

    @property
    def reduced(self) -> Collection[str]:
        """The keys whose value may differ from what a step wrote, because a reducer combines them."""
        return self._steps.folded

    def fold(self) -> None:
        """Fold the next events of the run, at most `AT_ONCE`."""
        self._steps.fold()

    def at(self, seq: int) -> dict[str, Any] | None:
        """Return the state after event `seq`; see `States.at`."""
        return self._states.at(seq)
