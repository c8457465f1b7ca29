"""Servers whose metrics, spans and logs a test reads: within the test's process, and started by `nbflow serve`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import nbformat
from prometheus_client.parser import text_string_to_metric_families

from nbflow.session import Session

TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
CELL = """\
%load_ext nbflow
"""
TOOLS = """\
%%flow_tool
import asyncio
async def double(n: int) -> dict:
    return {"n": n * 2}

async def sleep(seconds: float) -> dict:
    await asyncio.sleep(seconds)
    return {"slept": seconds}
"""


def a_session() -> Session:
    """Return a session with graphs that succeed, fail, retry, and wait."""
    session, tried = Session(), []

    @session.tool
    async def double(n: int) -> dict[str, int]:
        return {"n": n * 2}

    @session.tool
    async def fail() -> None:
        raise ValueError("no rows")

    @session.tool
    async def flaky() -> dict[str, bool]:
        tried.append(1)
        if len(tried) < 2:
            raise TimeoutError("not yet")
        return {"came": True}

    @session.tool
    async def wait() -> None:
        await asyncio.Event().wait()

    session.graph("twice", "a = double\nb = double\na -> b")
    session.graph("fails", "double -> fail")
    session.graph("again", "flaky [retries=2, backoff=0]")
    session.graph("waits", "wait")
    return session


@asynccontextmanager
async def served(session: Session, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a session from within this process; yield a client that has the token."""
    server = session.serve(port=0, token=TOKEN, **options)
    async with httpx.AsyncClient(base_url=server.address, headers=BEARER, timeout=300) as client:
        try:
            yield client
        finally:
            await server.stop()


async def ran(client: httpx.AsyncClient, graph: str, **state: Any) -> str:
    """Run a graph to its end; return the run's id."""
    begun = await client.post("/executions/run", json={"graph_id": graph, "initial_state": state})
    assert begun.status_code == 202, begun.text
    run_id = str(begun.json()["run_id"])
    while (await client.get(f"/executions/result/{run_id}")).json()["status"] == "running":
        await asyncio.sleep(0.02)
    return run_id


Counts = dict[tuple[str, frozenset[tuple[str, str]]], float]


def counts_of(text: str) -> Callable[..., float]:
    """Return a function that looks up a sample in a response of /metrics, by name and labels."""
    families = text_string_to_metric_families(text)
    found: Counts = {
        (each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples
    }

    def count(name: str, **labels: str) -> float:
        return found.get((name, frozenset(labels.items())), 0.0)

    return count


async def counted(client: httpx.AsyncClient, enough: Callable[[Callable[..., float]], bool]) -> Callable[..., float]:
    """Request the metrics until they meet the condition or the time is up."""
    for _ in range(200):
        answer = await client.get("/metrics")
        assert answer.status_code == 200, answer.text
        count = counts_of(answer.text)
        if enough(count):
            break
        await asyncio.sleep(0.05)
    return count


def a_notebook(path: Path, graphs: str = "double -> sleep") -> Path:
    """Write a notebook that defines a graph `daily`."""
    cells = [CELL, TOOLS, f"%%flow_graph daily\n{graphs}\n"]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    nbformat.write(made, path)  # type: ignore[no-untyped-call]
    return path


class Process:
    """`nbflow serve`, as a terminal starts it. Its output is read as it arrives."""

    def __init__(self, command: list[str], environment: dict[str, str], **how: Any) -> None:
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self.address = self.awaited(r"is served at (http://[\d.]+:\d+)")[1]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def text(self) -> str:
        """Return the whole output so far."""
        return "".join(self.lines)

    def awaited(self, pattern: str) -> re.Match[str]:
        """Wait until the output matches; return the match."""
        until = time.monotonic() + 300
        while time.monotonic() < until:
            if found := re.search(pattern, self.text):
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"it never said {pattern!r}, but: {self.text}")

    def logged(self) -> list[dict[str, Any]]:
        """Return the log of the process: the lines of its output that are JSON."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def end(self) -> int:
        """Ask the process to end; return its exit code once the whole output has arrived."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(300)
        self._reading.join(10)
        return code


@contextmanager
def process(file: Path, *arguments: str, **variables: str) -> Iterator[Process]:
    """Serve a file by `nbflow serve`; yield the process."""
    environment = {**os.environ, "NBFLOW_DURABILITY": "async", "NBFLOW_TOKEN": TOKEN, "NBFLOW_DRAIN": "1", **variables}
    command = [sys.executable, "-m", "nbflow", "serve", str(file), "--port", "0", *arguments]
    made = Process(command, environment, cwd=file.parent)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.end()
