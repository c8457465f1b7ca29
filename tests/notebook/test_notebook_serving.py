"""`%flow_serve` in a real kernel, with requests from a client in another process."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from kernels import Kernel

TOKEN = "token-of-the-tests"


@pytest.fixture(scope="module")
def serving() -> Iterator[Kernel]:
    kernel = Kernel({"NBFLOW_DETERMINISTIC": ""})
    kernel.ok("%load_ext nbflow")
    kernel.ok(
        "%%flow_tool\nimport asyncio\nasync def wait(seconds: float = 0.01):\n    await asyncio.sleep(seconds)\n    return {'waited': seconds}"
    )
    kernel.ok("%%flow_graph waits\nwait")
    yield kernel
    kernel.close()


@pytest.fixture
def client(serving: Kernel) -> Iterator[httpx.Client]:
    told = serving.ok(f"served = %flow_serve --port 0 --token {TOKEN}\nprint(served.address)").stdout
    address = told.split()[-1]
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=300) as client:
        yield client
    serving.ok("await served.stop()")


def ended(client: httpx.Client, run_id: str) -> dict[str, object]:
    until = time.monotonic() + 300
    while True:
        found: dict[str, object] = client.get(f"executions/result/{run_id}").json()
        if found["status"] not in ("running", "waiting") or time.monotonic() > until:
            return found
        time.sleep(0.05)


def test_a_run_started_over_rest_is_a_run_of_the_notebook(serving: Kernel, client: httpx.Client) -> None:
    run_id = client.post("executions/run", json={"graph_id": "waits"}).json()["run_id"]

    assert ended(client, run_id)["status"] == "completed"
    assert (
        serving.ok(f"from nbflow import session\nprint(session.read('{run_id}').state)").stdout == "{'waited': 0.01}\n"
    )


def test_a_graph_that_a_later_cell_defines_is_served(serving: Kernel, client: httpx.Client) -> None:
    serving.ok("%%flow_graph later\nwait")

    assert "later" in [graph["name"] for graph in client.get("graphs").json()["graphs"]]


def test_the_server_answers_while_a_cell_awaits_its_run(serving: Kernel, client: httpx.Client) -> None:
    sent = serving.send("run = %flow_run waits seconds=3")
    until = time.monotonic() + 300
    while not (going := client.get("executions", params={"status": "running"}).json()["runs"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    stopped = client.post(f"executions/{going[0]['run_id']}/cancel")

    assert stopped.json()["status"] == "cancelled"
    assert serving.collect(sent).error["ename"] == "ExecutionCancelled"


def test_a_second_start_of_the_server_is_refused_and_so_is_a_stop_without_one(
    serving: Kernel, client: httpx.Client
) -> None:
    twice = serving.run("%flow_serve --port 0")
    taken = serving.run("from nbflow import session\nsession.serve(port=served.port)")
    serving.ok("%flow_serve --stop\nawait asyncio.sleep(0.5)")
    again = serving.run("%flow_serve --stop")
    serving.ok(f"served = %flow_serve --port 0 --token {TOKEN}")

    assert "served at http://127.0.0.1:" in twice.stderr
    assert "cannot be served: Address already in use" in taken.traceback
    assert "this notebook is not served" in again.stderr


def test_behind_a_hub_the_link_uses_its_proxy(serving: Kernel) -> None:
    serving.ok("import os\nos.environ['JUPYTERHUB_SERVICE_PREFIX'] = '/user/ada/'")
    try:
        told = serving.ok("%flow_serve --port 0")
    finally:
        serving.ok("del os.environ['JUPYTERHUB_SERVICE_PREFIX']\n%flow_serve --stop\nawait asyncio.sleep(0.5)")

    assert '<a href="/user/ada/proxy/' in str(told.displays)
