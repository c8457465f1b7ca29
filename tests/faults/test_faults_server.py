"""A PostgreSQL server that goes away in the midst of a run, and comes back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import WHOLE, Live
from wreck import Left, check_whole, look

from nbflow import Run

PLACES = ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"]


def program(name: str) -> str | None:
    """Return where a program of PostgreSQL is; distributions keep the server's out of the path."""
    found = [str(path) for place in PLACES for path in Path(place).glob(f"*/bin/{name}")]
    return shutil.which(name) or (max(found) if found else None)


class Cluster:
    """A server of our own, on a port that is free; it does not run as root, as it would refuse to."""

    def __init__(self, folder: Path, control: str) -> None:
        self._folder, self._control = folder, control
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        self.url = f"postgresql+asyncpg://nbflow@127.0.0.1:{self._port}/postgres"

    def make(self, initdb: str) -> None:
        """Make its files."""
        run(initdb, "-D", self._data, "-U", "nbflow", "-A", "trust", "--no-sync")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        options = f"-p {self._port} -k {self._folder} -h 127.0.0.1"
        run(self._control, "-D", self._data, "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self, mode: str) -> None:
        """Stop it: `fast` in order, `immediate` as a crash would."""
        run(self._control, "-D", self._data, "-m", mode, "-w", "stop")


def run(*command: str) -> None:
    """Run a command, as the user `postgres` where we are root."""
    other: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(command, **other, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    initdb, control = program("initdb"), program("pg_ctl")
    if initdb is None or control is None:
        pytest.skip("initdb and pg_ctl, which make a server of our own, are not here")
    pytest.importorskip("asyncpg")
    folder = Path(tempfile.mkdtemp(prefix="nbflow-"))
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError:
            pytest.skip("a server does not run as root, and there is no user postgres")
    made = Cluster(folder, control)
    made.make(initdb)
    made.start()
    yield made
    made.stop("immediate")
    shutil.rmtree(folder)


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


def test_a_crash_of_the_server_may_cost_what_was_kept_last_behind_a_run_and_never_the_run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, left = run_through(cluster, Live(cluster.url, tmp_path, monkeypatch), "async", "immediate")

    assert (run.status, run.state) == ("completed", WHOLE)
    check_whole(left)


def run_through(cluster: Cluster, live: Live, durability: str, mode: str) -> tuple[Run, Left]:
    """Run a graph in whose midst the server is stopped and started; return the run, and what is left of it."""

    def restart() -> None:
        cluster.stop(mode)
        cluster.start()

    live.faults["three"] = restart
    run = live.start(durability)
    left = look(cluster.url, {row.id for row in live.session.history.open().runs().result(60)} - {run.id})
    live.session.history.close()
    assert live.ran() == ["one", "two", "three", "four", "five"]
    assert left is not None
    return run, left
