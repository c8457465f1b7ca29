"""`nbflow runs`: what runs there were.

Rule: the table is for people, the JSON for programs, and both tell of the same runs.
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from nbflow.cli.completing import stored_graph
from nbflow.cli.options import AsJson, moment
from nbflow.cli.place import store_url
from nbflow.cli.results import as_line
from nbflow.cli.tables import show_table
from nbflow.cli.telling import errors_told, tell
from nbflow.events import Status
from nbflow.session import current
from nbflow.session.serialization import row_data
from nbflow.view.text import counted


def runs(
    graph: Annotated[str | None, typer.Option(help="Only runs of this graph.", autocompletion=stored_graph)] = None,
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="SPAN|DATE", help="Only runs begun since: 3h, 2d, 2026-01-31.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at the most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the runs that are kept, newest first.

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
