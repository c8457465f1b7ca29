"""A minimal server for comparison: FastAPI and uvicorn with one insert per request, or the time over a WebSocket.

Invariant: it runs in a separate process, with the settings of uvicorn and SQLite that nbflow uses.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import Column, MetaData, Table
from sqlalchemy.types import Integer, Text
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

TABLE = Table(
    "runs", MetaData(), Column("number", Integer, primary_key=True), Column("id", Text), Column("state", Text)
)


class Request(BaseModel):
    """The body of a request for a run, as nbflow takes it."""

    graph_id: str
    initial_state: dict[str, object]


def application(file: Path) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    # One connection: several would wait for each other's locks, and be slower.
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}", pool_size=1, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def _set(connection: object, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[attr-defined]
        connection.execute("PRAGMA synchronous = NORMAL")  # type: ignore[attr-defined]

    @app.post("/executions/run", status_code=202)
    async def add(request: Request) -> JSONResponse:
        async with engine.begin() as connection:
            done = await connection.execute(insert(TABLE).values(id=request.graph_id, state=str(request.initial_state)))
        return JSONResponse({"run_id": str(done.inserted_primary_key[0])}, 202)

    @app.websocket("/times")
    async def send_times(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await asyncio.sleep(0.01)
            await websocket.send_text(str(time.time()))

    async def create_tables() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(TABLE.metadata.create_all)
        await engine.dispose()

    asyncio.run(create_tables())
    return app


def main() -> None:
    config = uvicorn.Config(
        application(Path(sys.argv[2])), log_config=None, access_log=False, http="h11", ws="websockets-sansio",
        ws_per_message_deflate=False, server_header=False, proxy_headers=False, backlog=2048,
    )  # fmt: skip
    asyncio.run(uvicorn.Server(config).serve(sockets=[socket.socket(fileno=int(sys.argv[1]))]))


if __name__ == "__main__":
    main()
