"""The cost of a server, compared with a minimal one on the same framework. Each runs in a separate process."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from figures import Figures
from served import TOKEN, Served, environment_of, notebook, serving
from server_clients import Answers, bare_served, book, cpu_s, nbflow_served, start_runs
from websockets.asyncio.client import connect

EVENTS, PAUSE_S = 400, 0.01
ROUNDS = 7
STARTS = 7


def test_delay_from_an_event_to_a_watcher(figures: Figures, tmp_path: Path) -> None:
    """Both servers send a hundred events a second over one WebSocket."""
    with nbflow_served(tmp_path) as served, bare_served(tmp_path) as bare:
        rounds = []
        for _ in range(3):
            run_id = served.run("ticking", count=EVENTS, seconds=PAUSE_S)
            own = lateness(served.port, f"/ws/runs/{run_id}", event_time, EVENTS)
            rounds.append((own, lateness(bare, "/times", float, EVENTS)))

    def calmest(way: int, part: int) -> float:
        return min(sorted(found[way])[len(found[way]) * part // 100] for found in rounds) * 1e3

    for part, target in ((50, 3.0), (95, 10.0)):
        median = statistics.median(sorted(own)[len(own) * part // 100] for own, _ in rounds) * 1e3
        note = f"median of rounds {median:.2f} ms, bare {calmest(1, part):.2f} ms"
        figures.at_most(f"event emitted to event received, p{part}", calmest(0, part), target, note, unit="ms")


LARGE = {
    "nested": "x = [1]\n    for _ in range(20): x = [x, x]\n    return {'x': x}",
    "keys": "return {f'key {n}': n for n in range(100_000)}",
    "text": "return {'text': 'x' * 200_000_000}",
    "rows": "return {'rows': [{'n': n, 'square': n * n} for n in range(300_000)]}",
}


def test_the_delay_of_other_clients_while_large_results_are_built_and_sent(figures: Figures, tmp_path: Path) -> None:
    """The figure is the longest time of a health request, which the loop answers at once when nothing blocks it."""
    tools = "\n".join(f"def {name}() -> dict:\n    {body}" for name, body in LARGE.items())
    cells = ["%load_ext nbflow", f"%%flow_tool\n{tools}", *(f"%%flow_graph {name}\n{name}" for name in LARGE)]
    with serving(notebook(tmp_path, cells), NBFLOW_DURABILITY="off") as served, served.client() as client:
        with Probe(served) as quiet:
            time.sleep(2)
        for name in LARGE:
            with Probe(served) as probe:
                run_id = served.run(name)
                served.result(run_id)
                client.get(f"/executions/{run_id}/events")
                client.get("/executions")
            note = (
                f"median {statistics.median(probe.times) * 1e3:.1f} ms; quiet, longest {max(quiet.times) * 1e3:.1f} ms"
            )
            figures.at_most(f"a request beside {name}, longest", max(probe.times) * 1e3, 50.0, note, unit="ms")


class Probe:
    """A thread that requests the health of a server repeatedly; `times` are the times of the responses (s)."""

    def __init__(self, served: Served) -> None:
        self.times: list[float] = []
        self._served, self._over = served, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with self._served.client() as client:
            client.get("/health")  # opens the connection
            while not self._over.wait(0.005):
                started = time.perf_counter()
                client.get("/health").raise_for_status()
                self.times.append(time.perf_counter() - started)


def event_time(text: str) -> float:
    """Return when an event happened (s since 1970)."""
    return datetime.fromisoformat(json.loads(text)["timestamp"]).timestamp()


def lateness(port: int, path: str, time_of: Callable[[str], float], count: int) -> list[float]:
    """Return the delay (s) of each message: the time of arrival less the time in the message."""

    async def main() -> list[float]:
        address, headers = f"ws://127.0.0.1:{port}{path}", {"Authorization": f"Bearer {TOKEN}"}
        late = []
        async with connect(address, additional_headers=headers, compression=None) as client:
            for _ in range(count):
                text = await client.recv()
                late.append(time.time() - time_of(str(text)))
        return late[20:]  # without the events that happened before the connection

    return asyncio.run(main())


def test_runs_started_by_parallel_clients(figures: Figures, tmp_path: Path) -> None:
    with nbflow_served(tmp_path) as served, bare_served(tmp_path) as bare:
        [worker] = served.workers()
        rounds, cost = [], []
        for _ in range(ROUNDS + 1):
            before = cpu_s(worker)
            own = start_runs(served.port, clients=20, each=40)
            time.sleep(0.5)  # lets the started runs end
            cost.append((cpu_s(worker) - before) / len(own.times) * 1e3)
            rounds.append((own, start_runs(bare, clients=20, each=40)))
        with served.client() as client:
            listed = client.get("/executions", params={"graph": "four", "status": "completed", "limit": 200}).json()
    del rounds[0]
    assert len(listed["runs"]) == 200
    late, fast = in_turn(rounds, lambda each: each.percentile(95)), in_turn(rounds, lambda each: each.rate)
    note = f"calmest round {min(late):.3g}, p95 {best(rounds, 0):.1f} ms, bare {best(rounds, 1):.1f} ms"
    figures.at_most("POST /executions/run, 20 clients: p95 / a bare insert's", statistics.median(late), 2.5, note)
    rates = [statistics.median(pair[way].rate for pair in rounds) for way in (0, 1)]
    note = f"calmest round {max(fast) * 100:.0f} %, {rates[0]:.0f} runs/s, bare {rates[1]:.0f} inserts/s; "
    note += f"{statistics.median(cost):.2f} ms of processor a run, with the run itself"
    figures.at_least("the same: as many a second as a bare insert", statistics.median(fast) * 100, 60, note, unit="%")


def in_turn(rounds: Iterable[tuple[Answers, Answers]], of: Callable[[Answers], float]) -> list[float]:
    return [of(own) / of(bare) for own, bare in rounds]


def best(rounds: Iterable[tuple[Answers, Answers]], way: int) -> float:
    return min(pair[way].percentile(95) for pair in rounds) * 1e3


def test_the_time_from_the_start_to_the_first_response(figures: Figures, tmp_path: Path) -> None:
    file = book(tmp_path)
    rounds = []
    for _ in range(STARTS + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import fastapi, IPython, uvicorn, sqlalchemy"], check=True)
        alone = time.perf_counter() - started
        rounds.append((first_answer(file), alone))
    own, bare = zip(*rounds[1:], strict=True)
    note = f"median {statistics.median(own):.2f} s, the imports alone {min(bare):.2f} s"
    figures.at_most("nbflow serve, 20 tools: start to the first answer", min(own), 1.5, note, unit="s")


def first_answer(file: Path) -> float:
    """Start a server, end it after the first response of /health, and return the time (s) of that response since the start."""
    port = free_port()
    command = [sys.executable, "-m", "nbflow", "serve", str(file), "--port", str(port)]
    started = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment_of()) as process:
        try:
            while not is_healthy(port):
                assert process.poll() is None
                assert time.perf_counter() < started + 60
                time.sleep(0.005)
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: Any = free.getsockname()[1]
        return int(port)


def is_healthy(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")
    except ConnectionRefusedError:
        return False
