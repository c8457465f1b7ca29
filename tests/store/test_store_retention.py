"""Pruning of a store, and its report on its size."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stores import WAIT_S, add, batch, blob, create, end, file_url, finished

from nbflow.errors import RunStateError, StoreError
from nbflow.store import Store
from nbflow.store.rows import Pruned
from nbflow.store.schema import SCHEMA


def ids(store: Store) -> list[str]:
    return [run.id for run in store.runs().result(WAIT_S)]


def prune(store: Store, keep_last: int | None = None, older_than: float | None = None, dry_run: bool = False) -> Pruned:
    return store.prune(keep_last=keep_last, older_than=older_than, dry_run=dry_run).result(WAIT_S)


def test_the_newest_runs_remain_and_the_others_are_deleted_completely(store: Store) -> None:
    for n in range(4):
        finished(store, f"r{n}", started=1000.0 + n, blobs=(blob(f"{n}"), blob("shared")))

    pruned = prune(store, keep_last=2)

    assert (pruned.runs, pruned.rows, pruned.values) == (2, 2, 2)
    assert pruned.bytes == 2 * len('{"n": 1}') + 2
    assert ids(store) == ["r3", "r2"]
    assert len(store.blobs(["hash of 2", "hash of 3", "hash of shared"]).result(WAIT_S)) == 3
    with pytest.raises(StoreError, match="not in the store"):
        store.blobs(["hash of 0"]).result(WAIT_S)


def test_old_runs_go_by_their_age(store: Store) -> None:
    finished(store, "old", started=time.time() - 1000)
    finished(store, "new", started=time.time())

    assert prune(store, older_than=500.0).runs == 1

    assert ids(store) == ["new"]


def test_of_both_bounds_a_run_must_be_beyond_each(store: Store) -> None:
    for n in range(3):
        finished(store, f"old{n}", started=1000.0 + n)
    finished(store, "new", started=time.time())

    assert prune(store, keep_last=2, older_than=500.0).runs == 2
    assert ids(store) == ["new", "old2"]


def test_without_bounds_no_run_goes(store: Store) -> None:
    finished(store, "r1")

    assert prune(store) == Pruned(0, 0, 0, 0)
    assert ids(store) == ["r1"]


def test_a_dry_run_counts_and_takes_nothing(store: Store) -> None:
    finished(store, "r1", blobs=(blob("v"),))
    before = store.info().result(WAIT_S).rows

    told = prune(store, keep_last=0, dry_run=True)

    assert store.info().result(WAIT_S).rows == before
    assert told == prune(store, keep_last=0)


def test_a_running_run_is_never_pruned(store: Store) -> None:
    epoch = create(store, "live", blobs=(blob("v"),))
    finished(store, "done")

    assert prune(store, keep_last=0).runs == 1

    assert ids(store) == ["live"]
    add(store, "live", epoch, 1, 1)
    assert store.blobs(["hash of v"]).result(WAIT_S)


def test_a_value_that_the_cache_uses_is_not_pruned(store: Store) -> None:
    finished(store, "r1", blobs=(blob("v"),))
    store.cache("k", "t", "{}", (blob("v"),)).result(WAIT_S)

    assert prune(store, keep_last=0).values == 0
    assert store.blobs(["hash of v"]).result(WAIT_S)


def test_a_value_pruned_and_written_again_is_there_again(store: Store) -> None:
    finished(store, "r1", blobs=(blob("v"),))
    prune(store, keep_last=0)

    create(store, "r2", blobs=(blob("v"),))

    assert store.blobs(["hash of v"]).result(WAIT_S)


def test_a_store_reports_its_location_size_rows_version_and_times(store: Store) -> None:
    empty = store.info().result(WAIT_S)
    add(store, "r1", create(store, "r1", started=5.0), 1, 7)
    finished(store, "r2", started=6.0)

    told = store.info().result(WAIT_S)

    assert (empty.oldest, empty.newest, empty.rows["log"]) == (None, None, 0)
    assert (told.place, told.schema, told.oldest, told.newest) == (store.place, SCHEMA.partition("_")[0], 5.0, 6.0)
    assert (told.rows["executions"], told.rows["log"], told.rows["graphs"]) == (2, 8, 1)
    assert told.size > 0


def test_a_pruned_file_becomes_smaller(tmp_path: Path, opened: Callable[[str], Store]) -> None:
    store = opened(file_url(tmp_path / "runs.db"))
    epoch = create(store)
    add(store, "r1", epoch, 1, 20_000)
    end(store, "r1", epoch, 20_001)
    before = store.info().result(WAIT_S).size

    prune(store, keep_last=0)

    assert store.info().result(WAIT_S).size < before / 5
    finished(store, "r2")


def test_values_written_while_another_prunes_are_never_lost(url: str, opened: Callable[[str], Store]) -> None:
    writing, pruning = opened(url), opened(url)
    for n in range(30):
        finished(writing, f"old{n}", blobs=(blob("v"),))
        wrote = writing.append(
            f"new{n}", create(writing, f"new{n}", started=2000.0), lambda: batch(1, 1, blobs=(blob("v"),))
        )
        pruned = pruning.prune(keep_last=0, older_than=None, dry_run=False)
        assert (wrote.result(WAIT_S), pruned.result(WAIT_S).runs) == (batch(1, 1, blobs=(blob("v"),)), 1)

        assert writing.blobs(["hash of v"]).result(WAIT_S)
        end(writing, f"new{n}", 1, 2)
        prune(pruning, keep_last=0)


def test_a_run_deleted_by_hand_stops_with_a_clear_error(url: str, opened: Callable[[str], Store]) -> None:
    first, second = opened(url), opened(url)
    epoch = create(first)
    first.release("r1", epoch).result(WAIT_S)
    epoch = first.claim("r1").result(WAIT_S)
    second._change(lambda connection: [connection.exec_driver_sql(f"DELETE FROM nbflow_{table}") for table in (
        "execution_texts", "executions")]).result(WAIT_S)  # fmt: skip

    with pytest.raises(RunStateError, match="run 'r1' was deleted from the store while it ran"):
        add(first, "r1", epoch, 1, 1)


def test_a_number_of_a_run_that_is_gone_is_never_used_again(store: Store) -> None:
    finished(store, "r1")
    prune(store, keep_last=0)
    finished(store, "r2")

    numbers = store._read(lambda connection: connection.exec_driver_sql("SELECT number FROM nbflow_executions").all())
    assert [tuple(row) for row in numbers.result(WAIT_S)] == [(2,)]
