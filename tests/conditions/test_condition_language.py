"""The meaning of conditions: values, reads, names, short circuits, truth."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, UserDict, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from nbflow.conditions import compile_condition
from nbflow.errors import ConditionError


class Layers(Mapping[str, Any]):
    """A state that is a mapping but not a dict."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Model(BaseModel):
    age: int = 3
    tags: list[str] = ["a"]

    @property
    def secret(self) -> int:
        raise AssertionError("a property ran")


@dataclasses.dataclass
class Plain:
    age: int = 3
    fixed: int = dataclasses.field(default=7, init=False)

    def method(self) -> int:
        raise AssertionError("a method ran")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("__getattr__ ran")


@dataclasses.dataclass(slots=True)
class Slotted:
    age: int = 3


def truth(text: str, **state: Any) -> bool:
    return compile_condition(text).evaluate(state)[0]


def reads(text: str, **state: Any) -> dict[str, Any]:
    return compile_condition(text).evaluate(state)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n < 10", True),
        ("n <= 2", False),
        ("1 < n < 5", True),
        ("1 < n > 5", False),
        ("n == 3 and s != 'x'", True),
        ("n == 3 AND NOT (s == 'x' OR n > 4)", True),
        ("(n + 1) * 2 - 3 == 5 and 7 // 2 == 3 and 7 % 4 == 3 and 2 ** 3 == 8 and 1 / 2 == 0.5", True),
        ("-n == -3 and +n == 3 and ~n == -4", True),
        ("n & 1 == 1 and n | 4 == 7 and n ^ 1 == 2 and n << 1 == 6 and n >> 1 == 1", True),
        ("'a' in s and 'z' not in s and n in [1, 2, 3] and n not in (4, 5)", True),
        ("n in xs and 'k' in d and 9 not in xs", True),
        ("xs[0] == 1 and xs[-1] == 3 and d['k'] == 5 and d.k == 5 and s[0] == 'a'", True),
        ("true and not false and nothing is null and nothing is None and n is not null", True),
        ("[n, 2] == [3, 2] and (n, 2) == (3, 2) and {'a': n} == {'a': 3} and () == ()", True),
        ("len(xs) == 3 and min(xs) == 1 and max(1, n) == 3 and sum(xs) == 6 and abs(-n) == 3", True),
        ("any(xs) and not all([0, n]) and round(2.567, 1) == 2.6 and round(2.5) == 2", True),
        ("s * 2 == 'abab' and s + 'c' == 'abc' and xs + [4] == [1, 2, 3, 4]", True),
        ("'it\\'s' == \"it's\" and '\\n' != 'n' and '\\u00e9' == 'é'", True),
        ("1_000 == 1e3 and 0x10 == 16 and .5 == 0.5 and 1. == 1", True),
    ],
)
def test_a_condition_has_the_value_that_python_gives_it(text: str, expected: bool) -> None:
    state = {"n": 3, "s": "ab", "xs": [1, 2, 3], "d": {"k": 5}, "nothing": None}

    assert compile_condition(text).evaluate(state)[0] is expected


def test_operator_words_inside_strings_and_after_dots_are_unchanged() -> None:
    assert truth("'a AND b' == s and d.AND == 1 and 'NOT' != 'not'", s="a AND b", d={"AND": 1})


def test_line_ends_tabs_no_break_spaces_and_a_byte_order_mark_are_white_space() -> None:
    assert truth("\ufeff n\n<\r\n\t10\u00a0and\n n > 1\n", n=3)


def test_reads_are_the_values_read_in_the_order_of_the_first_read() -> None:
    condition = compile_condition("(x and b) or c and b")

    assert list(condition.evaluate({"x": 0, "b": 1, "c": 2})[1].items()) == [("x", 0), ("c", 2), ("b", 1)]
    assert list(condition.evaluate({"x": 1, "b": 1})[1].items()) == [("x", 1), ("b", 1)]


def test_a_comparison_stops_reading_at_its_first_false_link() -> None:
    assert reads("1 < a < b < c", a=0) == {"a": 0}
    assert reads("1 < a < b < c", a=2, b=1) == {"a": 2, "b": 1}
    assert reads("1 < a < b < c", a=2, b=3, c=4) == {"a": 2, "b": 3, "c": 4}


def test_a_read_is_named_by_its_whole_path() -> None:
    state = {"user": {"age": 3, "tags": ["a"]}, "rows": [{"n": 1}], "i": 0, "my-key": 7}

    text = "user.age == 3 and user['tags'][0] == 'a' and rows[i].n == 1 and state['my-key'] == 7 and state.i == 0"

    assert compile_condition(text).evaluate(state) == (
        True,
        {"user.age": 3, "user['tags'][0]": "a", "i": 0, "rows[i].n": 1, "my-key": 7},
    )


def test_a_name_is_read_only_when_reached() -> None:
    assert truth("a or b", a=1)
    assert not truth("a and b", a=0)
    assert truth("not ('error' in state) or state['error'].type == 'X'", a=0)


def test_a_name_read_as_none_counts_as_read() -> None:
    assert reads("a or b or true", a=None, b=None) == {"a": None, "b": None}


def test_names_are_the_keys_a_condition_names() -> None:
    condition = compile_condition(
        "n > len(xs) and state['my-key'] and state.z.q or user.age and f('w') or 'k' in state", {"f": len}
    )

    assert condition.names == {"n", "xs", "my-key", "z", "user"}
    assert condition.source.startswith("n > len(xs)")


def test_state_is_the_whole_state() -> None:
    state = Layers(a=1, **{"my-key": 2, "state": 5}, which="a")

    evaluate = compile_condition("'a' in state and 'q' not in state and len(state) == 4").evaluate

    assert evaluate(state) == (True, {})
    assert compile_condition("state['my-key'] == 2 and state['state'] == 5 and state[which] == 1").evaluate(state) == (
        True,
        {"my-key": 2, "state": 5, "which": "a", "state[which]": 1},
    )


def test_a_state_needs_only_the_four_methods_of_a_mapping() -> None:
    class Duck:
        def keys(self) -> list[str]:
            return ["n"]

        def __contains__(self, key: object) -> bool:
            return key == "n"

        def __iter__(self) -> Iterator[str]:
            return iter(["n"])

        def __getitem__(self, key: str) -> int:
            return {"n": 3}[key]

    evaluate = compile_condition("n == 3 and 'n' in state and state.n == 3 and 'x' not in state or x").evaluate

    assert evaluate(Duck()) == (True, {"n": 3})  # type: ignore[arg-type]


def test_a_dot_is_a_key_of_a_dict_even_where_dicts_have_a_method_of_the_name() -> None:
    assert truth("d.items == 3 and d.keys.values == 4", d={"items": 3, "keys": {"values": 4}})
    with pytest.raises(ConditionError, match="'items' is not in this dict, which has a"):
        truth("d.items", d={"a": 1})


def test_reads_work_for_the_standard_mappings_and_never_create_a_key() -> None:
    made, proxy = defaultdict(int, {"a": 1}), MappingProxyType({"a": 1})

    assert truth(
        "u.a == 1 and o.a == 1 and p.a == 1 and m.a == 1", u=UserDict(a=1), o=OrderedDict(a=1), p=proxy, m=made
    )
    with pytest.raises(ConditionError, match="would call __getitem__ of Layers"):
        truth("l.a", l=Layers(a=1))
    with pytest.raises(ConditionError, match="'b' is not in this defaultdict"):
        truth("m.b", m=made)
    assert dict(made) == {"a": 1}


@pytest.mark.parametrize("kind", [Model, Plain, Slotted])
def test_a_dot_reads_only_declared_fields(kind: type) -> None:
    value = kind()

    assert truth("v.age == 3", v=value)
    for name in ("secret", "method", "model_dump", "nope", "_x"):
        with pytest.raises(ConditionError, match=f"'{name}' is not in this {type(value).__name__}, which has age"):
            truth(f"v.{name}", v=value)


def test_a_field_hidden_by_a_property_is_read_from_the_instance() -> None:
    class Hiding(Plain):
        @property
        def fixed(self) -> int:
            raise AssertionError("a property ran")

        @fixed.setter
        def fixed(self, value: int) -> None:
            pass

    assert truth("v.fixed == 7", v=Plain())
    with pytest.raises(ConditionError, match="'fixed' of this Hiding has no stored value"):
        truth("v.fixed", v=Hiding())


@pytest.mark.parametrize("value", [3, "text", [1], object(), pd.DataFrame({"a": [1]}), Layers, len])
def test_a_dot_on_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ConditionError, match="not attributes"):
        truth("v.real", v=value)


def test_truths_of_numpy_and_pandas_scalars_work() -> None:
    assert truth("t and not f and n > 2 and x < 1", t=np.True_, f=np.False_, n=np.int64(3), x=np.float32(0.5))
    assert truth(
        "col['a'][0] == 1 and max(col['a']) == 2 and 2 in arr and arr[1] == 2",
        col=pd.DataFrame({"a": [1, 2]}),
        arr=np.array([1, 2]),
    )
    assert truth(
        "when < later and later - when == gap", when=pd.Timestamp(0), later=pd.Timestamp(5), gap=pd.Timedelta(5)
    )
    assert compile_condition("flag").evaluate({"flag": np.True_})[0] is True
    assert truth("price * 2 == 5 and price ** 2 > 6", price=Decimal("2.5"))


def test_sums_of_many_kinds_are_python_sums() -> None:
    assert truth(
        "sum(a) == 3 and sum(b) == 1.5 and sum(d) == 3 and sum(e) == 0",
        a=np.array([1, 2]),
        b=[1, 0.5],
        d={1: 0, 2: 0},
        e=[],
    )


def test_predicates_are_called_by_name_and_are_not_state_keys() -> None:
    condition = compile_condition("big(n, 2) and big", {"big": lambda n, least: n > least})

    assert condition.names == {"n", "big"}
    assert condition.evaluate({"n": 3, "big": True}) == (True, {"n": 3, "big": True})


def test_a_key_may_have_the_name_of_a_function() -> None:
    assert truth("len == 3 and len(xs) == 1", len=3, xs=[0])


def test_is_compares_with_the_three_constants_only() -> None:
    assert truth("a is None and b is True and c is not false", a=None, b=True, c=1)
    with pytest.raises(ConditionError, match="write ==") as raised:
        compile_condition("a is 3")
    assert raised.value.column == 6
