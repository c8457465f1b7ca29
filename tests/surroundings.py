"""Create databases, servers and disks for single tests.

Invariant: a test is skipped, with the reason, if the machine cannot provide its database, server or disk. The functions
remove everything that they created.
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
    """Create a new database on a server; yield its URL."""
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
    """A PostgreSQL server for one test, on a free port. It does not run as root, since PostgreSQL refuses to."""

    def __init__(self, folder: Path, control: str) -> None:
        self._folder, self._control = folder, control
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port = found.getsockname()[1]
        self.url = f"postgresql+asyncpg://nbflow@127.0.0.1:{self._port}/postgres"

    def make(self, initdb: str) -> None:
        """Create the files of the server."""
        _run(initdb, "-D", self._data, "-U", "nbflow", "-A", "trust", "--no-sync")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-p {self._port} -k {self._folder} -h 127.0.0.1"
        _run(self._control, "-D", self._data, "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self, mode: str) -> None:
        """Stop the server: `fast` shuts it down cleanly, `immediate` stops it like a crash."""
        _run(self._control, "-D", self._data, "-m", mode, "-w", "stop")

    def restart(self, mode: str) -> None:
        """Stop the server, and start it again."""
        self.stop(mode)
        self.start()


def _run(*command: str) -> None:
    """Run a command, as the user `postgres` if the tests run as root."""
    other: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(command, **other, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def _program(name: str) -> str | None:
    """Return the path of a program of PostgreSQL. Distributions do not put those of the server in PATH."""
    places = ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"]
    found = [str(path) for place in places for path in Path(place).glob(f"*/bin/{name}")]
    return shutil.which(name) or (max(found) if found else None)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Create and start a server; yield it."""
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
    """Create a folder on a separate small file system."""
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
