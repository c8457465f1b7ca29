"""The routes of the server, and the dependency that gives a route its service."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nbflow.server.service import Service


async def _service(connection: HTTPConnection) -> Service:
    # Async, because FastAPI calls other dependencies in a thread, which takes longer than most routes.
    service: Service = connection.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]
