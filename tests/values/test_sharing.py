"""Copies that share the unchanged parts of an older value: SEMANTICS rule 9."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.values import Compact, Snapshots, copy_sharing, expanded, own, same


@dataclass
class Message:
    role: str
    content: str


@dataclass
class Thread:
    messages: list[Any]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"message {n}"} for n in range(count)]


def leaves() -> st.SearchStrategy[Any]:
    return st.sampled_from([None, True, 1, 1.0, -0.0, 0.0, float("nan"), "a", b"a"])


def plain_values() -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
            | st.tuples(inner, inner)
            | st.builds(Message, st.just("user"), leaves())
            | st.builds(Thread, st.lists(inner, max_size=2))
        ),
        max_leaves=20,
    )


def shape(value: Any) -> list[Any]:
    """Return the contents of a value in order; a mutable part that occurs again is given by its number."""
    numbers: dict[int, int] = {}
    found: list[Any] = []
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | dict | Message | Thread):
            if id(part) in numbers:
                found.append(("again", numbers[id(part)]))
                continue
            numbers[id(part)] = len(numbers)
        found.append(type(part))
        if isinstance(part, dict):
            found.append(list(part))
            waiting += part.values()
        elif isinstance(part, list | tuple):
            found.append(len(part))
            waiting += part
        elif isinstance(part, Message | Thread):
            waiting += vars(part).values()
        else:
            found.append(repr(part))
    return found


@st.composite
def changed_values(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw a value and a second one built from its parts: some dropped, moved, repeated, changed or new."""
    pool = draw(st.lists(plain_values(), min_size=1, max_size=4))
    place = st.integers(0, len(pool) - 1)
    older = [pool[at] for at in draw(st.lists(place, max_size=5))]
    copies = own([pool, older])
    value = [*copies[1][: draw(st.integers(0, 5))], *(copies[0][at] for at in draw(st.lists(place, max_size=3)))]
    if draw(st.booleans()):
        value = [own(part) for part in value]  # parts that were one object are now separate
    for part in value:
        if isinstance(part, list) and draw(st.booleans()):
            part.append(draw(leaves()))
        elif isinstance(part, dict) and draw(st.booleans()):
            part["b"] = draw(leaves())
    if draw(st.booleans()):
        return {"x": value, "y": value}, {"x": older, "y": older}
    return value, older


@given(changed_values())
def test_a_copy_has_the_shape_of_the_value_and_shares_nothing_mutable_with_it(pair: tuple[Any, Any]) -> None:
    value, older = pair
    before = shape(older)

    copied = copy_sharing(value, older)

    assert same(copied, value)
    assert shape(copied) == shape(own(value))
    assert shape(older) == before
    value_parts = _parts(value)
    assert not [part for part in _parts(copied).values() if id(part) in value_parts]


EDITS = {
    "append": lambda value: value.append({"role": "user", "content": len(value)}),
    "append none": lambda value: value.append(None),
    "append nested": lambda value: value.append({"role": "user", "content": ["part"]}),
    "append twice": lambda value: value.extend([row := {"n": 1}, row]),
    "repeat the first": lambda value: value.append(value[0]),
    "change the first": lambda value: value[0].update(role="tool"),
    "change the last": lambda value: value[-1].update(content=True),
    "equal but of another type": lambda value: value[1].update(content=1.0),
    "nest the first": lambda value: value[0].update(content=[1]),
    "other keys": lambda value: value.__setitem__(2, dict(reversed(value[2].items()))),
    "other keys in place": lambda value: value[4].update(role=value[4].pop("role", None)),
    "rename a key": lambda value: value[5].update(text=value[5].pop("content", None)),
    "one row twice": lambda value: value.__setitem__(6, value[7]),
    "another row": lambda value: value.__setitem__(8, dict(value[8])),
    "move an entry": lambda value: value[3].update(more=value[2].pop("content", None)),
    "remove the last": lambda value: value.pop(),
    "nothing": lambda value: None,
}


@given(st.lists(st.lists(st.sampled_from(sorted(EDITS)), max_size=3), max_size=12), st.booleans())
def test_a_list_of_rows_is_copied_correctly_in_each_round_of_a_loop(rounds: list[list[str]], is_given: bool) -> None:
    snapshots = Snapshots()
    older: Any = [{"role": "user", "content": 1} for _ in range(12)]
    logged = []
    for edits in rounds:
        value, before = snapshots.copy(older), shape(older)
        snapshots.is_heavy(older)
        items = list(value) if is_given else None
        for edit in edits:
            with suppress(AttributeError, IndexError):  # the edit is of a row that an earlier edit has replaced
                EDITS[edit](value)

        copied = snapshots.copy_sharing(value, older, items)

        assert shape(copied) == shape(value)
        assert shape(older) == before
        assert not _parts(copied).keys() & _parts(value).keys()
        logged.append((snapshots.compact({"older": copied}), shape(copied)))
        older = copied

    assert [shape(expanded(values)["older"]) for values, _ in logged] == [was for _, was in logged]


def test_two_lists_that_grow_from_one_are_both_correct_in_a_log() -> None:
    snapshots = Snapshots()
    first = snapshots.copy_sharing([*rows(9), {"n": 0}], rows(9))

    both = [snapshots.copy_sharing([*own(first), {"n": n}, {"n": n}], first) for n in (1, 2)]
    logged = [snapshots.compact({"rows": each}) for each in (first, *both)]

    assert [expanded(each)["rows"] for each in logged] == [first, *both]
    assert [type(each) for each in logged] == [Compact] * 3


def _parts(value: Any) -> dict[int, Any]:
    found: dict[int, Any] = {}
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | dict | Message | Thread) and id(part) not in found:
            found[id(part)] = part
            waiting += (
                part if isinstance(part, list) else (part.values() if isinstance(part, dict) else vars(part).values())
            )
        elif isinstance(part, tuple):
            waiting += part
    return found


@pytest.mark.parametrize("count", [3, 30])
@pytest.mark.parametrize("function", [copy_sharing, Snapshots().copy_sharing], ids=["alone", "in a run"])
def test_the_messages_of_a_list_that_grew_are_shared(count: int, function: Callable[[Any, Any], Any]) -> None:
    older = rows(count)
    value = [*own(older), {"role": "tool", "content": "new"}]

    copied = function(value, older)

    assert all(one is other for one, other in zip(copied, older, strict=False))
    assert copied[-1] is not value[-1]
    assert copied is not older
    assert len(older) == count


def test_records_and_nested_lists_that_did_not_change_are_shared() -> None:
    older = {"chat": [Message("user", "a"), {"parts": [{"text": "b"}]}], "n": 1}
    value = own(older)
    value["chat"].append(Message("tool", "c"))

    copied = copy_sharing(value, older)

    assert [one is other for one, other in zip(copied["chat"], older["chat"], strict=False)] == [True, True]


def test_a_row_that_occurs_twice_in_the_new_list_stays_one_row() -> None:
    older = rows(20)
    value = own(older)
    value.append(value[0])

    copied = copy_sharing(value, older)

    assert copied[-1] is copied[0] is older[0]


@pytest.mark.parametrize("count", [1, 10])
def test_rows_that_were_one_and_are_now_separate_stay_separate(count: int) -> None:
    row = {"n": 1}
    older: list[Any] = [row, row] * count
    value: list[Any] = [{"n": 1} for _ in range(2 * count)] + [None]

    copied = copy_sharing(value, older)

    assert len(set(map(id, copied))) == 2 * count + 1


@pytest.mark.parametrize(
    "row", [{"n": True}, {"n": 1.0}, {"n": 1, "m": 2}, {"m": 1}, {1: 1}], ids=["bool", "float", "more", "key", "keys"]
)
def test_a_row_that_only_looks_the_same_is_copied(row: dict[Any, Any]) -> None:
    older = [{"n": 1} for _ in range(20)]
    value = [*own(older[:-1]), row, {"n": 2}]

    copied = copy_sharing(value, older)

    assert same(copied, value)


def test_the_order_of_a_rows_keys_counts() -> None:
    older = [{"a": 1, "b": 2} for _ in range(20)]
    value = [{"b": 2, "a": 1} for _ in range(20)] + [{}]

    assert list(copy_sharing(value, older)[0]) == ["b", "a"]


def test_a_cycle_in_either_value_ends() -> None:
    older: list[Any] = [1]
    older.append(older)
    value: list[Any] = [1, 2]
    value[1] = value

    copied = copy_sharing(value, older)

    assert copied[1] is copied
    assert copied is not value


def test_deep_lists_are_copied_without_recursion() -> None:
    older: Any = []
    value: Any = [1]
    for _ in range(10_000):
        older, value = [older], [value]

    assert same(copy_sharing(value, older), value)
