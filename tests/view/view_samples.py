"""Graphs and runs for the tests of the view: events written by hand, with a clock that only the tests advance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nbflow.events import Event, Kind
from nbflow.graph import GraphDefinition

START = 1_000.0


def graph(
    name: str, nodes: Iterable[str | dict[str, Any]], edges: Iterable[Sequence[Any]], **more: Any
) -> GraphDefinition:
    """A graph from ids (or node dicts) and (from, to) or (from, to, options) edges."""
    listed = [{"node_id": node, "tool": "work"} if isinstance(node, str) else node for node in nodes]
    drawn = [{"from_node": e[0], "to_node": e[1], **(e[2] if len(e) > 2 else {})} for e in edges]
    return GraphDefinition.model_validate({"name": name, "nodes": listed, "edges": drawn, **more})


class Story:
    """Writes the events of a run down; `wait` seconds pass before each."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = START

    def __call__(self, kind: str, node: str | None = None, wait: float = 0.0, **data: Any) -> Story:
        self.now += wait
        self.events.append(Event(Kind(kind), len(self.events) + 1, self.now, node, data))
        return self

    def ran(self, node: str, seconds: float = 1.0, **output: Any) -> Story:
        """The node starts and completes."""
        self("node_start", node, attempt=1, input={})
        return self("node_complete", node, seconds, output=output, duration_ms=seconds * 1000)

    def took(self, source: str, target: str, condition: str | None = None, *, kind: str = "", **values: Any) -> Story:
        """The edge is taken."""
        return self._edge("edge_taken", source, target, condition, kind, values)

    def left(self, source: str, target: str, condition: str, **values: Any) -> Story:
        """The edge's condition is false."""
        return self._edge("edge_untaken", source, target, condition, "", values)

    def _edge(self, what: str, source: str, target: str, condition: str | None, kind: str, values: Any) -> Story:
        kind = kind or ("conditional" if condition else "normal")
        data = {"from": source, "to": target, "type": kind, "condition": condition, "values": values or None}
        return self(what, source, **data)


ERROR = {
    "type": "KeyError",
    "message": "'severity'",
    "traceback": "Traceback ...\nKeyError: 'severity'",
    "where": {"file": "/cells/4.py", "line": 8, "function": "f", "code": [[7, "a"], [8, "b['severity']"], [9, "c"]]},
}

PAIR = graph("pair", ["a", "b"], [("a", "b")])

REVIEW = graph(
    "code_review",
    ["extract_functions", "check_complexity", "detect_issues", "apply_fixes", "suggest_improvements"],
    [
        ("extract_functions", "check_complexity"),
        ("check_complexity", "detect_issues"),
        ("detect_issues", "apply_fixes", {"condition": "fixable > 0"}),
        ("detect_issues", "suggest_improvements"),
        ("apply_fixes", "detect_issues", {"max_iterations": 5}),
        ("apply_fixes", "suggest_improvements", {"type": "error"}),
    ],
)

PULL = graph(
    "review_pr",
    [
        {"node_id": "fetch_pr", "tool": "fetch", "retries": 2},
        "load_rules",
        "classify",
        "quick_review",
        {"node_id": "lint", "tool": "lint", "retries": 2},
        {"node_id": "security_scan", "graph": "scan"},
        {"node_id": "review_files", "tool": "review", "map": "files"},
        "run_tests",
        "fix_tests",
        {"node_id": "approve_fix", "tool": "ask"},
        "merge_findings",
        "post_review",
    ],
    [
        ("fetch_pr", "classify"),
        ("load_rules", "classify"),
        ("classify", "quick_review", {"condition": "n_files <= 20"}),
        ("classify", "lint"),
        ("classify", "security_scan"),
        ("classify", "review_files"),
        ("classify", "run_tests"),
        ("quick_review", "post_review"),
        ("lint", "merge_findings"),
        ("security_scan", "merge_findings"),
        ("review_files", "merge_findings"),
        ("run_tests", "fix_tests", {"condition": "failed > 0"}),
        ("run_tests", "approve_fix"),
        ("fix_tests", "run_tests", {"max_iterations": 5}),
        ("approve_fix", "merge_findings"),
        ("merge_findings", "post_review"),
    ],
)

ASKING = graph(
    "agent",
    ["plan", {"node_id": "approve", "tool": "ask"}, "act", "observe"],
    [
        ("plan", "approve", {"condition": "risky"}),
        ("plan", "act"),
        ("approve", "act", {"condition": 'approve == "yes"'}),
        ("approve", "plan"),
        ("act", "observe"),
        ("observe", "END", {"condition": "done"}),
        ("observe", "plan", {"max_iterations": 20}),
    ],
)


def wide(count: int, across: int) -> GraphDefinition:
    """A graph of `count` nodes in stages of `across`, each stage split from and joined into one node."""
    names = [f"node_{index}" for index in range(count)]
    edges, index = [], 0
    while index + 1 < count:
        middle = names[index + 1 : index + 1 + across]
        edges += [(names[index], name) for name in middle]
        index += 1 + len(middle)
        if index < count:
            edges += [(name, names[index]) for name in middle]
    return graph(f"wide_{count}", names, edges)
