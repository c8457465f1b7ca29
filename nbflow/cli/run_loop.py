"""Start a run, follow it on the terminal, cancel it on Ctrl-C, and show its result.

A terminal shows a table of the nodes, updated in place, which is drawn from the fold of the live view. Other outputs
get one line for each node that completes, fails, is retried or is cancelled, and the text that tools print.

The first Ctrl-C cancels the run and waits until the cancellation is stored; the second one does not wait.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.live import Live
from rich.text import Text

from nbflow.cli.errors import tell, worded
from nbflow.cli.output import Terminal
from nbflow.cli.status_table import standing
from nbflow.engine import capture
from nbflow.events import Event, Kind, Status
from nbflow.view.recorded_run import empty_view
from nbflow.view.text import duration

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.session import Session

Begin = Callable[[], Awaitable["Run"]]


def carry(begin: Begin, show: Callable[[Run], None], session: Session) -> None:
    """Start a run, follow it to its end, and show its result.

    Args:
        begin: Starts the run; called on the event loop.
        show: Prints the result.
        session: The session of the run. Its notices are printed when they arrive. If the run does not complete and its
            events are stored, the command that resumes it is printed too.

    Raises:
        NbflowError: The error that ended the run.
    """
    asyncio.run(_carry(begin, show, session))


async def _carry(begin: Begin, show: Callable[[Run], None], session: Session) -> None:
    capture.install()
    run = await begin()
    following = asyncio.ensure_future(follow(run, session.take_notices))
    try:
        await asyncio.shield(following)
    except asyncio.CancelledError:
        run.cancel("by Ctrl-C")
        await following
    except OSError as error:
        run.cancel("as what it prints cannot be written")
        await run.wait()
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(1) from None  # the pipe is closed, so no message can be printed
        raise
    for line in session.take_notices():
        tell(line)
    show(run)
    if run.status is not Status.COMPLETED and session.is_resumable(run):
        tell(f"to resume it: {_command(run.id, session.history.folder)}")
    await run


def _command(run_id: str, folder: Path | None) -> str:
    """Return the command that resumes a run in the store of a folder."""
    here = Path.cwd()
    away = folder is not None and folder.resolve() != here
    return f"{f'cd {shlex.quote(os.path.relpath(folder or here))} && ' if away else ''}nbflow resume {run_id}"


_PER_S = 10


async def follow(run: Run, notices: Callable[[], list[str]]) -> None:
    """Show a run until its end, with the notices that arrive."""
    console = Terminal(stderr=True)
    if console.is_terminal:
        await _follow_live(run, console, notices)
    else:
        await _follow_plain(run, console, notices)
    await run.wait()


async def _follow_live(run: Run, console: Terminal, notices: Callable[[], list[str]]) -> None:
    view, seen = empty_view(run), 0
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
    # The earlier incarnations of the run have shown their own events.
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
