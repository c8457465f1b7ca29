"""The origin of a graph: a sent graph stays a sent one when its runs resume, and the notebook owns those it defines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import Served, notebook, serving

from nbflow.errors import RunStateError
from nbflow.server.graph_store import Shelf
from nbflow.server.options import options
from nbflow.session import Session

SENT = {
    "name": "sent",
    "nodes": [{"node_id": "wait", "tool": "wait"}, {"node_id": "fail", "tool": "fail"}],
    "edges": [{"from_node": "wait", "to_node": "fail"}],
}


def left_by_the_last_server(folder: Path) -> str:
    """Return the id of a failed run of a sent graph; its server has ended."""
    with serving(notebook(folder)) as server, server.client() as client:
        client.post("/graphs/create", json=SENT).raise_for_status()
        run_id = server.run("sent")
        server.result(run_id)
    return run_id


def resumed(server: Served, run_id: str) -> None:
    with server.client() as client:
        client.post(f"/executions/{run_id}/resume").raise_for_status()


def forked(server: Served, run_id: str) -> None:
    with server.client() as client:
        client.post(f"/executions/{run_id}/fork", json={"at": "fail"}).raise_for_status()


def resumed_by_a_page(server: Served, run_id: str) -> None:
    with server.socket(f"/ws/view/{run_id}") as page:
        page.send('{"type": "command", "name": "resume"}')
        for _ in range(2):  # in the run before and after it resumes
            while json.loads(page.recv(timeout=300))["type"] != "scene":
                pass


@pytest.mark.slow
@pytest.mark.parametrize("go_on", [resumed, forked, resumed_by_a_page])
def test_a_sent_graph_stays_a_sent_one_when_its_run_resumes_after_a_restart(tmp_path: Path, go_on: Any) -> None:
    run_id = left_by_the_last_server(tmp_path)

    with serving(notebook(tmp_path)) as server, server.client() as client:
        go_on(server, run_id)

        assert client.get("/graphs/sent").json()["sent"] is True
        again = client.post("/graphs/create", json={**SENT, "edges": []})
        assert (again.status_code, again.json()["version"]) == (201, 2)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session()
    session.history.folder = tmp_path
    session.registry.register("wait", lambda: None)
    session.registry.register("fail", lambda: None)
    yield session
    session.history.close()


def test_a_graph_that_the_notebook_defines_replaces_a_sent_one(session: Session) -> None:
    async def main() -> None:
        shelf = Shelf(session, options())
        await shelf.keep(SENT)
        own = session.graph("sent", "wait")

        with pytest.raises(RunStateError, match="is defined by what is served"):
            await shelf.keep(SENT)
        with pytest.raises(RunStateError, match="is defined by what is served"):
            await shelf.delete("sent", force=True)
        assert await shelf.find("sent") is own

    asyncio.run(main())


def test_the_sent_graph_is_used_again_once_the_notebook_deletes_its_own(session: Session) -> None:
    async def main() -> None:
        shelf = Shelf(session, options())
        kept = await shelf.keep(SENT)
        session.graph("sent", "wait")
        del session.graphs["sent"]

        assert (await shelf.find("sent")).to_text() == kept.graph.to_text()

    asyncio.run(main())


def stored_by_another_file(folder: Path, *tools: str) -> None:
    """Leave a graph in the store by running it, as the session of another file does."""

    async def main() -> None:
        other = Session()
        other.history.folder = folder
        for tool in tools:
            other.registry.register(tool, lambda: None)
        other.graph("theirs", " -> ".join(tools))
        run = other.start("theirs", durability="async")
        await run
        other.history.close()

    asyncio.run(main())


def test_a_graph_of_another_file_with_unknown_tools_is_neither_offered_nor_deleted(
    session: Session, tmp_path: Path
) -> None:
    stored_by_another_file(tmp_path, "wait", "elsewhere")

    async def main() -> None:
        shelf = Shelf(session, options())
        inner = {"name": "outer", "nodes": [{"node_id": "in", "graph": "sent"}]}
        await shelf.keep(SENT)
        await shelf.keep(inner)

        assert [offered.graph.name for offered in await shelf.all()] == ["outer", "sent"]
        with pytest.raises(RunStateError, match="needs what is not here"):
            await shelf.delete("theirs", force=True)

    asyncio.run(main())


def test_a_graph_of_another_file_whose_tools_are_known_is_offered(session: Session, tmp_path: Path) -> None:
    stored_by_another_file(tmp_path, "wait", "fail")

    async def main() -> None:
        assert [(offered.graph.name, offered.sent) for offered in await Shelf(session, options()).all()] == [
            ("theirs", True)
        ]

    asyncio.run(main())
