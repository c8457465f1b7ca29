"""Scenes and snapshots the page's tests show: a run of twelve nodes in every status, chips, an overview of a thousand."""

# ruff: noqa: RUF001 - messages and scripts are verbatim
from __future__ import annotations

from itertools import pairwise
from typing import Any

from nbflow.graph import GraphDefinition
from nbflow.view import scene as scene_of

Json = dict[str, Any]
NOW = 1_770_000_000.0  # the time on the clock of the page that shows them


def scene(graph: GraphDefinition, run_id: str | None = "7f3a90c2") -> Json:
    return scene_of(graph, run_id=run_id)


def node(status: str = "pending", **fields: Any) -> Json:
    base = {"status": status, "since": None, "ms": None, "runs": 0, "attempt": 1, "of": 1, "progress": None, "text": None,
            "cached": False, "error": None, "items": None, "inputs": None}  # fmt: skip
    return base | {"runs": int(status != "pending")} | fields


def edge(state: str = "open", count: int = 0, label: str | None = None, caption: Json | None = None) -> Json:
    return {"state": state, "count": count, "label": label, "caption": caption}


def snapshot(
    nodes: dict[str, Json], edges: dict[str, Json], status: str = "running", seq: int = 10, **run: Any
) -> Json:
    about = {"status": status, "started": NOW - 134, "elapsed": None, "error": None, "retries": 0, "note": None} | run
    return {"type": "snapshot", "seq": seq, "now": NOW, "run": about, "nodes": nodes, "edges": edges}


def _edge(text: str, **more: Any) -> Json:
    source, target = text.split(" ")
    return {"from_node": source, "to_node": target, **more}


def review() -> GraphDefinition:
    """Return the graph of twelve nodes: all four kinds, a decision, a loop, a split and a join."""
    tools = ["fetch_pr", "load_rules", "classify", "quick_review", "lint", "run_tests", "fix_tests"]
    nodes: list[Json] = [
        {"node_id": name, "tool": name, "retries": 2 if name in ("fetch_pr", "lint") else 0} for name in tools
    ]
    nodes[2]["route"] = "all"
    nodes += [
        {"node_id": "security_scan", "graph": "scan"},
        {"node_id": "review_files", "tool": "review_file", "map": "files", "on_error": "collect"},
        {"node_id": "approve_fix", "tool": "ask"},
        {"node_id": "merge_findings", "tool": "merge"},
        {"node_id": "post_review", "tool": "post", "join": "first"},
    ]
    edges = [
        _edge("fetch_pr classify"), _edge("load_rules classify"),
        _edge("classify quick_review", condition="n_files <= 20"), _edge("classify lint", condition="n_files > 20"),
        _edge("classify security_scan"), _edge("classify review_files"), _edge("classify run_tests"),
        _edge("quick_review post_review"), _edge("lint merge_findings"), _edge("security_scan merge_findings"),
        _edge("review_files merge_findings"), _edge("run_tests fix_tests", condition="failed > 0"),
        _edge("run_tests approve_fix"), _edge("fix_tests run_tests", max_iterations=5),
        _edge("approve_fix merge_findings"), _edge("merge_findings post_review"),
    ]  # fmt: skip
    return GraphDefinition.model_validate({"name": "review_pr", "nodes": nodes, "edges": edges})


def review_running() -> Json:
    nodes = {
        "fetch_pr": node("completed", ms=1200, attempt=2, of=3),
        "load_rules": node("completed", ms=400),
        "classify": node("completed", ms=3500),
        "quick_review": node("skipped"),
        "lint": node("retrying", since=NOW + 5.4, attempt=3, of=3, error="CalledProcessError"),
        "security_scan": node("running", since=NOW - 120, progress=0.62),
        "review_files": node("running", since=NOW - 124, items={"done": 35, "total": 500, "failed": 2}),
        "run_tests": node("completed", ms=10_000, runs=4),
        "fix_tests": node("completed", ms=12_000, runs=3),
        "approve_fix": node("waiting", since=NOW - 46),
        "merge_findings": node(inputs=[0, 4]),
        "post_review": node(),
    }
    big = {"parts": [["n_files "], ["(500)", "v"], [" > 20"]], "result": "yes"}
    none_left = {"parts": [["failed "], ["(0)", "v"], [" > 0"]], "result": "no"}
    edges = {
        "fetch_pr>classify": edge("taken", 1), "load_rules>classify": edge("taken", 1),
        "classify>quick_review": edge("untaken"), "classify>lint": edge("live", 1, caption=big),
        "classify>security_scan": edge("live", 1), "classify>review_files": edge("live", 1),
        "classify>run_tests": edge("taken", 1), "quick_review>post_review": edge("untaken"),
        "lint>merge_findings": edge(), "security_scan>merge_findings": edge(), "review_files>merge_findings": edge(),
        "run_tests>fix_tests": edge("taken", 3, "yes ×3", none_left), "run_tests>approve_fix": edge("taken", 1, "no"),
        "fix_tests>run_tests": edge("taken", 3, "loop 3 of 5"), "approve_fix>merge_findings": edge(),
        "merge_findings>post_review": edge(),
    }  # fmt: skip
    return snapshot(nodes, edges)


def review_ended(status: str, **run: Any) -> Json:
    """Return the same run at its end; it ended long ago, so that a view of it starts collapsed."""
    shown = review_running()
    over = {"running": "completed", "retrying": "completed", "waiting": "completed", "pending": "completed"}
    if status == "failed":
        over["pending"] = "failed"
    if status == "cancelled":
        over = dict.fromkeys(over, "cancelled") | {"pending": "pending"}
    nodes = {name: one | {"status": over.get(one["status"], one["status"]), "since": None, "ms": one["ms"] or 8000, "items": None,
                          "progress": None} for name, one in shown["nodes"].items()}  # fmt: skip
    if status == "failed":
        nodes["merge_findings"]["error"] = "KeyError"
        nodes["post_review"] = node()
    return snapshot(nodes, shown["edges"], status, **run) | {"now": NOW - 3600}


FAILURE = {
    "node": "merge_findings",
    "text": "KeyError: 'severity'",
    "label": "Cell [9], line 12",
    "cell_id": "c9",
    "line": 12,
}


def inspector(name: str, status: str = "completed", **fields: Any) -> Json:
    data = {"node": name, "kind": "tool", "tool": name, "doc": "", "status": status, "visits": 1, "attempts": [], "of": 1,
            "input": [], "output": [], "printed": "", "printed_dropped": 0, "error": None, "next": None, "conditions": [],
            "timing": {"started": None, "ms": None, "total_ms": None}, "items": None}  # fmt: skip
    return {"type": "inspector", "node": name, "data": data | fields}


def value(key: str, preview: str, kind: str = "str", size: str | None = None, full: str | None = None) -> Json:
    return {"key": key, "type": kind, "size": size, "preview": preview, "full": preview if full is None else full}


def fetch_details() -> Json:
    code = [[7, "r = await http.get(url)"], [8, "r.raise_for_status()"], [9, "return PullRequest(**r.json())"]]
    request = "PullRequest(number=4182,\n  files=[500 items], +12904 −3377)"
    return inspector(
        "fetch_pr",
        doc="Fetch one pull request with its files.",
        attempts=[{"n": 1, "status": "failed", "ms": 3100, "note": "502 Bad Gateway"},
                  {"n": 2, "status": "completed", "ms": 1200, "note": "after 2 s back-off"}],
        of=3,
        error={"type": "HTTPStatusError", "message": "502 Bad Gateway", "label": "Cell [4], line 8", "cell_id": "c4", "line": 8,
               "code": code, "hit": 8, "traceback": "Traceback (most recent call last):\n  …\nHTTPStatusError: 502 Bad Gateway"},
        output=[value("pr", request, "PullRequest", "84 kB", request + "\n" + "x" * 300)],
        input=[value("repo", '"acme/api"'), value("number", "4182", "int")],
        printed="".join(f"GET page {i}\n" for i in range(12)),
        timing={"started": NOW - 134, "ms": 1200, "total_ms": 6300},
    )  # fmt: skip


def merge_details() -> Json:
    code = [[11, "for f in findings:"], [12, "    by_level[f['severity']].append(f)"], [13, "return by_level"]]
    return inspector(
        "merge_findings", "failed", attempts=[{"n": 1, "status": "failed", "ms": 12, "note": "KeyError: 'severity'"}],
        error={"type": "KeyError", "message": "'severity'", "label": "Cell [9], line 12", "cell_id": "c9", "line": 12,
               "code": code, "hit": 12, "traceback": "Traceback …\nKeyError: 'severity'"},
        input=[value("findings", "[{'file': 'auth.py', 'line': 41},\n {'file': 'auth.py', 'line': 88},\n …]", "list", "91 items")],
        timing={"started": NOW - 20, "ms": 12, "total_ms": 12},
    )  # fmt: skip


def layered(count: int, width: int = 6, name: str = "nightly_docs") -> GraphDefinition:
    """Return a graph of `count` nodes in columns of `width`, each column feeding the next."""
    names = [f"step_{i:03d}" for i in range(count)]
    edges = [_edge(f"{names[i]} {names[j]}") for i in range(count) for j in (i + width, i + width + 1)
             if j < count and j // width == i // width + 1]  # fmt: skip
    nodes = [{"node_id": n, "tool": f"tool_{i // width % 7}"} for i, n in enumerate(names)]
    return GraphDefinition.model_validate({"name": name, "nodes": nodes, "edges": edges})


def forked(count: int, width: int = 5, name: str = "nightly_docs") -> GraphDefinition:
    """Return a graph of about `count` nodes: splits into `width` workers, each split the join of those before."""
    nodes, edges = ["split_0"], []
    for i in range(count // (width + 1)):
        workers = [f"work_{i}_{j}" for j in range(width)]
        nodes += [*workers, f"split_{i + 1}"]
        edges += [_edge(f"split_{i} {one}") for one in workers] + [_edge(f"{one} split_{i + 1}") for one in workers]
    listed = [{"node_id": n, "tool": n} for n in nodes]
    return GraphDefinition.model_validate({"name": name, "nodes": listed, "edges": edges})


def chain(count: int) -> GraphDefinition:
    names = [f"transform_step_{i}" for i in range(count)]
    edges = [_edge(f"{a} {b}") for a, b in pairwise(names)]
    return GraphDefinition.model_validate(
        {"name": "etl_chain", "nodes": [{"node_id": n, "tool": n} for n in names], "edges": edges}
    )


def partly_done(graph: GraphDefinition) -> Json:
    """Return a snapshot of a graph two thirds through: done, failed, retrying, running and pending nodes."""
    names = [one.node_id for one in graph.nodes]
    at = len(names) * 2 // 3
    nodes = {name: node("completed", ms=800) if i < at else node() for i, name in enumerate(names)}
    for i, name in enumerate(names[at : at + max(3, len(names) // 60)]):
        nodes[name] = node("running", since=NOW - 4 * i - 2)
    for name in names[at // 2 : at : max(2, at // 9)]:
        nodes[name] = node("failed", ms=30, error="MemoryError")
    nodes[names[at - 1]] = node("retrying", since=NOW + 4, attempt=2, of=3)
    edges = {
        f"{e.from_node}>{e.to_node}": edge("taken", 1)
        for e in graph.edges
        if nodes[e.from_node]["status"] == "completed"
    }
    return snapshot(nodes, edges)
