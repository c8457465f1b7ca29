"""Events of a run as spans: one for the run, or for each of its sittings, and one for each attempt of a node.

Rule: a fold, without clock, network or OpenTelemetry. A span is told by times, names and errors; no input, no output
and no traceback is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nbflow.engine.result import Key, key_of
from nbflow.events import ENDINGS, Event, Kind
from nbflow.scheduler.commands import steps_of

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
class SpanBegun:
    """A span begins at `time` (s since 1970), within the span `parent`."""

    key: Key
    parent: Key | None
    name: str
    time: float
    about: dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class SpanEnded:
    """A span ends; `error` are the type and the message of what ended it."""

    key: Key
    time: float
    about: dict[str, str | int | bool]
    error: tuple[str, str] | None


class Spans:
    """The fold, for one run of a graph."""

    def __init__(self, graph: str, run_id: str) -> None:
        self._graph, self._about = graph, {"nbflow.graph": graph, "nbflow.run_id": run_id}
        self._open: set[Key] = set()

    def feed(self, event: Event) -> Iterator[SpanBegun | SpanEnded]:
        """Give the spans that begin and end with an event."""
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

    def _start(self, event: Event) -> Iterator[SpanBegun]:
        key, data = key_of(event), event.data
        told = {"nbflow.node": str(event.node), "nbflow.attempt": data["attempt"]}
        if "tool" in data:
            told["nbflow.tool"] = data["tool"]
        # Without the items' numbers, so that all items of a map are of one name.
        yield from self._begin(key, self._parent(key), _ITEM.sub("[]", str(event.node)), event, told)

    def _begin(
        self, key: Key, parent: Key | None, name: str, event: Event, told: dict[str, Any]
    ) -> Iterator[SpanBegun]:
        self._open.add(key)
        yield SpanBegun(key, parent, name, event.time, self._about | told)

    def _end(self, key: Key, event: Event, status: str) -> Iterator[SpanEnded]:
        if key not in self._open:
            return  # it began in an earlier sitting
        self._open.discard(key)
        told: dict[str, str | int | bool] = {"nbflow.status": status}
        if event.data.get("cached"):
            told["nbflow.cached"] = True
        error = event.data.get("error")
        failure = (str(error["type"]), str(error["message"])) if status == "failed" and error else None
        yield SpanEnded(key, event.time, told, failure)

    def _parent(self, key: Key) -> Key:
        """Return the innermost span that is open around one: its map's, its subgraph's, or the run's."""
        scope, firing, item = key
        if item is not None and (scope, firing, None) in self._open:
            return scope, firing, None
        steps = steps_of(scope)
        if not steps:
            return RUN
        around = scope.removesuffix(str(steps[-1])), steps[-1].firing, steps[-1].item
        return around if around in self._open else self._parent(around)
