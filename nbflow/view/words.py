"""The short texts of the view: durations, counts, and the second line of a node.

Invariant: the texts are those of the live page (`js/format.js`); a part without a value is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from nbflow.view.plain import TIMES


def duration(ms: float) -> str:
    """Return a duration in milliseconds as `<1 ms`, `12 ms`, `1.2 s`, `12 s`, `2 m 05 s` or `1 h 05 m`."""
    seconds = ms / 1000
    if not math.isfinite(seconds):
        return ""
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.095:
        return f"{round(ms)} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else elapsed(round(seconds))


def elapsed(seconds: float) -> str:
    """Return a duration that still grows, in whole seconds: `12 s`, `2 m 05 s` or `1 h 05 m`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def counted(number: int, thing: str) -> str:
    """Return a number with a noun in singular or plural: `1 node`, `3 nodes`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def second_line(node: Mapping[str, Any], now: float, *, times: bool = True) -> tuple[str, str]:
    """Return the second line of a node's card in two parts, the second for failed items; both may be empty.

    Args:
        node: The node's fields in the view protocol.
        now: The present, in seconds since the epoch.
        times: Include durations.
    """
    failed = f"{node['items']['failed']} failed" if node["items"] and node["items"]["failed"] else ""
    since = elapsed(now - node["since"]) if times and node["since"] is not None else ""
    took = duration(node["ms"]) if times and node["ms"] is not None else ""
    match node["status"]:
        case "pending":
            return (f"{node['inputs'][0]} of {node['inputs'][1]} in" if node["inputs"] else ""), ""
        case "running" if node["items"]:
            return f"{node['items']['done']}/{node['items']['total']}", failed
        case "running":
            return (since if node["progress"] is None else f"{int(node['progress'] * 100)} %"), ""
        case "waiting":
            return f"waiting {since}".strip(), ""
        case "retrying":
            left = f" in {max(0, math.ceil(node['since'] - now))} s" if since else ""
            return f"try {node['attempt']}{left}", ""
        case "completed":
            tried = f"try {node['attempt']}" if node["attempt"] > 1 else ""
            return " · ".join(filter(None, ("cached" if node["cached"] else took, tried))), failed
        case "failed":
            return node["error"] or "failed", ""
        case "cancelled":
            return (f"after {took}" if took else ""), ""
    return "not needed", ""


def standing(nodes: Mapping[str, Mapping[str, Any]]) -> Counter[str]:
    """Return the number of nodes with each status, from the nodes of a snapshot."""
    return Counter(node["status"] for node in nodes.values())


def badge(node: Mapping[str, Any]) -> str:
    """Return the number of a node's firings with a multiplication sign, or an empty text for at most one firing."""
    return f"{TIMES}{node['runs']}" if node["runs"] > 1 else ""


def spoken(name: str, kind: str, node: Mapping[str, Any], now: float, *, times: bool = True) -> str:
    """Return a node's accessible name for screen readers: its id, kind, status, second line and number of firings."""
    again = f"run {node['runs']} times" if node["runs"] > 1 else ""
    parts = [name, kind, str(node["status"]), *second_line(node, now, times=times), again]
    return ", ".join(part for part in parts if part)
