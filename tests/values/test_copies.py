"""Copies of values: SEMANTICS rule 9."""

from __future__ import annotations

import array
import collections
import datetime
import enum
import threading
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr

from nbflow.values import Snapshots, ValueChangedError, own, register_codec, register_type, same


class Colour(enum.Enum):
    RED = [1]  # noqa: RUF012 - a value that could be changed, of a member that is not copied


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Row:
    cells: list[Any]
    calls: int = 0

    def __post_init__(self) -> None:
        self.calls += 1

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("no copy asks a user's class to copy itself")


@dataclass(frozen=True, slots=True)
class Frozen:
    cells: list[Any] = field(default_factory=list)


@attrs.define
class Attrs:
    cells: list[Any]


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")
    cells: list[Any]
    _private: list[Any] = PrivateAttr(default_factory=list)


class Listed(list[Any]):
    """A list with an attribute."""


class Slotted(dict[str, Any]):
    __slots__ = ("__hidden", "note")

    def hide(self, value: Any) -> Slotted:
        self.__hidden = self.note = value
        return self

    def hidden(self) -> Any:
        return self.__hidden


class Client:
    """A handle."""

    def __init__(self) -> None:
        self.calls: list[Any] = []


IMMUTABLE = [
    1, 1.5, 2j, "text", b"bytes", None, True, Colour.RED, datetime.date(2026, 1, 2), Path("a"), range(3), len, Row, ...,
    (1, "a", (2, 3)), frozenset({1, (2, 3)}), Point(1, 2), datetime.timedelta(1), slice(1, 2),
]  # fmt: skip


@pytest.mark.parametrize("value", IMMUTABLE, ids=lambda value: type(value).__name__)
def test_an_immutable_value_is_not_copied(value: Any) -> None:
    assert own(value) is value


def _row() -> Row:
    row = Row([[1]])
    row.extra = [[2]]  # type: ignore[attr-defined]  # an attribute that is no field
    return row


def _model() -> Model:
    model = Model(cells=[[1]], more=[[2]])
    model._private.append([3])
    return model


def _listed() -> Listed:
    listed = Listed([[1]])
    listed.note = [[2]]  # type: ignore[attr-defined]  # as users do
    return listed


MUTABLE = [
    [[1]], {"a": [1]}, {1, 2}, ([1],), collections.deque([[1]], 3), bytearray(b"ab"), array.array("i", [1, 2]),
    collections.UserDict(a=[1]), collections.UserList([[1]]), collections.ChainMap({"a": [1]}, {"b": 2}),
    types.SimpleNamespace(a=[1]), collections.OrderedDict(b=[1], a=2), collections.defaultdict(list, a=[1]),
    collections.Counter("aab"), Point([1], 2), _row(), Frozen([[1]]), Attrs([[1]]), _model(), _listed(),
    Slotted(a=[1]).hide([[2]]), {(1, 2): {"x": [b"y", {3.5}]}},
]  # fmt: skip


@pytest.mark.parametrize("value", MUTABLE, ids=lambda value: type(value).__name__)
def test_a_copy_is_the_same_and_shares_nothing_that_can_change(value: Any) -> None:
    copy = own(value)

    assert copy is not value
    assert type(copy) is type(value)
    assert same(copy, value)
    shared = _mutable_parts(value).keys() & _mutable_parts(copy).keys()
    assert not shared


def _mutable_parts(value: Any) -> dict[int, Any]:
    """Return the lists, dicts and sets within a value by their ids, found without the code under test."""
    found: dict[int, Any] = {}
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if id(part) in found or isinstance(part, str | bytes | int | float | type):
            continue
        if isinstance(part, list | dict | set | bytearray | collections.deque):
            found[id(part)] = part
        if isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set | frozenset | collections.deque):
            waiting += part
        names = [name for owner in type(part).__mro__ for name in owner.__dict__.get("__slots__", ())]
        waiting += [getattr(part, name, None) for name in names if isinstance(name, str) and not name.startswith("__")]
        waiting += getattr(part, "__dict__", {}).values()
    return found


def test_a_private_slot_a_private_attribute_and_an_extra_field_are_copied() -> None:
    slotted, model = Slotted().hide([1]), _model()
    copy, other = own(slotted), own(model)

    copy.hidden().append(2)
    other._private.append(4)
    other.more.append(5)

    assert (slotted.hidden(), model._private, model.more) == ([1], [[3]], [[2]])  # type: ignore[attr-defined]
    assert other.model_fields_set == model.model_fields_set


def test_a_copy_calls_no_init_and_no_post_init() -> None:
    assert own(Row([])).calls == 1


def test_aliases_and_cycles_are_retained_within_a_value() -> None:
    inner: list[Any] = [1]
    value: dict[str, Any] = {"a": inner, "b": [inner]}
    value["self"] = value
    pair: tuple[Any, ...] = ([],)
    pair[0].append(pair)

    copy, twin = own(value), own(pair)

    assert copy["a"] is copy["b"][0]
    assert copy["self"] is copy
    assert twin[0][0] is twin


def test_nesting_is_limited_by_memory_alone() -> None:
    deep: Any = Row([1])
    for level in range(20_000):
        deep = [deep] if level % 2 else {"in": deep}

    copy = own(deep)

    assert same(copy, deep)


def test_an_object_of_an_unknown_class_is_a_handle_at_every_depth() -> None:
    client, lock = Client(), threading.Lock()
    value = {"client": client, "more": [lock, {"inner": client}]}

    copy = own(value)

    assert copy["client"] is client
    assert copy["more"][0] is lock
    assert copy["more"][1]["inner"] is client


@dataclass
class Service:
    client: Client
    rows: list[Any]


@dataclass
class Around:
    service: Any


def test_a_record_that_directly_holds_a_handle_is_a_handle_itself() -> None:
    service = Service(Client(), [])

    assert own(service) is service
    assert own(Around(service)).service is service
    assert own([service])[0] is service
    around = Around([service])
    assert own(around) is not around
    assert own(around).service[0] is service


def test_a_registered_record_is_copied_though_it_holds_a_handle() -> None:
    @dataclass
    class Registered:
        client: Client
        rows: list[Any]

    register_type(Registered)
    value = Registered(Client(), [1])

    copy = own(value)

    assert copy is not value
    assert copy.rows is not value.rows
    assert copy.client is value.client


def test_a_class_with_a_codec_is_copied_by_it() -> None:
    class Matrix:
        def __init__(self, cells: bytes) -> None:
            self.cells = bytearray(cells)

    register_codec(Matrix, lambda matrix: bytes(matrix.cells), Matrix)
    value = Matrix(b"ab")

    copy = own(value)
    copy.cells[0] = 0

    assert value.cells == b"ab"
    assert same(own(value), value)
    assert not same(copy, value)


def test_a_container_that_changes_while_it_is_copied_is_an_error() -> None:
    class Grows(dict[str, Any]):
        pass

    value: dict[str, Any] = {}

    class Sly(Listed):
        """An object that changes the dict around it when its attributes are read, as another thread could at that moment."""

        def __getattribute__(self, name: str) -> Any:
            return super().__getattribute__(name)

    register_codec(Sly, lambda _: value.update({str(len(value)): 1}) or b"", lambda _: Sly())
    value.update(a=Sly(), b=1)

    with pytest.raises(ValueChangedError, match="another thread changed the value"):
        own(value)


def plain_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=3), inner, max_size=4)
            | st.tuples(inner, inner)
            | st.builds(Row, st.lists(inner, max_size=3))
        ),
        max_leaves=30,
    )


@given(plain_values())
def test_every_copy_is_the_same_also_from_a_snapshot(value: Any) -> None:
    snapshots = Snapshots()
    copies = [own(value), *(snapshots.copy(value) for _ in range(3))]

    for copy in copies:
        assert same(copy, value)
        assert not (_mutable_parts(copy).keys() & _mutable_parts(value).keys())


def test_copies_from_a_snapshot_share_nothing_with_each_other() -> None:
    value = {str(n): {"cells": [n, {"x": n}]} for n in range(50)}
    snapshots = Snapshots()
    first, second, third = (snapshots.copy(value) for _ in range(3))

    third["1"]["cells"].append("changed")

    assert first["1"]["cells"] == second["1"]["cells"] == value["1"]["cells"] == [1, {"x": 1}]


def test_a_copy_from_a_snapshot_has_the_aliases_cycles_and_sets_of_its_value() -> None:
    shared: dict[str, Any] = {"items": [1, 2]}
    value: dict[str, Any] = {"one": shared, "two": [shared], "three": {"a", ("b", 1)}, "four": ("c", 2)}
    value["self"] = value
    snapshots = Snapshots()

    for _ in range(3):
        copy = snapshots.copy(value)

    assert copy["self"] is copy is not value
    assert copy["one"] is copy["two"][0] is not shared
    assert (copy["one"], copy["three"], copy["four"]) == ({"items": [1, 2]}, {"a", ("b", 1)}, ("c", 2))
    assert copy["three"] is not value["three"]
    assert list(copy) == ["one", "two", "three", "four", "self"]


def test_a_copy_of_one_nested_part_is_independent_of_the_value() -> None:
    snapshots = Snapshots()
    value = {"only": [1]}

    copies = [snapshots.copy(value) for _ in range(3)]
    copies[2]["only"].append(2)

    assert (value, copies[1]) == ({"only": [1]}, {"only": [1]})


def test_a_snapshot_belongs_to_a_value_and_not_to_its_id() -> None:
    snapshots = Snapshots()
    for number in range(200):
        value = [[number] for _ in range(40)]
        for _ in range(3):
            assert snapshots.copy(value) == value
        del value
