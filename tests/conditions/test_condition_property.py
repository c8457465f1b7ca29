"""For every safe expression a condition's truth is Python's own."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.conditions import compile_condition
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
# What conditions refuse though Python does it: bounds, and operations that Python gives a further meaning.
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
    except Exception as error:  # noqa: BLE001 - whatever Python raises, the condition has to
        expected = error

    if isinstance(expected, Exception):
        assert isinstance(truth, ConditionError)
    else:
        assert truth is expected
        assert all(reads[name] is STATE[name] for name in reads.keys() & STATE.keys())
