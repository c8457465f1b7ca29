"""The contract of a store: who has a run, and how another gets it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import pytest
from sqlalchemy import text
from stores import (
    WAIT_S,
    add,
    at_once,
    batch,
    create,
    end,
    finished,
    go_on,
    line_of,
    new_run,
    process,
    result_of,
    seqs,
)

from nbflow.errors import RunNotFoundError, RunStateError
from nbflow.store import Store, leases, owners
from nbflow.store.owners import Owner, this_process

Open = Callable[[str], Store]

DIES = """
store = Store.open(args[0])
epoch = create(store, "r1")
add(store, "r1", epoch, 1, 3)
print("written", flush=True)
input()
"""


def killed_owner(url: str) -> None:
    """Have a run written by a process, and kill that."""
    writing = process(DIES, url)
    assert line_of(writing) == "written"
    writing.kill()
    writing.communicate()


def owned_by(store: Store, owner: Owner, left: float) -> None:
    """Write down an owner with so many seconds to go."""
    change = "UPDATE nbflow_executions SET owner = :owner, lease_until = lease_until - 10 + :left"
    store._change(
        lambda connection: connection.execute(text(change), {"owner": owner.text(1000.0), "left": left})
    ).result(WAIT_S)


def test_epochs_start_at_1_and_grow_with_each_owner(store: Store) -> None:
    assert create(store) == 1
    store.release("r1", 1).result(WAIT_S)

    assert store.claim("r1").result(WAIT_S) == 2
    add(store, "r1", 2, 1, 1)


def test_events_may_be_queued_behind_their_run_before_it_is_there(store: Store) -> None:
    created = store.create(new_run)
    futures = [store.append("r1", 1, lambda n=n: batch(n, n)) for n in range(1, 11)]

    assert created.result(WAIT_S) == 1
    assert all(future.exception(WAIT_S) is None for future in futures)


def test_events_queued_behind_a_run_that_cannot_be_there_are_refused(store: Store) -> None:
    created = store.create(lambda: new_run(parent="nothing", parent_seq=1))
    added = store.append("r1", 1, lambda: batch(1, 1))

    assert isinstance(created.exception(WAIT_S), RunNotFoundError)
    assert isinstance(added.exception(WAIT_S), RunStateError)


def test_a_run_claimed_by_the_beginning_of_its_id_is_held_by_all_of_it(store: Store) -> None:
    finished(store, "abc1")

    epoch = store.claim("abc").result(WAIT_S)

    add(store, "abc1", epoch, 2, 2)


def test_a_live_run_names_its_owner_and_a_finished_one_has_none(store: Store) -> None:
    create(store, "live")
    finished(store, "done")

    runs = {run.id: run.owner for run in store.runs().result(WAIT_S)}

    assert runs["live"] is not None
    assert socket.gethostname() in runs["live"]
    assert runs["done"] is None


def test_a_released_run_takes_no_more_events(store: Store) -> None:
    epoch = create(store)
    store.release("r1", epoch).result(WAIT_S)

    with pytest.raises(RunStateError, match="'r1' is no longer owned by this session"):
        add(store, "r1", epoch, 1, 1)
    with pytest.raises(RunStateError, match="'r1' is no longer owned"):
        store.release("r1", epoch).result(WAIT_S)


def test_what_was_queued_before_a_release_is_written(store: Store) -> None:
    epoch = create(store)
    futures: list[Future[object]] = [store.append("r1", epoch, lambda n=n: batch(n, n)) for n in range(1, 4)]
    store.release("r1", epoch).result(WAIT_S)

    assert all(future.exception() is None for future in futures)


def test_a_run_that_this_store_has_is_not_claimed_twice(store: Store) -> None:
    create(store)

    with pytest.raises(RunStateError, match=r"run 'r1' is owned by process \d+ on .* since 20\d\d-.* UTC"):
        store.claim("r1").result(WAIT_S)


def test_claiming_an_unknown_run_is_an_error(store: Store) -> None:
    with pytest.raises(RunNotFoundError):
        store.claim("nothing").result(WAIT_S)


def test_a_run_of_another_living_process_is_refused_and_the_owner_named(url: str, opened: Open) -> None:
    writing = process(DIES, url)
    line_of(writing)
    store = opened(url)

    with pytest.raises(RunStateError, match=f"run 'r1' is owned by process {writing.pid} on {socket.gethostname()}"):
        store.claim("r1").result(WAIT_S)
    assert store.abandoned().result(WAIT_S) == []

    writing.communicate("\n")


def test_a_killed_process_loses_its_runs_at_once(url: str, opened: Open) -> None:
    killed_owner(url)
    store = opened(url)

    assert [(run.id, run.owner) for run in store.abandoned().result(WAIT_S)] == [("r1", None)]
    epoch = store.claim("r1").result(WAIT_S)
    add(store, "r1", epoch, 4, 4)

    assert (epoch, seqs(store, "r1")) == (2, [1, 2, 3, 4])
    assert store.abandoned().result(WAIT_S) == []


def test_a_process_that_ends_in_order_frees_its_runs(url: str, opened: Open) -> None:
    writing = process(DIES, url)
    writing.communicate("\n")

    assert opened(url).claim("r1").result(WAIT_S) == 2


def test_an_ended_run_is_not_abandoned(url: str, opened: Open) -> None:
    store = opened(url)
    end(store, "failed", create(store, "failed"), 1, "failed")

    assert store.abandoned().result(WAIT_S) == []


@pytest.mark.parametrize(
    ("left", "elsewhere", "allowed"),
    [(5.0, True, False), (-1.0, True, True), (-1.0, False, False), (-owners.GRACE_S - 1, False, True)],
)
def test_a_lease_counts_by_where_its_owner_is(store: Store, left: float, elsewhere: bool, allowed: bool) -> None:
    create(store)
    store.release("r1", 1).result(WAIT_S)
    owner = replace(this_process(), machine="another" if elsewhere else this_process().machine)
    owned_by(store, owner, left)

    claimed = store.claim("r1")

    assert (claimed.exception(WAIT_S) is None) is allowed


def test_a_process_that_came_later_under_the_same_number_is_another(store: Store) -> None:
    create(store)
    store.release("r1", 1).result(WAIT_S)
    owned_by(store, replace(this_process(), born=1.0), 10.0)

    assert store.claim("r1").result(WAIT_S) == 2


@pytest.mark.parametrize("text_", ["", "[" * 100_000, "[]", '{"pid": 1}', '{"since": 1e300}', "not JSON"])
def test_an_owner_that_cannot_be_read_is_nobody(store: Store, text_: str) -> None:
    create(store)
    store.release("r1", 1).result(WAIT_S)
    change = text("UPDATE nbflow_executions SET owner = :owner")
    store._change(lambda connection: connection.execute(change, {"owner": text_})).result(WAIT_S)

    assert store.head("r1").result(WAIT_S).row.owner is None
    assert store.claim("r1").result(WAIT_S) == 2


def test_an_owner_that_was_taken_for_dead_writes_nothing_more_and_its_other_runs_continue(
    url: str, opened: Open
) -> None:
    stale, thief = opened(url), opened(url)
    create(stale, "r1")
    create(stale, "r2", started=2.0)
    owned_by(stale, replace(this_process(), machine="another"), -1.0)
    epoch = thief.claim("r1").result(WAIT_S)
    add(thief, "r1", epoch, 1, 1)

    refused = stale.append("r1", 1, lambda: batch(1, 5))
    written = stale.append("r2", 1, lambda: batch(1, 2))

    with pytest.raises(RunStateError, match=r"run 'r1' was taken over by process \d+ on .*; it continues there"):
        refused.result(WAIT_S)
    assert written.result(WAIT_S)
    assert (seqs(thief, "r1"), seqs(thief, "r2")) == ([1], [1, 2])


def test_a_stale_owner_releases_nothing_of_the_new_one(url: str, opened: Open) -> None:
    stale, thief = opened(url), opened(url)
    create(stale, "r1")
    owned_by(stale, replace(this_process(), machine="another"), -1.0)
    thief.claim("r1").result(WAIT_S)

    stale.release("r1", 1).result(WAIT_S)
    stale.close()

    add(thief, "r1", 2, 1, 1)
    assert thief.head("r1").result(WAIT_S).row.owner is not None


def test_the_heartbeat_renews_while_the_writer_is_busy(url: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_S", 0.02)
    store = opened(url)
    epoch = create(store)
    owned_by(store, this_process(), -5.0)

    def encode_until_renewed() -> object:
        asked = "SELECT lease_until, started FROM nbflow_executions"
        while store._read(lambda connection: connection.execute(text(asked)).one()).result(WAIT_S)[0] < lapsed:
            pass
        return batch(1, 1)

    now = "SELECT lease_until FROM nbflow_executions"
    lapsed = store._read(lambda connection: connection.execute(text(now)).scalar_one()).result(WAIT_S) + 1e-6
    assert store.append("r1", epoch, encode_until_renewed).result(WAIT_S)


CLAIMS = """
store = Store.open(args[0])
print("ready", flush=True)
input()
claimed = store.claim("r1")
error = claimed.exception(WAIT_S)
print(type(error).__name__ if error else "got it", flush=True)
input()
"""


@pytest.mark.slow
def test_of_processes_that_claim_a_run_at_once_exactly_one_gets_it(url: str) -> None:
    killed_owner(url)
    claiming = [process(CLAIMS, url) for _ in range(4)]

    at_once(claiming)
    got = sorted(line_of(each) for each in claiming)

    assert got == ["RunStateError"] * 3 + ["got it"]
    for each in claiming:
        go_on(each)
        result_of(each)
