"""`nbflow runs` and `nbflow cancel`: the runs in the store, and the end of one in any process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from nbflow.cli.completion import living_run, stored_graph
from nbflow.cli.errors import INTERRUPTED, errors_told, fail, tell
from nbflow.cli.options import AsJson, moment
from nbflow.cli.output import Terminal, as_line, show_table
from nbflow.cli.store_location import opened, store_url
from nbflow.errors import NbflowError, RunStateError
from nbflow.events import Status
from nbflow.session import current
from nbflow.session.serialization import row_data
from nbflow.view.text import counted

if TYPE_CHECKING:
    from nbflow.store import Store
    from nbflow.store.rows import RunRow

REASON = "by nbflow cancel"
WAIT_S = 30.0
LOOK_S = 0.1


def runs(
    graph: Annotated[str | None, typer.Option(help="Only runs of this graph.", autocompletion=stored_graph)] = None,
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="SPAN|DATE", help="Only runs started since: 3h, 2d, 2026-01-31.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at the most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the stored runs, newest first.

    Example: nbflow runs --status failed --since 2d

    With --json one array: of each run its run_id, graph, version, status, started, ended, execution_time (seconds),
    nodes (how many completed), events, durability, error, origin, parent, parent_event, owner (the process that has
    it now), and notebook (the file of the notebook that it was started or last resumed in).
    """
    began = None if since is None else moment(since, now=time.time())
    with errors_told():
        store_url()
        found = current().runs(graph=graph, status=status, since=began, limit=limit)
        if as_json:
            typer.echo(as_line([row_data(row) for row in found]), nl=False)
        else:
            show_table(found.table(), yielding="error")
        if found.is_cut:
            tell(f"{counted(len(found), 'run')} listed, the newest; there are more: --limit N")


def cancel(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Its id or the beginning of it.", show_default=False, autocompletion=living_run
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Stop a run in any process: a notebook, a terminal, a server, here or on another machine.

    The store is .nbflow in the working directory, or the database of NBFLOW_DATABASE_URL. The run's process polls it
    every two seconds; the command waits until the run has ended, for 30 seconds at most. A run whose process died is
    ended at once, and no server resumes it. nbflow resume does, as it does for any stopped run.

    With --json one object, as of nbflow runs.

    Example: nbflow cancel 4f2a
    """
    with errors_told(), opened() as store:
        row = _ended(store, run)
        if row.status != Status.CANCELLED:
            raise RunStateError(f"run {row.id} is {row.status}: it ended before it was stopped")
        if as_json:
            typer.echo(as_line(row_data(row)), nl=False)
        else:
            typer.echo(f"run {row.id} of {row.graph} is {row.status}")


def _ended(store: Store, run_id: str) -> RunRow:
    from nbflow.store import cancellation

    row = cancellation.end(store, run_id, REASON)
    deadline = time.monotonic() + WAIT_S
    with _waiting(row):
        while row.ended is None:
            if time.monotonic() > deadline:
                raise NbflowError(
                    f"run {row.id} was not ended by {row.owner} in {WAIT_S:g} s; it ends when that process gets to it, "
                    "or by nbflow cancel once the process is gone"
                )
            time.sleep(LOOK_S)
            row = store.head(row.id).result().row
            if row.ended is None and row.owner is None:  # its process died before it heard of it
                row = cancellation.end(store, row.id, REASON)
    return row


@contextmanager
def _waiting(row: RunRow) -> Iterator[None]:
    """Show on a terminal what is waited for."""
    console = Terminal(stderr=True)
    if row.ended is not None or not console.is_terminal:
        yield
        return
    try:
        with console.status(Text(f"{row.owner} is to end run {row.id} of {row.graph}"), spinner="dots"):
            yield
    except KeyboardInterrupt:
        fail(f"run {row.id} is asked for, and was not waited for", INTERRUPTED)
