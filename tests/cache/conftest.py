"""A store of the test's own for every test here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cached_runs import session_of

from nbflow.session import Session


@pytest.fixture(autouse=True)
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of the store that sessions open."""
    text = f"sqlite+aiosqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("NBFLOW_DATABASE_URL", text)
    return text


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    """Give what makes sessions, and closes them after the test."""
    sessions: list[Session] = []

    def make(source: str, *graph: str, **graphs: str) -> Session:
        sessions.append(session_of(source, *graph, **graphs))
        return sessions[-1]

    yield make
    for session in sessions:
        session.history.close()
