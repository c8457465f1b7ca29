"""Routes of what is done to a run: stopped, paused, gone on with, answered, forked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from nbflow.engine.record import RunRecord
from nbflow.server import models
from nbflow.server.executions import LINKS, RunId
from nbflow.server.problems import problems
from nbflow.server.sent import size_of
from nbflow.server.serving import Serving
from nbflow.server.shown import sent

router = APIRouter(prefix="/executions/{run_id}")
_ROUTE: dict[str, Any] = {"response_model": models.RunStands, "responses": problems(404, 409)}
_BEGUN = _ROUTE | {"status_code": 202, "responses": {202: {"links": LINKS}, **_ROUTE["responses"]}}


@router.post("/cancel", operation_id="cancel_run", **_ROUTE)
async def cancel_run(run_id: RunId, service: Serving) -> Response:
    """Stop a run; what runs of it is cancelled. One of another process is asked for, and goes on a few seconds more."""
    return _stands(await service.cancel(run_id))


@router.post("/pause", operation_id="pause_run", **_ROUTE)
async def pause_run(run_id: RunId, service: Serving) -> Response:
    """Start nothing more of a run until it is continued; what runs goes on."""
    return _stands(await service.steer(run_id, lambda run: run.pause()))


@router.post("/continue", operation_id="continue_run", **_ROUTE)
async def continue_run(run_id: RunId, service: Serving) -> Response:
    """Go on with a run that was paused."""
    return _stands(await service.steer(run_id, lambda run: run.unpause()))


@router.post("/answer", operation_id="answer_run", **_ROUTE)
async def answer_run(run_id: RunId, answer: models.AnswerRequest, service: Serving) -> Response:
    """Answer a question of a run; `faults` of a problem tell what does not fit, by its place in the answer."""
    size_of(answer.value, "the answer")
    run = await service.steer(run_id, lambda run: run.answer(answer.value, node=answer.node, question=answer.question))
    return _stands(run)


@router.post("/resume", operation_id="resume_run", **_BEGUN)
async def resume_run(run_id: RunId, service: Serving, request: models.ResumeRequest | None = None) -> Response:
    """Go on with a run that failed, was stopped, or whose process died; what was completed does not run again."""
    secrets = request.secrets if request else {}
    return _stands(await service.reopen(await service.read(run_id), secrets=secrets), 202)


@router.post("/fork", operation_id="fork_run", **_BEGUN)
async def fork_run(run_id: RunId, fork: models.ForkRequest, service: Serving) -> Response:
    """Begin a new run that goes on from a moment of this one, with keys of the state changed."""
    run = await service.read(run_id)
    at = len(run.events) if fork.at is None and not fork.state else fork.at
    return _stands(await service.reopen(run, at=at, state=fork.state, secrets=fork.secrets), 202)


def _stands(run: RunRecord, status: int = 200) -> Response:
    return sent({"run_id": run.id, "status": run.status.value}, status)
