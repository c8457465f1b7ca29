"""Conditions that are refused, the column of the refusal, and the bounds of an evaluation."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbflow.conditions import compile_condition
from nbflow.errors import ConditionError

HOSTILE = [
    ("().__class__.__bases__[0].__subclasses__()", 27),
    ("n > 0 and ().__class__", 14),
    ("n.__class__ == 1", 3),
    ("d.__dict__", 3),
    ("__import__('os').system('x')", 18),
    ("n and __builtins__", 7),
    ("\uff3f\uff3fclass__ == 1", 1),
    ("open('x')", 1),
    ("n > 0 and eval('1')", 11),
    ("s.upper()", 3),
    ("'{0.a}'.format(n)", 9),
    ("(len)(xs)(1)", 1),
    ("len(xs, 1)", 1),
    ("sum([[1]], [])", 1),
    ("min()", 1),
    ("max(xs, key=len)", 12),
    ("len(*xs)", 5),
    ("f(**d)", 5),
    ("[x for x in xs]", 4),
    ("any(x for x in xs)", 7),
    ("{k: 1 for k in d}", 7),
    ("lambda: 1", 1),
    ("n > 1 if n else 2", 7),
    ("f'{n}'", 1),
    ("n == rb'x'", 6),
    ("(m := 3)", 4),
    ("[*xs, 1]", 2),
    ("{**d}", 4),
    ("{1, 2}", 1),
    ("xs[0:2]", 4),
    ("xs[...]", 4),
    ("await n", 1),
    ("yield", 1),
    ("import os", 1),
    ("n; n", 2),
    ("n # c", 3),
    ("n \\\n > 3", 3),
    ("n @ n", 3),
    ("n = 3", 3),
    ("n && 3", 3),
    ("n || 3", 3),
    ("!n", 1),
    ("`n`", 1),
    ("$n", 1),
    ("1j > 2", 1),
    ("n > 0 and 9**9**9 > 1", 11),
    ("n ** 9 ** 9 ** 9", 6),
    ("1 + 2 ** 100000", 5),
    ('"a"*10**9', 1),
    ("n and [0]*10**9", 7),
    ("10**9*(0,)", 1),
    ("1 << 10**9", 1),
    ("10**2000 * 10**2000", 1),
    ("n and round(1, -10**9)", 7),
    ("'%999999999d' % n", 1),
    ("9" * 4000, 1),
    ("0x" + "f" * 5000, 1),
    ("n > " + "9" * 5000, None),
    ("(" * 10_000, 51),
    ("(" * 5_000 + ")" * 5_000, 51),
    ("[" * 60 + "]" * 60, 51),
    ("{1:" * 60 + "1" + "}" * 60, 151),
    ("len(" * 60 + "n" + ")" * 60, 204),
    ("not " * 2_000 + "n", 201),
    ("-" * 9_000 + "n", 51),
    ("~-+" * 100 + "n", 51),
    ("n**" * 200 + "n", 152),
    ("n<" * 400 + "n", 1),
    ("n+" * 400 + "n", 102),
    ("n*" * 400 + "n", 1),
    ("d" + ".a" * 400, None),
    ("d" + "[0]" * 300, None),
    ("n or " * 1_000 + "n", 2_501),
    ("n " * 6_000, 10_001),
    ("(n", 1),
    ("n)", 2),
    ("(n]", 3),
    ("'n", 1),
    ("n\0", 2),
    ("n == 'a\0b'", 8),
    (r"'\d' == n", 2),
    (r"'\777' == n", 2),
    (r"'\N{BULLET}' == n", 2),
    ("'''n'''", 1),
    ("n n", 3),
    ("'a' 'b'", 5),
    ("n +", 3),
    ("n not", 3),
    ("n.class", 3),
    ("n . class", 5),
    ("1.real", 1),
    ("0777 == n", None),
    ("", None),
    (" \n", None),
    ("*n", 1),
    ("n,*n", None),
    ("'\ud800' == n", None),
    ("\ud800", 1),
    ("ö == 1 and ö.__class__", 14),
    ("  n and\n  n.__class__", 13),
]


@pytest.mark.parametrize(("text", "column"), HOSTILE, ids=[repr(text[:30]) for text, _ in HOSTILE])
def test_hostile_text_is_refused_with_its_column(text: str, column: int | None) -> None:
    with pytest.raises(ConditionError) as raised:
        compile_condition(text, {"f": len})

    assert raised.value.source == text
    if column is not None:
        assert raised.value.column == column
    assert len(str(raised.value)) < 600


def test_text_at_the_bounds_is_read() -> None:
    assert compile_condition("(" * 48 + "n" + ")" * 48).evaluate({"n": 1})[0]
    assert compile_condition(" or ".join(["n"] * 400)).evaluate({"n": 0}) == (False, {"n": 0})
    assert compile_condition("n" + " " * 9_999).evaluate({"n": 1})[0]


def test_no_text_is_ever_evaluated_as_python() -> None:
    state = {"text": "__import__('os').getpid()", "d": {"__class__": 5}}

    assert compile_condition("text == \"__import__('os').getpid()\" and d['__class__'] == 5").evaluate(state)[0]


BOUNDED: list[tuple[str, dict[str, Any], str]] = [
    ("s * n", {"s": "x", "n": 10**9}, "1000000 characters"),
    ("n * s", {"s": b"x", "n": 10**9}, "1000000 characters"),
    ("xs * n", {"xs": [0], "n": 2}, "takes numbers"),
    ("xs * n", {"xs": (0,), "n": 2}, "takes numbers"),
    ("xs * n", {"xs": deque([0]), "n": 10**9}, "takes numbers"),
    ("a + a", {"a": "x" * 600_000}, "1000000 characters"),
    ("[a + a, a + a, a + a]", {"a": [0] * 200_000}, "1000000 characters"),
    ("n ** n", {"n": 10**9}, "10000 bits"),
    ("-2 ** n", {"n": 10**9}, "10000 bits"),
    ("n * n", {"n": 1 << 6000}, "10000 bits"),
    ("1 << n", {"n": 10**12}, "10000 bits"),
    ("n // 3", {"n": 1 << 20_000}, "10000 bits"),
    ("n % 3", {"n": 1 << 20_000}, "10000 bits"),
    ("f ** n", {"f": Fraction(3, 2), "n": 10**9}, "takes int, float"),
    ("round(3, n)", {"n": -(10**9)}, "300 digits"),
    ("round(d)", {"d": Decimal("1e99999999")}, "10000 bits"),
    ("s % n", {"s": "%999999999d", "n": 1}, "takes numbers"),
    ("sum(r)", {"r": range(10**12)}, "at most 1000000"),
    ("min(r)", {"r": range(10**12)}, "at most 1000000"),
    ("max(r)", {"r": range(10**12)}, "at most 1000000"),
    ("all(r)", {"r": range(1, 10**12)}, "at most 1000000"),
    ("any(r)", {"r": range(10**30)}, "too large"),
    ("'a' in r", {"r": range(10**12)}, "at most 1000000"),
    ("0.5 in r", {"r": range(10**12)}, "at most 1000000"),
    ("sum(g)", {"g": iter([1])}, "a size"),
    ("1 in g", {"g": iter([1])}, "a size"),
    ("any(g)", {"g": map(str, [1])}, "a size"),
    ("max(g)", {"g": zip([1], [2], strict=True)}, "a size"),
    ("a + b", {"a": np.ones((9, 1)), "b": np.ones(9)}, "takes numbers"),
    ("a < b", {"a": np.ones((9, 1)), "b": np.ones(9)}, "not compared"),
    ("a == b", {"a": np.ones((9, 1)), "b": [1] * 9}, "not compared"),
    ("a in b", {"a": np.ones((9, 1)), "b": [np.ones(9)]}, "not compared"),
    ("max(a, b)", {"a": np.ones((9, 1)), "b": np.ones(9)}, "single values"),
    ("sum(xs)", {"xs": [np.ones((9, 1)), np.ones(9)]}, "single values"),
    ("a - a", {"a": pd.Series([1, 1], index=[0, 0])}, "takes numbers"),
    ("a[b]", {"a": np.ones(3), "b": None}, "not indexed"),
    ("a[b]", {"a": object(), "b": 0}, "not indexed"),
    ("a & b", {"a": {1}, "b": {1}}, "takes integers"),
]


@pytest.mark.parametrize(("text", "state", "reason"), BOUNDED, ids=[f"{text} {reason}" for text, _, reason in BOUNDED])
def test_sizes_from_the_state_are_bounded_before_the_operation(text: str, state: dict[str, Any], reason: str) -> None:
    condition = compile_condition(f"true and {text}")

    with pytest.raises(ConditionError, match=reason) as raised:
        condition.evaluate(state)

    assert raised.value.column is not None
    assert raised.value.column >= 10


def test_a_refused_iterator_is_not_consumed() -> None:
    values = iter([1, 2])
    with pytest.raises(ConditionError):
        compile_condition("2 in values").evaluate({"values": values})

    assert list(values) == [1, 2]


def test_membership_in_a_range_of_any_length_is_exact() -> None:
    assert compile_condition("n in r and -1 not in r").evaluate({"n": 10**11, "r": range(10**12)})[0]


def test_each_evaluation_has_a_new_budget() -> None:
    condition = compile_condition("len(s + s) == 1000000")

    assert [condition.evaluate({"s": "x" * 500_000})[0] for _ in range(3)] == [True] * 3


def test_a_large_list_of_the_state_is_walked() -> None:
    assert compile_condition("sum(xs) == 0 and 0 in xs").evaluate({"xs": [0] * 1_500_000})[0]
