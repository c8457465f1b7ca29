"""A server under load loses nothing, fails nowhere, and stays within its bounds of memory.

These tests run a sample of the load; `pytest -m faults` runs all of it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from served import Served, notebook, serving

MB = 1_000_000
CELLS = [
    """\
%%flow_tool
import asyncio, nbflow
from pathlib import Path

async def tick(gate: str, count: int, seconds: float):
    while not Path(gate).exists():
        await asyncio.sleep(0.01)
    for n in range(count):
        nbflow.progress(n / count, "." * 1_000)
        await asyncio.sleep(seconds)

async def hop(n: int = 0) -> dict:
    await asyncio.sleep(0)
    return {"n": n + 1}
""",
    "%%flow_graph ticking\ntick",
    "%%flow_graph ten\n" + " -> ".join(f"n{i}" for i in range(10)) + "\n" + "\n".join(f"n{i} = hop" for i in range(10)),
]
FULL = pytest.mark.faults


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Served]:
    """A server with high limits for one client."""
    with serving(notebook(tmp_path, ["%load_ext nbflow", *CELLS]), NBFLOW_MAX_RATE="100000") as found:
        yield found


@dataclass
class Memory:
    """The memory of a server's worker (bytes): at the start, and the maximum since."""

    first: int
    most: int

    @property
    def grown(self) -> float:
        """Return the growth in MB."""
        return (self.most - self.first) / MB


@contextmanager
def measured(server: Served) -> Iterator[Memory]:
    """Measure the memory of a server's worker repeatedly, until the end of the block."""
    [worker] = server.workers()
    process, over = psutil.Process(worker), threading.Event()
    memory = Memory(process.memory_info().rss, 0)

    def look() -> None:
        while not over.wait(0.1):
            memory.most = max(memory.most, process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield memory
    finally:
        memory.most = max(memory.most, process.memory_info().rss)
        over.set()
        looking.join()


def tell(line: str) -> None:
    """Print the measurements; pytest shows them with -s."""
    sys.stdout.write(f"{line}\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "at_once", "most_mb"),
    [pytest.param(100, 20, 25, id="sample"), pytest.param(1_000, 50, 25, id="full", marks=FULL)],
)
def test_many_concurrent_runs_all_complete_and_retain_little_memory(
    loaded: Served, count: int, at_once: int, most_mb: float
) -> None:
    """Once the worker retains its maximum number of runs, further runs do not increase its memory."""
    asyncio.run(run_all(loaded, 300, at_once))
    with measured(loaded) as memory:
        results = asyncio.run(run_all(loaded, count, at_once))

    assert [(found["status"], found["result"]["state"]) for found in results] == [("completed", {"n": 10})] * count
    tell(f"{count} runs, {at_once} at once: memory grew by {memory.grown:.1f} MB")
    assert memory.grown <= most_mb
    assert '"level": "error"' not in loaded.log.read_text()


async def run_all(server: Served, count: int, at_once: int) -> list[dict[str, Any]]:
    """Run a graph of ten nodes so many times; return the results."""
    left, results = list(range(count)), []
    headers = {"Authorization": f"Bearer {server.token}"}

    async def client(session: httpx.AsyncClient) -> None:
        while left:
            left.pop()
            begun = await session.post("/executions/run", json={"graph_id": "ten", "initial_state": {"n": 0}})
            assert begun.status_code == 202, begun.text
            results.append(await ended(session, begun.json()["run_id"]))

    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=300) as session:
        await asyncio.gather(*(client(session) for _ in range(at_once)))
    return results


async def ended(session: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """Wait for the end of a run; return its result."""
    while True:
        answer = await session.get(f"/executions/result/{run_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["status"] != "running":
            return found
        await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("readers", "silent", "seconds"),
    [pytest.param(45, 5, 3, id="sample"), pytest.param(450, 50, 20, id="full", marks=FULL)],
)
def test_watchers_get_every_event_while_others_never_read(
    loaded: Served, tmp_path: Path, readers: int, silent: int, seconds: int
) -> None:
    alone = tick(loaded, tmp_path / "alone", seconds)
    with measured(loaded) as memory:
        took, got, events = watched(loaded, tmp_path / "watched", readers, silent, seconds)

    assert got == [[events, True]] * readers
    tell(f"{readers}+{silent} watch: memory grew by {memory.grown:.1f} MB, {took:.2f} s, unwatched {alone:.2f} s")
    assert memory.grown <= 50
    assert took <= 1.5 * alone


def begun(server: Served, gate: Path, seconds: int) -> str:
    """Start a run that ticks ten times a second once the file of its gate exists."""
    return server.run("ticking", gate=str(gate), count=seconds * 10, seconds=0.1)


def tick(server: Served, gate: Path, seconds: int) -> float:
    """Run the graph; return how long (s) it ticked."""
    run_id = begun(server, gate, seconds)
    return opened(server, gate, run_id)


def opened(server: Served, gate: Path, run_id: str) -> float:
    """Open the gate of a run, and return the time (s) from then to the end of the run."""
    gate.touch()
    began = time.perf_counter()
    assert server.result(run_id)["status"] == "completed"
    return time.perf_counter() - began


def watched(
    server: Served, gate: Path, readers: int, silent: int, seconds: int
) -> tuple[float, list[list[Any]], int]:  # fmt: skip
    """Run the graph with many watchers; return its duration (s), what the watchers received, and the number of events."""
    run_id = begun(server, gate, seconds)
    script = Path(__file__).with_name("watchers.py")
    command = [sys.executable, str(script), str(server.port), run_id, str(readers), str(silent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        took = opened(server, gate, run_id)
        told, _ = process.communicate(timeout=300)
    with server.client() as client:
        known = client.get(f"/executions/{run_id}/events", params={"limit": 10_000}).json()
    return took, json.loads(told), len(known["events"])
