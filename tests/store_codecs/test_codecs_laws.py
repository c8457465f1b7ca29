"""Laws of packing: every value, however nested, is restored equal and with the same types."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, deque
from datetime import UTC, timedelta, timezone
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.codecs import Codecs

ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=-30)), ZoneInfo("Europe/Berlin")])
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
HASHABLE_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**1020, 2**1030),
    st.floats(allow_nan=False),
    ANY_TEXT,
    st.binary(max_size=20),
    st.complex_numbers(allow_nan=False),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.times(timezones=st.sampled_from([None, UTC])),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    ANY_TEXT.map(lambda text: PurePosixPath(text.replace("\0", ""))),
    ANY_TEXT.map(lambda text: PureWindowsPath(text.replace("\0", ""))),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9)),
)
HASHABLE = st.recursive(
    HASHABLE_LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(tuple), st.frozensets(inner, max_size=4)),
    max_leaves=8,
)
KEYS = st.one_of(st.just("$"), ANY_TEXT)
VALUES = st.recursive(
    st.one_of(HASHABLE, st.binary(max_size=9).map(bytearray)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(HASHABLE, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4).map(OrderedDict),
        st.builds(deque, st.lists(inner, max_size=4), st.one_of(st.none(), st.integers(0, 5))),
        st.lists(HASHABLE, max_size=4).map(Counter),
    ),
    max_leaves=20,
)


def shape(value: Any) -> Any:
    """Return a value with the type of each part; sets and keys are sorted."""
    kind = type(value)
    if isinstance(value, dict):
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | deque):
        return kind, getattr(value, "maxlen", None), [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(shape(item)) for item in value)
    return kind, repr(value)


def trip(value: Any) -> Any:
    codecs = Codecs()
    packed = codecs.pack(value)
    return codecs.unpack(packed.text, {blob.hash: blob for blob in packed.blobs}.__getitem__)


@given(VALUES)
def test_a_value_comes_back_equal_and_of_the_same_types(value: Any) -> None:
    found = trip(value)

    assert found == value
    assert shape(found) == shape(value)


@pytest.mark.slow
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_state_comes_back_key_by_key(state: dict[str, Any]) -> None:
    codecs = Codecs()

    text, blobs, reasons = codecs.pack_state(state)

    found = codecs.unpack_state(text, {blob.hash: blob for blob in blobs}.__getitem__)
    assert reasons == {}
    assert shape(found) == shape(state)


@given(VALUES)
def test_a_text_is_ascii_json_of_at_most_1_kib(value: Any) -> None:
    text = Codecs().pack(value).text

    json.loads(text)
    assert text.isascii()
    assert len(text) <= 1024
    assert "\0" not in text


@given(VALUES)
def test_the_same_value_has_the_same_text_and_blobs(value: Any) -> None:
    assert Codecs().pack(value) == Codecs().pack(trip(value))


@given(VALUES)
def test_the_blobs_that_a_text_names_are_those_that_came_with_it(value: Any) -> None:
    codecs = Codecs()
    packed = codecs.pack(value)

    named = codecs.refs(packed.text)
    for blob in packed.blobs:
        named |= codecs.refs_of(blob)

    assert named == {blob.hash for blob in packed.blobs}


@given(st.floats())
def test_every_float_comes_back_with_its_sign(number: float) -> None:
    found = trip(number)

    assert repr(found) == repr(number)
    assert math.copysign(1, found) == math.copysign(1, number) or math.isnan(number)


@given(st.text(st.sampled_from('{}"$:blobhash\\, 0'), max_size=100))
def test_no_text_or_dict_of_a_users_is_taken_for_a_blob(text: str) -> None:
    fake = "0" * 64
    value = [text, f'{{"$":"blob","hash":"{fake}"}}', {"$": "blob", "hash": fake}, {"$": text}]

    assert trip(value) == value
    assert fake not in Codecs().refs(Codecs().pack(value).text)
