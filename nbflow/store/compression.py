"""Compress large values if that saves space. The hash of a value is that of its uncompressed data.

Invariant: a stored value states its uncompressed size and is at least a hundredth of it. So reading a store takes at
most a hundred times its size, also if another program wrote it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from nbflow.errors import StoreError
from nbflow.errors.extras import install
from nbflow.store.codecs.arrow import COLUMN
from nbflow.store.rows import Blob

LEAST, LEAST_COLUMN = 2**20, 2**16
"""The sizes (bytes) from which a value, and a chunk of a frame's column, are compressed."""
_RATIO = 100
_SAMPLES, _SAMPLE = 4, 2**15
_WORTH = 0.9
"""The fraction to which samples of a value must shrink: random numbers do not, and would cost time both ways."""
_HEAD = 16
_ZSTD, _ZLIB = "zstd", "zlib"


def compressed(blobs: Iterable[Blob]) -> tuple[Blob, ...]:
    """Return blobs in their stored form."""
    return tuple(map(_compress, blobs))


def _compress(blob: Blob) -> Blob:
    data = blob.data
    if len(data) < (LEAST_COLUMN if blob.codec == COLUMN else LEAST) or not _is_worth_it(data):
        return blob
    # Texts and values with a user's codec must be readable without pyarrow; frames and arrays need a library anyway.
    method = _ZSTD if blob.codec.startswith(("arrow.", "npy")) and _has_zstd() else _ZLIB
    packed = _zstd().compress(data, asbytes=True) if method == _ZSTD else zlib.compress(data, 1)
    if len(packed) > len(data) * _WORTH:
        return blob
    head = len(data).to_bytes(8, "big") + len(packed).to_bytes(8, "big")
    whole = (head + packed).ljust(len(data) // _RATIO + 1, b"\0")
    return replace(blob, codec=f"{method}:{blob.codec}", data=whole)


def _is_worth_it(data: bytes) -> bool:
    step = max(1, (len(data) - _SAMPLE) // (_SAMPLES - 1))
    sample = b"".join(data[start : start + _SAMPLE] for start in range(0, step * _SAMPLES, step))
    return len(zlib.compress(sample, 1)) < len(sample) * _WORTH


@cache
def _has_zstd() -> bool:
    try:
        return find_spec("pyarrow") is not None and bool(_zstd())
    except Exception:  # noqa: BLE001 - a pyarrow without zstd, or one that cannot be imported
        return False


@cache
def _zstd() -> Any:
    pyarrow = import_module("pyarrow")
    return pyarrow.Codec(_ZSTD, compression_level=1)


def expanded(blob: Blob) -> Blob:
    """Return a stored blob with its uncompressed data.

    Raises:
        StoreError: The blob is damaged, states a size above the allowed ratio, or needs a library that is missing.
    """
    method, _, codec = blob.codec.partition(":")
    if method not in (_ZSTD, _ZLIB):
        return blob
    size, length = int.from_bytes(blob.data[:8], "big"), int.from_bytes(blob.data[8:_HEAD], "big")
    if size > _RATIO * len(blob.data) or length > len(blob.data) - _HEAD:
        raise StoreError(f"the value {blob.hash[:16]} states a wrong size; the store was altered or is damaged")
    packed = memoryview(blob.data)[_HEAD : _HEAD + length]
    try:
        data = _unzipped(packed, size) if method == _ZLIB else _zstd().decompress(packed, size, asbytes=True)
    except ImportError as error:
        raise StoreError(
            f"the value {blob.hash[:16]} is compressed by pyarrow, which is not installed: {install('frames')}"
        ) from error
    except Exception as error:
        raise StoreError(f"the value {blob.hash[:16]} cannot be read: {error}; the store is damaged") from error
    return replace(blob, codec=codec, data=data)


def _unzipped(packed: memoryview, size: int) -> bytes:
    reader = zlib.decompressobj()
    data = reader.decompress(packed, size + 1)
    if len(data) != size or not reader.eof:
        raise ValueError(f"it does not have the {size} bytes that it states")
    return data
