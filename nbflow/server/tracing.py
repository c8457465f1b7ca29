"""Runs as traces of OpenTelemetry, by the extra `otel`.

Rule: nothing is loaded, and nothing leaves the process, unless OTEL_EXPORTER_OTLP_ENDPOINT or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. Spans are made of events, at the times that these have.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from nbflow.engine import Run
from nbflow.engine.result import Key
from nbflow.errors import NbflowError
from nbflow.errors.extras import needs
from nbflow.events import Kind
from nbflow.server.following import Followers
from nbflow.server.service import Service
from nbflow.server.spans import SpanBegun, SpanEnded, Spans

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

AT_ONCE = 200
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"


def wanted() -> str | None:
    """Return the variable that asks for traces."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    return None if off else next((name for name in _ENDPOINTS if os.environ.get(name)), None)


def check_tracing() -> None:
    """See that traces can be sent, if they are to be.

    Raises:
        ImportError: The extra is not installed; it says how to get it.
        NbflowError: They are to be sent in another way than this one.
    """
    if wanted() is not None:
        _tracer()


def trace_runs(service: Service) -> None:
    """Trace the runs of a service, if the environment asks for it."""
    if wanted() is not None:
        service.on_run.append(Tracing(_tracer()).follow)


@cache
def _tracer() -> Tracer:
    """Return what makes spans; of a process's own, as the global one is its user's."""
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
    provider = TracerProvider(resource=resource)  # it sends what is left when the process ends
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("nbflow")


class Tracing:
    """Makes spans of runs, by a tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer, self._followers = tracer, Followers()

    def follow(self, run: Run) -> None:
        """Trace a run from its start, or from where it goes on now; call it on its loop."""
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
            # Inner ones first; there are some only if the server ends and the run does not.
            for span in reversed(spans.values()):
                span.set_attribute("nbflow.status", "left")
                span.end()

        self._followers.follow(run, look, leave)

    def _make(self, spans: dict[Key, Span], change: SpanBegun | SpanEnded) -> None:
        from opentelemetry.trace import INVALID_SPAN, StatusCode, set_span_in_context

        match change:
            case SpanBegun(key, parent, name, time, about):
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
    """Return from where on a run's events are of this process."""
    kinds = run.events.kinds(0)
    return max((at for at, kind in enumerate(kinds) if kind is Kind.EXECUTION_RESUMED), default=0)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
