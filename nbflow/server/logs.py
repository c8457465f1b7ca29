"""What the server's process tells of itself: one JSON object a line, on standard error.

Rule: no token gets there. A request is told by its path, never by its query, and a token is put out wherever it stands.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from nbflow.secrets import mask
from nbflow.server.answered import Answered

requests = logging.getLogger("nbflow.server.requests")


class AsJson(logging.Formatter):
    """Writes a record as JSON: time (ISO 8601, UTC), level, logger, message, an error, and what it has as `told`.

    Args:
        hidden: Texts that are put out, such as the token: an error's words, or a path, may have them.
    """

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        super().__init__()
        self._hidden = [json.dumps(text)[1:-1] for text in hidden]

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
        line = mask(json.dumps(told, default=str))
        for text in self._hidden:
            line = line.replace(text, "[token]")
        return line


def log_as_json(hidden: Iterable[str] = ()) -> None:
    """Let this process log so."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson(hidden))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "httpx", "httpcore", "alembic", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log_request(request: Answered) -> None:
    """Tell of a request; of a socket, how long it was open."""
    if requests.isEnabledFor(logging.INFO):
        told = {"method": request.method, "path": request.path, "status": request.status}
        told["duration_ms"] = round(request.whole_s * 1e3, 1)
        requests.info("%s %s", request.method, request.path, extra={"told": told})
