"""Databases and disks of a test's own.

Rule: what cannot be had here skips the test with the reason, and what was made is gone afterwards.
"""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
