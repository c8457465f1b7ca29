"""How a run goes, on a terminal: a table that changes in place; elsewhere: a line per event that matters.

Rule: both are drawn from the fold that the live view uses.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nbflow.events import Event, Kind
from nbflow.view import RunView, summary
from nbflow.view.preview import value as value_preview
from nbflow.view.words import duration

if TYPE_CHECKING:
    from nbflow.engine import Run

_PER_S = 10
_MOST_ROWS = 30
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


async def follow(run: Run) -> None:
    """Show a run until its end."""
    console = Console(stderr=True)
    if console.is_terminal:
        await _follow_live(run, console)
    else:
        await _follow_plain(run, console)


async def _follow_live(run: Run, console: Console) -> None:
    view, seen = RunView(run.graph, subgraphs=run.subgraphs), 0
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            ended = run.result is not None
            view.apply(run.events[seen:])
            seen = len(run.events)
            live.update(_table(view.snapshot(run.started_at + run.execution_time), run.name), refresh=True)
            if ended:
                return
            await asyncio.wait([asyncio.ensure_future(run.wait())], timeout=1 / _PER_S)


def _table(snapshot: dict[str, Any], title: str) -> Table:
    nodes = snapshot["nodes"]
    names = list(nodes)
    if len(names) > _MOST_ROWS:
        rank = {status: place for place, status in enumerate(_FIRST)}
        names.sort(key=lambda name: rank.get(nodes[name]["status"], len(rank)))
    table = Table(title=Text(title), title_justify="left", box=None, show_header=False, pad_edge=False)
    for name in names[:_MOST_ROWS]:
        node = nodes[name]
        icon, style = _LOOK[node["status"]]
        table.add_row(Text(icon, style), Text(name), Text(node["status"], style), Text(_detail(node), "dim"))
    if len(names) > _MOST_ROWS:
        table.add_row("", Text(f"and {len(names) - _MOST_ROWS} more nodes", "dim"), "", "")
    return table


def _detail(node: dict[str, Any]) -> str:
    parts = []
    if node["items"]:
        parts.append(f"{node['items']['done']}/{node['items']['total']}")
    if node["progress"] is not None and node["status"] == "running":
        parts.append(f"{node['progress']:.0%}")
    if node["ms"] is not None:
        parts.append(duration(node["ms"]))
    if node["runs"] > 1:
        parts.append(f"×{node['runs']}")  # noqa: RUF001 - the sign that the view shows
    if node["error"]:
        parts.append(node["error"])
    return " · ".join(parts)


async def _follow_plain(run: Run, console: Console) -> None:
    seen = 0
    while True:
        ended = run.result is not None
        for event in run.events[seen:]:
            seen = event.seq
            if text := _line(event):
                console.print(Text(text), soft_wrap=True)
        if ended and seen == len(run.events):
            await run.wait()
            return
        changed = asyncio.Event()
        run.on_change(changed.set)
        await changed.wait()


def _line(event: Event) -> str:
    match event.kind:
        case Kind.NODE_COMPLETE:
            return f"✓ {event.node} completed in {duration(event.data['duration_ms'])}"
        case Kind.NODE_RETRY:
            return f"↻ {event.node} failed, try {event.data['attempt']} follows: {_told(event)}"
        case Kind.NODE_ERROR:
            return f"✗ {event.node} failed: {_told(event)}"
        case Kind.NODE_CANCELLED:
            return f"■ {event.node} cancelled"
        case Kind.NODE_OUTPUT:
            return "\n".join(f"  {event.node} | {text}" for text in event.data["text"].splitlines())
    return ""


def _told(event: Event) -> str:
    return f"{event.data['error']['type']}: {event.data['error']['message']}"


def show_result(run: Run) -> None:
    """Print what a run came to: one line for it, and one for each key of its state."""
    view = RunView(run.graph, subgraphs=run.subgraphs)
    view.apply(run.events)
    console = Console()
    console.print(Text(summary(view.snapshot(run.started_at + run.execution_time), run.name)), soft_wrap=True)
    for key, value in run.state.items():
        told = value_preview(key, value)
        first = told["preview"].partition("\n")[0]
        size = f" ({told['size']})" if told["size"] else ""
        console.print(Text(f"  {key}: {first}{size}"), soft_wrap=True, no_wrap=True, overflow="ellipsis", crop=True)
