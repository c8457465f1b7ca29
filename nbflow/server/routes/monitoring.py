"""Routes for monitoring: `/health`, which needs no token, and `/metrics`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.responses import Response
from starlette.requests import HTTPConnection

from nbflow.server import schemas
from nbflow.server.errors import problems
from nbflow.server.routes import Serving
from nbflow.server.telemetry.metrics import Metrics

router = APIRouter()


@router.get("/health", response_model=schemas.Health, operation_id="get_health")
async def get_health(service: Serving) -> schemas.Health:
    """Return `ok`, or `draining` while the server shuts down."""
    return schemas.Health(status="draining" if service.draining.is_set() else "ok")


async def _metrics(connection: HTTPConnection) -> Metrics:
    metrics: Metrics = connection.app.state.metrics
    return metrics


@router.get(
    "/metrics", operation_id="get_metrics", response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)  # fmt: skip
async def get_metrics(
    metrics: Annotated[Metrics, Depends(_metrics)], accept: Annotated[str, Header(max_length=1_000)] = ""
) -> Response:
    """Return the metrics in a format of Prometheus."""
    text, media_type = await asyncio.to_thread(metrics.text, accept)
    return Response(text, headers={"content-type": media_type})
