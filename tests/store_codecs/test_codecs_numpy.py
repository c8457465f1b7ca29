"""NumPy arrays and scalars."""

from __future__ import annotations

import hashlib
import io
import pickle
from typing import Any

import pytest

from nbflow.errors import StoreError
from nbflow.store.codecs import Codecs, Unstorable
from nbflow.store.rows import Blob

np = pytest.importorskip("numpy")

ARRAYS = [
    np.arange(6, dtype="<i4").reshape(2, 3),
    np.arange(6.0).reshape(2, 3).T,
    np.arange(6.0)[::2],
    np.array(7),
    np.array([]),
    np.zeros((0, 3), dtype="?"),
    np.array([np.nan, -0.0, np.inf], dtype="f2"),
    np.array([1 + 2j]),
    np.array(["a", "bcd", "\0x"]),
    np.array([b"a", b"bc"]),
    np.array(["2024-01-01", "NaT"], dtype="M8[D]"),
    np.array([1, 2], dtype="m8[ms]"),
    np.array([(1, "a")], dtype=[("x", ">i2"), ("y", "U3")]),
    np.array([1, 2], dtype=">f8"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_comes_back_equal_of_the_same_type_and_writable(shelf: Any, array: Any) -> None:
    found = shelf.trip({"rows": [array]})["rows"][0]

    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable
    assert found.flags.f_contiguous == (array.flags.f_contiguous or array.size < 2 or array.ndim == 1)


def test_an_array_of_any_size_is_an_npy_blob(shelf: Any) -> None:
    shelf.put([np.arange(3)])

    assert shelf.only_blob().codec == "npy"
    assert np.load(io.BytesIO(shelf.only_blob().data), allow_pickle=False).tolist() == [0, 1, 2]


def test_equal_arrays_are_one_blob_and_come_back_apart(shelf: Any) -> None:
    first, second = shelf.trip([np.arange(3), np.arange(3)])

    first[0] = 9
    assert second.tolist() == [0, 1, 2]
    assert shelf.only_blob()


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64(1.5),
        np.float32("nan"),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.complex64(1 - 2j),
        np.str_("a\0b"),
        np.str_(""),
        np.bytes_(b"ab"),
        np.datetime64("2024-01-01T00:00:00.5"),
        np.datetime64("NaT"),
        np.timedelta64(3, "h"),
    ],
    ids=repr,
)
def test_a_scalar_is_restored_with_its_type(shelf: Any, scalar: Any) -> None:
    found = shelf.trip((scalar,))[0]

    assert type(found) is type(scalar)
    assert (found.dtype, found.tobytes()) == (scalar.dtype, scalar.tobytes())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.array([object()]), "it is an array of Python objects, which only pickle could store"),
        (np.array([(1, None)], dtype=[("x", "i4"), ("y", "O")]), "it is an array of Python objects"),
        (np.ma.array([1, 2]), "it is a MaskedArray of numpy, which has no stored form"),
        (np.rec.array([(1, 2)]), "it is a recarray of numpy"),
        (np.dtype("i4"), "it is an Int32DType of numpy"),
        (np.zeros(10**7, dtype="V0"), "it is an array of 10000000 items of no bytes"),
        (np.zeros(2, dtype=[("ä€", "i4")]), "it is an array of [('ä€', '<i4')], which npy cannot say"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_what_npy_cannot_say_is_refused(shelf: Any, value: Any, reason: str) -> None:
    with pytest.raises(Unstorable) as refused:
        shelf.put(value)

    assert refused.value.reason.startswith(reason)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


class Runs:
    def __reduce__(self) -> Any:
        return print, ("run",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot be read"),
        (b"\x93NUMPY\x03\x00\x02\x00{}", "of a version that is never written"),
        (b"\x93NUMPY\x09\x00\x02\x00{}", "of a version that is never written"),
        (npy("{}"), "cannot be read"),
        (npy("__import__('os')"), "cannot be read"),
        (npy("(" * 9000), "cannot be read"),
        (npy("{'descr':'<i8','fortran_order':False,'shape':(10**18,)}"), "cannot be read"),
        (npy("{'descr':'<i8','fortran_order':False,'shape':(1000000000000,)}"), "is not the size of its data"),
        (npy("{'descr':'<i8','fortran_order':False,'shape':(4294967296,4294967296)}"), "is not the size of its data"),
        (npy("{'descr':'<i8','fortran_order':False,'shape':(-1,-1)}", b"12345678"), "is not the size of its data"),
        (npy("{'descr':'<i8','fortran_order':False,'shape':(2,)}", b"12345678"), "is not the size of its data"),
        (npy("{'descr':'|V0','fortran_order':False,'shape':(1000000000000,)}"), "items of no bytes"),
        (npy("{'descr':'|O','fortran_order':False,'shape':(1,)}", pickle.dumps([Runs()])), "that is a pickle"),
        (pickle.dumps(Runs()), "cannot be read"),
    ],
    ids=lambda part: repr(part)[:60],
)
def test_a_hostile_npy_is_refused(data: bytes, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    blob = Blob(hashlib.sha256(b"npy\0" + data).hexdigest(), "npy", data)

    with pytest.raises(StoreError, match=reason):
        Codecs().unpack(f'{{"$":"blob","hash":"{blob.hash}"}}', lambda _: blob)

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "parts",
    [
        '"t":"|O","v":"00"',
        '"t":"<i4","v":"00"',
        '"t":"i4,i4","v":"00"',
        '"t":"<U999999999","v":"00"',
        '"t":"<i4","v":"z"',
    ],
)
def test_a_hostile_scalar_is_refused(shelf: Any, parts: str) -> None:
    with pytest.raises(StoreError, match="a stored value cannot be read: it "):
        shelf.get(f'{{"$":"np.scalar",{parts}}}')
