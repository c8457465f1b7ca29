"""Prometheus metrics of the server.

The number of series is bounded: requests are labelled by route, and only the first hundred names of graphs get their
own label. The workers of one server report the sum of their counts.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from nbflow.engine import Run
from nbflow.events import Kind
from nbflow.server.service import Service
from nbflow.server.telemetry import Answered, Followers

MOST_NAMES = 100
OTHER = "other"
_LONGEST = 200
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WS"}
_RUN_S = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 14_400)
_ENDS = {
    Kind.NODE_COMPLETE: "completed",
    Kind.NODE_ERROR: "failed",
    Kind.NODE_RETRY: "retried",
    Kind.NODE_CANCELLED: "cancelled",
    Kind.NODE_SKIPPED: "skipped",
}


class Names:
    """The values of a label for names: the first `most` names, and `other` for all later ones."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most, self._known = most, set[str]()

    def label(self, name: str) -> str:
        """Return the value of the label for a name."""
        name = name[:_LONGEST]
        if name not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
        return name


class Metrics:
    """The metrics of one application; with `shared`, those of all workers together."""

    def __init__(self, service: Service, *, shared: bool) -> None:
        self._registry = registry = CollectorRegistry()
        # Without this folder the library writes no files that other processes could read.
        self._folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR") if shared else None
        self._graphs, self._followers = Names(), Followers()
        self._begun = Counter("nbflow_runs_started", "Runs started or resumed.", ["graph"], registry=registry)
        self._ended = Counter("nbflow_runs_ended", "Runs ended.", ["graph", "status"], registry=registry)
        self._took = Histogram(
            "nbflow_run_duration_seconds", "Duration of ended runs, over all incarnations.", ["graph"],
            buckets=_RUN_S, registry=registry,
        )  # fmt: skip
        self._nodes = Counter(
            "nbflow_nodes", "Ended attempts of nodes; each item of a map counts.", ["status"],
            registry=registry,
        )  # fmt: skip
        self._going = Gauge("nbflow_runs_active", "Running runs.", registry=registry, multiprocess_mode="livesum")
        self._watchers = Gauge(
            "nbflow_watchers", "Open WebSockets and event streams.", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self._requests = Counter(
            "nbflow_requests", "Answered requests and closed WebSockets.", ["route", "method", "status"],
            registry=registry,
        )  # fmt: skip
        self._waited = Histogram(
            "nbflow_request_duration_seconds", "Time until the response started.", ["route", "method"],
            registry=registry,
        )  # fmt: skip
        service.on_run.append(self._run)
        service.on_watch.append(self._watchers.inc)

    def _run(self, run: Run) -> None:
        graph, upto = self._graphs.label(run.name), len(run.events)
        self._begun.labels(graph).inc()
        self._going.inc()

        def look() -> bool:
            nonlocal upto
            counted = run.events.kinds(upto)
            upto += len(counted)
            for kind in counted:
                if kind in _ENDS:
                    self._nodes.labels(_ENDS[kind]).inc()
            return False

        def leave() -> None:
            self._going.dec()
            if run.result is not None:
                self._ended.labels(graph, run.status.value).inc()
                self._took.labels(graph).observe(run.execution_time)

        self._followers.follow(run, look, leave)

    def answered(self, request: Answered) -> None:
        """Count a request, unless another worker answers and counts it."""
        if request.handed_on:
            return
        route = request.route or OTHER
        method = request.method if request.method in _METHODS else OTHER
        self._requests.labels(route, method, request.status or "none").inc()
        self._waited.labels(route, method).observe(request.head_s)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their media type, in the format that the Accept header requests."""
        registry = self._registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type
