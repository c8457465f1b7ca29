"""A PostgreSQL server that goes away in the midst of a run, and comes back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stores import WAIT_S, add, batch, create, seqs

from nbflow.errors import StoreError
from nbflow.store import Store, patience

Open = Callable[[str], Store]


class Cluster:
    """A server of the test's own."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs = folder, programs
        # The server refuses to run as root.
        self._user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=WAIT_S, **self._user
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()

    def make(self) -> None:
        """Make it, with a short wait for what it keeps on the disk."""
        self.run("initdb", "--auth=trust", "--username=postgres", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str) -> None:
        """Stop it: `immediate` as by a crash, `fast` as by its administrator."""
        self.run("pg_ctl", "stop", "-w", "-m", mode)


@pytest.fixture(scope="module")
def made() -> Iterator[Cluster]:
    pytest.importorskip("asyncpg")
    found = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if found is None:
        pytest.skip("there is no initdb here to make a PostgreSQL server with")
    folder = Path(tempfile.mkdtemp(prefix="nbflow-postgres-"))
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError:
            pytest.skip("there is no user 'postgres' here, and the server does not run as root")
    cluster = Cluster(folder, Path(found).resolve().parent)
    cluster.make()
    yield cluster
    shutil.rmtree(folder)


@pytest.fixture
def cluster(made: Cluster) -> Iterator[Cluster]:
    made.start()
    yield made
    made.stop("immediate")


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


def test_connections_that_died_meanwhile_are_made_anew(cluster: Cluster, opened: Open) -> None:
    store = opened(cluster.url)
    epoch = create(store, "idle")
    add(store, "idle", epoch, 1, 1)

    cluster.stop("fast")
    cluster.start()

    assert seqs(store, "idle") == [1]
    add(store, "idle", epoch, 2, 2)
    assert seqs(store, "idle") == [1, 2]


def test_a_server_that_does_not_come_back_is_an_error_and_what_was_committed_is_kept(
    cluster: Cluster, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(cluster.url)
    epoch = create(store, "gone")
    add(store, "gone", epoch, 1, 5)
    monkeypatch.setattr(patience, "PATIENCE_S", 0.5)

    cluster.stop("immediate")
    error = store.append("gone", epoch, lambda: batch(6, 6)).exception(WAIT_S)
    assert isinstance(error, StoreError)
    assert "cannot be reached" in str(error)
    assert "What was committed before is kept" in str(error)
    assert isinstance(store.log("gone").exception(WAIT_S), StoreError)
    cluster.start()

    assert seqs(store, "gone") == [1, 2, 3, 4, 5]
    add(store, "gone", epoch, 6, 6)
