"""What the fault tests share: a warm process that forks those to be killed, and a tally of when they were."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from surroundings import database

SERVER = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
TALLY: Counter[tuple[str, str]] = Counter()


class Warm:
    """The process of `warm.py`: what it is ordered is done by a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("warm.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, **order: Any) -> dict[str, Any]:
        """Give an order, and return the answer once it is carried out."""
        self.send(**order)
        return self.answer()

    def send(self, **order: Any) -> None:
        """Give an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait until an order is carried out; return what was answered."""
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    @staticmethod
    def first_to_answer(*processes: Warm) -> Warm:
        """Wait until one of several has an answer; return it."""
        pipes = {process._process.stdout: process for process in processes}
        return pipes[select.select([*pipes], [], [])[0][0]]

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


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
