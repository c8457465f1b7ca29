"""Errors of conditions: the column, the problem, the known names, the cause."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from nbflow.conditions import compile_condition
from nbflow.errors import ConditionError


class Sized:
    """A container whose special methods run code."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("no elements today")


ERRORS: list[tuple[str, dict[str, Any], int, str, type[BaseException] | None]] = [
    (
        "total > 1 and x",
        {"totals": 1},
        1,
        "'total' is not in the state, which has totals; did you mean 'totals'?",
        None,
    ),
    ("a and b", {"a": 1}, 7, "'b' is not in the state, which has a", None),
    ("x", {}, 1, "'x' is not in the state, which has none", None),
    ("state['x']", {"a": 1}, 7, "'x' is not in the state, which has a", None),
    ("state[a]", {"a": "x"}, 7, "'x' is not in the state, which has a", None),
    ("u.agee > 1", {"u": {"age": 1}}, 3, "'agee' is not in this dict, which has age; did you mean 'age'?", None),
    ("u['agee']", {"u": {"age": 1}}, 3, "'agee' is not in this dict", None),
    ("xs[3]", {"xs": [1]}, 4, "IndexError: list index out of range", IndexError),
    ("a or 1 / n", {"a": 0, "n": 0}, 6, "ZeroDivisionError", ZeroDivisionError),
    ("a or 1 / 0", {"a": 0}, 6, "ZeroDivisionError", ZeroDivisionError),
    ("a and n < 'x'", {"a": 1, "n": 3}, 7, "TypeError: '<' not supported", TypeError),
    ("a and n < m", {"a": 1, "n": 3, "m": "x"}, 7, "TypeError: '<' not supported", TypeError),
    ("a and df", {"a": 1, "df": pd.DataFrame({"a": [1]})}, 1, "ValueError: The truth value of a DataFrame", ValueError),
    ("df > 1 and a", {"a": 1, "df": pd.DataFrame({"a": [1]})}, 1, "ValueError: The truth value", ValueError),
    ("len(n)", {"n": 3}, 1, "TypeError", TypeError),
    ("a and min(xs)", {"a": 1, "xs": []}, 7, "ValueError", ValueError),
    ("10.0 ** n", {"n": 999}, 1, "OverflowError", OverflowError),
    ("sum(xs)", {"xs": Sized()}, 1, "'sum' would call __iter__ of Sized", None),
    ("{xs: 1}", {"xs": []}, 1, "TypeError: ", TypeError),
    ("d[k]", {"d": {}, "k": 10**5000}, 3, "a value of type int is not in this dict, which has none", None),
]


@pytest.mark.parametrize(("text", "state", "column", "message", "cause"), ERRORS, ids=[row[0] for row in ERRORS])
def test_an_error_has_the_column_the_problem_and_its_cause(
    text: str, state: dict[str, Any], column: int, message: str, cause: type[BaseException] | None
) -> None:
    condition = compile_condition(text)

    with pytest.raises(ConditionError) as raised:
        condition.evaluate(state)

    assert raised.value.problem.startswith(message)
    assert (raised.value.source, raised.value.column) == (text, column)
    assert type(raised.value.__cause__) is (cause or type(None))


def test_a_missing_name_is_named_without_columns_in_code_objects_too() -> None:
    code = "from nbflow.conditions import compile_condition as c; c('b or a').evaluate({'b': 0})"

    command = [sys.executable, "-X", "no_debug_ranges", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)

    assert "ConditionError: 'a' is not in the state, which has b" in done.stderr


def test_a_key_error_of_a_predicate_is_not_taken_for_a_missing_name() -> None:
    def failing(value: object) -> bool:
        raise KeyError("n")

    with pytest.raises(ConditionError, match="KeyError: 'n'") as raised:
        compile_condition("a and failing(a)", {"failing": failing}).evaluate({"a": 1})

    assert raised.value.column == 7
    assert isinstance(raised.value.__cause__, KeyError)


def test_a_keyboard_interrupt_in_a_predicate_is_not_caught() -> None:
    def stopped() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_condition("stopped()", {"stopped": stopped}).evaluate({})


def test_an_unknown_function_is_an_error_that_lists_those_known() -> None:
    with pytest.raises(ConditionError, match=r"'relevnt' is no function .* round, relevant; did you mean 'relevant'"):
        compile_condition("relevnt(n)", {"relevant": bool})


def test_a_predicate_cannot_take_the_name_of_a_built_in_function() -> None:
    with pytest.raises(ConditionError, match="the predicate 'len' has the name of a built-in function"):
        compile_condition("len(n)", {"len": bool})


def test_an_async_predicate_is_refused_for_its_coroutine_would_always_be_true() -> None:
    async def later() -> bool:
        return False

    with pytest.raises(ConditionError, match="is async"):
        compile_condition("later()", {"later": later})


def test_a_condition_that_is_not_a_text_is_refused() -> None:
    with pytest.raises(ConditionError, match="a condition is text, not int"):
        compile_condition(3)  # type: ignore[arg-type]
