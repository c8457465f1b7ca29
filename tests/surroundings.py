"""Databases, servers and disks of a test's own.

Rule: what cannot be had here skips the test with the reason, and what was made is gone afterwards.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url


@contextmanager
def database(server: str) -> Iterator[str]:
    """Make a database of one's own on a server; give its URL."""
    name = f"nbflow_{uuid.uuid4().hex[:12]}"
    _tell(server, f"CREATE DATABASE {name}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        _tell(server, f"DROP DATABASE {name} WITH (FORCE)")


def _tell(server: str, command: str) -> None:
    import asyncpg

    async def main() -> None:
        connection = await asyncpg.connect(server.replace("+asyncpg", ""))
        try:
            await connection.execute(command)
        finally:
            await connection.close()

    asyncio.run(main())


class Cluster:
    """A PostgreSQL server of the test's own, on a port that is free; it does not run as root, as it would refuse to."""

    def __init__(self, folder: Path, control: str) -> None:
        self._folder, self._control = folder, control
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        self.url = f"postgresql+asyncpg://nbflow@127.0.0.1:{self._port}/postgres"

    def make(self, initdb: str) -> None:
        """Make its files."""
        _run(initdb, "-D", self._data, "-U", "nbflow", "-A", "trust", "--no-sync")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self._port} -k {self._folder} -h 127.0.0.1"
        _run(self._control, "-D", self._data, "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self, mode: str) -> None:
        """Stop it: `fast` in order, `immediate` as a crash would."""
        _run(self._control, "-D", self._data, "-m", mode, "-w", "stop")

    def restart(self, mode: str) -> None:
        """Stop it, and start it again."""
        self.stop(mode)
        self.start()


def _run(*command: str) -> None:
    """Run a command, as the user `postgres` where we are root."""
    other: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(command, **other, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def _program(name: str) -> str | None:
    """Return where a program of PostgreSQL is; distributions keep the server's out of the path."""
    places = ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"]
    found = [str(path) for place in places for path in Path(place).glob(f"*/bin/{name}")]
    return shutil.which(name) or (max(found) if found else None)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a server of one's own, which runs."""
    initdb, control = _program("initdb"), _program("pg_ctl")
    if initdb is None or control is None:
        pytest.skip("initdb and pg_ctl, which make a PostgreSQL server of our own, are not here")
    pytest.importorskip("asyncpg")
    folder = Path(tempfile.mkdtemp(prefix="nbflow-"))
    try:
        if os.geteuid() == 0:
            _give_away(folder)
        made = Cluster(folder, control)
        made.make(initdb)
        made.start()
        try:
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _give_away(folder: Path) -> None:
    try:
        shutil.chown(folder, "postgres", "postgres")
    except LookupError:
        pytest.skip("a PostgreSQL server does not run as root, and there is no user postgres")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Make a folder on a file system of its own."""
    folder.mkdir()
    size = f"size={megabytes}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "nbflow-test", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
