"""The steps of a run: what each completion wrote to the state, and the state as it stood at any moment.

Rule: steps are folded from the events alone; what the state was is known by replay only, and only when somebody asks.
Both go a bounded number of events on at each call, so that a run with a million behind it goes on meanwhile.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.engine.ownership import without
from nbflow.engine.record import RunRecord
from nbflow.engine.replay import Replay, is_decided, outcome_of
from nbflow.events import Event, Kind
from nbflow.values.equality import same

SET, CHANGED, ADDED = 0, 1, 2
"""How a step wrote a key: for the first time, anew, or onto what was there."""

AT_ONCE = 2_000
"""Events folded, and events replayed, at one call."""
_EDGES = (Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN)
_ENDS = (Kind.NODE_COMPLETE, Kind.NODE_SKIPPED)
_KEPT, _BEFORE = 160, 64  # states
_FEW = 50  # firings side by side, of which each has a state of its own


@dataclass(slots=True)
class Step:
    """One completion that wrote something, `node` None for an edit by a person; `wrote` by key the update itself.

    `marks` tell by key how it was written; `time` is seconds since the epoch, `visit` counts the node's completions.
    """

    seq: int
    time: float
    node: str | None
    visit: int
    wrote: Mapping[str, Any]
    marks: dict[str, int] = field(default_factory=dict)


class Steps:
    """The fold of a run's events into steps; `keys` are in the order of their first writes, the initial ones first.

    `seq` is the last event folded. `folded` are the keys whose value may be another than what was written; `settled`
    the events, by seq, that a replay is fed with: all those after which the state may be another.
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
        """Take in what has happened since the last time, as far as one call goes."""
        for event in self._run.events[self.seq : self.seq + AT_ONCE]:
            self.seq = event.seq
            if outcome_of(event) is not None:
                self.settled.append(event.seq)
            if event.kind in _EDGES:
                self._routed(event)
            else:
                self._close()
                self._open = self._step(event)
        # What is decided together with a completion is told in the same turn, so nothing more belongs to it.
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
        step, told = self._open, event.data.get("type") == "error" and event.kind is Kind.EDGE_TAKEN
        if step is not None and told and event.node == step.node and "error" not in step.wrote:
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
    """Return whether a list begins with all that another one holds, as far as its first and last items tell."""
    if not (type(before) is type(after) is list and 0 < len(before) < len(after)):
        return False
    return same(before[0], after[0]) and same(before[-1], after[len(before) - 1])


class States:
    """The state of a run after any of the events that its steps are folded from, by replay.

    Three replays go on from where they were: one that keeps up with a live run, and for looking back one of the moment
    shown and one of that to fork at, as these are asked for in turn. Only to go back further than that a replay begins
    anew. The states just before its goal are kept, as people look back stepwise.
    """

    def __init__(self, run: RunRecord, steps: Steps) -> None:
        self._run, self._settled = run, steps.settled
        self._known: dict[int, dict[str, Any]] = {0: dict(run.initial)}
        self._replays: list[_Going] = []

    def at(self, seq: int) -> dict[str, Any] | None:
        """Return the state after event `seq`, 0 is before the first; None where it takes another call to get there.

        Raises:
            RunStateError: The events do not fit the graph.
        """
        count = bisect_right(self._settled, seq)
        return self._known[count] if count in self._known or self._replay(count) else None

    def _replay(self, count: int) -> bool:
        """Bring a replay towards where `count` events have changed the state; return whether it is there."""
        near = max((one for one in self._replays if one.count <= count), key=_count, default=None)
        going = near or _Going(Replay(self._run.plan, self._run.initial))
        # One that the events do not fit is not gone on with.
        self._replays = sorted((one for one in self._replays if one is not near), key=_count)[-2:]
        there = self._go_on(going, count)
        self._replays.append(going)
        return there

    def _go_on(self, going: _Going, count: int) -> bool:
        most = going.fed + AT_ONCE
        if not self._bring(going, count - _BEFORE, most):
            return False
        few = len(going.replay.scheduler.leaves()) <= _FEW
        for middle in range(min(going.count + 1, count) if few else count, count + 1):
            if not self._bring(going, middle, most):
                return False
            self._keep(going)
        return True

    def _bring(self, going: _Going, count: int, most: int) -> bool:
        """Feed a replay until `count` events have changed the state, or up to event `most`; return whether it is so."""
        if going.count >= count:
            return True
        events, end = self._run.events, min(self._settled[count - 1], most)
        while end < len(events) and is_decided(events[end]):
            end += 1
        going.replay.feed(events[going.fed : end])
        going.count, going.fed = bisect_right(self._settled, end), end
        return going.count >= count

    def _keep(self, going: _Going) -> None:
        self._known[going.count] = dict(going.replay.scheduler.state())
        if len(self._known) > _KEPT:
            del self._known[next(count for count in self._known if count)]


@dataclass(slots=True)
class _Going:
    """A replay that was fed the first `fed` events, of which `count` may have changed the state."""

    replay: Replay
    count: int = 0
    fed: int = 0


def _count(going: _Going) -> int:
    return going.count
