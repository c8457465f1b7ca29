"""Large JSON is read and measured in pieces, with the same result as one call of the standard library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.server import large_json
from nbflow.server.large_json import is_large, read_json, size

MANY = 20_000
LARGE: dict[str, Any] = {
    "empty lists": [[]] * MANY,
    "lists in lists": [[[1, [2, []]]] * 3] * 3_000,
    "records": [{"a": n, "b": [1, {"c": 'x"]}'}], "d": {"e": {}}} for n in range(3_000)],
    "numbers": [n / 7 for n in range(MANY)],
    "long numbers": [10**40] * 3_000,
    "texts": ['a "quoted" \\ text, with [brackets] {too}'] * 3_000,
    "one text": "é" * 100_000,
    "keys": {f"key {n}": None for n in range(MANY)},
    "long lists": [[True] * MANY, {"x": [False] * MANY}],
    "deep": [[[[[[[[list(range(MANY))]]]]]]]],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5),
    max_leaves=40,
)


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", LARGE)
def test_large_json_is_read_and_measured_as_the_standard_library_does(name: str, indent: int | None) -> None:
    value = LARGE[name]
    texts: list[str] = []

    assert is_large(value)
    assert read_json(json.dumps(value, indent=indent).encode()) == value
    assert size(value, texts.append) == len(written(value).encode("utf-8", "surrogatepass"))
    assert name == "one text" or max(map(len, texts)) < 3 * large_json.PIECE


@given(JSON)
def test_any_json_is_read_and_measured_alike_in_pieces(value: Any) -> None:
    reader = large_json._Reader(json.dumps(value, indent=2))
    reader._may_fail = 0  # each window fails

    measure = large_json._Measure(lambda _: None)
    try:
        measure.add(value)
    except UnicodeEncodeError:
        return

    assert reader.read() == value
    assert measure.size == len(written(value).encode())


@given(st.text(alphabet='[]{}",:1e.-tn \\u', max_size=12))
def test_invalid_json_is_refused_in_pieces_too(part: str) -> None:
    text = f"[{'[],' * MANY}{part}]"

    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            read_json(text.encode())
    else:
        assert read_json(text.encode()) == expected


def test_an_error_names_the_position_in_the_whole_text() -> None:
    text = f'{{"a": [{"[1, {}], " * MANY}nothing]}}'

    with pytest.raises(json.JSONDecodeError) as error:
        read_json(text.encode())

    assert error.value.pos == text.index("nothing")


@pytest.mark.parametrize("depth", [20_000, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(RecursionError):
        read_json(("[" * depth + " " * large_json.LARGE + "]" * depth).encode())


def test_many_deep_chains_take_linear_time() -> None:
    chain = "[" * 400 + "1," * 12_000 + "1" + "]" * 400  # the windows of a piece contain no complete chain
    text = f"[{','.join([chain] * 20)}]"

    assert read_json(text.encode()) == json.loads(text)
