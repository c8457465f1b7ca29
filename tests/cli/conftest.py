"""Fixtures for tests of commands: a folder with a graph and its tools, and the command as a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import KEPT, Command, json_of, nbflow_in

TOOLS = """
import asyncio
import os
import time
from pathlib import Path

def plus(total, step=1):
    print("adding", step)
    return {"total": total + step}

def double(total):
    return {"total": total * 2}

def breaks(total):
    return {}["no such key"]

def waits():
    time.sleep(60)

def counted():
    with Path("counted").open("a") as file:
        file.write("x")
    return {"counted": True}

async def gathers():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(breaks, 1))

def holds(total):
    if Path("open").exists():
        return {"total": total + 1}
    os.write(2, b"holding\\n")
    time.sleep(600)

def needs_open(total):
    if not Path("open").exists():
        raise OSError("the door is shut")
    return {"total": total + 1}
"""


def _write_graphs(folder: Path) -> None:
    (folder / "sums.flow").write_text("graph sums\nplus -> double\ndouble -> END if total > 100 else plus\n")
    (folder / "door.flow").write_text("graph door\ncounted -> needs_open -> double\n")
    (folder / "hold.flow").write_text("graph hold\ncounted -> holds -> double\n")
    (folder / "mytools.py").write_text(TOOLS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write_graphs(tmp_path)
    return tmp_path


@pytest.fixture
def nbflow(folder: Path) -> Command:
    return nbflow_in(folder)


@pytest.fixture(scope="session")
def _stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Store two runs once for all tests: a process for each run takes over a second."""
    folder = tmp_path_factory.mktemp("stored")
    _write_graphs(folder)
    run = nbflow_in(folder)
    completed = run("run", "sums.flow", *KEPT, "--set", "total=60", "--json")
    failed = run("run", "door.flow", *KEPT, "--set", "total=20", "--json")
    return folder, [json_of(completed)["run_id"], json_of(failed)["run_id"]]


@pytest.fixture
def ids(folder: Path, _stored: tuple[Path, list[str]]) -> list[str]:
    """Put a store with a completed run and a younger failed one into the folder; give the ids of the runs."""
    stored, ids = _stored
    shutil.copytree(stored, folder, dirs_exist_ok=True)
    return ids
