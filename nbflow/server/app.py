"""The application: the service behind its door, with all its routes.

Rule: nothing is decided here but what belongs together.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from nbflow import __version__
from nbflow.graph import GraphDefinition
from nbflow.serve.addresses import proxied_names
from nbflow.server import executions, graphs, health, metrics, sockets, steering, viewing, webpage
from nbflow.server.access import Access
from nbflow.server.answered import Requests
from nbflow.server.guard import Guard
from nbflow.server.logs import log_request
from nbflow.server.metrics import Metrics
from nbflow.server.options import Options
from nbflow.server.problems import Problem, tell_problems
from nbflow.server.relay import Relay, Siblings
from nbflow.server.service import Service
from nbflow.server.tracing import trace_runs

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
        # Its own would tell of each request by its whole address, with the token in it.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    app.state.service = service
    app.state.metrics = Metrics(service, shared=siblings is not None)
    trace_runs(service)
    tell_problems(app)
    for part in (health, graphs, executions, steering, sockets, viewing, webpage, metrics):
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
    """Return the OpenAPI document: with the form of problems and of graphs, and the token that all but /health need."""
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
