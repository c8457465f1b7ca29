"""The lanes of a timeline, the pieces of time in their tracks, and the groups of lanes.

A track is one row of a lane. A page holds a copy of the pieces and requests the changes after the event it has seen
(`since`). For that, every change is appended to one list with the `seq` of its event; a piece that changes again leaves
an outdated item behind, which is skipped because `Piece.changed` no longer equals its `seq`.

A node may fire a million times, but a screen has about a thousand pixels. When a track exceeds `TRACK` pieces, those
within each stretch of 4/TRACK of its time are merged into one, which counts the attempts it replaces and has the kind
that matters most (`_BY_WEIGHT`). That leaves at most about half of the pieces, so merging costs amortised constant time
for a piece. Pages must then clear the track and get its pieces again, so the merge is recorded as a reset of the track.

Invariant: a track holds at most `TRACK` pieces, however often its node runs.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbflow.events import Event
from nbflow.graph import END, GraphDefinition, NodeDefinition
from nbflow.graph.traversal import dominators
from nbflow.view.outline import Outline, kind_of, outline
from nbflow.view.panels.critical_path import Hop

TRACK = 1024
"""The most pieces of one track."""
_BY_WEIGHT = ("queued", "backoff", "cached", "completed", "skipped", "waiting", "cancelled", "failed")
_WEIGHT = {kind: weight for weight, kind in enumerate(_BY_WEIGHT)}


@dataclass(slots=True, eq=False)
class Piece:
    """A span of time in a track: an attempt, or the queueing, backoff or waiting of a firing.

    Attributes:
        kind: `running`, then the status that the attempt ended with; or `queued`, `backoff`, `waiting`.
        begin: When it started, in seconds of the run, at event `seq`.
        end: When it ended, at event `end_seq`; None while it lasts.
        visit: The number of the firing among those of its node, from 1; for an item of a map, its index.
        count: The number of attempts in the piece: 0 or 1, more once pieces were merged.
        changed: The event of its last change; 0 if the piece was merged into another.
    """

    id: int
    lane: int
    row: int
    kind: str
    begin: float
    seq: int
    visit: int
    attempt: int
    end: float | None = None
    end_seq: int | None = None
    count: int = 1
    changed: int = 0

    def as_row(self) -> list[int | float | str | None]:
        """Return the piece in the page's protocol.

        `[id, lane, row, kind, begin, end or None, seq, end seq or None, visit, attempt, count]`.
        """
        end = None if self.end is None else round(self.end, 6)
        row: list[int | float | str | None] = [self.id, self.lane, self.row, self.kind, round(self.begin, 6), end]
        return [*row, self.seq, self.end_seq, self.visit, self.attempt, self.count]


class Tracks:
    """All pieces of a run."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[int, int], list[Piece]] = {}
        self._changes: list[tuple[int, Piece]] = []
        self._reset: dict[tuple[int, int], int] = {}
        self._made = 0

    @property
    def merged(self) -> bool:
        """True if any pieces were merged."""
        return bool(self._reset)

    def begin(self, kind: str, at: tuple[int, int], time: float, seq: int, visit: int, attempt: int) -> Piece:
        """Add an open piece to the track `at`, a lane's number and a row; return it."""
        return self._add(Piece(self._next(), *at, kind, time, seq, visit, attempt, count=int(kind == "running")), seq)

    def add_queue(self, at: tuple[int, int], since: tuple[float, int], until: tuple[float, int], visit: int) -> None:
        """Add the time for which a firing was queued, once it starts; `since` and `until` are (seconds, seq)."""
        self._add(Piece(self._next(), *at, "queued", *since, visit, 1, *until, count=0), until[1])

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _add(self, piece: Piece, seq: int) -> Piece:
        at = piece.lane, piece.row
        track = self._tracks.setdefault(at, [])
        track.append(piece)
        self._touch(piece, seq)
        if len(track) > TRACK:
            self._coarsen(at, piece.end or piece.begin, seq)
        return piece

    def end(self, piece: Piece, kind: str, time: float, seq: int) -> None:
        """Close a piece and set its final kind."""
        piece.kind, piece.end, piece.end_seq = kind, time, seq
        self._touch(piece, seq)

    def since(self, after: int, most: int, upto: int) -> tuple[list[Piece], list[tuple[int, int]], int]:
        """Return the changed pieces, the tracks to clear before adding them, and the event that these go up to.

        Args:
            after: The event up to which the page has all changes.
            most: The number of pieces to return; pieces that changed at the same event stay together.
            upto: The last event of the run.
        """
        at = bisect_right(self._changes, after, key=lambda change: change[0])
        found: dict[int, Piece] = {}
        reached = after
        for seq, piece in self._changes[at:]:
            if len(found) >= most and seq != reached:
                upto = reached
                break
            reached = seq
            if piece.changed == seq:
                found[piece.id] = piece
        resets = [track for track, seq in self._reset.items() if after < seq <= upto]
        return list(found.values()), resets, upto

    def _touch(self, piece: Piece, seq: int) -> None:
        piece.changed = seq
        self._changes.append((seq, piece))

    def _coarsen(self, at: tuple[int, int], now: float, seq: int) -> None:
        track = self._tracks[at]
        merged = _merged(track, (now - track[0].begin) * 4 / TRACK)
        for piece in track:
            piece.changed = 0
        self._tracks[at] = merged
        self._reset[at] = seq
        for piece in merged:
            self._touch(piece, seq)
        self._changes = [(when, piece) for when, piece in self._changes if piece.changed == when]


def _merged(pieces: Iterable[Piece], grain: float) -> list[Piece]:
    """Return the pieces, with neighbours within `grain` seconds merged into one; open pieces are not merged."""
    merged: list[Piece] = []
    last: Piece | None = None
    for piece in pieces:
        if last is None or piece.end is None or piece.end - last.begin > grain:
            merged.append(piece)
            last = None if piece.end is None else piece
            continue
        heavier = max(last.kind, piece.kind, key=_WEIGHT.__getitem__)
        last.kind, last.end, last.end_seq = heavier, max(last.end or 0.0, piece.end), piece.end_seq
        last.count += piece.count
    return merged


# The lanes of a timeline: one for each node of the graph, and for each node of a subgraph once it has events.
#
# Invariant: lanes have the order of the definitions and are numbered as they are added; those of a subgraph are added
# at the first event inside it. Items of a map are rows of their node's lane.

ROWS = 48
"""The most rows of one lane; firings that find no free row share the last."""
_ITEM = re.compile(r"\[\d+\]")


@dataclass(slots=True, eq=False)
class Lane:
    """The lane of one node.

    Attributes:
        number: Its index among all lanes.
        path: The node's path, without indexes of items.
        parent: The number of the lane of the subgraph that contains it; -1 in the outermost graph.
        seq: The event at which it was added; 0 for the outermost graph.
        opened: True once the lanes of its subgraph were added.
        runs: The number of times the node started.
        left_changed: The event at which `left` last changed.
    """

    number: int
    path: str
    parent: int
    kind: str
    seq: int
    definition: NodeDefinition
    opened: bool = False
    runs: int = 0
    left: tuple[float, int, str] | None = None
    """The time, event and condition of the choice that left the node out; None once the node is reached."""
    left_changed: int = 0
    _busy: set[int] = field(default_factory=set)

    def take_row(self, first: int) -> int:
        """Reserve the lowest free row from `first` on, and return it."""
        row = next((at for at in range(first, ROWS) if at not in self._busy), ROWS)
        self._busy.add(row)
        return row

    def free_row(self, row: int) -> None:
        """Release a row."""
        self._busy.discard(row)

    def leave(self, left: tuple[float, int, str] | None, seq: int) -> None:
        """Record that a choice left the node out, or with None that the node was reached after all."""
        if left is not None or self.left is not None:
            self.left, self.left_changed = left, seq


class Lanes:
    """The lanes of one run, in `all` by number."""

    def __init__(self, graph: GraphDefinition, subgraphs: Mapping[str, GraphDefinition]) -> None:
        self._subgraphs = subgraphs
        self._by_path: dict[str, Lane] = {}
        self.all: list[Lane] = []
        self._add(graph, "", -1, 0)

    def find(self, path: str, seq: int) -> Lane | None:
        """Return the lane of a node's path, or None if the graphs have no such node.

        Adds the lanes of subgraphs on the path, as of event `seq`.
        """
        lane = self._by_path.get(path)
        if lane is not None:
            return lane
        plain = _ITEM.sub("", path)
        outside, inside, _ = plain.rpartition("/")
        parent = self.find(outside, seq) if inside else None
        if parent is not None and not parent.opened:
            parent.opened = True
            inner = self._subgraphs.get(parent.definition.graph or "")
            if inner is not None:
                self._add(inner, f"{parent.path}/", parent.number, seq)
        return self._by_path.get(plain)

    def since(self, after: int, upto: int) -> Iterator[Lane]:
        """Yield the lanes added after event `after` up to event `upto`; with `after` 0 also the initial ones."""
        return (lane for lane in self.all if (after < lane.seq <= upto) or not (after or lane.seq))

    def _add(self, graph: GraphDefinition, prefix: str, parent: int, seq: int) -> None:
        for node in graph.nodes:
            path = prefix + node.node_id
            lane = self._by_path[path] = Lane(len(self.all), path, parent, kind_of(node), seq, node)
            self.all.append(lane)


# The firings of a timeline, and the keys that assign events to them.
#
# Invariant: a key is computed from one event alone; a field that the event lacks is None in the key.

Key = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class Firing:
    """One firing of a node, or one item of a map.

    Attributes:
        path: The node's path in the run.
        lane: The lane that it is drawn in, in row `row`.
        visit: The number of the firing among those of its node, from 1; for an item, its index.
        hop: The firing as a step of critical paths.
        outside: The firing of the map or subgraph that contains it, if any.
        item: True for an item of a map.
        has_row: True while its row is reserved.
        attempt: The number of the current attempt, from 1.
        piece: The open piece of its current attempt or backoff; None between them.
        question: The open piece of its waiting for a person.
        questions: The number of its open questions.
    """

    path: str
    lane: Lane
    row: int
    visit: int
    hop: Hop
    outside: Firing | None
    item: bool
    has_row: bool = True
    attempt: int = 1
    piece: Piece | None = None
    question: Piece | None = None
    questions: int = 0

    @property
    def track(self) -> tuple[int, int]:
        """The track that it is drawn in: the lane's number and the row."""
        return self.lane.number, self.row

    @property
    def outermost(self) -> bool:
        """True if its node belongs to the outermost graph and it is not an item of a map."""
        return self.lane.parent < 0 and not self.item


def key_of(event: Event) -> Key:
    """Return the key of an event's firing or item, unique in its run: path, scope, firing number, item index."""
    data = event.data
    return event.node, data.get("scope", ""), data.get("firing"), data.get("item")


def beside(event: Event) -> str:
    """Return the path of an edge's target node, from the event of the edge."""
    outside, inside, _ = (event.node or "").rpartition("/")
    return f"{outside}{inside}{event.data.get('to')}"


def index_of(path: str) -> int:
    """Return the index of the item that a path ends with, `[7]`; 0 if it is not a number."""
    index = path[path.rfind("[") + 1 : -1]
    return int(index) if index.isdecimal() else 0


# Group the nodes of a large graph, so that a timeline can show each group as one lane until it is opened.
#
# A group is the region between a parallel split and its join, if no edge enters the region from outside: a
# single-entry single-exit region. The split must be the immediate dominator of the join, and the join the immediate
# dominator of the split in the reversed graph (its post-dominator):
#
#     split --> a --> b --> join          after split: a, b, c
#           +-> c --------+
#
# If the regions leave too many lanes, or the graph is too large to search for them, nodes are grouped by stage instead:
# those with the same longest distance from the start, without maps.
#
# Invariant: groups do not overlap, and none has more than half of the nodes. Of nested regions the largest within that
# limit is chosen.

FEW = 24
"""The largest graph without groups."""
MANY = 80
"""The most lanes, with groups closed, for which regions are used; with more, nodes are grouped by stage."""
EXACT = 400
"""The largest graph that is searched for regions."""

Groups = list[tuple[str, list[str]]]
"""The name of each group, and its nodes in the order of the definition."""


def groups_of(graph: GraphDefinition) -> Groups:
    """Return the groups of a graph, ordered by their first nodes; empty for a graph of at most `FEW` nodes."""
    if len(graph.nodes) <= FEW:
        return []
    shape = outline(graph)
    if len(graph.nodes) <= EXACT:
        found = _regions(shape)
        if len(graph.nodes) - sum(len(nodes) - 1 for _, nodes in found) <= MANY:
            return found
    return _stages(shape)


def _stages(shape: Outline) -> Groups:
    ranks: dict[int, list[str]] = {}
    for name in shape.order:
        if shape.kinds[name] != "map":
            ranks.setdefault(shape.rank[name], []).append(name)
    return [(f"stage {rank + 1}", nodes) for rank, nodes in ranks.items() if len(nodes) > 1]


def _regions(shape: Outline) -> Groups:
    """Return the regions between splits and their joins: the outermost with at most half of the nodes."""
    onward = _onward(shape)
    order = sorted(shape.order, key=shape.rank.__getitem__)
    into: dict[str, list[str]] = {}
    for name in order:
        for target in onward[name]:
            into.setdefault(target, []).append(name)
    before = dominators([name for name in order if name not in into], onward)
    back = {name: into.get(name, []) for name in order}
    behind = dominators([name for name in order if not onward[name]], back)
    between = {}
    for split in shape.splits:
        join = behind[split]
        if join and before[join] == split:
            between[split] = _between(split, join, onward)
    taken: set[str] = set()
    found = []
    index = {name: number for number, name in enumerate(shape.order)}
    for split, nodes in sorted(between.items(), key=lambda one: (-len(one[1]), index[one[0]])):
        if 1 < len(nodes) <= len(index) // 2 and not nodes & taken:
            taken |= nodes
            found.append((f"after {split}", sorted(nodes, key=index.__getitem__)))
    return sorted(found, key=lambda group: index[group[1][0]])


def _onward(shape: Outline) -> dict[str, Sequence[str]]:
    """Return the successors of each node, without loops; edges to END are ignored, so they do not break up a region."""
    return {
        name: list(dict.fromkeys(line.target for line in lines if not line.back and line.target != END))
        for name, lines in shape.out.items()
    }


def _between(split: str, join: str, onward: dict[str, Sequence[str]]) -> set[str]:
    seen = {split, join}
    work = [split]
    while work:
        for target in onward[work.pop()]:
            if target not in seen:
                seen.add(target)
                work.append(target)
    return seen - {split, join}
