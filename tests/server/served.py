"""A served notebook, and clients that connect to it from another process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nbformat
from websockets.sync.client import ClientConnection, connect

TOKEN = "token-of-the-tests"
PATIENCE_S = 300
CELLS = [
    "%load_ext nbflow",
    '''%%flow_tool
import asyncio, os
from pathlib import Path

async def wait(seconds: float = 0.01, n: int = 1) -> dict:
    """Wait a while."""
    await asyncio.sleep(seconds)
    return {"n": n + 1}

def count(text: str) -> dict:
    """Count the words of a text."""
    return {"words": len(text.split())}

def fail(n: int = 0):
    """Fail, unless n is large."""
    if n < 10:
        raise ValueError(f"n is {n}")

def note(path: str):
    """Write a line to a file."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\\n")

def die(path: str):
    """Take the process down."""
    note(path)
    os._exit(1)
''',
    "%%flow_graph chain\na = wait()\nb = wait()\na -> b",
    "%%flow_graph counted\ncount",
    "%%flow_graph failing\nwait -> fail",
    '%%flow_graph asking\nask = ask(question="Ship it?", choices=["yes", "no"])\nask -> wait',
    "%%flow_graph noted\nfirst = note()\nsecond = note()\nfirst -> wait -> second",
    "%%flow_graph dying\nwait -> die",
    "%%flow_graph looped\nwait -> wait if n < 1000000 [max=1000000]",
    "%flow_run chain",
]


def notebook(folder: Path, sources: Sequence[str] = CELLS) -> Path:
    """Write the notebook that is served."""
    path = folder / "flows.ipynb"
    cells = [nbformat.v4.new_code_cell(cell) for cell in sources]
    book = nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    )
    nbformat.write(book, path)
    return path


@dataclass
class Served:
    """A server: its supervisor's process, its address, and its output."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    folder: Path
    token: str = TOKEN

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **settings: Any) -> httpx.Client:
        """Return a client with the token."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=300, **settings
        )

    def socket(self, path: str, **headers: str) -> ClientConnection:
        """Open a WebSocket with the token."""
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        return connect(f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, max_size=None)

    def run(self, graph: str, **state: Any) -> str:
        """Start a run; return its id."""
        with self.client() as client:
            answer = client.post("/executions/run", json={"graph_id": graph, "initial_state": state})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["run_id"])

    def result(self, run_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until a run has one of the statuses, by default until it has ended; return its result."""
        wanted = statuses or ("completed", "failed", "cancelled")
        until = time.monotonic() + PATIENCE_S
        with self.client() as client:
            while True:
                found: dict[str, Any] = client.get(f"/executions/result/{run_id}").json()
                if found.get("status") in wanted:
                    return found
                assert time.monotonic() < until, found
                time.sleep(0.05)

    def workers(self) -> list[int]:
        """Return the worker processes."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def stop(self) -> int:
        """Ask the server to end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def environment_of(**settings: str) -> dict[str, str]:
    """Return the environment of a server: that of this process, with only the given settings of nbflow."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NBFLOW_")}
    return {**own, "NBFLOW_TOKEN": TOKEN, **settings}


@contextmanager
def serving(file: Path, *options: str, **settings: str) -> Iterator[Served]:
    """Serve a file on a free port until the end of the block."""
    log = file.parent / "serve.log"
    environment = environment_of(**settings)
    with log.open("wb") as output:
        command = [sys.executable, "-m", "nbflow", "serve", str(file), "--port", "0", *options]
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    served = Served(process, 0, log, file.parent)
    try:
        served.port = _port(served)
        yield served
    finally:
        served.stop()


def _port(served: Served) -> int:
    until = time.monotonic() + PATIENCE_S
    while True:
        told = served.log.read_text(errors="replace")
        if found := re.search(r"is served at \S*[:/](\d+)/", told):
            return int(found[1])
        assert served.process.poll() is None, told
        assert time.monotonic() < until, told
        time.sleep(0.05)


def events_of(socket: ClientConnection) -> list[dict[str, Any]]:
    """Return the messages that a socket sends until it is closed."""
    return [json.loads(text) for text in socket]
