"""The cache at the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["async", "off"])
def test_a_command_reuses_what_an_earlier_one_computed_unless_it_is_told_not_to(
    durability: str, tmp_path: Path, url: str
) -> None:
    (tmp_path / "things.py").write_text("def work(n):\n    return {'out': n * 2}\n")
    (tmp_path / "things.flow").write_text("graph things\nwork = work(n=3) [cache=true]")
    env = {**os.environ, "NBFLOW_DATABASE_URL": url, "NBFLOW_DURABILITY": durability}

    def cached(*more: str) -> bool:
        command = [sys.executable, "-m", "nbflow", "run", "things.flow", "--tools", "things", "--json", *more]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        assert told["state"] == {"out": 6}
        (row,) = told["logs"]
        return bool(row["cached"])

    assert [cached(), cached(), cached("--no-cache")] == [False, True, False]
