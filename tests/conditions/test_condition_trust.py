"""A condition runs no code of classes in the state, and compares a shared part once; usual values work."""

from __future__ import annotations

import enum
import weakref
from collections import ChainMap, Counter, UserDict, UserList, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from nbflow.conditions import compile_condition
from nbflow.errors import ConditionError

METHODS = [
    "__eq__", "__ne__", "__lt__", "__gt__", "__hash__", "__bool__", "__len__", "__iter__", "__contains__", "__getitem__",
    "__add__", "__radd__", "__mod__", "__neg__", "__abs__", "__round__", "__index__", "__float__", "__class__",
    "__getattribute__",
]  # fmt: skip


def called(*_: object) -> Any:
    """Stand in for a method that never returns."""
    raise AssertionError("a method of a user's class was called")


def hostile(method: str, *bases: type) -> type:
    made: Any = property(called) if method == "__class__" else called
    extra = {"__hash__": object.__hash__} if method == "__eq__" else {}
    return type("Hostile", bases, {method: made, **extra})


def problem(text: str, **state: Any) -> str:
    """Return the reason for the refusal of a condition, or the text of its truth."""
    try:
        return str(compile_condition(text).evaluate(state)[0])
    except ConditionError as error:
        return error.problem


OPERATIONS = [
    "v == 3", "3 == v", "v == w", "w == v", "v != w", "v < w", "v >= 1", "v in w", "v in [1, 2]", "1 in v", "v in state",
    "len(v) > 1", "min(v) > 1", "max(1, v)", "sum(v) > 1", "any(v)", "all(v)", "any(vs)", "sum(vs)", "max(vs)",
    "abs(v)", "round(v)", "round(1.5, v)", "v", "not v", "v or w", "w and v", "v + 1", "1 + v", "v * w", "v - 1", "v % 2",
    "v // 1", "v ** 2", "v << 1", "v & 1", "-v", "~v", "v[0]", "v.a", "w[v]", "xs[v]", "d[v]", "{v: 1}", "state[v]",
    "vs == ws", "vs in [ws]", "d == e", "v in d", "keys == keys2", "1 in values", "nested == other",
]  # fmt: skip


@pytest.mark.parametrize("base", [(), (int,), (str,), (list,), (dict,)], ids=["plain", "int", "str", "list", "dict"])
@pytest.mark.parametrize("method", METHODS)
def test_no_operation_calls_a_method_of_a_class_in_the_state(method: str, base: tuple[type, ...]) -> None:
    kind = hostile(method, *base)
    v = object.__new__(kind) if not base else base[0].__new__(kind)
    d, e = {"a": v}, {"a": kind.__new__(kind)}
    state = {
        "v": v, "w": [1, 2], "xs": [1], "vs": [1, v], "ws": [1, kind.__new__(kind)], "d": d, "e": e, "keys": d.items(),
        "keys2": e.items(), "values": d.values(), "nested": [[SimpleNamespace(a=v)]],
        "other": [[SimpleNamespace(a=kind.__new__(kind))]],
    }  # fmt: skip
    for text in OPERATIONS:
        assert "AssertionError" not in problem(text, **state), text


def test_a_refusal_names_the_method_the_class_and_the_cure() -> None:
    told = problem("v == w", v=hostile("__eq__")(), w=1)

    assert told == (
        "'==' would call __eq__ of Hostile, and a condition runs no code of a class; register a predicate for it"
    )


def test_a_class_without_special_methods_is_compared_by_identity() -> None:
    thing = type("Thing", (), {"__init__": lambda self: None, "__repr__": called})()

    assert problem("v == v2 and v in vs and v is not None and v", v=thing, v2=thing, vs=[thing]) == "True"


def test_an_object_may_be_compared_with_none_and_passed_to_a_predicate() -> None:
    condition = compile_condition("v is not None and ok(v)", {"ok": lambda value: True})

    assert condition.evaluate({"v": hostile("__eq__")()})[0]


def endless() -> Iterator[int]:
    while True:
        yield 1


class Zone(tzinfo):
    utcoffset = dst = tzname = called


class Lying(dict[str, int]):
    __contains__ = called


HIDDEN: list[tuple[str, Callable[[Any], Any]]] = [
    ("v == w", lambda v: np.array([v], dtype=object)),
    ("any(v == 1)", lambda v: pd.Series([v], dtype=object)),
    ("v == 1", lambda v: pd.DataFrame({"a": [v]})),
    ("1 in v", lambda v: np.array([v], dtype=object)),
    ("v == w", lambda v: UserList([v])),
    ("1 in v", lambda v: UserDict({v: 1})),
    ("v.a", lambda v: ChainMap({"b": 1}, Lying(a=1))),
    ("v.a", lambda v: MappingProxyType(Lying(a=1))),
    ("v == w", lambda v: deque([v])),
    ("v == w", lambda v: (1, frozenset([(v,)]))),
    ("v == w", lambda v: slice(v)),
    ("v == w", lambda v: Point(1, v)),
    ("v == w", lambda v: Named(1, v)),
    ("v == w", lambda v: Model(x=1, y=v)),
]


@dataclass
class Point:
    """A dataclass that compares its fields."""

    x: int
    y: Any


class Named(NamedTuple):
    """A tuple with names."""

    x: int
    y: Any


class Model(BaseModel):
    """A model that compares its fields."""

    x: int
    y: Any


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1
    BLUE = 2


@pytest.mark.parametrize(("text", "holder"), HIDDEN, ids=range(len(HIDDEN)))
def test_the_parts_of_a_value_are_checked_too(text: str, holder: Callable[[Any], Any]) -> None:
    kind = hostile("__eq__")

    told = problem(text, v=holder(kind()), w=holder(kind()))

    assert "would call __" in told or "not compared" in told


def test_proxies_generators_and_times_in_zones_of_a_users_class_are_refused() -> None:
    target = hostile("__eq__")()

    assert "would call" in problem("v == w", v=weakref.proxy(target), w=target)
    assert "a size" in problem("1 in v", v=endless())
    assert "a time in a Zone" in problem("v < w", v=datetime(2024, 1, 1, tzinfo=Zone()), w=datetime.now(UTC))


def nested(depth: int, kind: Callable[[list[Any]], Any] = list) -> Any:
    value: Any = kind([1])
    for _ in range(depth):
        value = kind([value, value])
    return value


@pytest.mark.parametrize("text", ["x == y", "x < y", "x in [y, y]", "x in ys", "max(x, y)", "max(ys)", "d == e"])
def test_deeply_nested_shared_lists_are_refused_without_an_endless_comparison(text: str) -> None:
    x, y = nested(40), nested(40)

    told = problem(text, x=x, y=y, ys=[y, x], d={"a": x}, e={"a": y})

    assert "the same few over and over" in told


def test_deeply_nested_shared_tuples_are_refused_as_keys() -> None:
    assert "the same few over and over" in problem("x in d or d[x]", x=nested(40, tuple), d={1: 2})


def test_shared_lists_of_small_depth_or_with_a_small_value_are_compared() -> None:
    assert problem("x == y", x=nested(8), y=nested(8)) == "True"
    assert problem("x == 1 or x == [] or x == [1]", x=nested(40)) == "False"


USUAL: list[tuple[str, dict[str, Any]]] = [
    ("p == q and p.x == 1 and p.y == [1, 2]", {"p": Point(1, [1, 2]), "q": Point(1, [1, 2])}),
    ("p == q and p.x == 1 and p", {"p": Model(x=1, y="a"), "q": Model(x=1, y="a")}),
    ("p == q and p < r and p in [q, r] and p[0] == 1", {"p": Named(1, 2), "q": Named(1, 2), "r": Named(2, 1)}),
    ("c == d and c in [d] and c != e", {"c": Colour.RED, "d": Colour.RED, "e": Colour.BLUE}),
    ("a < b and b - a == gap and a in [a, b]", {"a": datetime(2024, 1, 1), "b": datetime(2024, 1, 2), "gap": timedelta(1)}),
    ("a == b", {"a": datetime(2024, 1, 1, tzinfo=UTC), "b": datetime(2024, 1, 1, tzinfo=UTC)}),
    ("price > 2 and price in prices and sum(prices) == 5", {"price": Decimal("2.5"), "prices": [Decimal("2.5")] * 2}),
    ("f * 2 == 1 and max(f, g) == g", {"f": Fraction(1, 2), "g": Fraction(3, 4)}),
    ("p == q and u == u2", {"p": PurePosixPath("a"), "q": PurePosixPath("a"), "u": UUID(int=1), "u2": UUID(int=1)}),
    ("d == e and 'a' in d and d.a == [1] and len(d) == 1 and d", {"d": {"a": [1]}, "e": {"a": [1]}}),
    ("c.a == 2 and u.a == 1 and m.a == 1 and 'b' not in m", {
        "c": Counter("aa"), "u": UserDict(a=1), "m": ChainMap({}, {"a": 1}),
    }),
    ("s == t and 1 in s and f == s and len(s) == 2", {"s": {1, 2}, "t": {2, 1}, "f": frozenset({1, 2})}),
    ("'a' in d.values and k", {"d": {"values": {"x": "a"}.values()}, "k": {"x": 1}.keys()}),
    ("n < 4 and n in ns and max(ns) == n and n + 1 == 4 and -n < 0", {"n": np.int64(3), "ns": [np.int64(3), 1]}),
    ("2 in a and len(a) == 3 and a[0] == 1 and max(a) == 3 and any(a == 2)", {"a": np.array([1, 2, 3])}),
    ("any(f['s'] == 'x') and len(f) == 2", {"f": pd.DataFrame({"s": ["x", "y"]})}),
    ("q == r and 1 in q and q[0] == 1", {"q": deque([1, 2]), "r": deque([1, 2])}),
    ("n == m", {"n": SimpleNamespace(a=1), "m": SimpleNamespace(a=1)}),
    ("r == s and 3 in r and len(r) == 5 and max(r) == 4", {"r": range(5), "s": range(5)}),
    ("b == c and 97 in b and len(b) == 2", {"b": b"ab", "c": b"ab"}),
    ("len(state) == 2 and 'n' in state and state == state and state['n'] == 1", {"n": 1, "m": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "state"), USUAL, ids=[text for text, _ in USUAL])
def test_usual_values_work(text: str, state: dict[str, Any]) -> None:
    assert problem(text, **state) == "True"


def test_is_and_an_operator_bind_as_in_python() -> None:
    text = "(n < n < n is not None + z is not None) not in xs"

    assert problem(text, n=3, z=0, xs=[3, 1, 2]) == "True"
    assert problem("n is not None + z", n=3, z=0).startswith("TypeError: unsupported operand")
    assert problem("n is z + 1", n=1, z=0) == "'is' is for None, True and False; write =="
