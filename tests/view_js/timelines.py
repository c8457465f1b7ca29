"""Timelines the page's tests show: the kernel's own answers about runs whose events are written down here."""

from __future__ import annotations

import random
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from scenes import NOW, layered, node, review, snapshot

from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition
from nbflow.view.panels.timeline import Timeline

Json = dict[str, Any]
START = NOW - 134
SCAN = GraphDefinition.model_validate(
    {
        "name": "scan",
        "nodes": [{"node_id": name, "tool": name} for name in ("resolve", "audit", "report")],
        "edges": [{"from_node": "resolve", "to_node": "audit"}, {"from_node": "audit", "to_node": "report"}],
    }
)
FIRES = [("run_tests", 9.8, 22), ("fix_tests", 22, 31), ("run_tests", 31, 42), ("fix_tests", 42, 55), ("run_tests", 55, 66),
         ("fix_tests", 66, 78), ("run_tests", 78, 88)]  # fmt: skip


class Script:
    """Writes a run's events down in any order, at seconds of the run."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, str, str | None, Json]] = []
        self._firing = 0

    def say(self, time: float, kind: str, node: str | None = None, **data: Any) -> None:
        self._rows.append((time, kind, node, data))

    def ran(
        self,
        node: str,
        begin: float,
        end: float | None,
        *,
        how: str = "node_complete",
        attempt: int = 1,
        firing: int | None = None,
        **data: Any,
    ) -> int:
        """Begin a try and, with an end, end it."""
        self._firing = firing = firing or self._firing + 1
        self.say(begin, "node_start", node, firing=firing, attempt=attempt, **data)
        if end is not None:
            self.say(end, how, node, firing=firing, attempt=attempt + (how == "node_retry"), **data)
        return firing

    def took(self, time: float, source: str, target: str) -> None:
        self.say(time, "edge_taken", source, to=target.rpartition("/")[2], **{"from": source.rpartition("/")[2]})

    def events(self) -> list[Event]:
        rows = sorted(self._rows, key=lambda row: row[0])
        return [Event(Kind(kind), i, START + time, node, data) for i, (time, kind, node, data) in enumerate(rows, 1)]


def review_events() -> list[Event]:
    """Return the events of a run of twelve nodes up to 2:14: attempts, backoff, a queue, a map, a loop, a question."""
    run = Script()
    run.say(0, "execution_start")
    fetch = run.ran("fetch_pr", 0, 3.1, how="node_retry")
    run.ran("load_rules", 0, 0.4)
    run.took(0.4, "load_rules", "classify")
    run.ran("fetch_pr", 5.1, 6.3, attempt=2, firing=fetch)
    run.took(6.3, "fetch_pr", "classify")
    run.ran("classify", 6.3, 9.8)
    run.say(9.8, "edge_untaken", "classify", to="quick_review", condition="n_files <= 20", values={"n_files": 500})
    for name in ("lint", "security_scan", "review_files", "run_tests"):
        run.took(9.8, "classify", name)
    lint = run.ran("lint", 9.8, 71, how="node_retry")
    run.ran("lint", 75, 131, how="node_retry", attempt=2, firing=lint)
    run.ran("security_scan", 14, None)
    run.ran("security_scan/resolve", 14, 52, firing=1, scope="security_scan#1/")
    run.took(52, "security_scan/resolve", "security_scan/audit")
    run.ran("security_scan/audit", 52, None, firing=2, scope="security_scan#1/")
    _items(run)
    for (name, begin, end), nxt in zip(FIRES, [*FIRES[1:], ("approve_fix",)], strict=True):
        run.ran(name, begin, end)
        run.took(end, name, str(nxt[0]))
    run.ran("approve_fix", 88, None)
    run.say(88, "node_waiting", "approve_fix")
    return run.events()


def _items(run: Script) -> None:
    dice = random.Random(7)
    files = run.ran("review_files", 9.8, None)
    item = 0
    for _ in range(4):
        begin = 9.8
        while begin < 133.5:
            end = begin + 9 + dice.random() * 9
            how = "node_error" if item in (5, 20) else "node_complete"
            run.ran(
                f"review_files[{item}]",
                begin,
                None if end > 134 else end,
                how=how,
                firing=files,
                item=item,
                handled=True,
            )
            item, begin = item + 1, end


def layered_events(graph: GraphDefinition, columns: float, seed: int = 1, seconds: float = 134.0) -> list[Event]:
    """Return a run that is in its last quarter: a node starts when its inputs are there, some retry or queue first."""
    dice = random.Random(seed)
    unit = seconds / columns / 10
    run = Script()
    run.say(0, "execution_start")
    ended: dict[str, float] = {}
    into: dict[str, list[str]] = {node.node_id: [] for node in graph.nodes}
    for edge in graph.edges:
        into[edge.to_node].append(edge.from_node)
    for name, before in into.items():
        if any(other not in ended for other in before):
            continue
        begin = max((ended[other] for other in before), default=0.0)
        for other in before:
            run.took(ended[other], other, name)
        begin += dice.random() * 3 * unit if dice.random() < 0.3 else 0
        firing = None
        if dice.random() < 0.08:
            firing = run.ran(name, begin, begin + 2 * unit, how="node_retry")
            begin += 3 * unit
        end = begin + (2 + dice.random() * 9) * unit
        if begin < seconds:
            run.ran(name, begin, end if end < seconds else None, attempt=1 if firing is None else 2, firing=firing)
        if end < seconds:
            ended[name] = end
    return [event for event in run.events() if event.time <= START + seconds]


def answers(
    graph: GraphDefinition, events: list[Event], subgraphs: dict[str, GraphDefinition] | None = None
) -> list[Json]:
    """Return the answers of the kernel to a page that requests the whole timeline."""
    timeline = Timeline(SimpleNamespace(graph=graph, subgraphs=subgraphs or {}, events=events))
    told = [timeline.answer({"type": "spans", "after": 0}) or {}]
    while told[-1]["more"]:
        told.append(timeline.answer({"type": "spans", "after": told[-1]["seq"]}) or {})
    return told


def review_spans() -> list[Json]:
    return answers(review(), review_events(), {"scan": SCAN})


def layered_spans(count: int, width: int) -> list[Json]:
    graph = layered(count, width)
    return answers(graph, layered_events(graph, count / width))


def ran(graph: GraphDefinition, events: list[Event]) -> Json:
    """Return the snapshot of a run at those events."""
    nodes = {one.node_id: node() for one in graph.nodes}
    begun: dict[str, float] = {}
    for event in events:
        if event.node is None:
            continue
        if event.kind is Kind.NODE_START:
            begun[event.node] = event.time
            nodes[event.node] = node("running", since=event.time)
        elif event.kind is Kind.NODE_RETRY:
            nodes[event.node] = node("retrying", since=event.time + 4, attempt=2, of=3)
        elif event.kind is Kind.NODE_COMPLETE:
            nodes[event.node] = node("completed", ms=1000 * (event.time - begun[event.node]))
        elif event.kind is Kind.NODE_ERROR:
            nodes[event.node] = node("failed", ms=1000 * (event.time - begun[event.node]), error="MemoryError")
    return snapshot(nodes, {})


def looping_spans(firings: int) -> list[Json]:
    """Return the answers about two nodes that take turns so many times."""
    graph = GraphDefinition.model_validate(
        {"name": "loop", "nodes": [{"node_id": n, "tool": n} for n in ("a", "b")],
         "edges": [{"from_node": "a", "to_node": "b"}, {"from_node": "b", "to_node": "a", "max_iterations": firings}]}
    )  # fmt: skip
    run = Script()
    run.say(0, "execution_start")
    for i, (name, other) in enumerate(_turns(firings)):
        begin = i * 130 / firings
        run.ran(name, begin, begin + 100 / firings)
        run.took(begin + 100 / firings, name, other)
    return answers(graph, run.events())


def _turns(count: int) -> Iterable[tuple[str, str]]:
    return (("a", "b") if i % 2 == 0 else ("b", "a") for i in range(count))
