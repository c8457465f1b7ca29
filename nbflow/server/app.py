"""The ASGI application with its routes and middleware, and the uvicorn server that runs it.

The server installs no signal handlers: a kernel has its own handlers, and the handlers of a worker process call
`Server.stop`.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from nbflow import __version__
from nbflow.graph import GraphDefinition
from nbflow.serve.addresses import BACKLOG, proxied_names
from nbflow.server.cluster.relay import Relay, Siblings
from nbflow.server.errors import Problem, tell_problems
from nbflow.server.options import Options
from nbflow.server.routes import graphs, live_view, monitoring, page, runs, sockets
from nbflow.server.security import Access, Guard
from nbflow.server.service import Service
from nbflow.server.slow_clients import Connections, RequestLine, WebSocketLine
from nbflow.server.telemetry import Requests
from nbflow.server.telemetry.logs import log_floods_sparingly, log_request
from nbflow.server.telemetry.metrics import Metrics
from nbflow.server.telemetry.tracing import trace_runs
from nbflow.session import Session

_ABOUT = (
    "Graphs of registered tools: defined, run, watched and steered. Errors are problem details (RFC 9457). "
    "`WS /ws/execute/{graph_id}` runs a graph and sends its events; `WS /ws/runs/{run_id}?after=SEQ` watches a run."
)


def make_app(service: Service, token: str, siblings: Siblings | None = None) -> FastAPI:
    """Return the application of a service; `siblings` are the other workers of the same server."""
    options = service.options
    app = FastAPI(
        title="nbflow", version=__version__, description=_ABOUT,
        docs_url=None, redoc_url=None, separate_input_output_schemas=False,
        # FastAPI's telemetry would record the address of each request, which may contain the token.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    app.state.service = service
    app.state.metrics = Metrics(service, shared=siblings is not None)
    trace_runs(service)
    tell_problems(app)
    for part in (monitoring, graphs, runs, sockets, live_view, page):
        app.include_router(part.router)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    if siblings is not None:
        app.add_middleware(Relay, service=service, siblings=siblings)
    app.add_middleware(Guard, access=_access(options, token), options=options)
    if options.allowed_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=options.allowed_origins, allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        )  # fmt: skip
    app.add_middleware(Requests, told=(log_request, app.state.metrics.answered))
    return app


def _access(options: Options, token: str) -> Access:
    names = (options.host, *options.allowed_hosts, *proxied_names())
    return Access(token, hosts=names, origins=options.allowed_origins, logins=options.logins)


def _described(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document with the schemas of problems and graphs, and the token that all but /health need."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = document["components"]
        template = "#/components/schemas/{model}"
        graph = GraphDefinition.model_json_schema(by_alias=True, ref_template=template)
        parts["schemas"] |= graph.pop("$defs", {}) | {"GraphDefinition": graph, "Problem": Problem.model_json_schema()}
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        document["paths"]["/health"]["get"]["security"] = []
        app.openapi_schema = document
    return app.openapi_schema


logger = logging.getLogger("nbflow.server")
_ACCEPTED_AT_ONCE = 32
"""The most connections that one turn of the loop accepts; for a moment this many may exceed the limit."""


class Server(uvicorn.Server):
    """A uvicorn server without signal handlers; `stop` shuts it down."""

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
        """Start to accept connections, then lengthen the queue: one turn of asyncio accepts `backlog` connections."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    def stop(self) -> None:
        """Shut down: close the watchers' connections and give runs time to end. Call it on the server's loop."""
        self.service.leave()
        self.should_exit = True


def _most_connections(options: Options) -> int:
    """Return the maximum number of connections; it leaves a quarter of the allowed open files for other uses."""
    try:
        import resource
    except ImportError:  # Windows
        return options.max_connections
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY or files * 3 // 4 >= options.max_connections:
        return options.max_connections
    logger.warning("at most %d connections, as this process may have %d open files", files * 3 // 4, files)
    return files * 3 // 4
