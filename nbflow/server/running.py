"""A server on a socket: uvicorn, as this package needs it.

Rule: signals belong to whoever runs the process. A kernel keeps its own; a worker passes on what it gets.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import uvicorn

from nbflow.server.app import make_app
from nbflow.server.leaving import RequestLine, WebSocketLine
from nbflow.server.options import Options
from nbflow.server.relay import Siblings
from nbflow.server.service import Service
from nbflow.session import Session


class Server(uvicorn.Server):
    """A server that leaves the process's signals alone; `stop` ends it."""

    def __init__(self, session: Session, options: Options, *, siblings: Siblings | None = None) -> None:
        self.token = options.token or secrets.token_urlsafe(24)
        self.service = Service(session, options)
        app = make_app(self.service, self.token, siblings)
        super().__init__(
            uvicorn.Config(
                app, log_config=None, access_log=False, http=RequestLine, ws=WebSocketLine,
                ws_max_size=options.max_body, ws_per_message_deflate=False, ws_ping_interval=20, ws_ping_timeout=20,
                timeout_graceful_shutdown=int(options.drain) + 5, server_header=False, proxy_headers=False,
                h11_max_incomplete_event_size=64_000, backlog=2048,
            )
        )  # fmt: skip

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield

    def stop(self) -> None:
        """End it: watchers are told, and runs get time to end. Call it on its loop."""
        self.service.leave()
        self.should_exit = True
