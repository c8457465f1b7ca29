"""A command advises to resume a run only where the run is stored and outlives the command."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from commands import KEPT, Command, nbflow_in

FAILS = ["run", "door.flow", "--tools", "mytools", "--set", "total=20"]
ADVICE = "to resume it: nbflow resume"


@pytest.mark.slow
def test_a_failed_run_that_is_stored_can_be_resumed_and_that_is_said(nbflow: Command) -> None:
    done = nbflow("run", "door.flow", *KEPT, "--set", "total=20")

    assert done.returncode == 1
    assert ADVICE in done.stderr


@pytest.mark.parametrize(
    ("options", "environment"),
    [(["--durability", "off"], {}), ([], {"NBFLOW_DURABILITY": "async", "NBFLOW_DATABASE_URL": "sqlite+aiosqlite://"})],
    ids=["not stored", "in memory"],
)
def test_a_run_that_ends_with_its_process_is_not_to_be_resumed(
    folder: Path, options: list[str], environment: dict[str, str]
) -> None:
    done = nbflow_in(folder, **environment)(*FAILS, *options)

    assert done.returncode == 1
    assert "the door is shut" in done.stderr
    assert "resume" not in done.stderr


def test_a_run_whose_store_failed_is_not_to_be_resumed(folder: Path) -> None:
    (folder / ".nbflow").mkdir()
    with sqlite3.connect(folder / ".nbflow" / "nbflow.db") as other:
        other.execute("CREATE TABLE notes (text)")

    done = nbflow_in(folder)(*FAILS, "--durability", "async")

    assert done.returncode == 1
    assert "is no store: another program has its data in it" in done.stderr
    assert "cannot be resumed" in done.stderr
    assert ADVICE not in done.stderr
