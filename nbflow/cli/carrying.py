"""A live run from its start to its result: followed, interrupted by Ctrl-C, told.

Rule: a first Ctrl-C cancels the run and waits until that is stored; a second one does not wait.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nbflow.cli.progress import follow
from nbflow.cli.telling import tell
from nbflow.engine import capture
from nbflow.events import Status

if TYPE_CHECKING:
    from nbflow.engine import Run
    from nbflow.store.history import History

Begin = Callable[[], Awaitable["Run"]]


def carry(begin: Begin, show: Callable[[Run], None], history: History, *, kept: bool) -> None:
    """Begin a run, follow it to its end and show what it came to.

    Args:
        begin: Starts the run; called on the loop.
        show: Prints the result.
        history: The session's, whose notices are told as they come.
        kept: Whether it is in the store, so that one that did not complete can go on later.

    Raises:
        NbflowError: What ended the run.
    """
    asyncio.run(_carry(begin, show, history, kept=kept))


async def _carry(begin: Begin, show: Callable[[Run], None], history: History, *, kept: bool) -> None:
    capture.install()
    run = await begin()
    following = asyncio.ensure_future(follow(run, history.take_notices))
    try:
        await asyncio.shield(following)
    except asyncio.CancelledError:
        run.cancel("by Ctrl-C")
        await following
    for line in history.take_notices():
        tell(line)
    show(run)
    if kept and run.status is not Status.COMPLETED:
        tell(f"to go on with it: {_command(run.id, history.folder)}")
    await run


def _command(run_id: str, folder: Path | None) -> str:
    """Return what resumes a run that is kept in a folder."""
    here = Path.cwd()
    away = folder is not None and folder.resolve() != here
    return f"{f'cd {shlex.quote(os.path.relpath(folder or here))} && ' if away else ''}nbflow resume {run_id}"
