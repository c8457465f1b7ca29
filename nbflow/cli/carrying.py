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
    from nbflow.session import Session

Begin = Callable[[], Awaitable["Run"]]


def carry(begin: Begin, show: Callable[[Run], None], session: Session) -> None:
    """Begin a run, follow it to its end and show what it came to.

    Args:
        begin: Starts the run; called on the loop.
        show: Prints the result.
        session: The session of the run. Its notices are shown as they come, and a run that did not complete and that
            its store has can be resumed later.

    Raises:
        NbflowError: What ended the run.
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
    except OSError:
        run.cancel("as what it prints cannot be written")
        await run.wait()
        raise
    for line in session.take_notices():
        tell(line)
    show(run)
    if run.status is not Status.COMPLETED and session.outlives(run):
        tell(f"to go on with it: {_command(run.id, session.history.folder)}")
    await run


def _command(run_id: str, folder: Path | None) -> str:
    """Return what resumes a run that is kept in a folder."""
    here = Path.cwd()
    away = folder is not None and folder.resolve() != here
    return f"{f'cd {shlex.quote(os.path.relpath(folder or here))} && ' if away else ''}nbflow resume {run_id}"
