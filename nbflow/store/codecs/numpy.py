"""Codecs of NumPy arrays, as npy, and of NumPy scalars, as their bytes.

Invariant: pickle is never used, and nothing is allocated beyond the size of the data itself.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from nbflow.store.codecs.errors import Refused, a
from nbflow.store.codecs.libraries import need

if TYPE_CHECKING:
    from nbflow.store.codecs.packer import Packer
    from nbflow.store.codecs.unpacker import Unpacker

_SCALAR = re.compile(r"[<>|][biufcmMSU]\d{1,9}(\[\w{1,10}\])?")
_MOST_EMPTY = 10**6  # items of no bytes, as of an array of empty texts


def dump_array(value: Any, packer: Packer) -> dict[str, Any]:
    """Return the tree of an array, whose data is a blob, or of a scalar."""
    numpy = need("numpy")
    if type(value) is numpy.ndarray:
        return packer.blob("npy", _npy(numpy, value))
    if isinstance(value, numpy.generic) and _SCALAR.fullmatch(value.dtype.str):
        return {"$": "np.scalar", "t": value.dtype.str, "v": value.tobytes()[: value.dtype.itemsize].hex()}
    raise Refused(f"is {a(type(value))} of numpy, which has no stored form; an array of numbers or texts has one")


def _npy(numpy: Any, value: Any) -> bytes:
    form = numpy.lib.format
    if value.dtype.hasobject:
        raise Refused("is an array of Python objects, which only pickle could store; a list of them may have a form")
    if not value.dtype.itemsize and value.size > _MOST_EMPTY:
        raise Refused(f"is an array of {value.size} items of no bytes, more than are read back")
    written = io.BytesIO()
    try:
        form.write_array(written, value, version=(1, 0), allow_pickle=False)
        written.seek(0)
        same = _header(form, written)[2] == value.dtype
    except ValueError:  # field names outside Latin-1, or a header larger than numpy reads
        same = False
    if not same:
        raise Refused(f"is an array of {str(value.dtype)[:60]}, which npy cannot say")
    return written.getvalue()


def _header(form: Any, stream: io.BytesIO) -> tuple[tuple[int, ...], bool, Any]:
    """Return the shape, whether the order is Fortran's, and the type; numpy limits the header to 10 000 characters."""
    if form.read_magic(stream) != (1, 0):
        raise Refused("is an npy of a version that is never written")
    read: tuple[tuple[int, ...], bool, Any] = form.read_array_header_1_0(stream)
    return read


def load_array(data: bytes, unpacker: Unpacker) -> Any:
    """Return the array of an npy."""
    numpy = need("numpy")
    form, stream = numpy.lib.format, io.BytesIO(data)
    shape, fortran, dtype = _header(form, stream)
    if dtype.hasobject:
        raise Refused("is an array of Python objects, that is a pickle, which is never loaded")
    count = 1
    for length in shape:
        count *= length
    start = stream.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(data) - start:
        raise Refused(f"is an array that says shape {shape} of {dtype}, which is not the size of its data")
    if not dtype.itemsize and count > _MOST_EMPTY:
        raise Refused(f"is an array of {count} items of no bytes, more than are written")
    flat = numpy.ndarray(count, dtype=dtype, buffer=data, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


def load_array_scalar(node: dict[str, Any], unpacker: Unpacker) -> Any:
    """Return the scalar of a tagged object."""
    numpy = need("numpy")
    kind, data = unpacker.want(node, "t", str), bytes.fromhex(unpacker.want(node, "v", str))
    if not _SCALAR.fullmatch(kind):
        raise Refused("is a scalar of numpy of a type that is never written")
    dtype = numpy.dtype(kind)
    if dtype.itemsize != len(data):
        raise Refused(f"is a {dtype} of {len(data)} bytes, which is not its size")
    return numpy.ndarray((), dtype=dtype, buffer=data)[()] if data else dtype.type()
