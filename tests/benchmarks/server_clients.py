"""Clients of servers in other processes, which take as little time as possible themselves.

Invariant: prepared bytes are sent over sockets that stay open, and each response is read completely.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from served import CELLS, TOKEN, Served, notebook, serving

FOUR = "%%flow_graph four\na = pass\nb = pass\nc = pass\nd = pass\na -> b -> c -> d"
TICKING = """\
%%flow_tool
import asyncio, nbflow

async def tick(count: int, seconds: float):
    for n in range(count):
        nbflow.progress(n + 1, count)
        await asyncio.sleep(seconds)
"""
TOOLS = "%%flow_tool\n" + "\n".join(f"def tool_{n}(n: int = 0) -> dict:\n    return {{'n': n}}\n" for n in range(20))
LIMITS = {"NBFLOW_MAX_RATE": "1000000", "NBFLOW_MAX_RUNS": "100000", "NBFLOW_DURABILITY": "async"}


def book(folder: Path) -> Path:
    """Write the notebook of the server tests, with the graphs of the benchmarks and 20 more tools."""
    return notebook(folder, [*CELLS, TOOLS, FOUR, TICKING, "%%flow_graph ticking\ntick"])


@contextmanager
def nbflow_served(folder: Path) -> Iterator[Served]:
    """Serve that notebook."""
    with serving(book(folder), **LIMITS) as served:
        yield served


@contextmanager
def bare_served(folder: Path) -> Iterator[int]:
    """Serve the minimal server; yield its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        script = Path(__file__).with_name("bare_server.py")
        command = [sys.executable, str(script), str(listening.fileno()), str(folder / "bare.db")]
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
        try:
            yield int(listening.getsockname()[1])
        finally:
            process.terminate()
            process.wait(30)


@dataclass(frozen=True)
class Answers:
    """The time of each response (s, the shortest first), and of all responses together."""

    times: list[float]
    whole: float

    def percentile(self, part: float) -> float:
        """Return the percentile of the times, in seconds."""
        return self.times[min(len(self.times) - 1, int(len(self.times) * part / 100))]

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.times) / self.whole


def start_runs(port: int, *, clients: int, each: int) -> Answers:
    """Start runs from several parallel clients, each with a separate connection."""
    body = json.dumps({"graph_id": "four", "initial_state": {"n": 1}}).encode()
    head = (
        "POST /executions/run HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body

    async def client(times: list[float]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(each):
            started = time.perf_counter()
            writer.write(request)
            await _accepted(reader)
            times.append(time.perf_counter() - started)
        writer.close()

    async def main() -> Answers:
        times: list[float] = []
        started = time.perf_counter()
        await asyncio.gather(*(client(times) for _ in range(clients)))
        return Answers(sorted(times), time.perf_counter() - started)

    return asyncio.run(main())


async def _accepted(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 202"), head
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))


def cpu_s(process: int) -> float:
    """Return the processor time of a process in seconds."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)
