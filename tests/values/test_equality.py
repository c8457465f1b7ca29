"""Comparison of values: SEMANTICS rule 9."""

from __future__ import annotations

import datetime
from collections import OrderedDict, deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nbflow.values import own, same


@dataclass
class Odd:
    value: Any

    def __eq__(self, other: object) -> bool:
        raise AssertionError("no comparison asks a user's class")

    __hash__ = None  # type: ignore[assignment]


NAN = float("nan")
SAME = [
    (1, 1), ("a" * 100, "".join(["a"] * 100)), (NAN, -NAN), ([NAN], [float("nan")]), ({"a": [1]}, {"a": [1]}),
    (Odd([1]), Odd([1])), ({1, "a"}, {"a", 1}), (deque([1], 2), deque([1], 2)), (Decimal("1.0"), Decimal("1.0")),
    (complex(NAN, 0.0), complex(NAN, 0.0)), (bytearray(b"a"), bytearray(b"a")), (10**40, 10**40),
    (datetime.datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")), datetime.datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))),
]  # fmt: skip
DIFFERENT = [
    (1, 1.0), (1, True), (0, False), (0.0, -0.0), ([0.0], [-0.0]), ("1", 1), ((1,), [1]), ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1: 2}, {True: 2}), ({1}, {1.0}), (Odd([1]), Odd([2])), (deque([1], 2), deque([1])), (Decimal("1.0"), Decimal("1.00")),
    (OrderedDict(a=1), {"a": 1}), ([1, [2]], [1, [3]]), ([1], [1, 2]), (object(), object()), (b"a", bytearray(b"a")),
    (datetime.datetime(2026, 1, 1, fold=0), datetime.datetime(2026, 1, 1, fold=1)),
    (datetime.datetime(2026, 1, 1, 1, tzinfo=datetime.UTC),
     datetime.datetime(2026, 1, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME, ids=map(str, range(len(SAME))))
def test_values_of_one_type_and_the_same_parts_are_the_same(one: Any, other: Any) -> None:
    assert same(one, other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=map(str, range(len(DIFFERENT))))
def test_values_that_differ_in_anything_are_not(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)
    assert not same([[one]], [[other]])


def test_cycles_and_shared_parts_are_compared_in_bounded_time() -> None:
    bomb: list[Any] = [1]
    for _ in range(60):
        bomb = [bomb, bomb]
    ring: list[Any] = []
    ring.append(ring)

    assert same(bomb, own(bomb))
    assert same(ring, own(ring))
