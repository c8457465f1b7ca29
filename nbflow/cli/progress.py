"""How a run goes, on a terminal: a table that changes in place; elsewhere: a line per event that matters.

Rule: both are drawn from the fold that the live view uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nbflow.cli.telling import tell, worded
from nbflow.events import Event, Kind
from nbflow.view import RunPicture
from nbflow.view.preview import value as value_preview
from nbflow.view.recorded import unfed
from nbflow.view.words import duration

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.engine.record import RunRecord

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


async def follow(run: Run, notices: Callable[[], list[str]]) -> None:
    """Show a run until its end, and what `notices` gives as it comes."""
    console = Console(stderr=True)
    if console.is_terminal:
        await _follow_live(run, console, notices)
    else:
        await _follow_plain(run, console, notices)
    await run.wait()


async def _follow_live(run: Run, console: Console, notices: Callable[[], list[str]]) -> None:
    view, seen = unfed(run), 0
    ending = asyncio.ensure_future(run.wait())
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            ended = run.result is not None
            for line in notices():
                live.console.print(Text(worded(line)), soft_wrap=True)
            view.apply(run.events[seen:])
            seen = len(run.events)
            live.update(_table(view.snapshot(run.started_at + run.execution_time), run.name), refresh=True)
            if ended:
                return
            await asyncio.wait([ending], timeout=1 / _PER_S)


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


async def _follow_plain(run: Run, console: Console, notices: Callable[[], list[str]]) -> None:
    # What it did in earlier sittings was shown then.
    seen = max((event.seq for event in run.events[:] if event.kind is Kind.EXECUTION_RESUMED), default=0)
    while True:
        ended = run.result is not None
        for line in notices():
            tell(line)
        for event in run.events[seen:]:
            seen = event.seq
            if text := _line(event):
                console.print(Text(text), soft_wrap=True)
        if ended and seen == len(run.events):
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


def show_result(run: RunRecord) -> None:
    """Print what a run came to: one line for it, and one for each key of its state."""
    console = Console()
    console.print(Text(repr(RunPicture(run))), soft_wrap=True)
    for key, value in run.state.items():
        told = value_preview(key, value)
        first = told["preview"].partition("\n")[0]
        size = f" ({told['size']})" if told["size"] else ""
        console.print(Text(f"  {key}: {first}{size}"), soft_wrap=True, no_wrap=True, overflow="ellipsis", crop=True)
