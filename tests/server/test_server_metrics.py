"""The metrics of a server, requested as Prometheus does."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from observed import BEARER, a_notebook, a_session, counted, counts_of, process, ran, served
from surroundings import cluster

from nbflow.server.telemetry.metrics import MOST_NAMES, OTHER, Names


def test_runs_are_counted_by_graph_and_status() -> None:
    async def main() -> None:
        async with served(a_session()) as client:
            for graph in ("twice", "twice", "fails"):
                await ran(client, graph, n=1)
            count = await counted(client, lambda count: count("nbflow_runs_active") == 0)

        assert count("nbflow_runs_started_total", graph="twice") == 2
        assert count("nbflow_runs_ended_total", graph="twice", status="completed") == 2
        assert count("nbflow_runs_ended_total", graph="fails", status="failed") == 1
        assert count("nbflow_run_duration_seconds_count", graph="twice") == 2
        assert count("nbflow_run_duration_seconds_sum", graph="twice") > 0

    asyncio.run(main())


def test_each_end_of_a_node_is_counted_once() -> None:
    async def main() -> None:
        async with served(a_session()) as client:
            await ran(client, "twice", n=1)
            await ran(client, "fails", n=1)
            await ran(client, "again")
            count = await counted(client, lambda count: count("nbflow_runs_active") == 0)

        assert count("nbflow_nodes_total", status="completed") == 2 + 1 + 1
        assert count("nbflow_nodes_total", status="failed") == 1
        assert count("nbflow_nodes_total", status="retried") == 1

    asyncio.run(main())


def test_running_work_is_counted_in_gauges() -> None:
    async def main() -> None:
        async with served(a_session()) as client:
            begun = await client.post("/executions/run", json={"graph_id": "waits"})
            run_id = begun.json()["run_id"]
            async with client.stream("GET", f"/executions/{run_id}/events", headers={"Accept": "text/event-stream"}):
                count = await counted(client, lambda count: count("nbflow_watchers") == 1)
                assert (count("nbflow_runs_active"), count("nbflow_watchers")) == (1, 1)
            await client.post(f"/executions/{run_id}/cancel")
            count = await counted(client, lambda count: count("nbflow_runs_active") == count("nbflow_watchers") == 0)

        assert (count("nbflow_runs_active"), count("nbflow_watchers")) == (0, 0)
        assert count("nbflow_runs_ended_total", graph="waits", status="cancelled") == 1

    asyncio.run(main())


def test_requests_are_counted_by_route_and_never_by_path() -> None:
    async def main() -> None:
        async with served(a_session()) as client:
            for path in ("/graphs/twice", "/graphs/nothing-of-the-sort", "/executions/result/feed"):
                await client.get(path)
            await client.get("/no-such-place-9f3")
            await client.get("/graphs", headers={"Authorization": "Bearer wrong"})
            await client.request("BREW", "/graphs")
            count = await counted(client, lambda _: True)
            text = (await client.get("/metrics")).text

        route = "/graphs/{graph_id:path}"
        assert count("nbflow_requests_total", route=route, method="GET", status="200") == 1
        assert count("nbflow_requests_total", route=route, method="GET", status="404") == 1
        assert count("nbflow_requests_total", route="/executions/result/{run_id}", method="GET", status="404") == 1
        assert count("nbflow_requests_total", route=OTHER, method="GET", status="404") == 1
        assert count("nbflow_requests_total", route=OTHER, method="GET", status="401") == 1
        assert count("nbflow_request_duration_seconds_count", route=route, method="GET") == 2
        assert not [told for told in ("nothing-of-the-sort", "feed", "no-such-place-9f3", "BREW") if told in text]

    asyncio.run(main())


def test_a_socket_is_counted_by_its_route() -> None:
    from websockets.asyncio.client import connect

    async def main() -> None:
        async with served(a_session()) as client:
            address = str(client.base_url).replace("http", "ws")
            async with connect(f"{address}ws/execute/twice", additional_headers=BEARER) as socket:
                await socket.send('{"n": 1}')
                assert [text async for text in socket][-1].startswith('{"event":"execution_complete"')
            labels = {"route": "/ws/execute/{graph_id:path}", "method": "WS", "status": "101"}
            count = await counted(client, lambda count: count("nbflow_requests_total", **labels) == 1)

        assert count("nbflow_requests_total", **labels) == 1

    asyncio.run(main())


def test_an_unexpected_error_is_counted_as_500() -> None:
    async def main() -> None:
        session = a_session()
        async with served(session) as client:
            session.tools = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
            assert (await client.get("/tools")).status_code == 500
            count = await counted(client, lambda _: True)

        assert count("nbflow_requests_total", route="/tools", method="GET", status="500") == 1

    asyncio.run(main())


def test_names_beyond_a_hundred_are_counted_as_one() -> None:
    names = Names()

    labels = {names.label(f"graph {number}") for number in range(10 * MOST_NAMES)}

    assert len(labels) == MOST_NAMES + 1
    assert OTHER in labels
    assert names.label("graph 3") == "graph 3"
    assert len(Names().label("long" * 1_000)) == 200


def test_metrics_need_the_token() -> None:
    async def main() -> None:
        async with served(a_session()) as client:
            answer = await client.get("/metrics", headers={"Authorization": ""})

        assert answer.status_code == 401
        assert "nbflow_" not in answer.text.replace("NBFLOW_", "")

    asyncio.run(main())


def test_a_scraper_gets_the_format_that_it_accepts() -> None:
    async def main() -> None:
        async with served(a_session()) as client:
            plain = await client.get("/metrics")
            newer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

        assert plain.headers["content-type"].startswith("text/plain")
        assert newer.headers["content-type"].startswith("application/openmetrics-text")
        assert newer.text.endswith("# EOF\n")

    asyncio.run(main())


def test_two_servers_in_one_process_have_separate_metrics() -> None:
    async def main() -> None:
        async with served(a_session()) as one, served(a_session()) as other:
            await ran(one, "twice", n=1)
            begun = [
                (await counted(client, lambda _: True))("nbflow_runs_started_total", graph="twice")
                for client in (one, other)
            ]

        assert begun == [1, 0]

    asyncio.run(main())


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with cluster() as made:
        yield made.url


@pytest.mark.slow
def test_each_worker_reports_the_metrics_of_all_and_no_running_runs_of_a_dead_one(
    tmp_path: Path, postgres: str
) -> None:
    """Both workers report six runs that the two share. A killed worker no longer counts as having running runs."""
    file = a_notebook(tmp_path / "flows.ipynb")

    with process(file, "--workers", "2", NBFLOW_DATABASE_URL=postgres) as server:
        for number in range(6):
            seconds = 600 if number < 4 else 0
            with httpx.Client(
                base_url=server.address, headers=BEARER, timeout=300
            ) as client:  # a new connection for each request
                state = {"graph_id": "daily", "initial_state": {"n": 1, "seconds": seconds}}
                begun = client.post("/executions/run", json=state)
                assert begun.status_code == 202
            # Any worker gets the request, and the run's owner answers it.
            asked_for = f"{server.address}/executions/result/{begun.json()['run_id']}"
            assert httpx.get(asked_for, headers=BEARER, timeout=300).status_code == 200
        asked = [_asked(server.address) for _ in range(6)]
        assert {count("nbflow_runs_started_total", graph="daily") for count in asked} == {6}
        for route, method, status in (
            ("/executions/run", "POST", "202"),
            ("/executions/result/{run_id}", "GET", "200"),
        ):
            assert asked[-1]("nbflow_requests_total", route=route, method=method, status=status) == 6
        assert _awaited(server.address, going=4) == 4

        for pid in _workers(server.process.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
        # The other worker or the new one takes over its runs, and none counts twice.
        assert _awaited(server.address, going=4) == 4
        assert _asked(server.address)("nbflow_runs_started_total", graph="daily") >= 6
        assert server.end() == 0


def _asked(address: str) -> Callable[..., float]:
    answer = httpx.get(f"{address}/metrics", headers=BEARER, timeout=300)
    assert answer.status_code == 200, answer.text
    return counts_of(answer.text)


def _awaited(address: str, *, going: int) -> float:
    for _ in range(300):
        found = float(_asked(address)("nbflow_runs_active"))
        if found == going:
            break
        time.sleep(0.1)
    return found


def _workers(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children() if "nbflow.server" in child.cmdline()]
