"""Fixtures that start `nbflow serve` as users do: in a separate process, on a notebook, with each kind of store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from served import Served, notebook, serving
from surroundings import database

POSTGRES = os.environ.get("NBFLOW_TEST_POSTGRES_URL")


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that all tests of one store share. A test does not depend on the runs of another."""
    folder = tmp_path_factory.mktemp("served")
    with ExitStack() as stack:
        settings = {"NBFLOW_MAX_RATE": "5000"}
        if request.param == "postgres":
            if POSTGRES is None:
                pytest.skip("NBFLOW_TEST_POSTGRES_URL names no server")
            settings["NBFLOW_DATABASE_URL"] = stack.enter_context(database(POSTGRES))
        yield stack.enter_context(serving(notebook(folder), **settings))


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for tests that do not depend on the kind of store."""
    with serving(notebook(tmp_path_factory.mktemp("served")), NBFLOW_MAX_RATE="5000") as served:
        yield served
