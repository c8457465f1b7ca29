"""What a person sees of one node, and how a node's own events change it.

Rule: every change is a few assignments; what is sent is made from them only when somebody asks for a patch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from nbflow.events import Event, Kind
from nbflow.graph import NodeDefinition
from nbflow.view.history import Attempt, History, duration_us, error_line, error_parts
from nbflow.view.inside import Inside
from nbflow.view.plain import line as one_line

if TYPE_CHECKING:
    from nbflow.engine.journal import Entry
    from nbflow.view.edges import EdgeState

LIVE = ("running", "waiting", "retrying")
BECOMES = {
    Kind.NODE_START: "running", Kind.NODE_COMPLETE: "completed", Kind.NODE_ERROR: "failed",
    Kind.NODE_CANCELLED: "cancelled", Kind.NODE_SKIPPED: "skipped", Kind.NODE_RETRY: "retrying",
}  # fmt: skip
"""How a node stands after an event of its own."""
Asked = tuple[str | None, str, int, int]
"""What tells a question from all others of a run: the path and scope of the node that asks, its firing, the ordinal."""


class NodeState:
    """One node of the outermost graph; what happens inside its subgraph or map is folded into it."""

    def __init__(self, definition: NodeDefinition, kind: str, *, expected: int, inner: tuple[str, ...]) -> None:
        self.id = definition.node_id
        self.definition, self.kind, self.expected = definition, kind, expected
        self.parts = Inside(inner)
        self.status = "pending"
        self.since: float | None = None
        """When it last began to run or to wait, or is to be tried again."""
        self.ms: float | None = None
        self.runs, self.attempt = 0, 1
        self.asked: dict[Asked, Event] = {}
        """The questions that are open, of its own tool or of what is inside it."""
        self.firings: set[int | None] = set()
        """Those that run now: more than one where instances run side by side."""
        self.of = definition.retries + 1
        self.progress: float | None = None
        self.text: str | None = None
        self.error: str | None = None
        self.kept = self.cached = self.handled = False
        self.ended: float | None = None
        self.arrived: dict[str, EdgeState] = {}
        self.came: dict[str, EdgeState] = {}
        """What had arrived when it last started."""
        self.live: list[EdgeState] = []
        self.caption: EdgeState | None = None
        self.history = History()

    def copy(self, edges: Mapping[str, EdgeState]) -> NodeState:
        """Return a node that stands as this one does, among other `edges`, by their keys."""
        other = copy(self)
        other.parts, other.history = self.parts.copy(), self.history.copy()
        other.asked, other.firings = {**self.asked}, {*self.firings}
        other.arrived, other.came = ({key: edges[key] for key in one} for one in (self.arrived, self.came))
        other.live = [edges[edge.line.key] for edge in self.live]
        other.caption = self.caption and edges[self.caption.line.key]
        return other

    def as_dict(self) -> dict[str, Any]:
        """Return the node's fields in the view protocol."""
        return {
            "status": self.status,
            "since": None if self.since is None else round(self.since, 3),  # as far as anybody sees
            "ms": self.ms,
            "runs": self.runs,
            "attempt": self.attempt,
            "of": self.of,
            "progress": self.progress,
            "text": self.text,
            "cached": self.cached,
            "error": self.error,
            "items": self.items(),
            "inputs": [min(len(self.arrived), self.expected), self.expected] if self._joins() else None,
        }

    def _joins(self) -> bool:
        return self.expected > 1 and self.status == "pending"

    def items(self) -> dict[str, int] | None:
        """Return a map's counts, or None while there is none; `done` are those that ended, `failed` ones among them."""
        parts = self.parts
        if self.kind != "map" or not (parts.total or self.runs):
            return None
        failed = len(parts.failed)
        done = len(parts.done) + failed
        return {"done": done, "total": max(parts.total, done), "failed": failed}

    def inner_rows(self) -> dict[str, Any] | None:
        """Return how the items of the map, or the nodes of the subgraph, stand, as `Inside.rows` does."""
        if self.kind not in ("map", "subgraph") or not self.runs:
            return None
        start = len(self.id) + 1
        asking = {(key[0] or "")[start:].removesuffix("]") for key in self.asked}
        left = "skipped" if self.status == "completed" else "pending"
        return self.parts.rows(asking, live=self.status in LIVE, left=left)

    # -- the node's own events ------------------------------------------------------------------------------------

    def start(self, event: Event) -> None:
        """Begin a visit or a further try."""
        attempt = event.data.get("attempt") or 1
        past = self.history
        self.firings.add(event.data.get("firing"))
        if attempt == 1:
            self.runs += 1
            if len(self.firings) == 1:
                past.attempts.clear()
                past.error = None
            past.routes = []
            past.output = None
        if not self.kept and (attempt == 1 or event.data.get("begun", 1) > 1):
            self.parts.clear()
        note = "" if self.kept else self._backed_off(event.time)
        past.attempts.append(Attempt(attempt, event.time, note=note))
        self.kept = self.cached = self.handled = False
        self.ended = None
        past.input, past.started = event.data.get("input"), event.time
        self.status, self.since, self.attempt, self.error = "running", event.time, attempt, None
        self.of = max(self.of, attempt)
        self.progress = self.text = None
        if self.kind == "map":
            self.parts.total = _item_count(self.definition, past.input) or self.parts.total

    def _backed_off(self, now: float) -> str:
        attempts = self.history.attempts
        if not attempts or attempts[-1].ms is None or attempts[-1].status != "failed":
            return ""
        waited = now - attempts[-1].started - attempts[-1].ms / 1000
        return f"after {waited:.2g} s back-off" if waited >= 0.05 else ""

    def retry(self, event: Event) -> None:
        """A try failed and another is due."""
        self._end_attempt("failed", event, error_line(event.data.get("error")))
        self.history.error = event.data.get("error") or self.history.error
        self.status, self.since = "retrying", event.time + (event.data.get("delay") or 0.0)
        self.attempt = event.data.get("attempt") or self.attempt + 1
        self.of = max(self.of, self.attempt)
        self.error = error_parts(event.data.get("error"))["type"]
        self.progress = self.text = None

    def end(self, event: Event, status: str) -> None:
        """Close the visit; where others of the node still run side by side, it goes on running."""
        error = event.data.get("error")
        self._end_attempt(status, event, error_line(error) if error else "")
        past = self.history
        self.firings.discard(event.data.get("firing"))
        self.unask(event)
        self.error = None
        if status == "completed":
            past.output = event.data.get("output")
            self.cached = bool(event.data.get("cached"))
        elif error:
            past.error = error
            self.error = error_parts(error)["type"]
            self.handled = bool(event.data.get("handled"))
        self.progress = self.text = None
        if not self.firings:
            self.status, self.ended = status, event.time

    def pass_over(self, visits: int, ends: Sequence[Entry]) -> None:
        """Take in visits of which nothing else is seen once the next begins: how long the last and all of them took.

        A visit that went on counts with these by its end alone.
        """
        self.runs += visits
        self.ms = duration_us(ends[-1]) / 1e3
        self.history.passed += ends
        self.firings.clear()
        self.arrived = {}

    def is_over(self, run_ended: float | None) -> bool:
        """Return whether a resume leaves it as it is; `run_ended` is when the run ended before that, if it did."""
        match self.status:
            case "failed":
                return self.handled
            case "cancelled":  # with the run, or as another won a race long before
                return self.ended is not None and self.ended != run_ended
            case "skipped":  # never reached, or its output was given by a person
                return self.ended is not None
        return self.status in ("pending", "completed")

    def resume(self) -> None:
        """Stand as before the last start, which did not come to its end; items and inner nodes that did are kept."""
        last = self.history.attempts[-1] if self.history.attempts else None
        if last is not None and last.ms is None:
            last.status, last.note = "cancelled", "its process ended"
        self.parts.failed.clear()
        self.parts.going.clear()
        self.firings.clear()
        self.asked.clear()
        self.arrived = self.came | self.arrived
        self.status, self.error, self.kept = "pending", None, True
        self.progress = self.text = None

    def _end_attempt(self, status: str, event: Event, note: str) -> None:
        attempts = self.history.attempts
        last = attempts[-1] if attempts else None
        ms = event.data.get("duration_ms")
        if ms is None:
            ms = (event.time - last.started) * 1000 if last else 0.0
        ms = max(0.0, float(ms))
        if last and last.ms is None:
            last.end(status, ms, note)
        self.ms = ms
        self.history.took_us += round(ms * 1e3)

    def wait(self, event: Event) -> None:
        """A person is asked."""
        self.asked[_asked(event)] = event
        self.status, self.since = "waiting", event.time

    def answered(self, event: Event) -> None:
        """A question was answered."""
        self.asked.pop(_asked(event), None)
        self._go_on(event)

    def unask(self, event: Event) -> None:
        """What asked has ended, and its questions with it."""
        ended = _asked(event)[:3]
        for key in [key for key in self.asked if key[:3] == ended]:
            del self.asked[key]

    def _go_on(self, event: Event) -> None:
        if not self.asked and self.status == "waiting":
            self.status, self.since = "running", self.history.started or event.time

    def report(self, event: Event) -> None:
        """Take a tool's progress."""
        progress = event.data.get("progress")
        self.progress = None if progress is None else min(1.0, max(0.0, float(progress)))
        text = event.data.get("text")
        self.text = one_line(text, 80) if text else None

    def inside(self, place: str, event: Event, status: str) -> None:
        """Fold in how an item of the map, or a node of the subgraph, stands now."""
        if self.asked and status != "retrying":
            self.unask(event)
            self._go_on(event)
        error = error_line(event.data.get("error")) if status == "failed" else ""
        if self.kind == "map":
            self.parts.item(place, status, error)
        else:
            self.parts.node(place, status, error)
            self.progress = self.parts.part


def _asked(event: Event) -> Asked:
    data = event.data
    return event.node, data.get("scope", ""), data.get("firing", 0), data.get("ordinal", 0)


def _item_count(definition: NodeDefinition, given: Any) -> int:
    values = given.get(definition.map) if isinstance(given, dict) else given
    return len(values) if isinstance(values, list | tuple) else 0
