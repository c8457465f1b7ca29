"""A PostgreSQL server that goes away in the midst of a run, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import surroundings
from live import WHOLE, Live
from surroundings import Cluster
from wreck import Left, check_whole, look

from nbflow import Run


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with surroundings.cluster() as made:
        yield made


@pytest.mark.parametrize(("durability", "mode"), [("sync", "fast"), ("sync", "immediate"), ("async", "fast")])
def test_a_run_waits_for_a_server_that_is_restarted_and_completes(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, mode: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    run, left = run_through(cluster, Live(cluster.url, tmp_path, monkeypatch), durability, mode)

    assert (run.status, run.state) == ("completed", WHOLE)
    assert not [record for record in caplog.records if "memory alone" in record.getMessage()]
    assert left.status == "completed"
    assert len(left.rows) == len(run.events)
    check_whole(left)


def test_a_crash_of_the_server_may_lose_the_last_asynchronous_commits_and_never_the_run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, left = run_through(cluster, Live(cluster.url, tmp_path, monkeypatch), "async", "immediate")

    assert (run.status, run.state) == ("completed", WHOLE)
    check_whole(left)


def run_through(cluster: Cluster, live: Live, durability: str, mode: str) -> tuple[Run, Left]:
    """Run a graph in whose midst the server is stopped and started; return the run, and what is left of it."""
    live.faults["three"] = lambda: cluster.restart(mode)
    run = live.start(durability)
    left = look(cluster.url, {row.id for row in live.session.history.open().runs().result(60)} - {run.id})
    live.session.history.close()
    assert live.ran() == ["one", "two", "three", "four", "five"]
    assert left is not None
    return run, left
