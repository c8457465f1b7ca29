"""Summarise a run in one line of plain text, for terminals, logs and front ends that show no pictures.

Invariant: with `deterministic` the line has no ids, times or anything else that differs between equal runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbflow.view.plain import line
from nbflow.view.words import counted, duration, standing

_MOST = 3
_REPORTED = ("failed", "waiting", "skipped", "cancelled", "pending")


def summary(snapshot: Mapping[str, Any], title: str = "", *, deterministic: bool = False) -> str:
    """Return the summary of a snapshot, such as `code_review: completed, 4 nodes, 3 firings of detect_issues`."""
    run, nodes = snapshot["run"], snapshot["nodes"]
    words = [run["status"]]
    if run["elapsed"] is not None and not deterministic:
        words[0] += f" in {duration(run['elapsed'] * 1000)}"
    words.append(_nodes(nodes))
    words += _repeats(nodes)
    words += _items(nodes)
    if run["retries"] and not deterministic:
        words.append("1 retry" if run["retries"] == 1 else f"{run['retries']} retries")
    if run["error"]:
        name = run["error"]["node"]
        words.append(f"{name}: {run['error']['text']}" if name else run["error"]["text"])
    if run["note"]:
        words.append(run["note"])
    return (f"{line(title, 80)}: " if title else "") + ", ".join(words)


def _nodes(nodes: Mapping[str, Mapping[str, Any]]) -> str:
    counts, total = standing(nodes), len(nodes)
    reported = [status for status in _REPORTED if 0 < counts[status] < total]
    parts = [f"{counts[status]} {status}" for status in reported]
    return counted(total, "node") + (f" ({', '.join(parts)})" if parts else "")


def _repeats(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    often = sorted((name for name in nodes if nodes[name]["runs"] > 1), key=lambda name: -int(nodes[name]["runs"]))
    return [f"{nodes[name]['runs']} firings of {name}" for name in often[:_MOST]]


def _items(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    listed = [(name, node["items"]) for name, node in nodes.items() if node["items"]]
    return [
        f"{items['done']} of {items['total']} items of {name}"
        + (f" ({items['failed']} failed)" if items["failed"] else "")
        for name, items in listed[:_MOST]
    ]
