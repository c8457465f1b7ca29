"""JSON within a size limit, and in pieces."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pytest

from nbflow.json_values import UNBOUNDED, WHOLE, Room, plain
from nbflow.json_values.pieces import json_text, pieces


@dataclass
class Pair:
    a: Any
    b: Any


def doubled(make: Any, times: int) -> Any:
    value = make(1, 2)
    for _ in range(times):
        value = make(value, value)
    return value


LARGE = {
    "nested lists": doubled(lambda a, b: [a, b], 60),
    "nested dicts": doubled(lambda a, b: {"a": a, "b": b}, 60),
    "nested objects": doubled(Pair, 60),
    "nested tuples": doubled(lambda a, b: (a, b), 60),
    "keys": {f"key {n}": n for n in range(100_000)},
    "pairs": {n: n for n in range(100_000)},
    "a text": "x" * 1_000_000,
    "escapes": "\0" * 1_000_000,
    "letters of three bytes": ["€" * 100] * 10_000,
    "numbers": [1.5] * 1_000_000,
    "sets": [frozenset({n}) for n in range(100_000)],
    "bytes": b"x" * 900_000,
}


@pytest.mark.parametrize("name", LARGE)
def test_json_in_a_room_is_near_its_size_and_marked_as_truncated(name: str) -> None:
    room = Room(10_000)

    written = json_text(plain(LARGE[name], None, replace(WHOLE, room=room)))

    assert room.short
    assert '"truncated":true' in written
    assert len(written.encode()) < 30_000


@pytest.mark.parametrize("value", [None, "é", [1, {"a": [2.5]}], {"type": "int"}, Pair(1, {2})])
def test_a_value_that_fits_into_a_room_is_complete(value: Any) -> None:
    room = Room(10_000)

    assert plain(value, None, replace(WHOLE, room=room)) == plain(value)
    assert not room.short


WRITTEN = [
    [{"n": n, "text": str(n)} for n in range(20_000)], {f"key {n}": [n] for n in range(50_000)}, 'é"\n' * 200_000,
    {"type": "int", "value": "x" * 500_000}, {1: "x" * 500_000}, (1, 2, "x" * 500_000), Pair([1] * 200_000, 2), [], {},
    float("nan"),
]  # fmt: skip


@pytest.mark.parametrize("value", WRITTEN, ids=range(len(WRITTEN)))
def test_the_pieces_together_equal_the_json_written_at_once(value: Any) -> None:
    assert "".join(pieces(value)) == json_text(plain(value, None, UNBOUNDED))


def test_a_value_of_endless_size_is_written_in_small_pieces() -> None:
    first = list(islice(pieces(doubled(lambda a, b: [a, b], 30)), 2))

    assert all(len(piece) < 1_000_000 for piece in first)
    assert "".join(first).startswith("[" * 30)


def test_the_pieces_of_a_record_equal_the_record_written_at_once() -> None:
    value = [Pair(n, {"text": "x" * 100}) for n in range(1_000)]

    assert "".join(pieces(Pair(value, value))) == json_text(plain(Pair(value, value), None, UNBOUNDED))


def test_a_record_of_endless_size_is_written_in_small_pieces() -> None:
    first = list(islice(pieces(doubled(Pair, 30)), 2))

    assert max(map(len, first)) < 500_000


def test_a_collection_of_another_class_of_endless_size_is_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbflow.json_values.pieces.MOST_AT_ONCE", 100_000)

    text = "".join(pieces(doubled(lambda a, b: deque([a, b]), 30)))

    assert len(text) < 300_000
    assert '"truncated":true' in text
