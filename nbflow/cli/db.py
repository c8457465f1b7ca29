"""`nbflow db`: the size, the version and the contents of the store, and the deletion of old runs.

Invariant: only runs that the options select are deleted; `--dry-run` reports them.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nbflow.cli.errors import errors_told
from nbflow.cli.options import AsJson, span
from nbflow.cli.output import as_line, show_table
from nbflow.cli.store_location import opened, store_url
from nbflow.session.serialization import time_of
from nbflow.tables import Table
from nbflow.view.text import counted

db = typer.Typer(
    name="db", help="Look after the store of runs.", no_args_is_help=True, add_completion=False,
    rich_markup_mode="markdown", pretty_exceptions_enable=False,
)  # fmt: skip


@db.command()
def info(as_json: AsJson = False) -> None:
    """Show the location, the size, the version and the contents of the store.

    Example: nbflow db info --json
    """
    with errors_told(), opened() as store:
        found = store.info().result()
        times = {"oldest": time_of(found.oldest), "newest": time_of(found.newest)}
        if as_json:
            data = {"place": found.place, "size": found.size, "version": found.schema, "rows": found.rows}
            typer.echo(as_line(data | times), nl=False)
            return
        started = [(f"{name} run", time or "none") for name, time in times.items()]
        rows = [(name, counted(number, "row")) for name, number in found.rows.items()]
        size = _bytes(found.size)
        table = Table(("store", found.place), [("size", size), ("version", found.schema), *started, *rows])
        show_table(table, yielding=found.place)


@db.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the store to the version of this nbflow; every use of it does so too.

    Example: nbflow db upgrade
    """
    from nbflow.store.migrations import version_of

    with errors_told():
        before = version_of(store_url(), Path.cwd())
        with opened() as store:
            found = store.info().result()
        if as_json:
            typer.echo(as_line({"place": found.place, "from": before, "to": found.schema}), nl=False)
        elif before == found.schema:
            typer.echo(f"{found.place} has version {before}, the newest")
        else:
            way = "was empty and brought" if before is None else f"was brought from version {before}"
            typer.echo(f"{found.place} {way} to version {found.schema}")


@db.command()
def prune(
    keep_last: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Keep the newest N runs.", show_default=False)
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Delete only runs that started longer ago: 30d, 12h, 90m.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report the runs that would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old runs with their logs, and values that nothing names any longer.

    With both options, the runs are deleted that are old enough and not among the newest. A run of a live process stays.

    Example: nbflow db prune --keep-last 100 --older-than 30d --dry-run
    """
    if keep_last is None and older_than is None:
        raise typer.BadParameter("choose the runs to delete: --keep-last N, --older-than SPAN, or both")
    age = None if older_than is None else span(older_than, "--older-than")
    with errors_told(), opened() as store:
        gone = store.prune(keep_last=keep_last, older_than=age, dry_run=dry_run).result()
    if as_json:
        typer.echo(as_line(asdict(gone) | {"dry_run": dry_run}), nl=False)
        return
    what = f"{counted(gone.runs, 'run')}, {counted(gone.rows, 'row')} of logs and {counted(gone.values, 'value')}"
    typer.echo(f"{what} ({_bytes(gone.bytes)}) {'would go' if dry_run else 'deleted'}")


def _bytes(size: int) -> str:
    number, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
