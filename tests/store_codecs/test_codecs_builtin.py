"""Codecs of the types of Python's standard library: exact values, and refusals that name the path."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from nbflow.store.codecs import Unstorable


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "text", [1, "two", None], {"a": {"b": [1.5]}}],
    ids=repr,
)
def test_what_json_says_exactly_is_plain_json(shelf: Any, value: Any) -> None:
    assert json.loads(shelf.put(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        float("inf"),
        float("-inf"),
        2**1024,
        "\0 and \ud800",
        b"\0\xff",
        bytearray(b"x"),
        complex("nan-0j"),
        Decimal("1.50"),
        Decimal("sNaN7"),
        Decimal("-0E+9"),
        Fraction(10**400, 3),
        UUID(int=7),
        range(9, 0, -2),
        range(2**70),
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(seconds=-1, microseconds=5))),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
        datetime.max.replace(tzinfo=UTC),
        timedelta.min,
        ZoneInfo("Asia/Kolkata"),
        Path("a/../b"),
        {"$": "tuple", "v": [1]},
        {1: "int", "1": "str", None: 0, (1, 2): 3},
        (),
        ((), [()], {"k": ()}),
        {frozenset({(1, "a")}), 2},
        OrderedDict([("b", 1), ("a", 2)]),
        Counter("hello"),
        deque([1, [2]], maxlen=3),
        defaultdict(list, {"a": [1]}),
        defaultdict(None, {1: 2}),
    ],
    ids=lambda value: "a set" if isinstance(value, set) else repr(value)[:40],  # the same in every process
)
def test_a_value_that_json_cannot_represent_is_restored_exactly(shelf: Any, value: Any) -> None:
    found = shelf.trip([value])[0]

    assert type(found) is type(value)
    assert repr(found) == repr(value) if told_by_repr(value) else found == value
    assert getattr(found, "fold", 0) == getattr(value, "fold", 0)
    assert getattr(found, "default_factory", None) is getattr(value, "default_factory", None)


@pytest.mark.parametrize("digits", [300, 5000])
def test_an_int_of_any_length_comes_back(shelf: Any, digits: int) -> None:
    value = [10**digits, -(10**digits), {10**digits: 1}]

    assert shelf.trip(value) == value


def told_by_repr(value: Any) -> bool:
    """Return whether values are compared by their repr, because equality ignores differences or fails for NaN."""
    return isinstance(value, float | complex | Decimal)


def test_nan_comes_back_as_nan(shelf: Any) -> None:
    assert repr(shelf.trip({"x": float("nan")})) == "{'x': nan}"


def test_the_zone_of_a_moment_comes_back_as_the_same_kind_of_zone(shelf: Any) -> None:
    moments = [datetime(2024, 7, 1, tzinfo=zone) for zone in (UTC, timezone(timedelta(0), "Z"), ZoneInfo("UTC"))]

    found = shelf.trip(moments)

    assert [(type(m.tzinfo), m.tzname()) for m in found] == [(type(m.tzinfo), m.tzname()) for m in moments]


def test_a_set_has_one_text_in_any_order(shelf: Any) -> None:
    assert shelf.put({"b", "a", ("c", 1)}) == shelf.put({("c", 1), "a", "b"})
    assert shelf.put({"b", "a"}) == '{"$":"set","v":["a","b"]}'


def test_a_value_over_1_kib_is_a_blob_of_json_named_by_its_hash(shelf: Any) -> None:
    text = shelf.put(["x" * 1024])

    blob = shelf.only_blob()
    assert json.loads(text) == {"$": "blob", "hash": blob.hash}
    assert (blob.codec, json.loads(blob.data)) == ("json", ["x" * 1024])
    assert shelf.get(text) == ["x" * 1024]


def test_a_value_of_1_kib_stays_in_its_text(shelf: Any) -> None:
    text = shelf.put("x" * 1022)

    assert len(text) == 1024
    assert not shelf.blobs


class Celsius(float):
    pass


class Name(str):
    __slots__ = ()


class Places(list):  # type: ignore[type-arg]
    pass


class OwnZone(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(0)


def test_the_reason_names_the_place_inside_the_type_and_the_cure(shelf: Any) -> None:
    value = {"rows": [1, 2, 3, (n for n in "abc")]}

    with pytest.raises(Unstorable) as refused:
        shelf.put(value)

    assert refused.value.reason == (
        "['rows'][3] is a generator, which has no stored form; register one with nbflow.register_codec"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "it is an object, which has no stored form; register one with nbflow.register_codec"),
        (print, "it is a builtin_function_or_method, which"),
        (int, "it is a type, which"),
        ((1, {object()}), "[1]{item} is an object, which"),
        ({1: object()}, "[1] is an object, which"),
        ({(1, object()): 1}, "[tuple] as a key[1] is an object, which"),
        ({"$": object()}, "['$'] is an object, which"),
        ([Celsius(1)], "[0] is a Celsius, which would be restored as a plain float, so"),
        (Name("x"), "it is a Name, which would be restored as a plain str, so"),
        ({Name("x"): 1}, "[Name] as a key is a Name, which would be restored as a plain str"),
        (Places(), "it is a Places, which would be restored as a plain list"),
        (defaultdict(lambda: 0), "it is a defaultdict whose factory is a function"),
        (datetime(2024, 1, 1, tzinfo=OwnZone()), "it is a datetime with the time zone of "),
        ({"k" * 500: object()}, "['" + "k" * 59 + "…'] is an object"),
    ],
    ids=lambda part: part[:30] if isinstance(part, str) else "",  # the same in every process
)
def test_what_has_no_form_is_refused(shelf: Any, value: Any, reason: str) -> None:
    with pytest.raises(Unstorable) as refused:
        shelf.put(value)

    assert refused.value.reason.startswith(reason)


def deep(levels: int, wrap: Any) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: {"k": v}, lambda v: (v,), lambda v: {1: v}, lambda v: {"$": v}]
)
def test_200_levels_are_stored_and_201_are_not(shelf: Any, wrap: Any) -> None:
    assert shelf.trip(deep(200, wrap)) == deep(200, wrap)

    with pytest.raises(Unstorable, match="is nested deeper than 200 levels, or holds itself"):
        shelf.put(deep(201, wrap))


def test_a_state_may_be_nested_as_deep_as_a_value(shelf: Any) -> None:
    text, blobs, reasons = shelf.codecs.pack_state({"k": deep(200, lambda v: {1: v})})

    assert not reasons
    assert shelf.codecs.unpack_state(text, {b.hash: b for b in blobs}.__getitem__) == {"k": deep(200, lambda v: {1: v})}


def test_a_value_that_holds_itself_is_refused(shelf: Any) -> None:
    ring: list[Any] = [1]
    ring.append({"again": ring})

    with pytest.raises(Unstorable, match="holds itself"):
        shelf.put(ring)


@pytest.mark.slow
def test_a_value_nested_a_million_levels_is_refused_without_a_crash(shelf: Any) -> None:
    with pytest.raises(Unstorable, match="nested deeper"):
        shelf.put(deep(10**6, lambda v: [v]))


def test_a_path_of_another_system_comes_back_pure_and_says_so(shelf: Any) -> None:
    other = "WindowsPath" if isinstance(Path(), PosixPath) else "PosixPath"

    found = shelf.get(f'{{"$":"{other}","v":"a"}}')

    assert isinstance(found, PurePath)
    assert not isinstance(found, Path)
    assert shelf.notes == [f"the path 'a' is of another operating system; it was restored as a Pure{other}"]


def test_the_error_of_a_property_is_the_reason(shelf: Any) -> None:
    class Broken(dict):  # type: ignore[type-arg]
        @property
        def __class__(self) -> Any:
            raise ValueError("not today")

    with pytest.raises(Unstorable, match=r"\['x'\] raised ValueError: not today"):
        shelf.put({"x": Broken()})
