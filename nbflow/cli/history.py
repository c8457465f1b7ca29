"""`nbflow runs`: what runs there were.

Rule: the table is for people, the JSON for programs, and both tell of the same runs.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbflow.cli.options import AsJson, moment
from nbflow.cli.place import store_url
from nbflow.cli.results import as_line
from nbflow.cli.tables import show_table
from nbflow.cli.telling import errors_told
from nbflow.events import Status
from nbflow.session import current

if TYPE_CHECKING:
    from nbflow.store.rows import RunRow


def runs(
    graph: Annotated[str | None, typer.Option(help="Only runs of this graph.")] = None,
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
    nodes (how many completed), events, durability, error, origin, parent, parent_event, and owner (the process that
    has it now).
    """
    began = None if since is None else moment(since, now=time.time())
    with errors_told():
        store_url()
        found = current().runs(graph=graph, status=status, since=began, limit=limit)
        if as_json:
            typer.echo(as_line([_data(row) for row in found]), nl=False)
        else:
            show_table(found.table(), yielding="error")


def time_of(seconds: float | None) -> str | None:
    """Return a time (s since 1970) in ISO 8601, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _data(row: RunRow) -> dict[str, Any]:
    return {
        "run_id": row.id,
        "graph": row.graph,
        "version": row.version,
        "status": row.status,
        "started": time_of(row.started),
        "ended": time_of(row.ended),
        "execution_time": row.seconds,
        "nodes": row.nodes,
        "events": row.seq,
        "durability": row.durability,
        "error": _error(row),
        "origin": row.origin,
        "parent": row.parent,
        "parent_event": row.parent_seq,
        "owner": row.owner,
    }


def _error(row: RunRow) -> Any:
    """Return the error as it was kept: of a node, its type and message; of a cancelled run, the reason."""
    try:
        return None if row.error is None else json.loads(row.error)
    except ValueError:
        return row.error
