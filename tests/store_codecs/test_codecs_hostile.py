"""Hostile and broken texts and blobs: each a StoreError that says what and where, and nothing runs or grows."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs
from nbflow.store.rows import Blob


def made(codec: str, data: bytes) -> Blob:
    return Blob(hashlib.sha256(codec.encode() + b"\0" + data).hexdigest(), codec, data)


def read(text: str, *blobs: Blob) -> Any:
    return Codecs().unpack(text, {blob.hash: blob for blob in blobs}.__getitem__)


def refusal(text: str, *blobs: Blob) -> str:
    with pytest.raises(StoreError) as refused:
        read(text, *blobs)
    return str(refused.value).removeprefix("a stored value cannot be read: ")


def ref(blob: Blob) -> str:
    return json.dumps({"$": "blob", "hash": blob.hash})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not the JSON that was written"),
        ("{", "it is not the JSON that was written"),
        ("[1,]", "it is not the JSON that was written"),
        ("NaN", "it is not the JSON that was written: NaN is no JSON"),
        ("[-Infinity]", "it is not the JSON that was written"),
        ("9" * 5000, "it is not the JSON that was written: Exceeds the limit"),
        ("[" * 10_000 + "]" * 10_000, "it is nested deeper than the 200 levels that a value may have"),
        ("[" * 10_000, "it is nested deeper than the 200 levels that a value may have"),
        ('{"a":' * 10_000, "it is nested deeper than the 200 levels that a value may have"),
        ('{"$":"tuple","v":[' * 300 + "]}" * 300, "[0][0][0][0]…[0][0][0] is nested deeper than 200 levels"),
        (pickle.dumps([1]).decode("latin-1"), "it is not the JSON that was written"),
        ('{"a":[1,{"$":"pickle","v":"gASVAAAA"}]}', "['a'][1] has the tag 'pickle', which this version"),
        ('{"$":7}', "it has a tag of type int, where str was written"),
        ('{"$":["set"],"v":[]}', "it has a tag of type list"),
        ('{"$":"blob","hash":7}', "it has 'hash' of type int, where str was written"),
        ('{"$":"blob","hash":"../../etc/passwd"}', "it names the blob '../../etc/passwd', which is not in the store"),
        ('[{"$":"set","v":7}]', "[0] has 'v' of type int, where list was written"),
        ('{"$":"set"}', "it has 'v' of type NoneType"),
        ('{"$":"set","v":[[1]]}', "it has the tag 'set', and what it says cannot be: "),
        ('{"$":"dict","v":[[[],1]]}', "it has the tag 'dict', and what it says cannot be: "),
        ('{"$":"dict","v":[[1,2],[1]]}', "[1] is not the key and value that a dict has there"),
        ('{"$":"int","v":"ten"}', "it has the tag 'int', and what it says cannot be"),
        ('{"$":"float","v":"1e9"}', "it has the tag 'float', and what it says cannot be"),
        ('{"$":"bytes","v":"a b"}', "it has the tag 'bytes', and what it says cannot be"),
        ('{"$":"complex","v":["1"]}', "it has the tag 'complex', and what it says cannot be"),
        ('{"$":"range","v":[1,2,0]}', "it has the tag 'range', and what it says cannot be"),
        ('{"$":"range","v":[1,2,"3"]}', "it does not have the 3 integers that were written"),
        ('{"$":"timedelta","v":[1e99,0,0]}', "it does not have the 3 integers"),
        ('{"$":"timedelta","v":[999999999999,0,0]}', "it has the tag 'timedelta', and what it says cannot be"),
        ('{"$":"datetime","v":"yesterday"}', "it has the tag 'datetime', and what it says cannot be"),
        ('{"$":"datetime","v":"2024-01-01","tz":7}', "it has the tag 'datetime', and what it says cannot be"),
        ('{"$":"zone","v":"../../etc/passwd"}', "it has the tag 'zone', and what it says cannot be"),
        ('{"$":"zone","v":"Nowhere/Town"}', "it has the tag 'zone', and what it says cannot be"),
        ('{"$":"timezone","v":7}', "it has the tag 'timezone', and what it says cannot be"),
        ('{"$":"decimal","v":"x"}', "it has the tag 'decimal', and what it says cannot be"),
        ('{"$":"fraction","v":["0x1","0x0"]}', "it has the tag 'fraction', and what it says cannot be"),
        ('{"$":"fraction","v":[1,2]}', "it has the tag 'fraction', and what it says cannot be"),
        ('{"$":"uuid","v":"7"}', "it has the tag 'uuid', and what it says cannot be"),
        ('{"$":"deque","v":[],"max":"9"}', "it has 'max' of type str"),
        ('{"$":"defaultdict","v":[],"f":"eval"}', "it has the tag 'defaultdict', and what it says cannot be"),
        ('{"$":"enum","c":7,"n":"X"}', "it has 'c' of type int"),
        ('{"$":"model","c":"os.system","f":["ls"]}', "it has 'f' of type list"),
        ('{"$":"namedtuple","c":"x.y"}', "it has 'f' of type NoneType"),
        ('{"$":"inline","codec":"pickle","v":"AAAA"}', "it is in a value inside it of the codec 'pickle', which this"),
        ('{"$":"inline","codec":"npy","v":"a b"}', "it holds data that is not the base64 that was written"),
        ('{"$":"user:os.system"}', "it has the tag 'user:os.system', which this version"),
        ('{"$":"' + "x" * 10_000 + '"}', "it has the tag 'xxxx"),
    ],
    ids=lambda part: part[:40],
)
def test_a_text_that_was_not_written_so_is_refused_with_what_and_where(text: str, reason: str) -> None:
    found = refusal(text)

    assert found.startswith(reason)
    assert len(found) < 500


def test_the_lead_of_the_message_says_what_happened() -> None:
    with pytest.raises(StoreError, match=r"^a stored value cannot be read: it is not the JSON"):
        read("x")


@pytest.mark.parametrize("text", [None, 7, b"1"])
def test_what_is_no_text_is_refused(text: Any) -> None:
    assert "not a JSON text" in refusal(text)


def test_a_blob_whose_content_was_altered_is_refused() -> None:
    blob = made("json", b'["one"]')
    altered = Blob(blob.hash, "json", b'["two"]')

    assert refusal(ref(blob), altered).endswith("whose content does not have this hash: it was altered")


def test_a_blob_under_another_codec_is_refused() -> None:
    blob = made("json", b"[1]")

    assert "it was altered" in refusal(ref(blob), Blob(blob.hash, "npy", b"[1]"))


def test_a_blob_of_an_unknown_codec_is_refused() -> None:
    blob = made("pickle", pickle.dumps(1))

    assert refusal(f"[{ref(blob)}]", blob) == (
        f"[0] is in blob {blob.hash[:12]} of the codec 'pickle', which this version of nbflow does not know"
    )


def test_a_blob_of_a_codec_that_is_not_registered_is_refused() -> None:
    blob = made("user:os.system", b"ls")

    assert "was stored by the codec of 'os.system', which is not registered here" in refusal(ref(blob), blob)


@pytest.mark.parametrize(
    "data", [pickle.dumps({"a": 1}), b"\xff\xfe", b"[" * 10_000, b"", b"9" * 5000], ids=lambda data: repr(data[:9])
)
def test_a_json_blob_that_is_none_is_refused(data: bytes) -> None:
    blob = made("json", data)

    assert refusal(ref(blob), blob).startswith("it is n")


def test_json_blobs_that_name_each_other_are_refused_before_they_multiply() -> None:
    blobs = [made("json", b"[1]")]
    for _ in range(40):
        blobs.append(made("json", f"[{ref(blobs[-1])},{ref(blobs[-1])}]".encode()))

    assert "inside a value, which is never written" in refusal(ref(blobs[-1]), *blobs)


def test_a_blob_named_again_and_again_is_refused_before_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbflow.store.codecs.unpacker._MOST_REPEATED", 10_000)
    codecs = Codecs()
    codecs.register(Big, lambda big: big.data, Big)
    packed = codecs.pack(Big(b"x" * 1000))

    with pytest.raises(StoreError, match="so often that it would not fit in memory"):
        codecs.unpack("[" + ",".join([packed.text] * 20) + "]", lambda _: packed.blobs[0])


@dataclass
class Big:
    data: bytes


def test_a_known_class_with_fields_of_other_types_runs_nothing() -> None:
    ran = []

    @dataclass
    class Order:
        count: int

        def __post_init__(self) -> None:
            ran.append(self)

    codecs = Codecs()
    codecs.register_type(Order)
    order = codecs.pack(Order(1)).text
    ran.clear()

    found = codecs.unpack(order.replace('"count":1', '"count":"one"'), {}.__getitem__)

    assert found.count == "one"
    assert not ran


MUTATIONS = st.sampled_from(["", "0", '"', "{", "}", "[", "]", ",", ":", "$", "null", '{"$":"set","v":[1]}', "-", "e9"])


@given(st.data())
def test_a_text_altered_anywhere_gives_a_value_or_a_store_error(data: st.DataObject) -> None:
    text = WRITTEN.text
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 9)))
    altered = text[:start] + data.draw(MUTATIONS) + text[end:]

    no_other_error(lambda: CODECS.unpack(altered, BLOBS.__getitem__, []))


def no_other_error(read: Callable[[], Any]) -> None:
    try:
        read()
    except StoreError as error:
        assert str(error)  # noqa: PT017 - it may also be read


def sample() -> Any:
    import datetime
    import decimal
    import pathlib

    return {
        1: {1, "a"},
        "d": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        "n": [decimal.Decimal("1.5"), 2**1030, 1 + 2j, float("nan")],
        "p": pathlib.PurePosixPath("a"),
        "b": (Big(b"1"), range(3), b"12", datetime.timedelta(1)),
    }


CODECS = Codecs()
CODECS.register_type(Big)
WRITTEN = CODECS.pack(sample())
BLOBS = {blob.hash: blob for blob in WRITTEN.blobs}


def test_the_sample_of_the_law_above_is_one_text_and_reads() -> None:
    assert not BLOBS
    assert CODECS.unpack(WRITTEN.text, {}.__getitem__).keys() == sample().keys()
