"""A live table of node statuses for terminals, one row for each node.

The texts are those of the view. A row has a bar where the total is known: for the items of a map, and for the progress
that a tool reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from nbflow.view.text import badge, elapsed, second_line

MOST_ROWS = 30
BAR = 20
_LOOK = {
    "pending": ("○", "dim"),
    "running": ("◐", "blue"),
    "waiting": ("?", "yellow"),
    "retrying": ("↻", "magenta"),
    "completed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "cancelled": ("■", "dim"),
    "skipped": ("»", "dim"),
}
_FIRST = ("failed", "waiting", "retrying", "running")


def standing(snapshot: Mapping[str, Any], name: str, now: float, *, seconds: float | None) -> Table:
    """Return the table of a run.

    Args:
        snapshot: The snapshot of the view's fold.
        name: The name of the graph.
        now: Seconds since 1970.
        seconds: The time since the start of the run; None if it has ended.
    """
    nodes = snapshot["nodes"]
    names = list(nodes)
    if len(names) > MOST_ROWS:
        rank = {status: at for at, status in enumerate(_FIRST)}
        names.sort(key=lambda name: rank.get(nodes[name]["status"], len(rank)))
    shares = {name: share for name in names[:MOST_ROWS] if (share := _share(nodes[name])) is not None}
    table = Table(*_columns(bars=bool(shares)), box=None, show_header=False, pad_edge=False)
    table.title, table.title_justify = _title(name, seconds), "left"
    for name in names[:MOST_ROWS]:
        _add(table, name, nodes[name], now, shares)
    if len(names) > MOST_ROWS:
        table.add_row("", Text(f"and {len(names) - MOST_ROWS} more nodes", "dim"))
    return table


def _columns(*, bars: bool) -> list[Column]:
    # rich narrows only columns that may wrap: the last one, whose texts are cut at their ends instead.
    return [Column(no_wrap=True) for _ in range(4 if bars else 3)] + [Column()]


def _title(name: str, seconds: float | None) -> Text:
    title = Text(name, "bold not italic")
    return title if seconds is None else title.append(f"  {elapsed(seconds)}", "not bold dim")


def _add(table: Table, name: str, node: Mapping[str, Any], now: float, shares: Mapping[str, float]) -> None:
    icon, style = _LOOK[node["status"]]
    row: list[RenderableType] = [Text(icon, style), Text(name), Text(node["status"], style)]
    if shares:
        row.append(_bar(shares[name]) if name in shares else Text())
    table.add_row(*row, _detail(node, now))


def _share(node: Mapping[str, Any]) -> float | None:
    """Return the completed share of a running node, from 0 to 1; None if it is unknown."""
    if node["status"] != "running":
        return None
    items = node["items"]
    if items:
        return items["done"] / items["total"] if items["total"] else None
    return None if node["progress"] is None else float(node["progress"])


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=BAR, complete_style="blue", finished_style="blue")


def _detail(node: Mapping[str, Any], now: float) -> Text:
    items, running = node["items"], node["status"] == "running"
    first, failed = second_line(node, now)
    counted = f"{items['done']}/{items['total']}" if items and not running else ""
    message = node["text"] if running and node["text"] else ""
    words = " · ".join(filter(None, (counted, first, badge(node), message)))
    told = Text(words, "dim", no_wrap=True, overflow="ellipsis")
    return told.append(f"{' · ' if told else ''}{failed}", "red not dim") if failed else told
