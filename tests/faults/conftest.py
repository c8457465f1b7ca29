"""What the fault tests share: a warm process that forks those to be killed, and a tally of when they were."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from surroundings import database
from warm_process import Warm

SERVER = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
TALLY: Counter[tuple[str, str]] = Counter()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    started = Warm()
    yield started
    started.close()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Give the URL of a database of our own on the server for tests."""
    with _database() as url:
        yield url


@pytest.fixture
def fresh_server_url() -> Iterator[str]:
    """Give the URL of a database with nothing in it."""
    with _database() as url:
        yield url


@contextmanager
def _database() -> Iterator[str]:
    if not SERVER:
        pytest.skip("NBFLOW_TEST_POSTGRES_URL names no server")
    with database(SERVER) as url:
        yield url


@pytest.fixture
def tally() -> Counter[tuple[str, str]]:
    """Give what counts how the kills fell; it is told at the end."""
    return TALLY


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for where in sorted({where for where, _ in TALLY}):
        counts = ", ".join(f"{what} {count}" for (place, what), count in sorted(TALLY.items()) if place == where)
        terminalreporter.write_line(f"kills, {where}: {counts}")
