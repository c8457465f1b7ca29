"""The route that tells whether the server takes requests; it needs no token, and tells nothing else."""

from __future__ import annotations

from fastapi import APIRouter

from nbflow.server import models
from nbflow.server.serving import Serving

router = APIRouter()


@router.get("/health", response_model=models.Health, operation_id="get_health")
async def get_health(service: Serving) -> models.Health:
    """Tell whether the server takes requests."""
    return models.Health(status="draining" if service.draining.is_set() else "ok")
