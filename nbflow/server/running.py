"""A server on a socket: uvicorn, as this package needs it.

Rule: signals belong to whoever runs the process. A kernel keeps its own; a worker passes on what it gets.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
from collections.abc import Iterator

import uvicorn

from nbflow.serve.addresses import BACKLOG
from nbflow.server.app import make_app
from nbflow.server.leaving import Connections, RequestLine, WebSocketLine
from nbflow.server.logs import log_floods_sparingly
from nbflow.server.options import Options
from nbflow.server.relay import Siblings
from nbflow.server.service import Service
from nbflow.session import Session

logger = logging.getLogger("nbflow.server")
_ACCEPTED_AT_ONCE = 32
"""Connections that are accepted before the loop does anything else: so many may exceed the limit for a moment."""


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
                h11_max_incomplete_event_size=64_000, backlog=_ACCEPTED_AT_ONCE,
            )
        )  # fmt: skip
        self.server_state = Connections(_most_connections(options))
        log_floods_sparingly()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept. asyncio takes the length of the queue for how many it accepts at once."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield

    def stop(self) -> None:
        """End it: watchers are told, and runs get time to end. Call it on its loop."""
        self.service.leave()
        self.should_exit = True


def _most_connections(options: Options) -> int:
    """Return how many connections there may be, so that a quarter of the open files is left for all else."""
    try:
        import resource
    except ImportError:  # Windows
        return options.max_connections
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY or files * 3 // 4 >= options.max_connections:
        return options.max_connections
    logger.warning("at most %d connections, as this process may have %d open files", files * 3 // 4, files)
    return files * 3 // 4
