"""Runs as traces: the fold of events into spans, the spans that an exporter gets, and the requests over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from observed import BEARER, TOKEN, Process, a_notebook, a_session, process
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from nbflow.engine import Run
from nbflow.events import Event, Kind
from nbflow.server.telemetry.tracing import RUN, SpanEnded, Spans, SpanStarted, Tracing
from nbflow.session import Session

pytestmark = pytest.mark.slow

NESTED = """\
list = double
each = graph inner [map=items, as=n, on_error=collect]
list -> each -> b
b = double
"""


def run_of(graph: str, session: Session | None = None, **state: Any) -> Run:
    """Return a run that has ended with any status."""
    session = session or a_session()

    async def main() -> Run:
        run = session.start(graph, state)
        await run.wait()
        return run

    return asyncio.run(main())


def nested() -> Session:
    session = a_session()
    session.graph("inner", "a = double\nb = double\na -> b")
    session.graph("outer", NESTED)
    return session


def folded(run: Run) -> list[SpanStarted | SpanEnded]:
    spans = Spans(run.name, run.id)
    return [change for event in run.events for change in spans.feed(event)]


# the fold


@pytest.mark.parametrize("graph", ["twice", "fails", "again", "outer"])
def test_each_span_that_starts_ends_once_within_its_parent(graph: str) -> None:
    run = run_of(graph, nested(), n=1, items=[1, 2, 3])
    open_: list[Any] = []

    for change in folded(run):
        if isinstance(change, SpanStarted):
            assert change.parent in open_ or (change.parent is None and change.key == RUN)
            open_.append(change.key)
        else:
            open_.remove(change.key)

    assert open_ == []


def test_a_run_and_each_attempt_of_a_node_has_a_span() -> None:
    run = run_of("again")

    begun = [change for change in folded(run) if isinstance(change, SpanStarted)]
    ended = [change for change in folded(run) if isinstance(change, SpanEnded)]

    assert [(span.name, span.about.get("nbflow.attempt")) for span in begun] == [
        ("run again", None), ("flaky", 1), ("flaky", 2),
    ]  # fmt: skip
    assert {span.about["nbflow.run_id"] for span in begun} == {run.id}
    assert {span.about["nbflow.graph"] for span in begun} == {"again"}
    assert [(span.about["nbflow.status"], span.error) for span in ended] == [
        ("failed", ("TimeoutError", "not yet")), ("completed", None), ("completed", None),
    ]  # fmt: skip


def test_spans_have_the_times_of_the_events() -> None:
    run = run_of("twice", n=1)
    first, last = run.events[0].time, run.events[-1].time

    changes = folded(run)

    assert (changes[0].time, changes[-1].time) == (first, last)
    times = {change.time for change in changes}
    assert times <= {event.time for event in run.events}


def test_nodes_of_a_subgraph_are_within_their_item_and_items_within_their_map() -> None:
    begun = {
        change.key: change
        for change in folded(run_of("outer", nested(), n=1, items=[1, 2]))
        if isinstance(change, SpanStarted)
    }

    def path(change: SpanStarted) -> list[str]:
        return [*([] if change.parent is None else path(begun[change.parent])), change.name]

    paths = [path(change) for change in begun.values()]
    assert ["run outer", "each", "each[]", "each[]/a"] in paths
    assert paths.count(["run outer", "each", "each[]", "each[]/b"]) == 2
    assert ["run outer", "list"] in paths


def test_the_span_of_a_failed_run_has_type_and_message_and_no_inputs_or_paths() -> None:
    changes = folded(run_of("fails", n=4711))

    ended = [change for change in changes if isinstance(change, SpanEnded)]
    assert ended[-1].key == RUN
    assert ended[-1].error == ("ValueError", "no rows")
    assert ended[-1].about["nbflow.status"] == "failed"
    assert "4711" not in repr([change.about for change in changes])
    assert __file__ not in repr(changes)


def test_a_node_that_started_before_a_resume_ends_no_span() -> None:
    spans = Spans("daily", "1a2b")
    place = {"firing": 0, "attempt": 1}

    changes = [
        *spans.feed(Event(Kind.EXECUTION_RESUMED, 9, 1.0)),
        *spans.feed(Event(Kind.NODE_COMPLETE, 10, 2.0, "a", place)),
        *spans.feed(Event(Kind.EXECUTION_COMPLETE, 11, 3.0)),
    ]

    assert [(type(change), change.key) for change in changes] == [(SpanStarted, RUN), (SpanEnded, RUN)]


# as an exporter gets them


def traced(graph: str, session: Session, **state: Any) -> list[ReadableSpan]:
    """Run a graph, traced; return the spans in the order of their ends."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider.get_tracer("tests"))

    async def main() -> None:
        run = session.start(graph, state)
        tracing.follow(run)
        if graph == "waits":
            await asyncio.sleep(1.2)  # the run does not end
            return
        await run.wait()
        for _ in range(100):
            if any(span.parent is None for span in exporter.get_finished_spans()):
                break
            await asyncio.sleep(0.01)

    asyncio.run(main())
    return list(exporter.get_finished_spans())


def test_the_spans_of_a_run_are_one_trace() -> None:
    spans = traced("twice", a_session(), n=1)

    *nodes, run = spans
    assert [span.name for span in spans] == ["a", "b", "run twice"]
    assert {span.context.trace_id for span in spans} == {run.context.trace_id}
    assert run.parent is None
    assert [span.parent and span.parent.span_id for span in nodes] == [run.context.span_id] * 2
    assert all(run.start_time <= span.start_time <= span.end_time <= run.end_time for span in nodes)  # type: ignore[operator]


def test_a_failure_sets_the_status_and_the_exception_of_its_span() -> None:
    spans = {span.name: span for span in traced("fails", a_session(), n=1)}

    assert spans["double"].status.status_code is StatusCode.UNSET
    for name in ("fail", "run fails"):
        span = spans[name]
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "ValueError: no rows"
        assert span.attributes is not None
        assert span.attributes["error.type"] == "ValueError"
        assert [(event.name, dict(event.attributes or {})) for event in span.events] == [
            ("exception", {"exception.type": "ValueError", "exception.message": "no rows"})
        ]


def test_the_spans_of_a_run_that_the_loops_end_abandons_have_the_status_left() -> None:
    spans = traced("waits", a_session())

    assert [span.name for span in spans] == ["wait", "run waits"]
    assert {(span.attributes or {})["nbflow.status"] for span in spans} == {"left"}


def test_a_run_of_very_many_events_is_traced_completely() -> None:
    session = a_session()
    session.graph("many", "double [map=items, as=n]")

    spans = traced("many", session, items=list(range(500)))

    assert len(spans) == 500 + 2


# over HTTP


class Receiver(ThreadingHTTPServer):
    """A server that receives the requests of an OTLP exporter."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiving)
        self.got: list[tuple[str, ExportTraceServiceRequest | None]] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Any]:
        """Return all spans received."""
        return [
            span for _, request in self.got if request
            for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]  # fmt: skip


class _Receiving(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        read = ExportTraceServiceRequest.FromString(body) if self.path == "/v1/traces" else None
        self.server.got.append((self.path, read))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def run_over_http(server: Process) -> None:
    with httpx.Client(base_url=server.address, headers=BEARER, timeout=300) as client:
        client.get("/graphs", params={"token": TOKEN})
        state = {"graph_id": "daily", "initial_state": {"n": 1, "seconds": 0}}
        run_id = client.post("/executions/run", json=state).json()["run_id"]
        while client.get(f"/executions/result/{run_id}").json()["status"] == "running":
            pass


def test_a_server_sends_its_runs_and_nothing_else(tmp_path: Path) -> None:
    """FastAPI has its own telemetry. Even if a setting asks for that, each run is sent once, and no address of a request."""
    with receiver() as there:
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": there.address, "FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
        with process(a_notebook(tmp_path / "flows.ipynb"), **asked) as server:
            run_over_http(server)
            assert server.end() == 0, server.text

    assert {path for path, _ in there.got} == {"/v1/traces"}
    assert sorted(span.name for span in there.spans()) == ["double", "run daily", "sleep"]
    assert TOKEN not in repr(there.got)
    services = {
        attribute.value.string_value
        for _, request in there.got if request
        for resource in request.resource_spans
        for attribute in resource.resource.attributes if attribute.key == "service.name"
    }  # fmt: skip
    assert services == {"nbflow"}


def test_without_a_setting_no_exporter_is_loaded_and_nothing_is_sent() -> None:
    """The server does not even import the exporter."""
    code = """
import asyncio, sys
from nbflow.session import Session
async def main():
    session = Session()
    server = session.serve(port=0)
    await asyncio.sleep(0.2)
    await server.stop()
asyncio.run(main())
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
    for asked in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}):
        done = _python(code, asked)

        assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {},
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and tracing needs the extra 'otel': pip install -e '.[otel]' in your clone of nbflow",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "traces are sent by http/protobuf, and not by grpc; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf",
        ),
    ],
)
def test_a_missing_package_for_tracing_is_reported_before_the_server_starts(
    asked: dict[str, str], told: str, tmp_path: Path
) -> None:
    file = a_notebook(tmp_path / "flows.ipynb")
    code = f"""
import sys
sys.modules["opentelemetry.exporter.otlp.proto.http.trace_exporter"] = None  # as if it was not installed
from nbflow.cli import main
sys.argv = ["nbflow", "serve", {str(file)!r}, "--port", "0"]
main()
"""
    done = _python(code, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **asked})

    assert done.returncode == 1
    assert done.stderr.startswith(f"nbflow: {told}")
    assert "Traceback" not in done.stderr


def test_a_server_runs_and_ends_while_its_receiver_is_unreachable(tmp_path: Path) -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
    with process(a_notebook(tmp_path / "flows.ipynb"), **asked) as server:
        run_over_http(server)
        assert server.end() == 0, server.text


def _python(code: str, asked: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, timeout=300
    )
