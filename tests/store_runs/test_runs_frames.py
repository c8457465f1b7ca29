"""Frames, arrays and long texts that runs store: once, compressed, and found again by a fork, a resume and after pruning."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbflow.engine import Run
from nbflow.session import Session

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

ROWS, MB = 100_000, 2**20


def random(seed: int) -> Any:
    return np.random.default_rng(seed).random(ROWS)


class Frames:
    """Sessions with tools that read a frame, change it and return it; `stops` lets the last one fail."""

    def __init__(self) -> None:
        self.stops = False

    def session(self) -> Session:
        made = Session()

        @made.tool
        def load(n: int) -> dict[str, Any]:
            return {"df": pd.DataFrame({f"c{k}": random(k) for k in range(9)})}

        @made.tool
        def add(df: Any) -> dict[str, Any]:
            return {"df": df.assign(x=random(20))}

        @made.tool
        def replace(df: Any) -> dict[str, Any]:
            return {"df": df.assign(c3=random(21))}

        @made.tool
        def keep(df: Any) -> dict[str, Any]:
            return {"df": df}

        @made.tool
        def last(df: Any) -> dict[str, Any]:
            if self.stops:
                raise ValueError("it stops here")
            return {"df": df[["c3", "x", "c0"]], "sum": float(df["c0"].sum() + df["c3"].sum() + df["x"].sum())}

        made.graph("g", "load -> add -> replace -> keep -> last")
        return made


def ran(session: Session, **state: Any) -> Run:
    async def main() -> Run:
        run = session.start("g", state or {"n": 1})
        await run.wait()
        return run

    return asyncio.run(main())


def expected() -> float:
    return float(random(0).sum() + random(21).sum() + random(20).sum())


def test_a_frame_through_five_nodes_takes_the_space_of_its_distinct_columns(tmp_path: Path) -> None:
    session = Frames().session()

    run = ran(session)

    file, log = tmp_path / "runs.db", tmp_path / "runs.db-wal"
    assert run.state["sum"] == expected()
    assert file.stat().st_size <= 1.3 * 11 * 8 * ROWS
    assert log.stat().st_size == 0
    session.history.close()


def test_another_session_reads_forks_and_resumes_it_and_pruning_leaves_what_is_used() -> None:
    frames = Frames()
    frames.stops = True
    first = frames.session()
    failed = ran(first)
    first.history.close()
    frames.stops = False

    async def fork() -> Run:
        session = frames.session()
        run = await session.resume(failed.id, at="replace")
        session.history.open().release(failed.id, 1)
        session.history.close()
        return run

    forked = asyncio.run(fork())
    third = frames.session()
    store = third.history.open()
    store.prune(keep_last=1, older_than=None, dry_run=False).result()
    read = third.read(forked.id)

    assert [row.id for row in third.runs()] == [forked.id]
    assert read.state["sum"] == expected()
    pd.testing.assert_frame_equal(read.state["df"], forked.state["df"])
    pd.testing.assert_frame_equal(
        read.at(len(read.events) // 2).state["df"], forked.at(len(read.events) // 2).state["df"]
    )
    store.prune(keep_last=None, older_than=0, dry_run=False).result()
    assert store.info().result().rows["values"] == 0
    third.history.close()


def test_a_failed_run_with_large_frames_is_resumed_in_another_session() -> None:
    frames = Frames()
    frames.stops = True
    first = frames.session()
    failed = ran(first)
    first.history.close()
    frames.stops = False

    async def resume() -> Run:
        session = frames.session()
        run = await session.resume(failed.id)
        session.history.close()
        return run

    assert asyncio.run(resume()).state["sum"] == expected()


def notices(session: Session, **state: Any) -> list[str]:
    ran(session, **state)
    session.history.close()
    return session.take_notices()


def test_a_large_value_is_named_once_a_key_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_LARGE_VALUE", "5MB")
    session = Frames().session()

    told = [line for line in notices(session, n=1, text="x" * 6 * MB) if "NBFLOW_LARGE_VALUE" in line]

    assert len(told) == 2
    assert "'text' of the initial state is 6 MB" in told[0]
    assert "'df' of node 'load' is 7 MB" in told[1]
    assert "raise NBFLOW_LARGE_VALUE (5 MB)" in told[1]


def test_values_that_are_not_large_are_not_named() -> None:
    assert not [line for line in notices(Frames().session()) if "NBFLOW_LARGE_VALUE" in line]


WITHOUT_PYARROW = """
import asyncio, sys
sys.modules["pyarrow"] = None
import pandas as pd
from nbflow.session import Session
made = Session()
@made.tool
def load(n): return {"df": pd.DataFrame({"a": [1]}), "other": {"s": pd.Series([1.5])}, "plain": n}
@made.tool
def keep(df): return {"df": df.assign(b=2)}
made.graph("g", "load -> keep -> keep2\\nkeep2 = keep")
async def main():
    return await made.start("g", {"n": 1, "first": pd.DataFrame({"a": [1]})})
asyncio.run(main())
made.history.close()
print("\\n".join(made.take_notices()))
"""


def test_without_pyarrow_one_notice_a_run_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYARROW], capture_output=True, text=True, check=True)

    (line,) = [line for line in done.stdout.splitlines() if "not stored" in line]
    assert "'first' of the initial state was not stored" in line
    assert "pip install -e '.[frames]'" in line
    assert "every other frame" in line
