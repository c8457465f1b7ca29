"""The log of the server process: one JSON object a line on standard error.

The log never contains a token. A request is logged with its path but without its query, and every occurrence of the
token is replaced.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from nbflow.secrets import mask
from nbflow.server.rate_limit import Rates
from nbflow.server.telemetry import Answered

_LONGEST = 20_000  # characters of a message, and of an error
requests = logging.getLogger("nbflow.server.requests")


class AsJson(logging.Formatter):
    """Format a record as JSON: time (ISO 8601, UTC), level, logger, message, error, and the fields of `told`.

    Args:
        hidden: Texts that are replaced, such as the token: the message of an error, or a path, may contain them.
    """

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        super().__init__()
        self._hidden = list(hidden)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record on one line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._shown(record.getMessage()),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            told["error"] = self._shown(self.formatException(record.exc_info))
        line = mask(json.dumps(told, default=str))
        return _without([json.dumps(text)[1:-1] for text in self._hidden], line)

    def _shown(self, text: str) -> str:
        """Return a text cut to the maximum; secrets are replaced first, so that no part of one remains."""
        if len(text) <= _LONGEST:
            return text
        return f"{_without(self._hidden, mask(text))[:_LONGEST]}… ({len(text)} characters)"


def _without(hidden: Iterable[str], text: str) -> str:
    for each in hidden:
        text = text.replace(each, "[token]")
    return text


def log_as_json(hidden: Iterable[str] = ()) -> None:
    """Configure the root logger of this process to log JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson(hidden))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "httpx", "httpcore", "alembic", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Sparingly(logging.Filter):
    """Log one record of a flood a second, with the number `left_out` before it.

    Ten refused requests may pass at once, as people read these.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        self._refused = Rates(1.0)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged."""
        if (kind := _kind_of(record)) is None:
            return True
        if self._has_time(kind, record.created):
            if left_out := self._left_out.pop(kind, 0):
                record.told = {**getattr(record, "told", {}), "left_out": left_out}
            return True
        self._left_out[kind] = self._left_out.get(kind, 0) + 1
        return False

    def _has_time(self, kind: str, now: float) -> bool:
        if kind == _REFUSED:
            return self._refused.allows("", now)
        if now - self._passed.get(kind, 0.0) < 1.0:
            return False
        self._passed[kind] = now
        return True


_REFUSED = "refused"
_REFUSALS = {400, 401, 403, 408, 413, 421, 429, 431, 503}
_FLOODED = ("nbflow.server.requests", "nbflow.server.connections", "uvicorn.error", "asyncio")


def _kind_of(record: logging.LogRecord) -> str | None:
    """Return the kind of flood that a record may belong to; None for records that need a token."""
    if record.exc_info:
        return None
    match record.name:
        case "nbflow.server.requests":
            return _REFUSED if getattr(record, "told", {}).get("status") in _REFUSALS else None
        case "asyncio":
            return record.msg if str(record.msg).startswith("socket.accept() out of") else None
        case _:
            return str(record.msg)


def log_floods_sparingly() -> None:
    """Limit the records that clients without a token can cause to one a second."""
    for name in _FLOODED:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Sparingly) for each in logger.filters):
            logger.addFilter(Sparingly())


def log_request(request: Answered) -> None:
    """Log a request; for a WebSocket, the duration is the time that it was open."""
    if requests.isEnabledFor(logging.INFO):
        told = {"method": request.method, "path": request.path, "status": request.status}
        told["duration_ms"] = round(request.whole_s * 1e3, 1)
        requests.info("%s %s", request.method, request.path, extra={"told": told})
