"""The time until the kernel sends a run's first state to the page, in a real kernel."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from borrowed import borrowed
from figures import Figures
from machine import MS, load

ROUNDS = 25
TARGET_MS = 50.0
NODES = "abcdefghijkl"
TOOLS = "%%flow_tool\nimport asyncio\n" + "\n".join(f"async def {n}(): await asyncio.sleep(0.01)" for n in NODES)
GRAPH = """%%flow_graph twelve
a -> b & c & d -> e -> f
f -> g if key > 0 else h
g & h -> i -> j & k -> l
"""
WIDGET = "import ipywidgets\nipywidgets.IntSlider()"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    kernel = borrowed("notebook/kernels.py").Kernel({"NBFLOW_DETERMINISTIC": ""})
    kernel.ok("%load_ext nbflow")
    kernel.ok(TOOLS)
    kernel.ok(GRAPH)
    kernel.ok("%flow_show twelve")
    yield kernel
    kernel.close()


def holds_state(message: dict[str, Any]) -> bool:
    """Return whether a message contains the state of nodes."""
    data = message["content"].get("data", {})
    told = data.get("content", {}) if data.get("method") == "custom" else data.get("state", {}).get("snapshot", {})
    return message["msg_type"] in ("comm_open", "comm_msg") and bool(told.get("nodes"))


def is_open(message: dict[str, Any]) -> bool:
    return bool(message["msg_type"] == "comm_open")


def measure(kernel: Any, code: str, wanted: Callable[[dict[str, Any]], bool]) -> float:
    """Return the seconds from sending the cell to the arrival of the wanted message."""
    began = time.perf_counter()
    sent = kernel.send(code, cell_id="cell")
    while True:
        message = kernel.client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") == sent and wanted(message):
            taken = time.perf_counter() - began
            break
    assert kernel.collect(sent).status == "ok"
    time.sleep(0.05)
    return taken


def test_the_first_state_of_a_run_is_sent_soon(kernel: Any, figures: Figures) -> None:
    ways = [("%flow_run twelve key=1", holds_state), ("%flow_run twelve key=1", is_open), (WIDGET, is_open)]
    rounds = [[measure(kernel, code, wanted) for code, wanted in ways] for _ in range(ROUNDS + 1)][1:]
    state, view, widget = (statistics.median(times) * MS for times in zip(*rounds, strict=True))
    worst = statistics.quantiles((times[0] for times in rounds), n=20)[-1] * MS
    note = f"p95 {worst:.1f} ms; the view's opening {view:.1f} ms, an IntSlider's {widget:.1f} ms, {load()}"
    figures.at_most("Enter to the first state on the wire, 12 nodes", state, TARGET_MS, note, unit="ms")
