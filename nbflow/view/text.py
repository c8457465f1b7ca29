"""Text for display: cleaning and shortening texts of users, durations and counts, and the summary of a run.

Invariant: the short texts are those of the live page (`js/format.js`); a part without a value is left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

# Clean and shorten text of users for display: valid in XML and JSON, on one line if required, bounded in length.
#
# Invariant: nothing is escaped here, since XML and JSON are written by libraries that escape.

TIMES = "\u00d7"  # the sign for `times`

# What XML 1.0 (section 2.2) excludes from `Char`, such as lone surrogates, and the controls that it discourages.
_FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Controls that change the reading direction of the text after them (Unicode Standard Annex #9).
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def allowed(text: str) -> str:
    """Return the text with every character that XML forbids replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def clean(text: object) -> str:
    """Return the text for display: characters that XML forbids and direction controls become U+FFFD, line ends LF."""
    return _TURNING.sub("\ufffd", allowed(str(text).replace("\r\n", "\n").replace("\r", "\n")))


def line(text: object, most: int = 200) -> str:
    """Return the text on one line of at most `most` characters; a longer text ends with an ellipsis."""
    flat = " ".join(clean(str(text)[: 4 * most]).split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def middle(text: object, most: int = 22) -> str:
    """Return the text on one line; one of more than `most` characters has an ellipsis in the middle."""
    flat = " ".join(clean(text).split())
    if len(flat) <= most:
        return flat
    head = most // 2
    return f"{flat[:head]}…{flat[len(flat) - (most - head - 1) :]}"


# -- the summary of a run ----------------------------------------------------------------------------------------------


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


# Summarise a run in one line of plain text, for terminals, logs and front ends that show no pictures.
#
# Invariant: with `deterministic` the line has no ids, times or anything else that differs between equal runs.

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
