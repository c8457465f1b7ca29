"""The view of a run: a pure fold of its events into displayed fields, with patches of what changed.

A page holds a copy of the view. It starts with a snapshot and gets patches, each with the fields that changed since the
patch before.

Invariant: the snapshot of a run that has not started, updated with every patch in turn, equals the current snapshot. An
event costs a few assignments, however large the graph is; only the end of the run visits every node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from copy import copy
from typing import Any

from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition
from nbflow.view.fold.edges import Edges, EdgeState
from nbflow.view.fold.history import error_line, error_parts, place_of
from nbflow.view.fold.nodes import BECOMES, LIVE, NodeState
from nbflow.view.outline import outline
from nbflow.view.text import line

Locate = Callable[[str, int], Mapping[str, Any] | None]
# Compared by identity: members of an enum compare and hash slowly, and there are hundreds of thousands of events.
_STARTED, _COMPLETED, _TAKEN = Kind.NODE_START, Kind.NODE_COMPLETE, Kind.EDGE_TAKEN


class RunView:
    """The fold of one run over its outermost graph.

    Args:
        graph: The graph that runs.
        subgraphs: The graphs that its nodes run, by name; they give the progress of such nodes.
        locate: Returns the notebook cell of a file and line, `{"label", "cell_id"}`, or None.
        stable: Leave out ids, which differ from run to run.
    """

    def __init__(
        self,
        graph: GraphDefinition,
        *,
        subgraphs: Mapping[str, GraphDefinition] | None = None,
        locate: Locate | None = None,
        stable: bool = False,
    ) -> None:
        self.outline = outline(graph)
        self.locate, self.stable = locate, stable
        self.seq = 0
        self.nodes: dict[str, NodeState] = {}
        for name, node in self.outline.nodes.items():
            inner = (subgraphs or {}).get(node.graph or "")
            names = tuple(part.node_id for part in inner.nodes) if inner and node.map is None else ()
            expected = self.outline.joins.get(name, 0)
            self.nodes[name] = NodeState(node, self.outline.kinds[name], expected=expected, inner=names)
        self.edges = Edges(self.outline)
        self._status = "ready"
        self._started: float | None = None
        self._elapsed: float | None = None
        self._ended: float | None = None
        self._before = self._now = 0.0
        self._error: dict[str, Any] | None = None
        self._note: str | None = None
        self._fork: str | None = None
        self._retries = 0
        self._counts = {"pending": len(self.nodes)}
        self._stopped: str | None = None
        self._touched: dict[str, None] = {}
        self._sent_run = self.run()
        self._sent_nodes = {name: node.as_dict() for name, node in self.nodes.items()}
        self._sent_edges = {key: edge.as_dict() for key, edge in self.edges.states.items()}

    # -- reading --------------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        """Return the fields of the run itself in the view protocol."""
        return {
            "status": self._shown_status(),
            "started": self._started,
            "elapsed": self._elapsed,
            "error": self._error,
            "retries": self._retries,
            "note": ", ".join(filter(None, (self._fork, self._note))) or None,
        }

    def _shown_status(self) -> str:
        counts = self._counts
        busy = counts.get("running", 0) + counts.get("retrying", 0)
        return "waiting" if self._status == "running" and counts.get("waiting") and not busy else self._status

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return the whole view in the view protocol; `now` is in seconds since the epoch."""
        return {
            "type": "snapshot",
            "seq": self.seq,
            "now": now,
            "run": self.run(),
            "nodes": {name: node.as_dict() for name, node in self.nodes.items()},
            "edges": {key: edge.as_dict() for key, edge in self.edges.states.items()},
        }

    @property
    def touched(self) -> Set[str]:
        """The ids of the nodes that had an event since the last patch."""
        return self._touched.keys()

    def take_patch(self, now: float) -> dict[str, Any] | None:
        """Return the fields that changed since the last patch, or None; `now` is in seconds since the epoch."""
        run = _changes(self._sent_run, self.run())
        nodes = _take_changes(self._touched, self._sent_nodes, self.nodes)
        edges = _take_changes(self.edges.touched, self._sent_edges, self.edges.states)
        if not (run or nodes or edges):
            return None
        patch: dict[str, Any] = {"type": "patch", "seq": self.seq, "now": round(now, 3)}
        return patch | {key: part for key, part in (("run", run), ("nodes", nodes), ("edges", edges)) if part}

    def copy(self) -> RunView:
        """Return an independent copy."""
        other = copy(self)
        other.edges = self.edges.copy()
        other.nodes = {name: node.copy(other.edges.states) for name, node in self.nodes.items()}
        other._counts, other._touched, other._sent_run = {**self._counts}, {**self._touched}, {**self._sent_run}
        other._sent_nodes = {name: {**sent} for name, sent in self._sent_nodes.items()}
        other._sent_edges = {key: {**sent} for key, sent in self._sent_edges.items()}
        return other

    # -- folding --------------------------------------------------------------------------------------------------

    def apply(self, events: Iterable[Event]) -> None:
        """Fold events in order; events of nodes and edges that the graph does not have are ignored."""
        for event in events:
            self.seq = event.seq
            self._before, self._now = self._now, event.time
            if event.node is None:
                self._run_event(event)
                continue
            node, suffix = self._split(event.node)
            if node is None:
                continue
            before, kind = node.status, event.kind
            if suffix:
                self._inside(node, suffix, event)
            elif kind is _TAKEN:
                self._routed(node, event)
            elif kind is _STARTED:
                node.start(event)
                self.edges.arrive(node)
            elif kind is _COMPLETED:
                self._end(node, event, "completed")
            else:
                self._less_common(node, event)
            self._touched[node.id] = None
            if node.status != before:
                self._count_status(before, node.status)

    def _split(self, path: str) -> tuple[NodeState | None, str]:
        """Return the outermost node of a path, and the rest of the path, such as `[7]` or `/inner`."""
        node = self.nodes.get(path)
        if node is not None:
            return node, ""
        cut = min((at for at in (path.find("/"), path.find("[")) if at > 0), default=len(path))
        return self.nodes.get(path[:cut]), path[cut:]

    def _count_status(self, before: str, after: str) -> None:
        self._counts[before] -= 1
        self._counts[after] = self._counts.get(after, 0) + 1

    def _less_common(self, node: NodeState, event: Event) -> None:
        match event.kind:
            case Kind.EDGE_UNTAKEN:
                self._routed(node, event)
            case Kind.NODE_ERROR:
                self._end(node, event, "failed")
            case Kind.NODE_CANCELLED:
                self._end(node, event, "cancelled")
                self._stopped = self._stopped or node.id
            case Kind.NODE_SKIPPED:
                self._end(node, event, "skipped")
            case Kind.NODE_PROGRESS:
                node.report(event)
            case Kind.NODE_OUTPUT:
                node.history.take_output(event)
            case Kind.NODE_RETRY:
                self._retries += 1
                node.retry(event)
            case Kind.NODE_WAITING:
                node.wait(event)
            case Kind.NODE_ANSWERED:
                node.answered(event)

    def _inside(self, node: NodeState, suffix: str, event: Event) -> None:
        becomes = BECOMES.get(event.kind)
        if becomes is not None:
            node.inside(suffix, event, becomes)
        match event.kind:
            case Kind.NODE_OUTPUT:
                node.history.take_output(event)
            case Kind.NODE_RETRY:
                self._retries += 1
            case Kind.NODE_WAITING:
                node.wait(event)
            case Kind.NODE_ANSWERED:
                node.answered(event)

    def _routed(self, node: NodeState, event: Event) -> None:
        taken = self.edges.routed(node, event)
        target = self.nodes.get(taken.line.target) if taken else None
        if taken and target:
            target.arrived[taken.line.key] = taken
            self._touched[taken.line.target] = None

    def _end(self, node: NodeState, event: Event, status: str) -> None:
        node.end(event, status)
        if not node.firings:
            self.edges.settle(node)

    # -- the run --------------------------------------------------------------------------------------------------

    def _run_event(self, event: Event) -> None:
        match event.kind:
            case Kind.EXECUTION_START:
                self._status, self._started = "running", event.time
            case Kind.EXECUTION_PAUSED:
                self._status = "paused"
            case Kind.EXECUTION_CONTINUED:
                self._status = "running"
            case Kind.EXECUTION_RESUMED:
                self._resume(event)
            case Kind.EXECUTION_COMPLETE:
                self._finish(event, "completed", {"pending": "skipped"})
            case Kind.EXECUTION_ERROR:
                self._finish(event, "failed", dict.fromkeys(LIVE, "cancelled"))
                self._error = self._cause(event)
            case Kind.EXECUTION_CANCELLED:
                self._finish(event, "cancelled", dict.fromkeys(LIVE, "cancelled"))
                self._note = self._cancel_note(event.data.get("reason"))

    def _finish(self, event: Event, status: str, becomes: Mapping[str, str]) -> None:
        self._status, self._ended = status, event.time
        self._elapsed = None if self._started is None else max(0.0, event.time - self._started)
        for name, node in self.nodes.items():
            if node.status in becomes:
                if status == "cancelled":
                    self._stopped = self._stopped or name
                self._set_status(node, becomes[node.status])
            self.edges.settle(node)
        if status == "completed":
            self.edges.leave_untaken()

    def _set_status(self, node: NodeState, status: str) -> None:
        self._count_status(node.status, status)
        node.status = status
        node.firings.clear()
        self._touched[node.id] = None

    def _resume(self, event: Event) -> None:
        self._status, self._elapsed, self._error, self._note, self._stopped = "running", None, None, None, None
        # The start moves by the time that the run was stopped, so that this time does not count.
        self._started = event.time if self._started is None else self._started + event.time - self._before
        if parent := event.data.get("parent"):
            self._fork = "fork" if self.stable else f"fork of {parent[:4]} at {event.data['at']}"
        for node in self.nodes.values():
            if not node.is_over(self._ended):
                self._set_status(node, "pending")
                self.edges.settle(node)
                node.resume()

    def _cause(self, event: Event) -> dict[str, Any]:
        error = event.data.get("error")
        where = error_parts(error)["where"]
        path = error.get("node") if isinstance(error, Mapping) else None
        named, _ = self._split(str(path or ""))
        node = named or next((node for node in reversed(self.nodes.values()) if node.status == "failed"), None)
        if node is not None and where is None:
            where = error_parts(node.history.error)["where"]
        name = node.id if node else None
        return {"node": name, "text": error_line(error)} | place_of(where, self.locate)

    def _cancel_note(self, reason: Any) -> str | None:
        during = f"during {self._stopped}" if self._stopped else ""
        return line(f"{reason or ''} {during}", 120) or None


def _changes(sent: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from `sent`, and update `sent` with them."""
    changed = {key: part for key, part in now.items() if sent[key] != part}
    sent |= changed
    return changed


def _take_changes(
    touched: dict[str, None],
    sent: dict[str, dict[str, Any]],
    states: Mapping[str, NodeState] | Mapping[str, EdgeState],
) -> dict[str, dict[str, Any]]:
    changed = {name: _changes(sent[name], states[name].as_dict()) for name in touched}
    touched.clear()
    return {name: fields for name, fields in changed.items() if fields}
