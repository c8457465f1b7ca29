"""A PostgreSQL server that goes away in the midst of a run, and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import surroundings
from stores import WAIT_S, add, batch, create, seqs
from surroundings import Cluster

from nbflow.errors import StoreError
from nbflow.store import Store, db_errors

Open = Callable[[str], Store]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with surroundings.cluster() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_server_restarted_in_mid_append_is_a_wait(cluster: Cluster, opened: Open, mode: str) -> None:
    store = opened(cluster.url)
    run_id = f"restarted {mode}"
    epoch = create(store, run_id)
    add(store, run_id, epoch, 1, 10)

    futures = [
        store.append(run_id, epoch, lambda n=n: batch(n, n, nodes=1), durable=n % 2 == 0) for n in range(11, 3011)
    ]
    futures[100].result(WAIT_S)
    cluster.stop(mode)
    assert not futures[-1].done()
    reading = store.log(run_id)
    cluster.start()

    for future in futures:
        future.result(WAIT_S)
    assert reading.result(WAIT_S)
    assert seqs(store, run_id) == list(range(1, 3011))
    assert store.head(run_id).result(WAIT_S).row.nodes == 3000


def test_connections_that_died_meanwhile_are_replaced(cluster: Cluster, opened: Open) -> None:
    store = opened(cluster.url)
    epoch = create(store, "idle")
    add(store, "idle", epoch, 1, 1)

    cluster.restart("fast")

    assert seqs(store, "idle") == [1]
    add(store, "idle", epoch, 2, 2)
    assert seqs(store, "idle") == [1, 2]


def test_a_server_that_does_not_return_is_an_error_and_earlier_commits_are_safe(
    cluster: Cluster, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(cluster.url)
    epoch = create(store, "gone")
    add(store, "gone", epoch, 1, 5)
    monkeypatch.setattr(db_errors, "PATIENCE_S", 0.5)

    cluster.stop("immediate")
    error = store.append("gone", epoch, lambda: batch(6, 6)).exception(WAIT_S)
    assert isinstance(error, StoreError)
    assert "cannot be reached" in str(error)
    assert "Earlier commits are not affected" in str(error)
    assert isinstance(store.log("gone").exception(WAIT_S), StoreError)
    cluster.start()

    assert seqs(store, "gone") == [1, 2, 3, 4, 5]
    add(store, "gone", epoch, 6, 6)
