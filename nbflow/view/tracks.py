"""The pieces of a timeline by track, where a track is one row of a lane, and the order of their last changes.

A page holds a copy of the pieces and asks for the changes after the event it has seen (`since`). For that, every change
is appended to one list with the `seq` of its event; a piece that changes again leaves an outdated item behind, which is
skipped because `Piece.changed` no longer equals its `seq`.

A node may fire a million times, but a screen has about a thousand pixels. When a track exceeds `TRACK` pieces, those
within each stretch of 4/TRACK of its time are merged into one, which counts the attempts it replaces and has the kind
that matters most (`_BY_WEIGHT`). That leaves at most about half of the pieces, so merging costs amortised constant time
for a piece. Pages must then clear the track and get its pieces again, so the merge is recorded as a reset of the track.

Invariant: a track holds at most `TRACK` pieces, however often its node runs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

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
