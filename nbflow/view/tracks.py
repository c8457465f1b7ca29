"""The pieces of a timeline, kept in tracks (a row of a lane) and told in the order in which they last changed.

Rule: a track holds a bounded number of pieces however often its node runs. When it is full, neighbours closer together
than the eye parts become one piece that counts them, and whoever has the track is told to forget it and given it anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

TRACK = 1024
"""Pieces a track may hold."""
_BY_WEIGHT = ("queued", "backoff", "cached", "completed", "skipped", "waiting", "cancelled", "failed")
_WEIGHT = {kind: weight for weight, kind in enumerate(_BY_WEIGHT)}


@dataclass(slots=True, eq=False)
class Piece:
    """Something that took time, in seconds of the run; `end` is None while it lasts.

    `kind` is `running` or what became of it, or `queued`, `backoff` or `waiting`. `visit` counts a node's firings from
    1, of a map's items it is the index; `count` says how many tries this one stands for.
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

    def told(self) -> list[int | float | str | None]:
        """Return the piece as the page reads it."""
        end = None if self.end is None else round(self.end, 6)
        told: list[int | float | str | None] = [self.id, self.lane, self.row, self.kind, round(self.begin, 6), end]
        return [*told, self.seq, self.end_seq, self.visit, self.attempt, self.count]


class Tracks:
    """All pieces of a run."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[int, int], list[Piece]] = {}
        self._changes: list[tuple[int, Piece]] = []
        self._reset: dict[tuple[int, int], int] = {}
        self._made = 0

    @property
    def merged(self) -> bool:
        """Whether there are pieces that stand for several."""
        return bool(self._reset)

    def begin(self, kind: str, at: tuple[int, int], time: float, seq: int, visit: int, attempt: int) -> Piece:
        """Add a piece to the track `at`, a lane's number and a row; it lasts."""
        return self._add(Piece(self._next(), *at, kind, time, seq, visit, attempt, count=int(kind == "running")), seq)

    def add_queue(self, at: tuple[int, int], since: tuple[float, int], until: tuple[float, int], visit: int) -> None:
        """Add that a firing was queued, which is known only when it starts; times are (seconds, seq)."""
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
        """Say that a piece is over, and what became of it."""
        piece.kind, piece.end, piece.end_seq = kind, time, seq
        self._touch(piece, seq)

    def since(self, after: int, most: int, upto: int) -> tuple[list[Piece], list[tuple[int, int]], int]:
        """Return what changed after an event: some `most` pieces, the tracks to forget before, and up to which event.

        Args:
            after: The event up to which all is known.
            most: How many pieces; those that changed at one event stay together.
            upto: The last event there is.
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
        kept = _joined(track, (now - track[0].begin) * 4 / TRACK)
        for piece in track:
            piece.changed = 0
        self._tracks[at] = kept
        self._reset[at] = seq
        for piece in kept:
            self._touch(piece, seq)
        self._changes = [(when, piece) for when, piece in self._changes if piece.changed == when]


def _joined(pieces: Iterable[Piece], grain: float) -> list[Piece]:
    """Return the pieces with those of each stretch of `grain` seconds as one; what lasts stays by itself."""
    kept: list[Piece] = []
    last: Piece | None = None
    for piece in pieces:
        if last is None or piece.end is None or piece.end - last.begin > grain:
            kept.append(piece)
            last = None if piece.end is None else piece
            continue
        heavier = max(last.kind, piece.kind, key=_WEIGHT.__getitem__)
        last.kind, last.end, last.end_seq = heavier, max(last.end or 0.0, piece.end), piece.end_seq
        last.count += piece.count
    return kept
