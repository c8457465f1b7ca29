"""The cost of a stored run: time and bytes per node, resume, history, and memory behind a slow disk."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from figures import Figures, micro
from store_sessions import PAYLOAD, langgraph_stored, raw_inserts, running, session
from timing import Rounds, interleave

from nbflow.events import Kind

N = 100


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NBFLOW_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/runs.db")
    return tmp_path / "runs.db"


def test_async_against_sqlite_alone_and_a_peer(tmp_path: Path, figures: Figures) -> None:
    made = session(N)

    async def main() -> Rounds:
        peer, connection = await langgraph_stored(tmp_path / "peer.db", N, "async")
        raw = raw_inserts(tmp_path / "raw.db", N, synchronous="NORMAL")
        found = await interleave(7, running(made, "async"), raw, peer, running(made, "off"))
        await connection.close()
        return found

    found = asyncio.run(main())
    made.history.close()
    each = [micro(found.median(way) / N) for way in range(4)]
    note = f"{each[0]} a node, raw {each[1]}, LangGraph {each[2]}, off {each[3]}"
    figures.at_most("chain of 100, 10 KB carried: async / a raw commit each", found.ratio(0, 1), 3.0, note)
    figures.at_least("the same: LangGraph's async / async", found.ratio(2, 0), 30, note)


def test_sync_against_sqlite_alone(tmp_path: Path, figures: Figures) -> None:
    made = session(N)

    async def main() -> Rounds:
        raw = raw_inserts(tmp_path / "raw.db", N, synchronous="FULL")
        return await interleave(7, running(made, "sync"), raw)

    found = asyncio.run(main())
    made.history.close()
    note = f"{micro(found.median() / N)} a node, raw {micro(found.median(1) / N)}"
    figures.at_most("chain of 100, 10 KB carried: sync / a raw durable commit each", found.ratio(), 2.0, note)


def test_growth_of_the_file(database: Path, figures: Figures) -> None:
    def size() -> int:
        with sqlite3.connect(database) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return database.stat().st_size

    short, long = session(10), session(2_010)
    asyncio.run(running(short, "async")())  # type: ignore[arg-type]  # a coroutine in fact
    short.history.close()
    before = size()
    asyncio.run(running(long, "async")())  # type: ignore[arg-type]
    long.history.close()
    figures.at_most("store's growth a node, outputs of 100 bytes", (size() - before) / 2_000, 600, unit="B")


def test_a_resume_after_10_000_nodes(figures: Figures, database: Path) -> None:
    count, broken = 10_001, True

    async def last() -> None:
        if broken:
            raise ValueError("not yet")

    def made() -> Any:
        one = session(count)
        one.registry.register("last", last)
        graph = one.graphs["g"].model_dump(by_alias=True, exclude_unset=True)
        graph["nodes"][-1]["tool"] = "last"
        one.graph("g", {**graph, "name": "g"})
        return one

    async def main() -> tuple[float, float]:
        nonlocal broken
        first = made()
        run = first.start("g", {"payload": PAYLOAD}, durability="async")
        await run.wait()
        first.history.close()
        broken, second = False, made()
        started = perf_counter()
        rows = sqlite3.connect(database).execute("SELECT * FROM nbflow_log ORDER BY execution, seq").fetchall()
        bare, started = perf_counter() - started, perf_counter()
        again = await second.reopen(run.id)
        await again.wait()
        took = perf_counter() - started
        assert again.state["out"]
        assert sum(event.kind is Kind.NODE_START for event in again.events[len(rows) :]) == 1
        second.history.close()
        return took, bare

    took, bare = asyncio.run(main())
    figures.at_most(
        "resume after 10 000 nodes, until the end", took, 1.0, f"sqlite3 reads the rows in {bare:.3f} s", unit="s"
    )


def test_history_of_10_000_runs_and_a_million_rows(figures: Figures, database: Path) -> None:
    made = session(N)
    asyncio.run(running(made, "async")())  # type: ignore[arg-type]
    made.history.close()
    with sqlite3.connect(database) as connection:
        runs = [c for c in _columns(connection, "nbflow_executions") if c not in ("number", "id", "started")]
        rows = [c for c in _columns(connection, "nbflow_log") if c != "execution"]
        connection.execute(f"""
            WITH RECURSIVE many(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM many WHERE i < 10000)
            INSERT INTO nbflow_executions (number, id, started, {", ".join(runs)})
            SELECT many.i, printf('%012x', many.i), one.started + many.i, {", ".join(f"one.{c}" for c in runs)}
            FROM many, nbflow_executions AS one WHERE one.number = 1""")
        connection.execute(f"""
            INSERT INTO nbflow_log (execution, {", ".join(rows)})
            SELECT run.number, {", ".join(f"row.{c}" for c in rows)}
            FROM nbflow_executions AS run, nbflow_log AS row
            WHERE row.execution = 1 AND row.seq <= 100 AND run.number > 1""")
        count = connection.execute("SELECT count(*) FROM nbflow_log").fetchone()[0]
    made.history.open()
    times = []
    for _ in range(5):
        started = perf_counter()
        listed = made.runs(status="completed", limit=20)
        text = listed._repr_html_()
        times.append(perf_counter() - started)
    made.history.close()
    assert (len(listed), count > 900_000, "<table" in text) == (20, True, True)
    figures.at_most(
        "20 of 10 000 runs listed, a million rows stored", sorted(times)[2] * 1e3, 100, f"{count} rows", unit="ms"
    )


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


_SLOW = """
import asyncio, resource, sys, time
sys.path.insert(0, {here!r})
from store_sessions import running, session
durability = sys.argv[1]
made = session(100_000)
if durability == "async":
    from nbflow.store import sqlite
    transact = sqlite.SqliteConnection.transact
    def slowly(*args, **options):
        time.sleep(0.2)
        return transact(*args, **options)
    sqlite.SqliteConnection.transact = slowly
    made.history.open()
asyncio.run(running(made, durability)())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_behind_a_slow_disk(figures: Figures) -> None:
    def peak(durability: str) -> int:
        code = _SLOW.format(here=str(Path(__file__).parent))
        done = subprocess.run([sys.executable, "-c", code, durability], capture_output=True, text=True, check=True)
        return int(done.stdout)

    off, stored = peak("off"), peak("async")
    note = f"{stored} MB, off {off} MB, each commit 0.2 s late"
    figures.at_most("memory of 100 000 nodes stored on a slow disk, more than off", stored - off, 100, note, unit="MB")
