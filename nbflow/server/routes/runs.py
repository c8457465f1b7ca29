"""Routes of runs: start, list, read, cancel, pause, continue, answer, resume and fork."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from nbflow.engine.record import RunRecord
from nbflow.events import ENDINGS, Status
from nbflow.server import schemas
from nbflow.server.errors import RequestError, problems
from nbflow.server.responses import Outcome, Stream, event_pieces, event_texts, in_thread, json_response, name_of, sent
from nbflow.server.routes import Serving
from nbflow.server.service import Service
from nbflow.server.validation import JsonRoute, checked_size
from nbflow.session.run_list import position
from nbflow.session.serialization import row_data
from nbflow.store.rows import RunRow

router = APIRouter(route_class=JsonRoute)


def _written(value: object) -> object:
    """Accept a time only in text form; pydantic would read a number as seconds since 1970."""
    if isinstance(value, str) and not re.match(r"\d{4}-", value):
        raise ValueError("a time is written as in 2026-01-31T12:00:00Z")
    return value


RunId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[0-9A-Za-z_-]+$", description="the run's id")]
# A parameter may be omitted but is never null, so the OpenAPI document must not allow null.
Key = Annotated[
    Annotated[str, Field(min_length=1, max_length=200, pattern="^[!-~]+$")] | SkipJsonSchema[None],
    Header(alias="Idempotency-Key", description="A repeated request with the same key starts no second run."),
]
Cursor = Annotated[
    Annotated[str, Field(pattern="^[0-9a-f]{16}[0-9A-Za-z_-]{1,64}$")] | SkipJsonSchema[None],
    Query(description="`next` of the page before"),
]
Graph = Annotated[schemas.GraphId | SkipJsonSchema[None], Query(description="only runs of this graph")]
LastId = Annotated[Annotated[str, Field(pattern="^[0-9]{1,15}$")] | SkipJsonSchema[None], Header(alias="Last-Event-ID")]
Since = Annotated[
    AwareDatetime | SkipJsonSchema[None],
    BeforeValidator(_written),
    Query(description="only runs started at or after this time (RFC 3339)"),
]
SSE = "text/event-stream"
_QUIET_S = 15.0
LINKS = {
    operation: {"operationId": operation, "parameters": {"run_id": "$response.body#/run_id"}}
    for operation in (
        "get_result",
        "get_events",
        "cancel_run",
        "pause_run",
        "continue_run",
        "answer_run",
        "resume_run",
        "fork_run",
    )
}
"""The operations on the run of a response, as links of the OpenAPI document."""


@router.post(
    "/executions/run", status_code=202, response_model=schemas.RunAccepted, operation_id="run_graph",
    responses={202: {"links": LINKS}, **problems(404, 409)},
)  # fmt: skip
async def run_graph(request: schemas.RunRequest, service: Serving, key: Key = None) -> Response:
    """Start a run of a graph, and return its id without waiting for the run."""
    run = await service.start(request.graph_id, request.initial_state, key=key)
    return sent({"run_id": run.id}, 202)


@router.get("/executions", response_model=schemas.RunPage, operation_id="list_runs", responses=problems())
async def list_runs(
    service: Serving,
    graph: Graph = None,
    status: Annotated[Status | SkipJsonSchema[None], Query(description="only runs of this status")] = None,
    since: Since = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    cursor: Cursor = None,
) -> Response:
    """List runs, newest first."""
    began, before = None if since is None else since.timestamp(), None if cursor is None else _place(cursor)
    rows = await asyncio.to_thread(
        service.session.runs, graph=graph, status=status, since=began, limit=limit + 1, before=before
    )
    shown = rows[:limit]
    following = _cursor(*position(shown[-1])) if len(rows) > limit else None
    return sent({"runs": [_listed(row) for row in shown], "next": following})


def _listed(row: RunRow) -> dict[str, Any]:
    files = {"origin": row.origin, "notebook": row.notebook}
    return row_data(row) | {key: file and name_of(file) for key, file in files.items()}


def _cursor(started: float, run_id: str) -> str:
    """Return a position in the list of runs as text, valid in every process and after its run is deleted."""
    return struct.pack(">d", started).hex() + run_id


def _place(cursor: str) -> tuple[float, str]:
    return struct.unpack(">d", bytes.fromhex(cursor[:16]))[0], cursor[16:]


@router.get(
    "/executions/result/{run_id}", response_model=schemas.RunResult, operation_id="get_result", responses=problems(404)
)
async def get_result(run_id: RunId, service: Serving) -> Response:
    """Return the result of a run; of a running one, the state and the log so far.

    Beyond NBFLOW_MAX_RESULT bytes values are truncated, and keys and rows of the log are left out; `whole` is then
    the path of the complete result.
    """
    run = await service.read(run_id)
    reached = Outcome.of(run)
    return json_response(await asyncio.to_thread(reached.text, service.options.max_result))


@router.get(
    "/executions/{run_id}/whole", operation_id="get_whole", response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}, **problems(404)},
)  # fmt: skip
async def get_whole(
    run_id: RunId,
    service: Serving,
    event: Annotated[
        Annotated[int, Field(ge=1, le=2**53)] | SkipJsonSchema[None], Query(description="the `seq` of an event")
    ] = None,
) -> Response:
    """Send the complete result of a run, or one complete event."""
    run = await service.read(run_id)
    if event is None:
        pieces = Outcome.of(run).pieces()
    elif event <= len(run.events):
        pieces = event_pieces(run.events[event - 1], run.id)
    else:
        raise RequestError(404, f"run {run_id} has {len(run.events)} events, and none of the number {event}")
    silence = service.options.max_silence
    return Stream(in_thread(pieces), service.watch(), media_type="application/json", silence=silence)


@router.get(
    "/executions/{run_id}/events", response_model=schemas.EventPage, operation_id="get_events",
    responses={200: {"content": {SSE: {"schema": {"type": "string"}}}}, **problems(404)},
)  # fmt: skip
async def get_events(
    run_id: RunId,
    request: Request,
    service: Serving,
    after: Annotated[int, Query(ge=0, le=2**53, description="the last `seq` that is known")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    last_event_id: LastId = None,
) -> Response:
    """Return events after `after`; as server-sent events, live to the run's end, where `Accept` asks for these."""
    run = await service.read(run_id)
    if SSE in request.headers.get("accept", ""):
        begin, place = int(last_event_id) if last_event_id else after, service.watch()
        return Stream(_stream(service, run_id, begin), place, media_type=SSE, silence=service.options.max_silence)
    events = run.events[after : after + limit]
    texts = await asyncio.to_thread(event_texts, events, run.id, service.options.max_result)
    seq = after + len(texts)
    ended = bool(run.events) and run.events[-1].kind in ENDINGS and seq >= len(run.events)
    return json_response(f'{{"events":[{",".join(texts)}],"next":{seq},"ended":{str(ended).lower()}}}')


async def _next(batches: AsyncIterator[tuple[int, list[str]]]) -> tuple[int, list[str]] | None:
    return await anext(batches, None)


async def _stream(service: Service, run_id: str, after: int) -> AsyncGenerator[str]:
    """Yield server-sent events, and a comment after a quiet time, so that no proxy closes the connection."""
    batches = service.events(run_id, after)
    coming = asyncio.ensure_future(_next(batches))
    stopping = asyncio.ensure_future(service.draining.wait())
    try:
        while not service.draining.is_set():
            await asyncio.wait({coming, stopping}, timeout=_QUIET_S, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                yield ": quiet\n\n"
                continue
            if (batch := coming.result()) is None:
                return
            seq, texts = batch
            first = seq - len(texts) + 1
            yield "".join(f"id: {first + at}\ndata: {text}\n\n" for at, text in enumerate(texts))
            coming = asyncio.ensure_future(_next(batches))
    finally:
        coming.cancel()
        stopping.cancel()


_ROUTE: dict[str, Any] = {"response_model": schemas.RunStatus, "responses": problems(404, 409)}
_BEGUN = _ROUTE | {"status_code": 202, "responses": {202: {"links": LINKS}, **_ROUTE["responses"]}}


@router.post("/executions/{run_id}/cancel", operation_id="cancel_run", **_ROUTE)
async def cancel_run(run_id: RunId, service: Serving) -> Response:
    """Cancel a run and its running nodes. A run of another process is cancelled within a few seconds."""
    return _stands(await service.cancel(run_id))


@router.post("/executions/{run_id}/pause", operation_id="pause_run", **_ROUTE)
async def pause_run(run_id: RunId, service: Serving) -> Response:
    """Pause a run: running nodes complete, and no other node starts until the run is continued."""
    return _stands(await service.steer(run_id, lambda run: run.pause()))


@router.post("/executions/{run_id}/continue", operation_id="continue_run", **_ROUTE)
async def continue_run(run_id: RunId, service: Serving) -> Response:
    """Continue a paused run."""
    return _stands(await service.steer(run_id, lambda run: run.unpause()))


@router.post("/executions/{run_id}/answer", operation_id="answer_run", **_ROUTE)
async def answer_run(run_id: RunId, answer: schemas.AnswerRequest, service: Serving) -> Response:
    """Answer a question of a run; the `faults` of a problem name the parts of the answer that are not valid."""
    await checked_size(answer.value, "the answer")
    run = await service.steer(run_id, lambda run: run.answer(answer.value, node=answer.node, question=answer.question))
    return _stands(run)


@router.post("/executions/{run_id}/resume", operation_id="resume_run", **_BEGUN)
async def resume_run(run_id: RunId, service: Serving, request: schemas.ResumeRequest | None = None) -> Response:
    """Resume a run that failed, was cancelled, or lost its process; completed nodes do not run again."""
    secrets = request.secrets if request else {}
    return _stands(await service.reopen(await service.read(run_id), secrets=secrets), 202)


@router.post("/executions/{run_id}/fork", operation_id="fork_run", **_BEGUN)
async def fork_run(run_id: RunId, fork: schemas.ForkRequest, service: Serving) -> Response:
    """Start a new run from a moment of this run, with changed keys of the state."""
    run = await service.read(run_id)
    at = len(run.events) if fork.at is None and not fork.state else fork.at
    return _stands(await service.reopen(run, at=at, state=fork.state, secrets=fork.secrets), 202)


def _stands(run: RunRecord, status: int = 200) -> Response:
    return sent({"run_id": run.id, "status": run.status.value}, status)
