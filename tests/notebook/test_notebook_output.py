"""The outputs of a run below its cell, live and saved."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from kernels import ROOT, WIDGET, Kernel, Page
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

TOOLS = """%%flow_tool
import asyncio
async def fetch(n: int = 3) -> dict:
    await asyncio.sleep(0.2)
    print("fetched")
    return {"rows": list(range(n))}
def total(rows: list) -> dict:
    return {"sum": sum(rows)}
def breaks(rows: list):
    return rows["severity"]
"""
GRAPH = "%%flow_graph sums\nfetch -> total\n"


@pytest.fixture(scope="module", autouse=True)
def _graph(kernel: Kernel) -> None:
    kernel.ok(TOOLS)
    kernel.ok(GRAPH)
    kernel.ok("%%flow_graph bad\nfetch -> breaks\n")


@pytest.fixture(scope="module")
def quiet_kernel() -> Iterator[Kernel]:
    kernel = Kernel({"NBFLOW_DETERMINISTIC": "1"})
    for cell in ("%load_ext nbflow", TOOLS, GRAPH, "%%flow_graph bad\nfetch -> breaks\n"):
        kernel.ok(cell)
    yield kernel
    kernel.close()


def picture(data: dict[str, str]) -> ElementTree.Element:
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', data["text/html"])
    assert found
    return ElementTree.fromstring(base64.b64decode(found[1]))


def comm(reply: Any, kind: str) -> list[dict[str, Any]]:
    return [m["content"] for m in reply.messages if m["msg_type"] == kind]


def sent(reply: Any) -> list[dict[str, Any]]:
    """The custom messages to the page."""
    data = [content["data"] for content in comm(reply, "comm_msg")]
    return [d["content"] for d in data if d.get("method") == "custom"]


def test_a_run_has_two_outputs_the_live_view_and_the_picture(kernel: Kernel) -> None:
    reply = kernel.ok("run = %flow_run sums")
    live, static = reply.displays
    assert WIDGET in live
    assert live["text/plain"] == ""
    assert picture(static) is not None


def test_the_picture_is_updated_to_the_end_of_the_run(kernel: Kernel) -> None:
    reply = kernel.ok("run = %flow_run sums")
    assert "completed" in reply.updates[-1]["text/plain"]
    assert "fetch, tool, completed" in ElementTree.tostring(picture(reply.updates[-1]), "unicode")


def test_a_failed_run_has_its_picture_too(kernel: Kernel) -> None:
    reply = kernel.run("run = %flow_run bad")
    assert reply.error["ename"] == "NodeError"
    assert "failed" in reply.updates[-1]["text/plain"]
    assert "TypeError" in reply.updates[-1]["text/plain"]


def test_the_page_receives_every_change_in_few_messages(kernel: Kernel) -> None:
    reply = kernel.ok("run = %flow_run sums")
    patches = sent(reply)
    assert all(p["type"] == "patch" for p in patches)
    assert [p["seq"] for p in patches] == sorted({p["seq"] for p in patches})
    statuses = [p["nodes"]["fetch"]["status"] for p in patches if "status" in p.get("nodes", {}).get("fetch", {})]
    assert statuses == ["running", "completed"]


def test_the_last_state_is_available_to_pages_opened_later(kernel: Kernel) -> None:
    reply = kernel.ok("run = %flow_run sums")
    states = [c["data"]["state"] for c in comm(reply, "comm_msg") if c["data"].get("method") == "update"]
    last = [s["snapshot"] for s in states if "snapshot" in s][-1]
    assert last["run"]["status"] == "completed"
    assert last["nodes"]["total"]["status"] == "completed"


over = pytest.mark.parametrize("subshells", [True, False], ids=["over a subshell", "over none"])


def view_of(message_id: str, kernel: Kernel, subshells: bool = True) -> Page:
    while True:
        message = kernel.client.get_iopub_msg(timeout=300)
        ours = message["parent_header"].get("msg_id") == message_id and message["msg_type"] == "display_data"
        if ours and WIDGET in message["content"]["data"]:
            return Page(kernel, str(message["content"]["data"][WIDGET]["model_id"]), subshells=subshells)


@over
def test_a_click_on_stop_reaches_a_cell_that_awaits(kernel: Kernel, subshells: bool) -> None:
    kernel.ok("%%flow_tool\nasync def sleeps():\n    await asyncio.sleep(120)")
    kernel.ok("%%flow_graph long\nsleeps")
    message = kernel.send("%flow_run long")
    view_of(message, kernel, subshells).says("command", name="stop")
    reply = kernel.collect(message)
    assert reply.error["ename"] == "ExecutionCancelled"
    assert "by you" in reply.error["evalue"]


@over
def test_a_pause_delays_nodes_that_have_not_started_until_continue(kernel: Kernel, subshells: bool) -> None:
    message = kernel.send("run = %flow_run sums\nprint('over')")
    page = view_of(message, kernel, subshells)
    page.says("command", name="pause")
    page.says("command", name="pause")
    page.says("command", name="nonsense")
    page.says("unknown")
    page.says("inspect", node="fetch")
    statuses: list[str] = []
    while "paused" not in statuses:
        reply = kernel.client.get_iopub_msg(timeout=300)
        content = reply["content"].get("data", {}).get("content", {}) if reply["msg_type"] == "comm_msg" else {}
        statuses.append(content.get("run", {}).get("status", "") if content.get("type") == "patch" else "")
    page.says("command", name="continue")
    reply = kernel.collect(message)
    assert (reply.status, reply.stdout) == ("ok", "over\n")
    assert kernel.ok("run.state['sum']").value == "3"


def test_a_page_opened_later_is_answered_and_can_inspect(kernel: Kernel) -> None:
    live = kernel.ok("run = %flow_run sums").displays[0]
    kernel.later(0.2)
    page = Page(kernel, live[WIDGET]["model_id"])
    page.says("ready")
    page.says("inspect", node="fetch")
    data = [m["content"]["data"] for m in kernel.later(1.0) if m["msg_type"] == "comm_msg"]
    assert any(d["state"]["snapshot"]["run"]["status"] == "completed" for d in data if d["method"] == "update")
    inspector = next(d["content"] for d in data if d["method"] == "custom")
    assert inspector["data"]["printed"] == "fetched\n"
    assert inspector["data"]["output"][0]["key"] == "rows"


def test_an_error_is_found_in_its_cell_by_id(kernel: Kernel) -> None:
    count = kernel.ok("%%flow_tool\ndef broken():\n    x = 1\n    raise ValueError('no')", cell_id="the-cell").count
    kernel.ok("%%flow_graph b\nbroken")
    states = [c["data"] for c in comm(kernel.run("%flow_run b"), "comm_msg")]
    error = [d["state"]["snapshot"]["run"]["error"] for d in states if "snapshot" in d.get("state", {})][-1]
    assert error["label"] == f"Cell [{count}], line 4"
    assert error["cell_id"] == "the-cell"
    assert error["line"] == 4


def test_a_background_run_is_shown_after_its_cell(kernel: Kernel) -> None:
    kernel.ok("run = %flow_run sums --background")
    updates = [m["content"]["data"] for m in kernel.later(1.5) if m["msg_type"] == "update_display_data"]
    assert "completed" in updates[-1]["text/plain"]


def test_running_a_cell_again_closes_the_views_it_showed_before(kernel: Kernel) -> None:
    first = kernel.ok("run = %flow_run sums\nrun = %flow_run sums", cell_id="again")
    assert comm(first, "comm_close") == []
    closed = comm(kernel.ok("run = %flow_run sums", cell_id="again"), "comm_close")
    assert {c["comm_id"] for c in closed} >= {d[WIDGET]["model_id"] for d in first.displays if WIDGET in d}


@pytest.mark.slow
def test_a_watched_cell_without_a_view_names_the_package_to_install(kernel: Kernel) -> None:
    kernel.ok("%%flow_tool\nasync def naps():\n    await asyncio.sleep(2.4)")
    kernel.ok("%%flow_graph nap\nnaps")
    reply = kernel.ok("run = %flow_run nap", cell_id="seen")
    assert any("pip install anywidget" in data["text/html"] for data in reply.updates)
    unseen = kernel.ok("run = %flow_run nap")
    assert not any("pip install anywidget" in data["text/html"] for data in unseen.updates)


@pytest.mark.slow
def test_a_view_that_is_ready_late_removes_the_hint(kernel: Kernel) -> None:
    message = kernel.send("run = %flow_run nap", cell_id="seen")
    page = view_of(message, kernel)
    kernel.collect(message)
    page.says("ready")
    updates = [m["content"]["data"] for m in kernel.later(1.0) if m["msg_type"] == "update_display_data"]
    assert updates
    assert "pip install" not in updates[-1]["text/html"]


def test_deterministic_outputs_are_the_same_at_every_run(quiet_kernel: Kernel) -> None:
    def outputs() -> Any:
        reply = quiet_kernel.ok("%flow_run sums")
        live, static = reply.displays
        assert reply.updates == []
        return live.keys(), static, reply.result

    assert outputs() == outputs()


def test_a_deterministic_background_run_shows_nothing_after_its_cell(quiet_kernel: Kernel) -> None:
    reply = quiet_kernel.ok("run = %flow_run sums --background")
    assert len(reply.displays) == 2
    later = {m["msg_type"] for m in quiet_kernel.later(1.0)}
    assert not later & {"display_data", "update_display_data"}


def test_a_deterministic_failure_is_the_same_at_every_run(quiet_kernel: Kernel) -> None:
    first, second = (quiet_kernel.run("%flow_run bad") for _ in range(2))
    assert first.displays[1] == second.displays[1]
    assert first.error == second.error


def notebook(*cells: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def run_all(book: Any, monkeypatch: pytest.MonkeyPatch, folder: Path = ROOT) -> Any:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    where = {"metadata": {"path": str(folder)}}
    return NotebookClient(book, timeout=300, kernel_name="python3", resources=where).execute()


def test_run_all_waits_for_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    book = notebook(
        "%load_ext nbflow\nseen = []",
        TOOLS,
        GRAPH,
        "run = %flow_run sums n=4\nseen.append(1)",
        "run.state['sum'], seen",
    )
    done = run_all(book, monkeypatch)
    assert done.cells[-1].outputs[0].data["text/plain"] == "(6, [1])"
    static = done.cells[3].outputs[1]
    assert "completed" in static.data["text/plain"]


@pytest.mark.slow
def test_a_failed_run_stops_run_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CellExecutionError, match="TypeError"):
        run_all(notebook("%load_ext nbflow", TOOLS, "%%flow_graph bad\nfetch -> breaks", "%flow_run bad"), monkeypatch)


def saved(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook as it is saved after Run All."""
    monkeypatch.setenv("NBFLOW_DETERMINISTIC", "1")
    cells = [
        "%load_ext nbflow",
        TOOLS,
        GRAPH,
        "%flow_run sums",
        "run = %flow_run sums n=4\nrun.state['sum']",
        "%flow_graphs",
    ]
    nbformat.write(run_all(notebook(*cells), monkeypatch, path.parent), path)
    return path


@pytest.mark.slow
def test_a_deterministic_notebook_passes_nbval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "sums.ipynb", monkeypatch)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "6 passed" in done.stdout, done.stdout[-3000:]


@pytest.mark.slow
def test_a_saved_notebook_shows_each_run_once_in_html(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbconvert import HTMLExporter

    book = nbformat.read(saved(tmp_path / "sums.ipynb", monkeypatch), as_version=4)
    book.metadata.pop("widgets", None)  # a plain save has none
    page, _ = HTMLExporter().from_notebook_node(book)
    assert page.count('<div class="nbflow-static"><img') == 2
    assert page.count('<div class="nbflow-graph"><img') == 1
    assert "sums: completed, 2 nodes" in page
