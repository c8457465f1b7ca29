"""For every safe expression, a condition is true if and only if Python's result is true."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.conditions import compile_condition, parser
from nbflow.conditions.compiler import _read
from nbflow.errors import ConditionError

STATE: dict[str, Any] = {
    "n": 3,
    "z": 0,
    "x": 2.5,
    "t": True,
    "f": False,
    "s": "ab",
    "e": "",
    "xs": [3, 1, 2],
    "o": None,
}

_atoms = st.one_of(
    st.sampled_from([*STATE, "xs[0]", "xs[n]", "s[-1]", "()", "[]", "None", "True"]),
    st.integers(0, 99).map(str),
    st.floats(0, 99, allow_nan=False).map(repr),
    st.text(max_size=3).filter(lambda text: text.isprintable()).map(repr),
)


SIGNS = "+ - * / // % ** << >> & | ^ < <= > >= == != in and or".split()  # noqa: SIM905 - read as one line


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(SIGNS)
    return st.one_of(
        st.tuples(inner, binary, inner).map(" ".join),
        st.tuples(inner, binary, inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, st.sampled_from(["<", "==", ">="]), inner, st.sampled_from(["<", "!="]), inner).map(" ".join),
        st.tuples(st.sampled_from(["not ", "-", "+", "~", "- -"]), inner).map(lambda parts: f"({parts[0]}{parts[1]})"),
        inner.map(lambda value: f"({value}) not in xs"),
        st.sampled_from([*STATE]).map(lambda name: f"{name} is not None"),
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(inner, inner).map(lambda parts: f"{{{parts[0]}: {parts[1]}}}"),
        st.tuples(st.sampled_from(["len", "min", "max", "sum", "abs", "any", "all", "round"]), inner).map(
            lambda parts: f"{parts[0]}({parts[1]})"
        ),
    )


EXPRESSIONS = st.recursive(_atoms, _grown, max_leaves=8)
# Conditions refuse these though Python allows them: large results, and operations with a further meaning in Python.
NARROWER = (
    "would go beyond", "may make", "does not repeat lists", "takes numbers here", "takes integers here", "a literal",
    "takes a collection", "formats no text", "takes up to", "takes int, float",
)  # fmt: skip


@settings(max_examples=500)
@given(EXPRESSIONS)
def test_a_condition_agrees_with_python(text: str) -> None:
    truth: Any
    try:
        truth, reads = compile_condition(text).evaluate(STATE)
    except ConditionError as refused:
        if any(reason in refused.problem for reason in NARROWER):
            return
        truth, reads = refused, {}
    try:
        expected: Any = bool(eval(text, {"__builtins__": __builtins__}, STATE))
    except Exception as error:  # noqa: BLE001 - an error in Python must be an error of the condition
        expected = error

    if isinstance(expected, Exception):
        assert isinstance(truth, ConditionError)
    else:
        assert truth is expected
        assert all(reads[name] is STATE[name] for name in reads.keys() & STATE.keys())


PIECES = (
    "a", "user", "state", "true", "None", "not", "and", "or", "is", "in", "if", "__x", "µ", "0", "07", "1", "99999", ".5",
    "1.", "1e3", "'a'", '"b"', "'", '"', "\\", "''", " ", "  ", "==", "<", ">=", "!", "=", "-", "+", ".", ",", "(", ")", "[",
)  # fmt: skip
SIMPLE = st.sampled_from([
    "a", "user.age", "a.b.c", "true", "None", "1", "-2.5", "'it is'", '"or"', "a == 1", "a<b", "a.b is None",
    "not a", "not a.b>=-1", "a is not None", "state", "a.__b", "a.if", "not", "x.true", "is", "1 is None",
])  # fmt: skip
JOINED = st.lists(st.tuples(SIMPLE, st.sampled_from([" and ", " or ", "  and not ", "and", " "])), max_size=4)


@settings(max_examples=1_000)
@given(
    st.one_of(
        st.lists(st.sampled_from(PIECES), max_size=9).map("".join), JOINED.map(lambda p: "".join(sum(p, ()))), SIMPLE
    )
)
def test_a_text_recognised_by_one_expression_is_a_condition_that_reads_the_same_keys(text: str) -> None:
    names = parser.simple_names(text)
    if names is None:
        return

    def never(text: str) -> None:
        """Match no text, so that the full parser reads every text."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nbflow.conditions.compiler.simple_names", never)
        assert _read(text) == (names, frozenset())


def test_simple_conditions_are_recognised_by_one_expression() -> None:
    assert parser.simple_names("user.age >= 18 and not done or name != 'a b'") == {"user", "done", "name"}
    assert parser.simple_names("x is not None and y==-2.5") == {"x", "y"}
    assert parser.simple_names("len(x) > 3") is None
