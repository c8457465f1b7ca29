"""Large values are stored compressed where that saves space, once, and reading them takes no more memory than is safe."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from stores import WAIT_S, add, create, end, file_url, finished

from nbflow.errors import StoreError
from nbflow.store import Store
from nbflow.store.codecs.packer import blob_of
from nbflow.store.compression import compressed, expanded
from nbflow.store.rows import Blob

MB = 2**20


def stored_size(blob: Blob) -> int:
    (stored,) = compressed([blob])
    assert expanded(stored) == blob
    return len(stored.data)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        ("json", b'["some text", 1234]' * 100_000),
        ("user:m.C", b"some bytes 123 " * 100_000),
        ("npy", bytes(range(200)) * 10_000),
        ("arrow.pandas", bytes(range(200)) * 10_000),
        ("arrow.column", bytes(range(200)) * 500),
    ],
)
def test_what_shrinks_is_stored_compressed_and_comes_back(codec: str, data: bytes) -> None:
    assert stored_size(blob_of(codec, data)) < len(data) / 10


@pytest.mark.parametrize("data", [b"small " * 1000, os.urandom(2 * MB), os.urandom(MB) + bytes(MB // 20)], ids=range(3))
def test_what_is_small_or_does_not_shrink_is_stored_as_it_is(data: bytes) -> None:
    blob = blob_of("json", data)

    assert compressed([blob]) == (blob,)


def test_the_store_has_a_large_value_once_under_the_hash_of_what_it_is(store: Store) -> None:
    blob = blob_of("json", b'["some text", 1234]' * 200_000)
    epoch = create(store, "r1", blobs=(blob,))
    add(store, "r1", epoch, 1, 1, blobs=(blob,))
    add(store, "r2", create(store, "r2", blobs=(blob,)), 1, 1)
    store.cache("key", "tool", "{}", (blob,)).result(WAIT_S)

    assert store.blobs([blob.hash]).result(WAIT_S) == {blob.hash: blob}
    assert store.info().result(WAIT_S).rows["values"] == 1
    pruned = store.prune(keep_last=None, older_than=0, dry_run=True).result(WAIT_S)
    assert pruned.values == 0  # the runs are held, and the cache has it


def test_a_value_that_was_pruned_is_stored_again(store: Store) -> None:
    blob = blob_of("json", b'["some text", 1234]' * 200_000)
    store.release("r1", create(store, "r1", blobs=(blob,))).result(WAIT_S)
    store.prune(keep_last=None, older_than=0, dry_run=False).result(WAIT_S)

    create(store, "r2", blobs=(blob,))

    assert store.blobs([blob.hash]).result(WAIT_S) == {blob.hash: blob}


def head(size: int, packed: bytes) -> bytes:
    return size.to_bytes(8, "big") + len(packed).to_bytes(8, "big") + packed


BOMB = zlib.compress(bytes(100 * MB), 9)


@pytest.mark.parametrize(
    ("method", "data", "reason"),
    [
        ("zlib", head(100 * MB, BOMB), "states a wrong size"),
        ("zlib", head(MB, BOMB), "does not have the 1048576 bytes that it states"),
        ("zlib", head(100, b"x" * 50), "cannot be read"),
        ("zlib", head(100, zlib.compress(b"x" * 99)), "does not have the 100 bytes"),
        ("zlib", b"", "states a wrong size"),
        ("zlib", (7).to_bytes(8, "big") + (2**40).to_bytes(8, "big") + b"x" * 50, "states a wrong size"),
        ("zstd", head(2**62, b"x" * 50), "states a wrong size"),
        ("zstd", head(100, b"x" * 50), "cannot be read"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_a_value_that_would_grow_beyond_what_it_says_is_refused(method: str, data: bytes, reason: str) -> None:
    if method == "zstd":
        pytest.importorskip("pyarrow")

    with pytest.raises(StoreError, match=reason):
        expanded(Blob("h", f"{method}:json", data))


def test_a_zstd_frame_that_holds_more_than_it_says_is_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    packed = pa.Codec("zstd").compress(bytes(100 * MB), asbytes=True)

    with pytest.raises(StoreError, match="cannot be read"):
        expanded(Blob("h", "zstd:npy", head(MB, packed.ljust(MB // 100, b"\0"))))


def test_a_value_of_one_byte_repeated_takes_a_hundredth_of_its_length() -> None:
    assert 10 * MB / 100 <= stored_size(blob_of("npy", bytes(10 * MB))) < 10 * MB / 99


WITHOUT_PYARROW = """
import sys; sys.modules["pyarrow"] = None
from nbflow.errors import StoreError
from nbflow.store.compression import compressed, expanded
from nbflow.store.rows import Blob
from nbflow.store.codecs.packer import blob_of
text = blob_of("npy", b"12345678" * 200_000)
(stored,) = compressed([text])
print(stored.codec, expanded(stored) == text)
try:
    expanded(Blob("h", "zstd:npy", bytes(200)))
except StoreError as error:
    print(error)
"""


def test_without_pyarrow_values_are_compressed_too_and_others_name_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYARROW], capture_output=True, text=True, check=True)

    lines = done.stdout.splitlines()
    assert lines[0] == "zlib:npy True"
    assert lines[1].endswith("which is not installed: pip install -e '.[frames]' in your clone of nbflow")


def test_the_log_is_emptied_when_a_run_with_large_values_ends(path: Path) -> None:
    store = Store.open(file_url(path))
    epoch = create(store, "r1", blobs=(blob_of("npy", os.urandom(20 * MB)),))
    log = path.with_name(f"{path.name}-wal")
    assert log.stat().st_size > 20 * MB

    end(store, "r1", epoch, 1)

    assert log.stat().st_size == 0
    add(store, "r2", create(store, "r2"), 1, 1)  # and the store itself starts a new log, with its marks
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM nbflow_executions").fetchone() == (2,)
    store.close()


def test_a_log_that_another_process_reads_is_left_and_emptied_later(path: Path, opened: Callable[[str], Store]) -> None:
    store = opened(file_url(path))
    log = path.with_name(f"{path.name}-wal")
    epoch = create(store, "r1", blobs=(blob_of("npy", os.urandom(8 * MB)),))
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM nbflow_log").fetchone()
        end(store, "r1", epoch, 1)
        assert log.stat().st_size > 8 * MB

    finished(store, "r2")

    assert log.stat().st_size == 0


def test_another_session_reads_and_writes_on_while_the_log_is_emptied(
    path: Path, opened: Callable[[str], Store]
) -> None:
    one, other = opened(file_url(path)), opened(file_url(path))
    for number in range(5):
        blob = blob_of("npy", os.urandom(8 * MB))
        finished(one, f"a{number}", blobs=(blob,))
        assert len(other.blobs([blob.hash]).result(WAIT_S)) == 1
        finished(other, f"b{number}")

    assert len(one.runs(limit=20).result(WAIT_S)) == 10
