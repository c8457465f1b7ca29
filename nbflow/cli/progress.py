"""How a run goes, on a terminal: a table that changes in place; elsewhere: a line per event that matters.

Rule: both are drawn from the fold that the live view uses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from nbflow.cli.standing import standing
from nbflow.cli.streams import Terminal
from nbflow.cli.telling import tell, worded
from nbflow.events import Event, Kind
from nbflow.view import RunPicture
from nbflow.view.recorded_run import unfed
from nbflow.view.text import duration
from nbflow.view.values.preview import value as value_preview

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.engine.record import RunRecord

_PER_S = 10


async def follow(run: Run, notices: Callable[[], list[str]]) -> None:
    """Show a run until its end, and what `notices` gives as it comes."""
    console = Terminal(stderr=True)
    if console.is_terminal:
        await _follow_live(run, console, notices)
    else:
        await _follow_plain(run, console, notices)
    await run.wait()


async def _follow_live(run: Run, console: Terminal, notices: Callable[[], list[str]]) -> None:
    view, seen = unfed(run), 0
    ending = asyncio.ensure_future(run.wait())
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            ended = run.result is not None
            for line in notices():
                live.console.print(Text(worded(line)), soft_wrap=True)
            view.apply(run.events[seen:])
            seen = len(run.events)
            told = view.snapshot(run.started_at + run.execution_time)
            seconds = None if ended else run.execution_time
            live.update(standing(told, run.name, time.time(), seconds=seconds), refresh=True)
            if ended:
                return
            await asyncio.wait([ending], timeout=1 / _PER_S)


async def _follow_plain(run: Run, console: Terminal, notices: Callable[[], list[str]]) -> None:
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
    console = Terminal()
    console.print(Text(repr(RunPicture(run))), soft_wrap=True)
    for key, value in run.state.items():
        told = value_preview(key, value)
        first = told["preview"].partition("\n")[0]
        size = f" ({told['size']})" if told["size"] else ""
        console.print(Text(f"  {key}: {first}{size}"), soft_wrap=True, no_wrap=True, overflow="ellipsis", crop=True)
