"""What the tests of commands share: a folder with a graph and its tools, and the command as a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Command, nbflow_in

TOOLS = """
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sums.flow").write_text("graph sums\nplus -> double\ndouble -> END if total > 100 else plus\n")
    (tmp_path / "door.flow").write_text("graph door\ncounted -> needs_open -> double\n")
    (tmp_path / "hold.flow").write_text("graph hold\ncounted -> holds -> double\n")
    (tmp_path / "mytools.py").write_text(TOOLS)
    return tmp_path


@pytest.fixture
def nbflow(folder: Path) -> Command:
    return nbflow_in(folder)
