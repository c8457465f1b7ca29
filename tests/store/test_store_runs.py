"""The contract of a store: runs and their logs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import WAIT_S, add, batch, blob, create, end, finished, new_run, row, seqs

from nbflow.errors import RunNotFoundError, RunStateError, StoreError
from nbflow.store import Store
from nbflow.store.rows import Batch, Ending, GraphRow, LogRow, RunRow, ToolRow


def test_a_new_run_is_there_with_all_it_was_given(store: Store) -> None:
    create(store, "r1", subgraphs='{"s": {}}', initial='{"x": 1}', origin="a.ipynb", durability="sync")

    head = store.head("r1").result(WAIT_S)

    row = head.row
    assert (row.id, row.graph, row.version, row.status, row.durability) == ("r1", "g", 1, "running", "sync")
    assert (row.started, row.ended, row.seconds, row.nodes, row.seq) == (1000.0, None, 0.0, 0, 0)
    assert (row.error, row.origin, row.parent, row.parent_seq) == (None, "a.ipynb", None, None)
    assert (head.definition, head.subgraphs, head.initial) == ('{"name": "g"}', '{"s": {}}', '{"x": 1}')
    assert (head.result, head.tools) == (None, ())


def test_events_are_restored_exactly_and_in_their_order(store: Store) -> None:
    epoch = create(store)
    given = (LogRow(1, "execution_start", 0.1), LogRow(2, "node_start", 1.25, "review[3]/é", '{"a": "ü\\u0000"}'))

    kept = store.append("r1", epoch, lambda: Batch(given)).result(WAIT_S)

    assert kept == Batch(given)
    assert store.log("r1").result(WAIT_S) == list(given)


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 300])
def test_a_batch_of_any_size_is_stored_completely(store: Store, size: int) -> None:
    epoch = create(store)

    add(store, "r1", epoch, 1, size, nodes=size)

    assert store.log("r1").result(WAIT_S) == [row(seq) for seq in range(1, size + 1)]
    assert store.head("r1").result(WAIT_S).row.nodes == size


def test_a_part_of_the_log_is_read_by_its_numbers(store: Store) -> None:
    add(store, "r1", create(store), 1, 9)

    assert seqs(store, "r1", after=3) == [4, 5, 6, 7, 8, 9]
    assert seqs(store, "r1", upto=2) == [1, 2]
    assert seqs(store, "r1", after=3, upto=5) == [4, 5]


def test_batches_queued_together_are_all_stored_in_their_order(store: Store) -> None:
    epoch = create(store)

    futures = [store.append("r1", epoch, lambda n=n: batch(n, n, nodes=1)) for n in range(1, 1201)]

    assert [future.result(WAIT_S).rows[0].seq for future in futures] == list(range(1, 1201))
    assert seqs(store, "r1") == list(range(1, 1201))
    assert store.head("r1").result(WAIT_S).row.nodes == 1200


def test_runs_that_write_from_many_threads_keep_apart(store: Store) -> None:
    def write(run_id: str) -> None:
        epoch = create(store, run_id)
        for seq in range(1, 21):
            add(store, run_id, epoch, seq, seq)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, [f"r{n}" for n in range(8)]))

    assert all(seqs(store, f"r{n}") == list(range(1, 21)) for n in range(8))


def test_the_event_loop_that_blocks_on_a_future_gets_its_result(store: Store) -> None:
    async def main() -> int:
        epoch = store.create(new_run).result(WAIT_S)
        store.append("r1", epoch, lambda: batch(1, 2), durable=True).result(WAIT_S)
        return store.head("r1").result(WAIT_S).row.seq

    assert asyncio.run(main()) == 2


def test_a_future_can_be_awaited(store: Store) -> None:
    async def main() -> int:
        epoch = await asyncio.wrap_future(store.create(new_run))
        return (await asyncio.wrap_future(store.append("r1", epoch, lambda: batch(1, 3)))).rows[-1].seq

    assert asyncio.run(main()) == 3


def test_a_commit_that_nobody_waits_for_any_longer_is_made(store: Store) -> None:
    epoch = create(store)

    assert not store.append("r1", epoch, lambda: batch(1, 1)).cancel()

    add(store, "r1", epoch, 2, 2)
    assert seqs(store, "r1") == [1, 2]


def test_an_error_while_a_batch_is_made_is_raised_by_its_future_alone(store: Store) -> None:
    epoch = create(store)
    create(store, "r2")

    def broken() -> Batch:
        raise ValueError("cannot be stored")

    failing = store.append("r1", epoch, broken)
    going = store.append("r2", 1, lambda: batch(1, 1))

    with pytest.raises(ValueError, match="cannot be stored"):
        failing.result(WAIT_S)
    assert going.result(WAIT_S)
    assert seqs(store, "r1") == []


def test_what_the_database_cannot_take_fails_alone(store: Store) -> None:
    create(store)
    create(store, "r2")
    wrong = Batch((LogRow(1, "node_start", 1.0, "n", "\ud800"),))

    futures = [store.append("r1", 1, lambda: wrong), store.append("r2", 1, lambda: batch(1, 1))]

    with pytest.raises(StoreError, match="could not"):
        futures[0].result(WAIT_S)
    assert futures[1].result(WAIT_S)
    assert (seqs(store, "r1"), seqs(store, "r2")) == ([], [1])


def test_events_that_leave_a_gap_are_refused(store: Store) -> None:
    epoch = create(store)
    add(store, "r1", epoch, 1, 2)

    with pytest.raises(StoreError, match="events 4 to 5 of run 'r1' do not follow its last in the store, 2"):
        add(store, "r1", epoch, 4, 5)

    assert seqs(store, "r1") == [1, 2]


def test_a_batch_committed_twice_is_there_once(store: Store) -> None:
    epoch = create(store)
    add(store, "r1", epoch, 1, 2, nodes=1)

    add(store, "r1", epoch, 1, 2, nodes=1)

    assert seqs(store, "r1") == [1, 2]
    assert store.head("r1").result(WAIT_S).row.nodes == 1


def test_an_end_sets_status_result_and_times_and_frees_the_run(store: Store) -> None:
    epoch = create(store)

    add(store, "r1", epoch, 1, 1, ending=Ending("failed", 1009.5, 9.5, '{"n": 2}', '{"type": "ValueError"}'))

    head = store.head("r1").result(WAIT_S)
    assert (head.row.status, head.row.ended, head.row.seconds, head.row.owner) == ("failed", 1009.5, 9.5, None)
    assert (head.row.error, head.result) == ('{"type": "ValueError"}', '{"n": 2}')
    with pytest.raises(RunStateError, match="'r1' is no longer owned"):
        add(store, "r1", epoch, 2, 2)


def test_an_end_needs_no_event(store: Store) -> None:
    epoch = create(store)

    store.append("r1", epoch, lambda: Batch((), ending=Ending("cancelled", 1001.0, 1.0))).result(WAIT_S)

    assert store.head("r1").result(WAIT_S).row.status == "cancelled"


def test_a_run_that_continues_loses_its_end(store: Store) -> None:
    end(store, "r1", create(store), 1, "failed")
    epoch = store.claim("r1").result(WAIT_S)

    add(store, "r1", epoch, 2, 2, status="running")

    head = store.head("r1").result(WAIT_S)
    assert (head.row.status, head.row.ended, head.row.error, head.result) == ("running", None, None, None)


def test_tools_of_a_run_are_stored_once_a_version(store: Store) -> None:
    epoch = create(store)
    tools = ToolRow("t", 1, "h1", "def t(): ..."), ToolRow("t", 2, "h2", None)

    add(store, "r1", epoch, 1, 1, tools=tools[:1])
    add(store, "r1", epoch, 2, 2, tools=tools)

    assert store.head("r1").result(WAIT_S).tools == tools


def test_an_id_is_taken_once(store: Store) -> None:
    finished(store, "r1")

    with pytest.raises(StoreError, match="the store has a run 'r1' already"):
        create(store, "r1")


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one(store: Store) -> None:
    create(store, "abc1")
    create(store, "abd2")

    assert store.head("abc").result(WAIT_S).row.id == "abc1"
    with pytest.raises(RunNotFoundError, match=r"'ab' matches several runs.*: abc1, abd2"):
        store.head("ab").result(WAIT_S)


@pytest.mark.parametrize("unknown", ["x", "", "a%", "A"])
def test_an_unknown_run_is_an_error(store: Store, unknown: str) -> None:
    create(store, "abc1")

    with pytest.raises(RunNotFoundError):
        store.head(unknown).result(WAIT_S)
    with pytest.raises(RunNotFoundError):
        store.log(unknown).result(WAIT_S)


def ids(rows: list[RunRow]) -> list[str]:
    return [row.id for row in rows]


def test_runs_are_listed_newest_first_and_page_by_page(store: Store) -> None:
    for n in range(5):
        create(store, f"r{n}", started=1000.0 + n // 2)

    assert ids(store.runs().result(WAIT_S)) == ["r4", "r3", "r2", "r1", "r0"]
    assert ids(store.runs(limit=2).result(WAIT_S)) == ["r4", "r3"]
    assert ids(store.runs(limit=2, before=(1001.0, "r3")).result(WAIT_S)) == ["r2", "r1"]


def test_runs_are_found_by_graph_status_and_age(store: Store) -> None:
    finished(store, "old", started=1000.0)
    create(store, "new", started=2000.0)
    create(store, "other", started=3000.0, graph=GraphRow("h", "hash of h", "{}"))

    assert ids(store.runs(graph="g").result(WAIT_S)) == ["new", "old"]
    assert ids(store.runs(status="completed").result(WAIT_S)) == ["old"]
    assert ids(store.runs(since=2000.0).result(WAIT_S)) == ["other", "new"]
    assert ids(store.runs(graph="g", status="running", since=1500.0).result(WAIT_S)) == ["new"]


def test_the_last_unfinished_run_is_the_newest_that_did_not_complete(store: Store) -> None:
    assert store.latest(unfinished=True).result(WAIT_S) == []
    end(store, "failed", create(store, "failed", started=1.0), 1, "failed")
    finished(store, "completed", started=2.0)

    assert ids(store.latest(unfinished=True).result(WAIT_S)) == ["failed"]
    assert ids(store.latest().result(WAIT_S)) == ["completed", "failed"]


def test_a_fork_starts_with_its_parents_log_and_all_its_tools_and_values(store: Store) -> None:
    epoch = create(store, "r1", blobs=(blob("first"),))
    add(store, "r1", epoch, 1, 4, nodes=2, blobs=(blob("second"),), tools=(ToolRow("t", 1, "h", "s"),))

    create(store, "fork", parent="r1", parent_seq=3, nodes=1)

    head = store.head("fork").result(WAIT_S)
    assert (head.row.parent, head.row.parent_seq, head.row.seq, head.row.nodes) == ("r1", 3, 3, 1)
    assert head.tools == (ToolRow("t", 1, "h", "s"),)
    assert store.log("fork").result(WAIT_S) == store.log("r1", upto=3).result(WAIT_S)
    add(store, "fork", 1, 4, 4, nodes=1)
    assert store.head("fork").result(WAIT_S).row.nodes == 2


def test_a_forks_values_outlive_its_parent(store: Store) -> None:
    epoch = create(store, "r1", blobs=(blob("first"),))
    add(store, "r1", epoch, 1, 1, blobs=(blob("second"),))
    end(store, "r1", epoch, 2)
    create(store, "fork", parent="r1", parent_seq=1, started=2000.0)

    assert store.prune(keep_last=1, older_than=None, dry_run=False).result(WAIT_S).runs == 1

    assert len(store.blobs(["hash of first", "hash of second"]).result(WAIT_S)) == 2


def test_a_fork_of_no_events_starts_from_the_beginning(store: Store) -> None:
    add(store, "r1", create(store), 1, 2)

    create(store, "fork", parent="r1", parent_seq=0)

    assert seqs(store, "fork") == []


def test_a_fork_from_an_event_that_is_not_there_is_refused(store: Store) -> None:
    add(store, "r1", create(store), 1, 2)

    with pytest.raises(StoreError, match="run 'r1' has no event 3; its last is 2"):
        create(store, "fork", parent="r1", parent_seq=3)
    with pytest.raises(RunNotFoundError):
        create(store, "fork", parent="nothing", parent_seq=1)


def test_a_closed_store_refuses_and_does_not_hang(store: Store) -> None:
    store.close()
    store.close()

    for asked in (store.create(new_run), store.head("r1"), store.info()):
        with pytest.raises(StoreError, match="is closed"):
            asked.result(WAIT_S)


def test_closing_waits_for_what_is_queued(url: str) -> None:
    first = Store.open(url)
    epoch = create(first)
    futures = [first.append("r1", epoch, lambda n=n: batch(n, n)) for n in range(1, 101)]

    first.close()

    assert all(future.done() and future.exception() is None for future in futures)
    second = Store.open(url)
    assert seqs(second, "r1") == list(range(1, 101))
    second.close()


@settings(max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 130), min_size=1, max_size=6),
    data=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
def test_however_a_log_is_cut_into_batches_it_reads_the_same(sizes: list[int], data: str) -> None:
    store = Store.open("sqlite+aiosqlite://")
    create(store)
    log = [LogRow(n, "k", n / 3, data[: n % 5] or None, data) for n in range(1, sum(sizes) + 1)]
    start = 0
    for size in sizes:
        part = tuple(log[start : start + size])
        store.append("r1", 1, lambda part=part: Batch(part, nodes=1))
        start += size

    assert store.log("r1").result(WAIT_S) == log
    assert store.head("r1").result(WAIT_S).row.nodes == len(sizes)
    store.close()
