"""Laws of SEMANTICS rule 9: tools that change values in place have the results of pure tools, also after a resume."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import owned_graphs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow import Run

SEEDS = st.integers(0, 2**32)


def run_of(seed: int, **options: Any) -> Run:
    """Run the graph of a seed to its end."""
    made = owned_graphs.session_of(seed, **options)

    async def main() -> Run:
        run = made.start("g", owned_graphs.INITIAL)
        await run.wait()
        await made.until_stored(run)
        return run

    run = asyncio.run(main())
    made.history.close()
    return run


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(SEEDS, SEEDS)
def test_tools_that_change_values_in_place_come_to_what_pure_ones_come_to(seed: int, durations: int) -> None:
    rng = random.Random(durations)
    pauses: list[Callable[[], float | None]] = [lambda: None, lambda: rng.choice([None, 0.0, 0.0005])]

    pure = run_of(seed, pure=True)
    in_place = [run_of(seed, pause=pause) for pause in pauses]

    for run in in_place:
        assert run.status == pure.status
        if run.error is None:
            assert run.state == pure.state
            mine, theirs = (sorted(repr((row.node_id, row.input)) for row in each.logs) for each in (run, pure))
            assert mine == theirs


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("NBFLOW_DATABASE_URL", url)
    monkeypatch.setenv("NBFLOW_DURABILITY", "async")
    return url


@pytest.mark.slow
def test_a_run_resumed_at_any_event_in_another_process_comes_to_the_same(store: str) -> None:
    runs = {seed: run_of(seed) for seed in range(24)}
    rng = random.Random(1)
    ended = [(seed, run) for seed, run in runs.items() if run.error is None]
    asked = [(seed, run, rng.randint(1, len(run.events) - 1)) for seed, run in ended for _ in range(3)]

    lines = "\n".join(f"{seed},{run.id},{at}" for seed, run, at in asked)
    done = subprocess.run(
        [sys.executable, str(Path(owned_graphs.__file__))], input=lines, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert len(ended) > 5
    for (seed, run, at), (status, state) in zip(asked, json.loads(done.stdout), strict=True):
        assert (status, state) == ("completed", run.state), (seed, at)
