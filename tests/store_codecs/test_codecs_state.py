"""States: texts by key, with the keys that have no stored form marked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs, Unstored


def test_a_key_that_cannot_be_stored_is_marked_and_the_others_are_stored() -> None:
    codecs = Codecs()

    text, blobs, reasons = codecs.pack_state({"a": 1, "b": [open], "c": "x" * 2000})

    why = "[0] is a builtin_function_or_method, which has no stored form; register one with nbflow.register_codec"
    assert reasons == {"b": why}
    assert json.loads(text)["b"] == {"$": "unstored", "why": why}
    found = codecs.unpack_state(text, {blob.hash: blob for blob in blobs}.__getitem__)
    assert found == {"a": 1, "b": Unstored(why), "c": "x" * 2000}


def test_what_was_unstored_stays_so_with_its_first_reason() -> None:
    text, _, reasons = Codecs().pack_state({"b": Unstored("it is a generator")})

    assert reasons == {"b": "it is a generator"}
    assert json.loads(text) == {"b": {"$": "unstored", "why": "it is a generator"}}


def test_a_key_that_cannot_be_stored_leaves_no_blobs_behind() -> None:
    class Big:
        pass

    codecs = Codecs()
    codecs.register(Big, lambda _: b"bytes", lambda _: Big())

    _, blobs, reasons = codecs.pack_state({"a": [Big(), object()]})

    assert list(reasons) == ["a"]
    assert blobs == ()


def test_the_same_content_under_two_keys_is_one_blob() -> None:
    _, blobs, _ = Codecs().pack_state({"a": "x" * 2000, "b": "x" * 2000})

    assert len(blobs) == 1


@pytest.mark.parametrize(
    "state", [{"$": "blob", "hash": "0" * 64}, {"$": "set", "v": [1]}, {"$$": 1, "$x": 2}, {"": 0}]
)
def test_keys_of_a_state_are_never_taken_for_tags(state: dict[str, Any]) -> None:
    codecs = Codecs()

    text, blobs, _ = codecs.pack_state(state)

    assert codecs.unpack_state(text, {}.__getitem__) == state
    assert codecs.refs(text) == set()
    assert blobs == ()


def test_an_empty_state_is_an_empty_object() -> None:
    assert Codecs().pack_state({}) == ("{}", (), {})
    assert Codecs().unpack_state("{}", {}.__getitem__) == {}


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"'])
def test_a_state_is_an_object(text: str) -> None:
    with pytest.raises(StoreError, match="where a JSON object of values by key was written"):
        Codecs().unpack_state(text, {}.__getitem__)


def test_refs_finds_the_blobs_of_a_text_that_was_written_again() -> None:
    codecs = Codecs()
    text, blobs, _ = codecs.pack_state({"a": "x" * 2000, "b": "y" * 2000})

    again = json.dumps({"output": json.loads(text)}, indent=2)

    assert codecs.refs(again) == {blob.hash for blob in blobs}
