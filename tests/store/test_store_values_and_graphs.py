"""The contract of a store: values, cached outputs and graphs."""

from __future__ import annotations

import pytest
from stores import WAIT_S, add, blob, create, finished

from nbflow.errors import StoreError
from nbflow.store import Store
from nbflow.store.rows import Blob, GraphRow


def test_values_are_restored_exactly(store: Store) -> None:
    data = Blob("h1", "npy", bytes(range(256)) * 5000)
    epoch = create(store, "r1", blobs=(data,))
    add(store, "r1", epoch, 1, 1, blobs=(blob("second"), blob("third")))

    found = store.blobs(["h1", "hash of third"]).result(WAIT_S)

    assert found == {"h1": data, "hash of third": blob("third")}
    assert store.blobs([]).result(WAIT_S) == {}


def test_a_value_of_several_runs_is_stored_once(store: Store) -> None:
    create(store, "r1", blobs=(blob("same"),))
    add(store, "r2", create(store, "r2"), 1, 1, blobs=(blob("same"), blob("same")))

    assert store.info().result(WAIT_S).rows["values"] == 1


def test_values_are_found_however_many_are_asked_for(store: Store) -> None:
    blobs = tuple(blob(str(n)) for n in range(1203))
    create(store, "r1", blobs=blobs)

    assert len(store.blobs(each.hash for each in blobs).result(WAIT_S)) == 1203


def test_missing_values_are_named(store: Store) -> None:
    create(store, "r1", blobs=(blob("there"),))

    with pytest.raises(StoreError, match="2 values that a run needs are not in the store: gone1, gone2"):
        store.blobs(["gone2", "hash of there", "gone1"]).result(WAIT_S)


def test_a_cached_output_is_found_by_its_key(store: Store) -> None:
    assert store.cached("k").result(WAIT_S) is None

    store.cache("k", "t", '{"a": 1}', (blob("big"),)).result(WAIT_S)

    assert store.cached("k").result(WAIT_S) == '{"a": 1}'
    assert store.blobs(["hash of big"]).result(WAIT_S)


def test_a_later_output_takes_the_place_of_a_cached_one(store: Store) -> None:
    store.cache("k", "t", "1", (blob("old"),)).result(WAIT_S)
    store.cache("k", "t", "2", (blob("new"),)).result(WAIT_S)

    store.prune(keep_last=None, older_than=None, dry_run=False).result(WAIT_S)

    assert store.cached("k").result(WAIT_S) == "2"
    assert store.blobs(["hash of new"]).result(WAIT_S)
    with pytest.raises(StoreError, match="not in the store"):
        store.blobs(["hash of old"]).result(WAIT_S)


def test_a_graph_gets_a_version_for_each_content(store: Store) -> None:
    first, second = GraphRow("g", "h1", "{1}"), GraphRow("g", "h2", "{2}")
    for n, graph in enumerate((first, second, first)):
        create(store, f"r{n}", graph=graph, started=100.0 + n)

    found = store.graphs("g").result(WAIT_S)

    assert found == [GraphRow("g", "h2", "{2}", 2, 101.0, 1), GraphRow("g", "h1", "{1}", 1, 100.0, 2)]
    assert store.head("r2").result(WAIT_S).row.version == 1


def test_graphs_are_listed_by_name(store: Store) -> None:
    for name in ("b", "a"):
        create(store, name, graph=GraphRow(name, "h", "{}"))

    assert [graph.name for graph in store.graphs().result(WAIT_S)] == ["a", "b"]
    assert [graph.name for graph in store.graphs("b").result(WAIT_S)] == ["b"]


def test_a_graph_is_loaded_in_its_newest_version_or_the_one_asked_for(store: Store) -> None:
    create(store, "r1", graph=GraphRow("g", "h1", "{1}"))
    create(store, "r2", graph=GraphRow("g", "h2", "{2}"))

    assert store.graph("g").result(WAIT_S).definition == "{2}"
    assert store.graph("g", 1).result(WAIT_S).definition == "{1}"


def test_the_error_for_a_graph_that_is_not_stored_lists_the_stored_ones(store: Store) -> None:
    create(store, "r1", graph=GraphRow("review", "h1", "{1}"))

    with pytest.raises(StoreError, match="no graph 'reviw' in the store; did you mean 'review'"):
        store.graph("reviw").result(WAIT_S)
    with pytest.raises(StoreError, match="graph 'review' has no version 7 in the store; there are 1"):
        store.graph("review", 7).result(WAIT_S)


def test_a_graph_with_runs_is_deleted_only_by_force_and_they_with_it(store: Store) -> None:
    for n in (1, 2):
        finished(store, f"r{n}", graph=GraphRow("g", f"h{n}", "{}"), blobs=(blob(str(n)),))
    finished(store, "kept", graph=GraphRow("other", "h", "{}"), blobs=(blob("2"),))

    with pytest.raises(StoreError, match="graph 'g' has 2 runs, which would be deleted with it; --force"):
        store.delete_graph("g").result(WAIT_S)
    assert store.delete_graph("g", force=True).result(WAIT_S) == 2

    rows = store.info().result(WAIT_S).rows
    assert (rows["graphs"], rows["executions"], rows["log"], rows["values"]) == (1, 1, 1, 1)
    assert rows["value_uses"] == rows["execution_texts"] == 1


def test_one_version_of_a_graph_is_deleted_alone(store: Store) -> None:
    for n in (1, 2):
        finished(store, f"r{n}", graph=GraphRow("g", f"h{n}", "{}"))

    assert store.delete_graph("g", 1, force=True).result(WAIT_S) == 1

    assert [graph.version for graph in store.graphs().result(WAIT_S)] == [2]
    assert [run.id for run in store.runs().result(WAIT_S)] == ["r2"]


def test_a_graph_that_is_running_is_not_deleted_even_by_force(store: Store) -> None:
    create(store, "r1")

    with pytest.raises(StoreError, match="graph 'g' has 1 runs that are still running; cancel them first"):
        store.delete_graph("g", force=True).result(WAIT_S)


def test_deleting_an_unknown_graph_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="no graph 'nothing' in the store"):
        store.delete_graph("nothing", force=True).result(WAIT_S)
