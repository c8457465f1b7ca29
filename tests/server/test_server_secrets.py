"""Secrets on a server: no response, log record or stored value contains one."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import Served, events_of, notebook, serving
from surroundings import database

POSTGRES = os.environ.get("NBFLOW_TEST_POSTGRES_URL")
CANARY = "canary-5ecret-of-the-server"
CELLS = [
    '''%%flow_tool
def use(api_key: str, options: dict) -> dict:
    """Use the key, and say it in every way that a tool may."""
    print("the key is", api_key)
    return {"header": f"Bearer {api_key}", "nested": [options], "length": len(api_key)}

def refuse(header: str) -> None:
    """Fail, and name the key."""
    raise ValueError(f"refused: {header}")
''',
    "%%flow_graph secretive\nuse -> refuse",
]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database for the test, on each kind of store."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/runs.db"
        return
    if POSTGRES is None:
        pytest.skip("NBFLOW_TEST_POSTGRES_URL names no server")
    with database(POSTGRES) as made:
        yield made


@pytest.fixture
def served(url: str, tmp_path: Path) -> Iterator[Served]:
    """A server where the key `api_key` is secret."""
    with serving(notebook(tmp_path, CELLS), NBFLOW_SECRET_KEYS="api_key", NBFLOW_DATABASE_URL=url) as server:
        yield server


def test_a_canary_is_in_nothing_that_a_server_sends_logs_or_stores(served: Served, url: str) -> None:
    state = {"api_key": CANARY, "options": {"api_key": CANARY, "region": "north"}}
    with served.socket("/ws/execute/secretive") as socket:
        socket.send(json.dumps(state))
        sent: dict[str, Any] = {"events": events_of(socket)}
    run_id = sent["events"][0]["run_id"]
    with served.socket(f"/ws/runs/{run_id}") as socket:
        sent["events again"] = events_of(socket)
    with served.client() as client:
        for path in (f"/executions/result/{run_id}", f"/executions/{run_id}/events", "/executions", "/metrics"):
            sent[path] = client.get(path).text
    sent["view"] = viewed(served, run_id)
    served.stop()
    sent["log"] = served.log.read_text()
    sent["store"] = stored(url, served.folder)

    shown = {name: what if isinstance(what, str) else json.dumps(what) for name, what in sent.items()}
    assert [name for name, text in shown.items() if CANARY in text] == []
    assert "***" in shown["events"]
    assert "refused: ***" in shown["store"]


def viewed(served: Served, run_id: str) -> list[str]:
    """Return the messages that the page of a run receives at its start and for its requests."""
    asked = [
        {"type": "state", "at": None, "after": 0, "named": 0, "rows": [0, 50]},
        {"type": "log", "node": None, "level": "all", "text": "", "at": None, "first": 0, "count": 100},
    ]
    with served.socket(f"/ws/view/{run_id}", Origin=served.url) as socket:
        first = socket.recv(timeout=30)
        for number, question in enumerate(asked):
            socket.send(json.dumps({"id": number, **question}))
        return [str(first), *(str(socket.recv(timeout=30)) for _ in asked)]


def stored(url: str, folder: Path) -> str:
    """Return the whole content of the store, as text."""
    if url.startswith("postgresql"):
        return asyncio.run(_dump(url))
    return "".join(path.read_bytes().decode("latin-1") for path in folder.glob("runs.db*"))


async def _dump(url: str) -> str:
    import asyncpg

    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        rows = [await connection.fetch(f'select * from "{table["tablename"]}"') for table in tables]
    finally:
        await connection.close()
    return "".join(str(value) for table in rows for row in table for value in row.values())
