"""OpenTelemetry traces of runs, with the extra `otel`.

Nothing is imported or sent unless OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. `Spans` is
a pure fold of events: one span for each incarnation of the run, and one for each attempt of a node, with the times of
the events. Spans contain names, times and errors, but no inputs, outputs or tracebacks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from nbflow.engine import Run
from nbflow.engine.result import Key, key_of
from nbflow.errors import NbflowError
from nbflow.errors.extras import needs
from nbflow.events import ENDINGS, Event, Kind
from nbflow.scheduler.commands import steps_of
from nbflow.server.service import Service
from nbflow.server.telemetry import Followers

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


AT_ONCE = 200
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"


def wanted() -> str | None:
    """Return the environment variable that enables traces, or None."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    return None if off else next((name for name in _ENDPOINTS if os.environ.get(name)), None)


def check_tracing() -> None:
    """Check that traces can be sent, if they are enabled.

    Raises:
        ImportError: The extra is not installed; the message has the command that installs it.
        NbflowError: The protocol is not http/protobuf.
    """
    if wanted() is not None:
        _tracer()


def trace_runs(service: Service) -> None:
    """Trace the runs of a service, if the environment enables traces."""
    if wanted() is not None:
        service.on_run.append(Tracing(_tracer()).follow)


@cache
def _tracer() -> Tracer:
    """Return the tracer of this process; the global one belongs to the user."""
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), _HTTP)
    if protocol != _HTTP:
        raise NbflowError(f"traces are sent by {_HTTP}, and not by {protocol}; set {_PROTOCOLS[0]}={_HTTP}")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ImportError(f"{needs(f'{wanted()} is set, and tracing', 'otel')}; or unset it") from error
    resource = Resource.create()
    if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "nbflow"}))
    provider = TracerProvider(resource=resource)  # it sends the remaining spans when the process ends
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("nbflow")


class Tracing:
    """Creates the spans of runs with a tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer, self._followers = tracer, Followers()

    def follow(self, run: Run) -> None:
        """Trace a run from its start or its resume; call it on the loop of the run."""
        fold, upto = Spans(run.name, run.id), _begin_of(run)
        spans: dict[Key, Span] = {}

        def look() -> bool:
            nonlocal upto
            events = run.events[upto : upto + AT_ONCE]
            upto += len(events)
            for event in events:
                for change in fold.feed(event):
                    self._make(spans, change)
            return upto < len(run.events)

        def leave() -> None:
            # Inner spans first; some are open only if the server ends before the run.
            for span in reversed(spans.values()):
                span.set_attribute("nbflow.status", "left")
                span.end()

        self._followers.follow(run, look, leave)

    def _make(self, spans: dict[Key, Span], change: SpanStarted | SpanEnded) -> None:
        from opentelemetry.trace import INVALID_SPAN, StatusCode, set_span_in_context

        match change:
            case SpanStarted(key, parent, name, time, about):
                within = set_span_in_context(INVALID_SPAN if parent is None else spans[parent])
                spans[key] = self._tracer.start_span(name, within, attributes=about, start_time=_ns(time))
            case SpanEnded(key, time, about, error):
                span = spans.pop(key)
                span.set_attributes(about)
                if error is not None:
                    kind, message = error
                    span.set_attribute("error.type", kind)
                    span.add_event("exception", {"exception.type": kind, "exception.message": message}, _ns(time))
                    span.set_status(StatusCode.ERROR, f"{kind}: {message}")
                span.end(_ns(time))


def _begin_of(run: Run) -> int:
    """Return the index of the first event of this process."""
    kinds = run.events.kinds(0)
    return max((at for at, kind in enumerate(kinds) if kind is Kind.EXECUTION_RESUMED), default=0)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


RUN: Key = ("", -1, None)
"""The key of the run's own span."""
_STATUS = {
    Kind.NODE_COMPLETE: "completed",
    Kind.NODE_SKIPPED: "skipped",
    Kind.NODE_ERROR: "failed",
    Kind.NODE_RETRY: "failed",
    Kind.NODE_CANCELLED: "cancelled",
}
_ITEM = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class SpanStarted:
    """A span starts at `time` (s since 1970), within the span `parent`."""

    key: Key
    parent: Key | None
    name: str
    time: float
    about: dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class SpanEnded:
    """A span ends; `error` is the type and the message of the error that ended it."""

    key: Key
    time: float
    about: dict[str, str | int | bool]
    error: tuple[str, str] | None


class Spans:
    """The fold, for one run of a graph."""

    def __init__(self, graph: str, run_id: str) -> None:
        self._graph, self._about = graph, {"nbflow.graph": graph, "nbflow.run_id": run_id}
        self._open: set[Key] = set()

    def feed(self, event: Event) -> Iterator[SpanStarted | SpanEnded]:
        """Yield the spans that an event starts or ends."""
        match event.kind:
            case Kind.EXECUTION_START | Kind.EXECUTION_RESUMED:
                yield from self._begin(RUN, None, f"run {self._graph}", event, {})
            case Kind.NODE_START:
                yield from self._start(event)
            case kind if kind in _STATUS:
                yield from self._end(key_of(event), event, _STATUS[kind])
            case kind if kind in ENDINGS:
                for key in self._open - {RUN}:
                    yield from self._end(key, event, "cancelled")
                yield from self._end(RUN, event, ENDINGS[kind].value)

    def _start(self, event: Event) -> Iterator[SpanStarted]:
        key, data = key_of(event), event.data
        told = {"nbflow.node": str(event.node), "nbflow.attempt": data["attempt"]}
        if "tool" in data:
            told["nbflow.tool"] = data["tool"]
        # Without the indexes, so that all items of a map have one name.
        yield from self._begin(key, self._parent(key), _ITEM.sub("[]", str(event.node)), event, told)

    def _begin(
        self, key: Key, parent: Key | None, name: str, event: Event, told: dict[str, Any]
    ) -> Iterator[SpanStarted]:
        self._open.add(key)
        yield SpanStarted(key, parent, name, event.time, self._about | told)

    def _end(self, key: Key, event: Event, status: str) -> Iterator[SpanEnded]:
        if key not in self._open:
            return  # it started in an earlier incarnation
        self._open.discard(key)
        told: dict[str, str | int | bool] = {"nbflow.status": status}
        if event.data.get("cached"):
            told["nbflow.cached"] = True
        error = event.data.get("error")
        failure = (str(error["type"]), str(error["message"])) if status == "failed" and error else None
        yield SpanEnded(key, event.time, told, failure)

    def _parent(self, key: Key) -> Key:
        """Return the innermost open span around another: that of its map, its subgraph, or the run."""
        scope, firing, item = key
        if item is not None and (scope, firing, None) in self._open:
            return scope, firing, None
        steps = steps_of(scope)
        if not steps:
            return RUN
        around = scope.removesuffix(str(steps[-1])), steps[-1].firing, steps[-1].item
        return around if around in self._open else self._parent(around)
