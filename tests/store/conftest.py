"""One contract, three databases: a file, the memory, and PostgreSQL where the environment names a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from stores import file_url
from surroundings import database

from nbflow.store import Store

SERVER = os.environ.get("NBFLOW_TEST_POSTGRES_URL")


def _url(kind: str, folder: Path, stack: ExitStack) -> str:
    if kind == "memory":
        return "sqlite+aiosqlite://"
    if kind == "file":
        return file_url(folder / "runs.db")
    if not SERVER:
        pytest.skip("NBFLOW_TEST_POSTGRES_URL names no server")
    return stack.enter_context(database(SERVER))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path for a store."""
    return tmp_path / "runs.db"


@pytest.fixture(params=["file", "memory", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a store that is empty."""
    with ExitStack() as stack:
        opened = Store.open(_url(request.param, tmp_path, stack))
        yield opened
        opened.close()


@pytest.fixture(params=["file", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a store that several may open."""
    with ExitStack() as stack:
        yield _url(request.param, tmp_path, stack)


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Give what opens stores, and closes them after the test."""
    stores: list[Store] = []

    def open_store(url: str) -> Store:
        stores.append(Store.open(url))
        return stores[-1]

    yield open_store
    for each in stores:
        each.close()
