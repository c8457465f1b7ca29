"""What the server's process tells of itself: one JSON object a line, on standard error.

Rule: no token gets there. A request is told by its path, never by its query.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

requests = logging.getLogger("nbflow.server.requests")


class AsJson(logging.Formatter):
    """Writes a record as JSON: time (ISO 8601, UTC), level, logger, message, an error, and what it has as `told`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record on one line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def log_as_json() -> None:
    """Let this process log so."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "httpx", "httpcore", "alembic", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class RequestLog:
    """The middleware that tells each request once it was answered; of a socket, how long it was open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and tell of it."""
        if scope["type"] not in ("http", "websocket") or not requests.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            told = {"method": scope.get("method", "WS"), "path": scope["path"], "status": status}
            told["duration_ms"] = round((time.perf_counter() - began) * 1e3, 1)
            requests.info("%s %s", told["method"], told["path"], extra={"told": told})
