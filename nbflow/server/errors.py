"""Errors as problem details (RFC 9457), with one table of status codes for all routes and sockets.

The text of an nbflow error is sent as it is. Of any other error only the fact is sent, without a traceback and without
paths of files; the log has the rest.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from nbflow.errors import (
    AnswerError,
    ConditionError,
    ExecutionError,
    GraphError,
    GraphNotFoundError,
    InitialStateError,
    NameClashError,
    NbflowError,
    NotationError,
    RunNotFoundError,
    RunStateError,
    StoreError,
    ToolError,
    words,
)
from nbflow.json_values.pieces import json_text

logger = logging.getLogger("nbflow.server")
MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """A problem of RFC 9457, with `faults` where there are several, or where each has a position."""

    type: str = Field(
        description="urn:nbflow: and the error's name, or about:blank", examples=["urn:nbflow:GraphError"]
    )
    title: str
    status: int
    detail: str
    faults: list[str] | dict[str, str] | None = None


class LimitError(NbflowError):
    """A limit of the server was exceeded; `status` is 413 for a size, 429 or 503 for a number."""

    def __init__(self, status: int, problem: str, setting: str, value: float) -> None:
        self.status, self.setting = status, setting
        super().__init__(f"{problem}; the limit is {value:g}, set by NBFLOW_{setting.upper()}")


class RequestError(NbflowError):
    """A request is invalid; `status` is the HTTP status of the response."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


STATUS: Mapping[type[NbflowError], int] = {
    GraphNotFoundError: 404,
    RunNotFoundError: 404,
    RunStateError: 409,
    AnswerError: 422,
    GraphError: 422,
    InitialStateError: 422,
    NotationError: 422,
    ConditionError: 422,
    ToolError: 422,
    NameClashError: 422,
    ExecutionError: 422,
    StoreError: 503,
    NbflowError: 400,
}
_WORDED = {
    r"%flow_runs lists (them|those)": "GET /executions lists them",
    r"%flow_graphs lists them": "GET /graphs lists them",
    r"%flow_resume (\w+) takes it over": "POST /executions/{id}/resume takes it over",
    r"--from forks it": "POST /executions/{id}/fork forks it",
}


def problem_of(error: BaseException) -> Problem:
    """Return the problem of an error."""
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, NbflowError):
            return problem_of(error.__cause__)  # a body that was refused while it was read
        if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(error.__cause__, ValueError | RecursionError):
            return problem_of(RequestError(422, _unreadable(error.__cause__)))  # as FastAPI refuses a body
        return _plain(error.status_code, str(error.detail))
    if not isinstance(error, NbflowError):
        return _plain(500, "the server met an error that it did not expect; its log has it")
    if isinstance(error, StoreError):
        # The message names files and databases, so it goes only to the log.
        logger.warning("the store could not do what was asked: %s", words(error))
        return _named(error, 503, "the store could not do what was asked now; the server's log says why")
    status = getattr(error, "status", None) or next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    detail = words(error)
    for pattern, worded in _WORDED.items():
        detail = re.sub(pattern, worded, detail)
    faults = getattr(error, "faults", None)
    told: Any = dict(faults) if isinstance(faults, Mapping) else list(faults) if faults else None
    return _named(error, status, detail, told)


def _unreadable(error: BaseException) -> str:
    """Return the reason why a body that may be JSON cannot be read."""
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"the body is not text in UTF-8: byte {error.start} cannot be read"
    return "the body holds a number of more digits than can be read"


def _named(error: NbflowError, status: int, detail: str, faults: Any = None) -> Problem:
    name = type(error).__name__
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return Problem(type=f"urn:nbflow:{name}", title=title, status=status, detail=detail, faults=faults)


def _plain(status: int, detail: str) -> Problem:
    return Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail)


def _invalid(error: RequestValidationError) -> Problem:
    """Return the problem of a request whose fields are not valid, each by its position."""
    faults: dict[str, str] = {}
    for fault in error.errors()[:50]:
        faults[".".join(str(part) for part in fault["loc"])[:200]] = str(fault["msg"])[:500]
    told = "; ".join(f"{place}: {text}" for place, text in faults.items())
    return Problem(
        type="urn:nbflow:RequestError", title="Request Error", status=422, detail=told, faults=faults
    )  # fmt: skip


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response with a problem."""
    extra = {"Retry-After": "1"} if problem.status in (429, 503) else {}
    body = json_text(problem.model_dump(exclude_none=True))
    return Response(body, problem.status, {**(headers or {}), **extra}, media_type=MEDIA_TYPE)


def _allowed(request: Request) -> dict[str, str]:
    """Return the methods of a path; the framework lists only those of its first route."""
    template = getattr(request.scope.get("route"), "path_format", "")
    methods = request.app.openapi()["paths"].get(template, {})
    return {"Allow": ", ".join(sorted(map(str.upper, methods)))} if methods else {}


def tell_problems(app: FastAPI) -> None:
    """Register the handlers that answer each error with its problem."""

    async def known(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        allowed = _allowed(request) if problem.status == HTTPStatus.METHOD_NOT_ALLOWED else {}
        return answer(problem, {**(getattr(error, "headers", None) or {}), **allowed})

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for this one
        return answer(_invalid(error))

    async def unknown(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(problem_of(error))

    app.add_exception_handler(NbflowError, known)
    app.add_exception_handler(HTTPException, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unknown)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return a route's `responses` for these statuses, and for those that any request may meet."""
    each = {400, 401, 403, 413, 421, 422, 429, 500, 503, *statuses}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted(each)
    }
