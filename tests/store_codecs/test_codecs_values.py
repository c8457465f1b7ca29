"""Codecs that a user registers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs, Unstorable


class Shape:
    def __init__(self, sides: int) -> None:
        self.sides = sides


class Square(Shape):
    pass


def dump(shape: Shape) -> bytes:
    return str(shape.sides).encode()


def load(data: bytes) -> Shape:
    return Shape(int(data))


def test_a_registered_type_is_a_blob_of_its_codec(shelf: Any) -> None:
    shelf.codecs.register(Shape, dump, load)

    found = shelf.trip({"shapes": [Shape(3)]})

    assert found["shapes"][0].sides == 3
    assert (shelf.only_blob().codec, shelf.only_blob().data) == (f"user:{__name__}.Shape", b"3")


def test_a_subclass_goes_by_its_nearest_base_and_comes_back_as_load_gives(shelf: Any) -> None:
    shelf.codecs.register(object, lambda _: b"", lambda _: None)
    shelf.codecs.register(Shape, dump, load)

    assert type(shelf.trip(Square(4))) is Shape


def test_the_exact_type_comes_before_a_base(shelf: Any) -> None:
    shelf.codecs.register(Shape, dump, load)
    shelf.codecs.register(Square, lambda _: b"", lambda _: Square(4))

    assert type(shelf.trip(Square(4))) is Square


def test_a_registered_codec_comes_before_the_form_that_the_value_would_have(shelf: Any) -> None:
    @dataclass
    class Point:
        x: int

    shelf.codecs.register(Point, lambda point: bytes([point.x]), lambda data: Point(data[0]))

    assert shelf.trip(Point(7)) == Point(7)
    assert shelf.only_blob().data == b"\x07"


def test_a_codec_that_is_not_registered_is_named_with_the_cure(shelf: Any) -> None:
    shelf.codecs.register(Shape, dump, load)
    text = shelf.put([Shape(3)])

    with pytest.raises(StoreError) as refused:
        Codecs().unpack(text, shelf.blobs.__getitem__)

    assert str(refused.value) == (
        f"a stored value cannot be read: [0] was stored by the codec of '{__name__}.Shape', which is not registered "
        "here; nbflow.register_codec(Shape, dump, load) registers it"
    )


def test_an_error_of_dump_or_load_is_reported(shelf: Any) -> None:
    shelf.codecs.register(Shape, dump, lambda data: 1 / 0)

    with pytest.raises(
        StoreError, match=r"\['a'\] is for the codec 'user:.*Shape', whose load raised ZeroDivisionError"
    ):
        shelf.trip({"a": Shape(1)})

    shelf.codecs.register(Shape, lambda shape: shape.none, load)
    with pytest.raises(Unstorable, match=r"it is for the codec 'user:.*Shape', whose dump raised AttributeError: "):
        shelf.put(Shape(1))


def test_dump_gives_bytes(shelf: Any) -> None:
    shelf.codecs.register(Shape, lambda shape: "3", load)  # type: ignore[arg-type,return-value]

    with pytest.raises(Unstorable, match="whose dump gave str, not bytes"):
        shelf.put(Shape(3))


def test_a_form_of_a_type_comes_before_a_codec_of_its_base(shelf: Any) -> None:
    shelf.codecs.register(object, lambda _: b"", lambda _: "other")

    assert shelf.trip([{1}, (2,), print]) == [{1}, (2,), "other"]


def test_a_type_with_a_form_can_be_given_a_codec(shelf: Any) -> None:
    shelf.codecs.register(set, lambda _: b"", lambda _: "own")

    assert shelf.trip({1}) == "own"


@pytest.mark.parametrize("cls", [str, dict, type(None), "Shape"])
def test_what_json_says_as_it_is_can_have_no_codec(shelf: Any, cls: Any) -> None:
    with pytest.raises(StoreError, match="cannot have a codec"):
        shelf.codecs.register(cls, dump, load)


def test_a_text_that_names_a_codec_of_no_one_runs_nothing(shelf: Any) -> None:
    shelf.codecs.register(Shape, dump, load)
    shelf.put(Shape(3))
    blob = shelf.only_blob()

    with pytest.raises(StoreError, match="does not have this hash"):
        shelf.codecs.unpack(json.dumps({"$": "blob", "hash": "0" * 64}), lambda _: blob)
