"""Fixtures that give each test a store in a separate file."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep runs there, in groups behind them."""
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
