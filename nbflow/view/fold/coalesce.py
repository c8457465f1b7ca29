"""Coalesce repeated firings of nodes when a view catches up with many events at once.

A fast loop makes hundreds of thousands of events between two updates of the page, but the page shows of each node only
its last firing, plus a few sums: how often it ran, how long all firings took, how often each edge was taken. So of a
node that fired several times within a stretch of events, only the last firing is folded; one step adds the sums of the
firings before it:

    events    s e t  s e t  s e t  s e .          s start, e end, t edge taken
    steps     [ sums of 3 firings ] s e .

This is allowed only where it cannot be seen. A node is coalesced if each firing before its last was one start, one
completion and its routing; a retry, a failure, a question or an overlap with the last firing makes the page show more,
so such a node is folded event by event. Edges follow their source node, with two exceptions: the first time an edge is
taken it may mark the other edges of an exclusive choice, and an edge that enters a loop resets the loop's count.

Invariant: applying the steps of a stretch in order leaves the view in the same state as folding each of its events.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from nbflow.event_log import (
    CompletionRecord,
    EdgeTakenRecord,
    EdgeUntakenRecord,
    Record,
    StartRecord,
)
from nbflow.events import Event, Kind
from nbflow.scheduler.plan import EdgePlan, NodePlan
from nbflow.view.fold.nodes import NodeState
from nbflow.view.fold.run_view import RunView

_PROGRESS = Kind.NODE_PROGRESS
_HARMLESS = (Kind.NODE_OUTPUT, _PROGRESS)
"""Events that do not prevent coalescing; printed text is folded all the same."""
Step = tuple[int, Callable[[], None] | None]
"""The index of a record, and the update to make there; None: fold the record's event."""
Last = Mapping[NodePlan, int]
"""For each coalesced node the index of the record that starts its last firing."""


class Coalescer:
    """Consecutive records of an event log, indexed by node and edge, up to the first event of the run itself.

    Args:
        records: Records of the log; all indexes here count from the first of them.

    `length` is the number of records before the first event that belongs to no node, such as the end of the run.
    """

    def __init__(self, records: Sequence[Record | Event]) -> None:
        self._records = records
        self._starts: defaultdict[NodePlan, list[int]] = defaultdict(list)
        self._ends: defaultdict[NodePlan, list[int]] = defaultdict(list)
        self._taken: defaultdict[EdgePlan, list[int]] = defaultdict(list)
        self._untaken: defaultdict[EdgePlan, list[int]] = defaultdict(list)
        self._others: list[int] = []
        self.length = self._sort()

    def _sort(self) -> int:
        starts, ends, taken = self._starts, self._ends, self._taken
        for index, record in enumerate(self._records):
            if isinstance(record, EdgeTakenRecord):
                taken[record.command.edge].append(index)
            elif isinstance(record, StartRecord):
                starts[record.task.node].append(index)
            elif isinstance(record, CompletionRecord):
                ends[record.task.node].append(index)
            elif isinstance(record, EdgeUntakenRecord):
                self._untaken[record.command.edge].append(index)
            elif record.node is None:
                return index
            else:
                self._others.append(index)
        return len(self._records)

    def steps(self, view: RunView) -> list[Step]:
        """Return the steps, in order, that bring a view from the start of the stretch to its end."""
        last = self._last_starts(view)
        steps = [*self._visits(view, last), *self._routes(view, last), *self._rest(last)]
        # A step that sums up omitted events comes before the event at the same index.
        steps.sort(key=lambda step: (step[0], step[1] is None))
        return steps

    # -- nodes

    def _last_starts(self, view: RunView) -> Last:
        eventful = {self._path(index) for index in self._others if self._records[index].kind not in _HARMLESS}
        return {
            node: starts[-1]
            for node, starts in self._starts.items()
            if len(starts) > 1 and node.id not in eventful and self._is_plain(node, starts)
            if self._are_over(view.nodes[node.id], node, starts)
        }

    def _path(self, index: int) -> str:
        return self._records[index].node or ""

    def _start(self, index: int) -> StartRecord:
        record = self._records[index]
        assert isinstance(record, StartRecord)  # noqa: S101 - `_starts` has the indexes of such records
        return record

    def _is_plain(self, node: NodePlan, starts: Sequence[int]) -> bool:
        return not node.composite and self._start(starts[0]).task.run.parent is None

    def _are_over(self, state: NodeState, node: NodePlan, starts: Sequence[int]) -> bool:
        """Return True if each firing before the last was one attempt that completed before the last firing started."""
        if state.resumed or state.asked or node not in self._ends:
            return False
        # An attempt beyond the first either continues a firing that was open before the stretch, or follows an event
        # within it that made the node eventful.
        if state.firings and any(self._start(index).attempt > 1 for index in starts):
            return False
        return len(state.firings) + len(starts) - 1 == bisect_left(self._ends[node], starts[-1])

    def _visits(self, view: RunView, last: Last) -> Iterator[Step]:
        for node, starts in self._starts.items():
            if node in last:
                over = self._ends[node][: bisect_left(self._ends[node], last[node])]
                yield starts[-2], partial(self._add_visits, view, view.nodes[node.id], len(starts) - 1, over)
                starts = starts[-1:]
            yield from _folded(starts)
        for node, ends in self._ends.items():
            yield from _folded(ends[bisect_left(ends, last.get(node, 0)) :])

    def _add_visits(self, view: RunView, node: NodeState, visits: int, ends: Sequence[int]) -> None:
        completions = [self._records[index] for index in ends]
        node.add_visits(visits, [record for record in completions if isinstance(record, CompletionRecord)])
        view.edges.settle(node)

    # -- edges

    def _routes(self, view: RunView, last: Last) -> Iterator[Step]:
        for edge, taken in self._taken.items():
            yield from self._takes(view, edge, taken, last) if edge.source in last else _folded(taken)
        for edge, untaken in self._untaken.items():
            yield from _folded(untaken[self._omitted(edge, untaken, last) :])

    def _takes(self, view: RunView, edge: EdgePlan, taken: Sequence[int], last: Last) -> Iterator[Step]:
        state = view.edges.of(edge.definition)
        # Not omitted: the first time, which may mark other edges as untaken, and entries of a loop, which reset its
        # count.
        first = 0 if state.count else 1
        upto = 0 if view.edges.enters_loop(state) else self._omitted(edge, taken, last)
        if upto > first:
            rounds = self._rounds(view, edge, taken, upto) if state.line.back else None
            yield taken[upto], partial(view.edges.add_takes, state, upto - first, rounds)
            taken = [*taken[:first], *taken[upto:]]
        yield from _folded(taken)

    @staticmethod
    def _omitted(edge: EdgePlan, evaluated: Sequence[int], last: Last) -> int:
        """Return the number of evaluations of an edge to omit: those of omitted firings, except the last."""
        return min(bisect_left(evaluated, last.get(edge.source, 0)), len(evaluated) - 1)

    def _rounds(self, view: RunView, edge: EdgePlan, taken: Sequence[int], upto: int) -> int | None:
        """Return the count of a loop after the first `upto` times that its closing edge was taken.

        None if the loop was not entered within the stretch, so that its count is not reset.
        """
        entered = [
            others[at - 1]
            for other, others in self._taken.items()
            if other.target is edge.target and view.edges.enters_loop(view.edges.of(other.definition))
            if (at := bisect_left(others, taken[upto]))
        ]
        return upto - bisect_left(taken, max(entered)) if entered else None

    # -- the rest

    def _rest(self, last: Last) -> Iterator[Step]:
        """Yield all other events; the progress of omitted firings is left out, as the next firing clears it."""
        starts = {node.id: index for node, index in last.items()}
        for index in self._others:
            if self._records[index].kind is not _PROGRESS or index > starts.get(self._path(index), -1):
                yield index, None


def _folded(indexes: Iterable[int]) -> Iterator[Step]:
    return ((index, None) for index in indexes)
