"""What of a stretch of events can still be seen at its end, where nodes ran again and again within it.

Rule: whoever takes the steps of a stretch in their order ends where folding each of its events would. Of a node that
began several visits only the last is folded; of those before it count how many they were, how long they took, and how
often each edge was taken. A node whose visits were more than a start, an end and its routing is folded in full.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from nbflow.engine.journal import Entry
from nbflow.events import Kind
from nbflow.scheduler.plan import EdgePlan, NodePlan
from nbflow.view.fold import RunView
from nbflow.view.nodes import NodeState

# Members of an enum are told by identity, as these come a hundred thousand times.
_START, _COMPLETE, _TAKEN, _UNTAKEN = Kind.NODE_START, Kind.NODE_COMPLETE, Kind.EDGE_TAKEN, Kind.EDGE_UNTAKEN
_PROGRESS = Kind.NODE_PROGRESS
_SAID = (Kind.NODE_OUTPUT, _PROGRESS)
Step = tuple[int, Callable[[], None] | None]
"""What is to be done at the place of an entry; None is to fold its event."""
Last = Mapping[NodePlan, int]
"""Where the last visit began of each node whose earlier ones are left out."""


class Stretch:
    """The places of a journal's entries, sorted, up to the first that is of the run itself; `length` is how many."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._starts: defaultdict[NodePlan, list[int]] = defaultdict(list)
        self._ends: defaultdict[NodePlan, list[int]] = defaultdict(list)
        self._taken: defaultdict[EdgePlan, list[int]] = defaultdict(list)
        self._untaken: defaultdict[EdgePlan, list[int]] = defaultdict(list)
        self._others: list[int] = []
        self.length = self._sort()

    def _sort(self) -> int:
        starts, ends, taken = self._starts, self._ends, self._taken
        for place, entry in enumerate(self._entries):
            kind = entry[0]
            if kind is _TAKEN:
                taken[entry[2].edge].append(place)
            elif kind is _START:
                starts[entry[2].node].append(place)
            elif kind is _COMPLETE:
                ends[entry[2].node].append(place)
            elif kind is _UNTAKEN:
                self._untaken[entry[2].edge].append(place)
            elif entry[2] is None:
                return place
            else:
                self._others.append(place)
        return len(self._entries)

    def steps(self, view: RunView) -> list[Step]:
        """Return what brings a view from the beginning of the stretch to its end, in order."""
        last = self._last_starts(view)
        steps = [*self._visits(view, last), *self._routes(view, last), *self._rest(last)]
        # What stands for events that are left out comes before the event whose place it has.
        steps.sort(key=lambda step: (step[0], step[1] is None))
        return steps

    # -- nodes

    def _last_starts(self, view: RunView) -> Last:
        eventful = {self._path(place) for place in self._others if self._entries[place][0] not in _SAID}
        return {
            node: places[-1]
            for node, places in self._starts.items()
            if len(places) > 1 and node.id not in eventful and self._is_plain(node, places)
            if self._are_over(view.nodes[node.id], node, places)
        }

    def _path(self, place: int) -> str:
        of = self._entries[place][2]
        return of if isinstance(of, str) else str(of.name)

    def _is_plain(self, node: NodePlan, places: Sequence[int]) -> bool:
        return not node.composite and self._entries[places[0]][2].run.parent is None

    def _are_over(self, state: NodeState, node: NodePlan, places: Sequence[int]) -> bool:
        """Return whether each visit before the last was a first attempt that completed before the last began."""
        if state.kept or state.asked or node not in self._ends:
            return False
        # An attempt that is not the first follows one that is still open here, or an event that makes it eventful.
        if state.firings and any(self._entries[place][3] > 1 for place in places):
            return False
        return len(state.firings) + len(places) - 1 == bisect_left(self._ends[node], places[-1])

    def _visits(self, view: RunView, last: Last) -> Iterator[Step]:
        for node, places in self._starts.items():
            if node in last:
                over = self._ends[node][: bisect_left(self._ends[node], last[node])]
                yield places[-2], partial(self._pass_over, view, view.nodes[node.id], len(places) - 1, over)
                places = places[-1:]
            yield from _folded(places)
        for node, places in self._ends.items():
            yield from _folded(places[bisect_left(places, last.get(node, 0)) :])

    def _pass_over(self, view: RunView, node: NodeState, visits: int, ends: Sequence[int]) -> None:
        node.pass_over(visits, [self._entries[place] for place in ends])
        view.edges.settle(node)

    # -- edges

    def _routes(self, view: RunView, last: Last) -> Iterator[Step]:
        for edge, places in self._taken.items():
            yield from self._takes(view, edge, places, last) if edge.source in last else _folded(places)
        for edge, places in self._untaken.items():
            yield from _folded(places[self._left_out(edge, places, last) :])

    def _takes(self, view: RunView, edge: EdgePlan, places: Sequence[int], last: Last) -> Iterator[Step]:
        state = view.edges.of(edge.definition)
        # The first time may mark other edges as left out, and what enters a loop begins its count anew.
        first = 0 if state.count else 1
        upto = 0 if view.edges.enters_loop(state) else self._left_out(edge, places, last)
        if upto > first:
            rounds = self._rounds(view, edge, places, upto) if state.line.back else None
            yield places[upto], partial(view.edges.pass_over, state, upto - first, rounds)
            places = [*places[:first], *places[upto:]]
        yield from _folded(places)

    @staticmethod
    def _left_out(edge: EdgePlan, places: Sequence[int], last: Last) -> int:
        """Return how many of an edge's choices nobody can see: those before the last, of visits that are left out."""
        return min(bisect_left(places, last.get(edge.source, 0)), len(places) - 1)

    def _rounds(self, view: RunView, edge: EdgePlan, places: Sequence[int], upto: int) -> int | None:
        """Return how often an edge that closes a loop was taken since the loop was entered, None if it was not here."""
        entered = [
            others[at - 1]
            for other, others in self._taken.items()
            if other.target is edge.target and view.edges.enters_loop(view.edges.of(other.definition))
            if (at := bisect_left(others, places[upto]))
        ]
        return upto - bisect_left(places, max(entered)) if entered else None

    # -- the rest

    def _rest(self, last: Last) -> Iterator[Step]:
        """Yield what nodes said and what makes them eventful; progress is seen while a visit lasts."""
        begun = {node.id: place for node, place in last.items()}
        for place in self._others:
            if self._entries[place][0] is not _PROGRESS or place > begun.get(self._path(place), -1):
                yield place, None


def _folded(places: Iterable[int]) -> Iterator[Step]:
    return ((place, None) for place in places)
