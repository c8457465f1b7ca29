"""The displayed state of one node and of the parts inside it, and how the node's events change it.

Invariant: an event costs a few assignments; the fields of the view protocol are built only when a patch is requested.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from nbflow.errors.failures import is_collected
from nbflow.events import Event, Kind
from nbflow.graph import NodeDefinition
from nbflow.view.fold.history import Attempt, History, duration_us, error_line, error_parts
from nbflow.view.text import line as one_line

if TYPE_CHECKING:
    from nbflow.event_log import CompletionRecord
    from nbflow.view.fold.edges import EdgeState

# The parts of a node with their statuses: the items of its map, or the nodes of its subgraph.
#
# Invariant: an event costs two or three assignments. The memory is bounded by the items of the map or the nodes of the
# subgraphs, and a request returns a bounded number of rows, failures first.

ROWS = 200
_OVER = ("completed", "skipped")
Row = list[str | None]


class NodeParts:
    """The parts of one node, each by its key: an item's index, or a node's path within the subgraph.

    Args:
        nodes: The ids of the subgraph's nodes, in their order; empty for a map.
    """

    def __init__(self, nodes: tuple[str, ...] = ()) -> None:
        self.nodes = nodes
        self.total = 0
        self.done: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.active: dict[str, str] = {}
        """The parts that run, wait, are being retried, or were cancelled, with their statuses."""
        self.carried: set[str] = set()
        """The items that do not run, because each is an error that another map collected.

        Runs recorded under version 1 of the rules do run such items.
        """
        self._over: set[str] = set()

    def copy(self) -> NodeParts:
        """Return an independent copy."""
        other = copy(self)
        other.done, other.failed, other.active = {**self.done}, {**self.failed}, {**self.active}
        other._over, other.carried = {*self._over}, {*self.carried}
        return other

    def clear(self) -> None:
        """Discard all parts, as at the start of a new firing."""
        for parts in (self.done, self.failed, self.active, self._over, self.carried):
            parts.clear()
        self.total = 0

    def item(self, suffix: str, status: str, error: str) -> None:
        """Set the status of a map's item from a suffix such as `[7]`; suffixes of parts inside an item are ignored."""
        if not (suffix.endswith("]") and suffix.rfind("[") == 0):
            return
        index = suffix[1:-1]
        self.total = max(self.total, int(index) + 1 if index.isdigit() else 0)
        self.carried.discard(index)
        if status != "failed" or index not in self.done:
            self._put(index, status, error)

    def node(self, suffix: str, status: str, error: str) -> None:
        """Set the status of a node of the subgraph, or of one nested in it, from a suffix such as `/inner`.

        Suffixes of items of maps inside the subgraph are ignored.
        """
        if not suffix.startswith("/") or "[" in suffix:
            return
        path = suffix[1:]
        self._put(path, status, error)
        if "/" not in path and (status == "failed" or status in _OVER):
            self._over.add(path)

    def _put(self, part: str, status: str, error: str) -> None:
        self.failed.pop(part, None)
        if status in _OVER:
            self.active.pop(part, None)
            self.done[part] = status
        elif status == "failed":
            self.active.pop(part, None)
            self.failed[part] = error
        else:
            self.active[part] = status

    @property
    def part(self) -> float | None:
        """The share of the subgraph's direct nodes that has ended, from 0 to 1; None before the first has."""
        return min(1.0, len(self._over) / len(self.nodes)) if self.nodes and self._over else None

    def rows(self, asking: Container[str], *, live: bool, left: str) -> dict[str, Any] | None:
        """Return `{"rows": [[key, status, error or None], ...], "more"}`, or None if there are no parts.

        There are at most 200 rows: failed parts first, then active ones, ended ones, and those that have not started.
        `more` is the number of parts left out.

        Args:
            asking: The keys of the parts that wait for a person.
            live: True if the node itself is running; if not, an active part is shown as cancelled.
            left: The status of a part that has not started.
        """
        others = [
            name for name in self.nodes if not any(name in some for some in (self.failed, self.active, self.done))
        ]
        # A part that runs again after it completed is in two dicts; `_started` yields it once.
        again = sum(part in self.done for part in chain(self.failed, self.active))
        count = len(self.failed) + len(self.active) + len(self.done) - again + len(others)
        rows = chain(self._started(asking, live), ([name, left, None] for name in others))
        shown: list[Row] = list(islice(rows, ROWS))
        return {"rows": shown, "more": count - len(shown)} if count else None

    def _started(self, asking: Container[str], live: bool) -> Iterator[Row]:
        for part, error in self.failed.items():
            yield [part, "failed", error]
        for part, status in self.active.items():
            yield [part, ("waiting" if part in asking else status) if live else "cancelled", None]
        for part, status in self.done.items():
            if part not in self.active and part not in self.failed:
                yield [part, status, None]


# -- the state of a node -----------------------------------------------------------------------------------------------

LIVE = ("running", "waiting", "retrying")
BECOMES = {
    Kind.NODE_START: "running", Kind.NODE_COMPLETE: "completed", Kind.NODE_ERROR: "failed",
    Kind.NODE_CANCELLED: "cancelled", Kind.NODE_SKIPPED: "skipped", Kind.NODE_RETRY: "retrying",
}  # fmt: skip
"""The status of a node after an event of that node."""
Asked = tuple[str | None, str, int, int]
"""The key of a question, unique in its run: path and scope of the asking node, its firing, the question's ordinal."""


class NodeState:
    """The displayed state of one node of the outermost graph, including what happens inside its subgraph or map."""

    def __init__(self, definition: NodeDefinition, kind: str, *, expected: int, inner: tuple[str, ...]) -> None:
        self.id = definition.node_id
        self.definition, self.kind, self.expected = definition, kind, expected
        self.parts = NodeParts(inner)
        self.status = "pending"
        self.since: float | None = None
        """When its current status started, or when the next attempt is due, in seconds since the epoch."""
        self.ms: float | None = None
        self.runs, self.attempt = 0, 1
        self.asked: dict[Asked, Event] = {}
        """The open questions of the node's tool and of the nodes inside it."""
        self.firings: set[int | None] = set()
        """The firings that run now: more than one if firings of the node overlap."""
        self.of = definition.retries + 1
        self.progress: float | None = None
        self.text: str | None = None
        self.error: str | None = None
        # `resumed`: the run was resumed while this node was unfinished, and the node has not started since.
        self.resumed = self.cached = self.handled = False
        self.ended: float | None = None
        self.arrived: dict[str, EdgeState] = {}
        self.started_by: dict[str, EdgeState] = {}
        """The edges that had arrived when it last started."""
        self.live: list[EdgeState] = []
        self.caption: EdgeState | None = None
        self.history = History()

    def copy(self, edges: Mapping[str, EdgeState]) -> NodeState:
        """Return an independent copy of this state that refers to copied `edges`, given by key."""
        other = copy(self)
        other.parts, other.history = self.parts.copy(), self.history.copy()
        other.asked, other.firings = {**self.asked}, {*self.firings}
        other.arrived, other.started_by = ({key: edges[key] for key in one} for one in (self.arrived, self.started_by))
        other.live = [edges[edge.line.key] for edge in self.live]
        other.caption = self.caption and edges[self.caption.line.key]
        return other

    def as_dict(self) -> dict[str, Any]:
        """Return the node's fields in the view protocol."""
        return {
            "status": self.status,
            "since": None if self.since is None else round(self.since, 3),  # the page shows no more than milliseconds
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
        """Return a map's counts `{"done", "total", "failed"}`, or None before it starts; `done` includes `failed`."""
        parts = self.parts
        if self.kind != "map" or not (parts.total or self.runs):
            return None
        failed = len(parts.failed)
        done = len(parts.done) + failed + len(parts.carried)
        return {"done": done, "total": max(parts.total, done), "failed": failed}

    def inner_rows(self) -> dict[str, Any] | None:
        """Return the statuses of the map's items or the subgraph's nodes, in the form of `Inside.rows`."""
        if self.kind not in ("map", "subgraph") or not self.runs:
            return None
        start = len(self.id) + 1
        asking = {(key[0] or "")[start:].removesuffix("]") for key in self.asked}
        left = "skipped" if self.status == "completed" else "pending"
        return self.parts.rows(asking, live=self.status in LIVE, left=left)

    # -- the node's own events ------------------------------------------------------------------------------------

    def start(self, event: Event) -> None:
        """Fold the start of a firing, or of a further attempt of one."""
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
        if not self.resumed and (attempt == 1 or event.data.get("begun", 1) > 1):
            self.parts.clear()
        note = "" if self.resumed else self._backed_off(event.time)
        past.attempts.append(Attempt(attempt, event.time, note=note))
        self.resumed = self.cached = self.handled = False
        self.ended = None
        past.input, past.started = event.data.get("input"), event.time
        self.status, self.since, self.attempt, self.error = "running", event.time, attempt, None
        self.of = max(self.of, attempt)
        self.progress = self.text = None
        if self.kind == "map":
            values = _items(self.definition, past.input)
            self.parts.total = len(values) or self.parts.total
            self.parts.carried = {str(index) for index, value in enumerate(values) if is_collected(value)}

    def _backed_off(self, now: float) -> str:
        attempts = self.history.attempts
        if not attempts or attempts[-1].ms is None or attempts[-1].status != "failed":
            return ""
        waited = now - attempts[-1].started - attempts[-1].ms / 1000
        return f"after {waited:.2g} s back-off" if waited >= 0.05 else ""

    def retry(self, event: Event) -> None:
        """Fold a failed attempt that will be retried."""
        self._end_attempt("failed", event, error_line(event.data.get("error")))
        self.history.error = event.data.get("error") or self.history.error
        self.status, self.since = "retrying", event.time + (event.data.get("delay") or 0.0)
        self.attempt = event.data.get("attempt") or self.attempt + 1
        self.of = max(self.of, self.attempt)
        self.error = error_parts(event.data.get("error"))["type"]
        self.progress = self.text = None

    def end(self, event: Event, status: str) -> None:
        """Fold the end of a firing; the node stays `running` while other firings of it overlap."""
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

    def add_visits(self, visits: int, ends: Sequence[CompletionRecord]) -> None:
        """Add firings whose details the next firing replaces: their number and their durations.

        Args:
            visits: The number of firings that started.
            ends: The log records of the firings that ended, in order. They may include the end of a firing that had
                started before; that one adds to the durations only.
        """
        self.runs += visits
        self.ms = duration_us(ends[-1]) / 1e3
        self.history.uncounted += ends
        self.firings.clear()
        self.arrived = {}

    def is_over(self, run_ended: float | None) -> bool:
        """Return True if a resume does not run this node again.

        Args:
            run_ended: When the run ended before the resume, in seconds since the epoch; None if its process died.
        """
        match self.status:
            case "failed":
                return self.handled
            case "cancelled":  # a node that lost a race ended before the run; one cancelled with it runs again
                return self.ended is not None and self.ended != run_ended
            case "skipped":  # a person gave its output; a node that was never reached has no end
                return self.ended is not None
        return self.status in ("pending", "completed")

    def resume(self) -> None:
        """Return to the state before the unfinished firing; items and inner nodes that completed stay completed."""
        last = self.history.attempts[-1] if self.history.attempts else None
        if last is not None and last.ms is None:
            last.status, last.note = "cancelled", "its process ended"
        self.parts.failed.clear()
        self.parts.active.clear()
        self.firings.clear()
        self.asked.clear()
        self.arrived = self.started_by | self.arrived
        self.status, self.error, self.resumed = "pending", None, True
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
        """Fold a question to a person."""
        self.asked[_asked(event)] = event
        self.status, self.since = "waiting", event.time

    def answered(self, event: Event) -> None:
        """Fold an answer to a question."""
        self.asked.pop(_asked(event), None)
        self._stop_waiting(event)

    def unask(self, event: Event) -> None:
        """Remove the open questions of a firing that ended."""
        ended = _asked(event)[:3]
        for key in [key for key in self.asked if key[:3] == ended]:
            del self.asked[key]

    def _stop_waiting(self, event: Event) -> None:
        if not self.asked and self.status == "waiting":
            self.status, self.since = "running", self.history.started or event.time

    def report(self, event: Event) -> None:
        """Fold a tool's progress: a share from 0 to 1, a text, or both."""
        progress = event.data.get("progress")
        self.progress = None if progress is None else min(1.0, max(0.0, float(progress)))
        text = event.data.get("text")
        self.text = one_line(text, 80) if text else None

    def inside(self, suffix: str, event: Event, status: str) -> None:
        """Fold the new status of an item of the map or of a node of the subgraph.

        Args:
            suffix: The event's path without this node's id: `[7]` for an item, `/inner` for a node.
            event: The event of the part.
            status: The part's status after it.
        """
        if self.asked and status != "retrying":
            self.unask(event)
            self._stop_waiting(event)
        error = error_line(event.data.get("error")) if status == "failed" else ""
        if self.kind == "map":
            self.parts.item(suffix, status, error)
        else:
            self.parts.node(suffix, status, error)
            self.progress = self.parts.part


def _asked(event: Event) -> Asked:
    data = event.data
    return event.node, data.get("scope", ""), data.get("firing", 0), data.get("ordinal", 0)


def _items(definition: NodeDefinition, given: Any) -> Sequence[Any]:
    """Return the items of the list that a map iterates over, without the collected errors that it drops."""
    values = given.get(definition.map) if isinstance(given, dict) else given
    if not isinstance(values, list | tuple):
        return ()
    return [value for value in values if not is_collected(value)] if definition.errors == "drop" else values
